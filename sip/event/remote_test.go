package event

import (
	"testing"
	"time"

	"rollcall/sip/wire"
)

// abroad has a rig whose watchers are of other domains.
func abroad(t *testing.T, test func(t *testing.T, r *rig, hangUp func())) {
	var sender *fakeSender
	cfg := Config{
		Pacing:  Off,
		Remote:  func(string) bool { return true },
		Forward: func(out wire.Outgoing, _ wire.Hop, done func(wire.Result)) { sender.Do(out, done) },
	}
	inBubble(t, cfg, func(t *testing.T, r *rig) {
		sender = r.sender
		flow, hangUp := wire.NewConnection(1, "TCP", local, remote, func([]byte) error { return nil })
		r.subscribe(sub{flow: flow})
		r.notify()
		r.sender.answer(0)
		test(t, r, hangUp)
	})
}

// The server of a watcher starts again: what it missed is told soon, and at once
// when something new happens.
func TestRemoteRestart(t *testing.T) {
	t.Run("over the next connection at once", func(t *testing.T) {
		abroad(t, func(t *testing.T, r *rig, hangUp func()) {
			r.set(text("lost"))
			m := r.notify()
			hangUp()
			m.done(wire.Result{Err: wire.ErrFlowClosed})
			if got := string(r.notify().out.Body); got != "lost" {
				t.Errorf("body %q", got)
			}
		})
	})
	t.Run("until it is there", func(t *testing.T) {
		abroad(t, func(t *testing.T, r *rig, hangUp func()) {
			hangUp()
			r.set(text("lost"))
			r.notify().done(wire.Result{Err: wire.ErrFlowClosed})
			wait := 2 * remoteRetry
			for range 3 {
				r.notify().done(wire.Result{Err: wire.ErrFlowClosed})
				r.nothing()
				time.Sleep(wait + time.Second)
				wait *= 2
			}
			if got := string(r.notify().out.Body); got != "lost" {
				t.Errorf("body %q", got)
			}
		})
	})
	t.Run("news while the attempt lasts", func(t *testing.T) {
		abroad(t, func(t *testing.T, r *rig, hangUp func()) {
			hangUp()
			r.set(text("lost"))
			r.notify().done(wire.Result{Err: wire.ErrFlowClosed})
			m := r.notify()
			r.set(text("found"))
			m.done(wire.Result{Err: wire.ErrUnreachable})
			if got := string(r.notify().out.Body); got != "found" {
				t.Errorf("body %q", got)
			}
		})
	})
	t.Run("Retry-After counts", func(t *testing.T) {
		abroad(t, func(t *testing.T, r *rig, _ func()) {
			r.set(text("lost"))
			m := r.notify()
			r.set(text("found"))
			m.done(wire.Result{Status: 503, RetryAfter: time.Minute})
			time.Sleep(59 * time.Second)
			r.nothing()
			time.Sleep(2 * time.Second)
			if got := string(r.notify().out.Body); got != "found" {
				t.Errorf("body %q", got)
			}
		})
	})
}
