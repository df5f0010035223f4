package policy

import (
	"fmt"
	"testing"

	"rollcall/internal/store"
)

// benchmarkEngine is Blink's rules with 2,000 granted contacts.
func benchmarkEngine() (*Engine, *documents) {
	members := make([]string, 2000)
	for i := range members {
		members[i] = fmt.Sprintf("u%d%%40example.com", i)
	}
	d := &documents{bodies: map[store.DocumentKey]string{
		omaKey: rulesetOf(ruleOf(external("l"), "allow", ""), ruleOf(external("b"), "polite-block", ""), ruleOf(other, "confirm", ""),
			ruleOf(anonymous, "block", ""), ruleOf(one(alice), "allow", "")),
		listsKey: resourceLists(map[string][]string{"l": members, "b": {cy}}),
	}}
	return engine(d, Options{}), d
}

func BenchmarkDecide(b *testing.B) {
	e, _ := benchmarkEngine()
	for name, watcher := range map[string]string{"listed": "sip:u1000@example.com", "unlisted": bo} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := e.Decide(b.Context(), Request{Presentity: alice, Watcher: watcher, Now: noon}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkCompile(b *testing.B) {
	e, _ := benchmarkEngine()
	b.ReportAllocs()
	for b.Loop() {
		e.DocumentChanged(listsKey)
		if _, err := e.Decide(b.Context(), Request{Presentity: alice, Watcher: bo, Now: noon}); err != nil {
			b.Fatal(err)
		}
	}
}
