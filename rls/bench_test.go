package rls

import (
	"bytes"
	"fmt"
	"runtime"
	"strconv"
	"testing"
	"time"

	"rollcall/internal/bus"
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
	r.lists.cfg.Resolver.MaxEntries = n
	r.putServices(`<list>` + entries(members...) + `</list>`)
	w := r.lists.Wrap(plainPackage{}, Presentities(fake))
	source, err := w.Open(b.Context(), &event.Subscription{ID: "00bench", Event: "presence", Resource: theirs, Watcher: amy, Supported: []string{"eventlist"}})
	if err != nil {
		b.Fatal(err)
	}
	l := source.(*list)
	for _, more := l.View(true); more; _, more = l.View(false) {
		// what does not fit into one follows in others
	}
	return l, fake
}

// sizes of lists that have to be fast, or at least to work.
var sizes = []int{100, 1000, 5000}

// A list is opened with the presence service and policy behind it, told, and closed.
func BenchmarkSubscribe(b *testing.B) {
	for _, n := range sizes {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			st := memory.New()
			users := []store.User{{AOR: amy}}
			members := make([]string, n)
			for i := range members {
				members[i] = fmt.Sprintf("sip:user%d@example.test", i)
				users = append(users, store.User{AOR: members[i]})
			}
			if err := st.AddUsers(b.Context(), users, false); err != nil {
				b.Fatal(err)
			}
			r := newRig(b, options{st: st, real: true})
			b.Cleanup(r.close)
			r.lists.cfg.Resolver.MaxEntries = n
			for _, m := range members {
				r.putPresence(m, "at work")
				r.putRules(m, ruleFor("amy", amy, "allow", ""))
			}
			r.putServices(`<list>` + entries(members...) + `</list>`)
			w := r.lists.Wrap(plainPackage{}, Presentities(r.real))
			sub := &event.Subscription{ID: "00bench", Event: "presence", Resource: theirs, Watcher: amy, Supported: []string{"eventlist"}, Expires: time.Now().Add(time.Hour)}
			b.ReportAllocs()
			for b.Loop() {
				source, err := w.Open(b.Context(), sub)
				if err != nil {
					b.Fatal(err)
				}
				for v, more := source.View(true); more; v, more = source.View(false) {
					if len(v.Body) == 0 {
						b.Fatal("no body")
					}
				}
				source.Ended("timeout", new(store.Batch))
			}
		})
	}
}

func BenchmarkChange(b *testing.B) {
	for _, n := range sizes {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			l, fake := benchmarkList(b, n)
			const who = "sip:user7@example.test"
			views := [2]presence.View{fake.views[who], active("<presence>changed</presence>")}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				i++
				fake.views[who] = views[i%2]
				l.note(l.members[who])
				if _, ok := l.View(false); !ok {
					b.Fatal("nothing to tell")
				}
			}
		})
	}
}

func BenchmarkFull(b *testing.B) {
	for _, n := range sizes[:2] {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			l, _ := benchmarkList(b, n)
			b.ReportAllocs()
			for b.Loop() {
				l.View(true)
			}
		})
	}
}

// One entry is added to a document of many and taken away again.
func BenchmarkEdit(b *testing.B) {
	for _, n := range sizes {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			l, _ := benchmarkList(b, n)
			key := serviceDocument(amy)
			before, err := l.svc.cfg.Documents.Document(b.Context(), key)
			if err != nil {
				b.Fatal(err)
			}
			less := bytes.Replace(before.Body, []byte(`<rl:entry uri="sip:user7@example.test"></rl:entry>`), nil, 1)
			bodies := [2][]byte{before.Body, less}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				i++
				etag := before.ETag
				before.ETag, before.Body = strconv.Itoa(i), bodies[i%2]
				if err := l.svc.cfg.Documents.(*memory.Store).PutDocument(b.Context(), before, etag, []string{theirs}); err != nil {
					b.Fatal(err)
				}
				l.svc.DocumentChanged(bus.DocumentChanged{Key: key})
				if v, ok := l.View(false); !ok || len(v.Body) > 2000 {
					b.Fatalf("%d bytes", len(v.Body))
				}
			}
		})
	}
}

// How much memory one more list of 100 takes, besides what members remember of
// their watchers.
func BenchmarkMemory(b *testing.B) {
	l, _ := benchmarkList(b, 100)
	const lists = 200
	opened := make([]event.Source, lists)
	var before, after runtime.MemStats
	for b.Loop() {
		clear(opened)
		runtime.GC()
		runtime.ReadMemStats(&before)
		for i := range opened {
			sub := &event.Subscription{ID: fmt.Sprintf("00bench%d", i), Event: "presence", Resource: theirs, Watcher: amy, Supported: []string{"eventlist"}, Fetch: true}
			source, err := l.pkg.Open(b.Context(), sub)
			if err != nil {
				b.Fatal(err)
			}
			source.View(true)
			opened[i] = source
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		for _, source := range opened {
			source.Ended("timeout", new(store.Batch))
		}
	}
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/lists, "B/list")
}
