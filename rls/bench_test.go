package rls

import (
	"fmt"
	"testing"

	"rollcall/internal/store"
	"rollcall/internal/store/memory"
	"rollcall/sip/event"
	"rollcall/sip/presence"
)

// benchmarkList is an open list of n members.
func benchmarkList(b *testing.B, n int) (*list, *fakePresence) {
	b.Helper()
	st := memory.New()
	if err := st.AddUsers(b.Context(), []store.User{{AOR: amy}}, false); err != nil {
		b.Fatal(err)
	}
	fake := &fakePresence{views: make(map[string]presence.View), watches: make(map[string]presence.Watch)}
	r := newRig(b, options{st: st, fake: fake})
	b.Cleanup(r.close)
	members := make([]string, n)
	for i := range members {
		members[i] = fmt.Sprintf("sip:user%d@example.test", i)
		fake.views[members[i]] = active(fmt.Sprintf("<presence n='%d'>%500s</presence>", i, ""))
	}
	r.putServices(`<list>` + entries(members...) + `</list>`)
	w := r.lists.Wrap(plainPackage{}, Presentities(fake))
	source, err := w.Open(b.Context(), &event.Subscription{ID: "00bench", Event: "presence", Resource: theirs, Watcher: amy, Supported: []string{"eventlist"}})
	if err != nil {
		b.Fatal(err)
	}
	l := source.(*list)
	l.View(true)
	return l, fake
}

func BenchmarkChange(b *testing.B) {
	l, fake := benchmarkList(b, 200)
	views := [2]presence.View{fake.views["sip:user7@example.test"], active("<presence>changed</presence>")}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i++
		fake.views["sip:user7@example.test"] = views[i%2]
		l.note(l.members["sip:user7@example.test"])
		if _, ok := l.View(false); !ok {
			b.Fatal("nothing to tell")
		}
	}
}

func BenchmarkFull(b *testing.B) {
	l, _ := benchmarkList(b, 200)
	b.ReportAllocs()
	for b.Loop() {
		l.View(true)
	}
}
