package event

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/sip/wire"
)

// inspect asks for the one subscription there is.
func (r *rig) inspect() Inspection {
	r.t.Helper()
	synctest.Wait()
	s := r.pkg.opened[0]
	list, err := r.n.Inspect(context.Background(), "presence", s.Resource, s.Watcher)
	if err != nil || len(list) != 1 {
		r.t.Fatalf("%+v, %v", list, err)
	}
	again, err := r.n.InspectID(context.Background(), s.ID)
	if err != nil || len(again) != 1 || again[0].ID != list[0].ID {
		r.t.Fatalf("by its ID %+v, %v", again, err)
	}
	return list[0]
}

func TestInspect(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, r *rig) {
		r.establish(sub{})
		first := r.inspect()
		if last := first.Last; !last.Answered || last.Status != 200 || last.Failure != "" || !last.Sent.Equal(time.Now()) || first.State != Active {
			t.Errorf("%+v", first)
		}
		r.sender.auto = 0
		time.Sleep(time.Second)
		r.set(text("2"))
		second := r.notify()
		if in := r.inspect(); !in.InFlight || in.Last.Answered || in.Last.CSeq != first.Last.CSeq+1 || in.Last.CSeq != second.out.CSeq {
			t.Errorf("waiting for an answer: %+v", in)
		}
		second.done(wire.Result{Status: 500})
		if in := r.inspect(); in.InFlight || !in.Due || in.Last.Status != 500 || in.Last.Failure != "answer" {
			t.Errorf("failed: %+v", in)
		}
		for _, watcher := range []string{"sip:nobody@example.test", ""} {
			if list, err := r.n.Inspect(context.Background(), "presence", r.pkg.opened[0].Resource, watcher); err != nil || len(list) != 0 {
				t.Errorf("of %q: %+v, %v", watcher, list, err)
			}
		}
		if list, err := r.n.InspectID(context.Background(), "no tag"); err != nil || len(list) != 0 {
			t.Errorf("%+v, %v", list, err)
		}
	})
}

// Nobody waits for a shard longer than asked to.
func TestInspectGivesUp(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, r *rig) {
		r.establish(sub{})
		s := r.pkg.opened[0]
		busy := make(chan struct{})
		r.n.cfg.Pool.Post(s.Shard, func() { <-busy })
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if _, err := r.n.Inspect(ctx, "presence", s.Resource, s.Watcher); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		close(busy)
	})
}
