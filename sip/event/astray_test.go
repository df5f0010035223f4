package event

import (
	"sync/atomic"
	"testing"
	"time"

	"rollcall/sip/wire"
)

// RFC 5626 §7: a device is reached over the connection that it has registered over
// when the one of its SUBSCRIBE is gone, at once if something waits for it.
func TestAstray(t *testing.T) {
	const instance = "urn:uuid:00000000-0000-1000-8000-00000000000A"
	for _, tc := range []struct {
		name, contact, registers string
		follows                  bool
	}{
		{"instance", `<sip:bob@192.0.2.9:5062>;+sip.instance="<` + instance + `>"`, instance, true},
		{"public GRUU", "<" + bob + ";gr=" + instance + ">", instance, true},
		{"case of the URN", "<" + bob + ";gr=urn:uuid:00000000-0000-1000-8000-00000000000a>", instance, true},
		{"another device", "<" + bob + ";gr=" + instance + ">", "urn:uuid:2", false},
		{"no instance", "<sip:bob@192.0.2.9:5062>", instance, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var now atomic.Pointer[wire.Flow]
			cfg := Config{Pacing: Off, Reach: func(user string, is func(string) bool) *wire.Flow {
				if user != bob || !is(tc.registers) {
					return nil
				}
				return now.Load()
			}}
			inBubble(t, cfg, func(t *testing.T, r *rig) {
				first, hangUp := wire.NewConnection(1, "TCP", local, remote, func([]byte) error { return nil })
				r.subscribe(sub{contact: tc.contact, flow: first})
				r.notify()
				hangUp()
				r.set(text("missed"))
				r.nothing()
				s := r.pkg.opened[0]
				if rm := &r.n.rooms[s.Shard]; rm.waiting.Load() != 1 {
					t.Errorf("%d wait", rm.waiting.Load())
				}
				second, hangUpToo := wire.NewConnection(2, "TCP", local, remote, func([]byte) error { return nil })
				now.Store(second)
				r.n.Registered(amy)
				r.nothing()
				r.n.Registered(bob)
				if !tc.follows {
					r.nothing()
					return
				}
				if m := r.notify(); string(m.out.Body) != "missed" || m.out.Flow != second {
					t.Errorf("got %s", describe([]message{m}))
				}
				// Registered meanwhile: the next news finds it.
				hangUpToo()
				third, _ := wire.NewConnection(3, "TCP", local, remote, func([]byte) error { return nil })
				now.Store(third)
				r.set(text("next"))
				if m := r.notify(); m.out.Flow != third {
					t.Error("not over the newest connection")
				}
				// The connection is there and nobody at its end.
				r.sender.answer(0)
				r.set(text("lost"))
				lost := r.notify()
				fourth, _ := wire.NewConnection(4, "TCP", local, remote, func([]byte) error { return nil })
				now.Store(fourth)
				lost.done(wire.Result{Err: wire.ErrTimeout})
				if m := r.notify(); string(m.out.Body) != "lost" || m.out.Flow != fourth {
					t.Errorf("got %s", describe([]message{m}))
				}
				time.Sleep(2 * time.Hour)
				if rm := &r.n.rooms[s.Shard]; rm.waiting.Load() != 0 || len(rm.astray) != 0 {
					t.Errorf("%d wait after the end", rm.waiting.Load())
				}
			})
		})
	}
}
