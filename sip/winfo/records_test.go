package winfo

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"rollcall/internal/shard"
	"rollcall/internal/store"
	"rollcall/internal/store/memory"
	"rollcall/internal/wheel"
	"rollcall/sip/event"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	bo = "sip:bo@example.test"
	cy = "sip:cy@example.test"
)

// hall is records of an event package "lamp", with rules by watcher.
type hall struct {
	t     *testing.T
	store *memory.Store
	pool  *shard.Pool
	wheel *wheel.Wheel
	r     *Records

	mu    sync.Mutex
	rules map[string]event.State // the zero value is pending
	until time.Time
	told  map[string]int
}

func newHall(t *testing.T, st *memory.Store, waiting int) *hall {
	h := &hall{
		t: t, store: st, wheel: wheel.New(50 * time.Millisecond),
		pool:  shard.New(100, func(v any) { t.Errorf("panic: %v", v) }),
		rules: map[string]event.State{}, told: map[string]int{},
	}
	h.r = NewRecords("lamp", RecordsConfig{
		Store: st, Pool: h.pool, Wheel: h.wheel,
		Limits: Limits{Live: 10, Waiting: waiting, GiveUp: 72 * time.Hour},
		Shown: func(_ context.Context, _, watcher string) (event.State, time.Time) {
			return h.stands(watcher), h.next()
		},
		Changed: func(event, _ string) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.told[event]++
		},
	})
	return h
}

func (h *hall) stands(watcher string) event.State {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.rules[watcher]
}

func (h *hall) next() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.until
}

// rule says how a watcher stands from now on, until a time if that is not zero.
func (h *hall) rule(who string, s event.State, until time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.rules[who], h.until = s, until
}

// news is how often a package was said to have news since the last call.
func (h *hall) news(event string) int {
	synctest.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	n := h.told[event]
	delete(h.told, event)
	return n
}

func (h *hall) close() {
	h.wheel.Stop()
	if err := h.pool.Stop(context.Background()); err != nil {
		h.t.Error(err)
	}
}

func inHall(t *testing.T, waiting int, test func(h *hall)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := newHall(t, memory.New(), waiting)
		defer func() { h.close() }()
		test(h)
	})
}

// on runs fn on the shard of amy.
func (h *hall) on(fn func()) {
	done := make(chan struct{})
	h.pool.Post(shard.Index(amy), func() { fn(); close(done) })
	<-done
	synctest.Wait()
}

// lamp is the recorded package: it shows what the rules say.
type lamp struct{ h *hall }

func (lamp) Event() string      { return "lamp" }
func (lamp) Terms() event.Terms { return event.Terms{} }
func (l lamp) Open(_ context.Context, s *event.Subscription) (event.Source, error) {
	if l.h.stands(s.Watcher) == event.Terminated {
		return nil, &event.Refusal{Status: 403}
	}
	return lit{l.h, s}, nil
}

type lit struct {
	h *hall
	s *event.Subscription
}

func (l lit) View(bool) (event.View, bool) {
	return event.View{State: l.h.stands(l.s.Watcher)}, true
}
func (lit) Refreshed() error           { return nil }
func (lit) Ended(string, *store.Batch) {}

// subscribe does what the notifier does with a SUBSCRIBE.
func (h *hall) subscribe(id, who string, expires time.Duration) (src event.Source) {
	h.t.Helper()
	s := &event.Subscription{
		ID: id, Event: "lamp", Resource: amy, Watcher: who, Fetch: expires == 0,
		Created: time.Now(), Expires: time.Now().Add(expires),
	}
	h.on(func() {
		var err error
		if src, err = h.r.Wrap(lamp{h}).Open(context.Background(), s); err != nil {
			return
		}
		if !s.Fetch {
			var b store.Batch
			src.(event.Recorder).Record(&b)
			if err := h.store.Commit(context.Background(), b); err != nil {
				h.t.Error(err)
			}
		}
		src.View(true)
	})
	return src
}

func (h *hall) end(src event.Source, reason string) {
	h.on(func() {
		var b store.Batch
		src.Ended(reason, &b)
		h.store.Defer(b)
	})
}

func (h *hall) decided(who string, s event.State) {
	h.rule(who, s, time.Time{})
	h.r.Review(amy)
	synctest.Wait()
}

func (h *hall) expect(want ...string) {
	h.t.Helper()
	synctest.Wait()
	var got []string
	for _, w := range h.r.Watchers(amy) {
		user, _, _ := strings.Cut(strings.TrimPrefix(w.Watcher.Watcher, "sip:"), "@")
		got = append(got, fmt.Sprint(user, " ", w.Status, " ", w.Cause))
	}
	if strings.Join(got, ", ") != strings.Join(want, ", ") {
		h.t.Errorf("watchers are %q, want %q", got, want)
	}
}

// RFC 3857 §4.7.1, with the transitions of RFC 5025 §3.2.1, for a package that has
// no table of its own.
func TestRecordedStates(t *testing.T) {
	inHall(t, 10, func(h *hall) {
		src := h.subscribe("s1", bo, time.Hour)
		h.expect("bo pending subscribe")
		if h.news("lamp.winfo") == 0 {
			t.Error("not told")
		}
		h.decided(bo, event.Active)
		h.expect("bo active approved")
		h.decided(bo, event.Pending)
		h.expect("bo pending subscribe")
		h.decided(bo, event.Terminated) // the notifier ends it
		h.end(src, "rejected")
		h.expect("bo terminated rejected")
		time.Sleep(2*Remembered + time.Second)
		h.expect()
		if h.r.find(amy) != nil {
			t.Error("an empty room is kept")
		}
	})
}

// A watcher that nobody decided about waits, over a restart too, for three days.
func TestRecordedWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHall(t, memory.New(), 10)
		defer func() { h.close() }()
		h.end(h.subscribe("s1", bo, time.Hour), "timeout")
		time.Sleep(time.Second)
		h.subscribe("s2", cy, time.Hour)
		h.expect("bo waiting timeout", "cy pending subscribe")

		h.close()
		h = newHall(t, h.store, 10)
		if err := Restore(context.Background(), h.store, h.r); err != nil {
			t.Fatal(err)
		}
		h.expect("bo waiting timeout", "cy pending subscribe")
		time.Sleep(Grace + time.Second) // the subscription of cy does not come back
		h.expect("bo waiting timeout", "cy waiting timeout")

		h.decided(cy, event.Active)
		h.expect("bo waiting timeout", "cy terminated approved")
		time.Sleep(73 * time.Hour)
		h.expect()
		rows := 0
		if err := h.store.LoadWatchers(context.Background(), time.Time{}, func(store.Watcher) error { rows++; return nil }); err != nil || rows != 0 {
			t.Errorf("%d rows left, %v", rows, err)
		}
	})
}

func TestRecordedPolls(t *testing.T) {
	inHall(t, 10, func(h *hall) {
		h.end(h.subscribe("s1", bo, 0), "timeout")
		h.expect("bo waiting timeout")
		h.rule(cy, event.Active, time.Time{})
		h.end(h.subscribe("s2", cy, 0), "timeout")
		h.expect("bo waiting timeout")
	})
}

// Where nobody decides about those who wait, nobody does.
func TestNobodyWaits(t *testing.T) {
	inHall(t, 0, func(h *hall) {
		h.end(h.subscribe("s1", bo, time.Hour), "timeout")
		h.expect("bo terminated giveup")
	})
}

// Members of lists are watched under the name of the subscriber, whatever becomes of
// the rules meanwhile.
func TestRecordedLists(t *testing.T) {
	inHall(t, 10, func(h *hall) {
		w := event.Watch{ID: "list amy", Resource: amy, Watcher: bo, Expires: time.Now().Add(time.Hour)}
		h.r.Watch(w)
		h.expect("bo pending subscribe")
		h.decided(bo, event.Terminated)
		h.expect("bo terminated rejected")
		h.decided(bo, event.Active)
		h.expect("bo terminated rejected", "bo active subscribe")
		time.Sleep(Remembered)
		w.Expires = time.Now().Add(2 * time.Hour)
		h.r.Watch(w) // a refresh
		h.expect("bo active subscribe")
		h.r.Unwatch(amy, w.ID, "timeout")
		h.expect("bo terminated timeout")
		time.Sleep(2*Remembered + time.Second)
		h.expect()

		w.Expires = time.Now().Add(time.Minute)
		h.r.Watch(w) // and never again
		time.Sleep(time.Minute + Grace + 2*Remembered + time.Second)
		h.expect()
		if h.r.find(amy) != nil {
			t.Error("an empty room is kept")
		}
		h.rule(cy, event.Active, time.Time{})
		h.r.Watch(event.Watch{ID: "poll", Resource: amy, Watcher: cy, Expires: time.Now()})
		h.r.Unwatch(amy, "poll", "timeout")
		h.expect()
	})
}

// Whatever somebody watches with is one entry.
func TestRecordedOnce(t *testing.T) {
	inHall(t, 10, func(h *hall) {
		first := h.subscribe("s1", bo, time.Hour)
		id := h.r.Watchers(amy)[0].ID
		second := h.subscribe("s2", bo, 2*time.Hour)
		h.r.Watch(event.Watch{ID: "list", Resource: amy, Watcher: bo, Expires: time.Now().Add(time.Minute)})
		h.expect("bo pending subscribe")
		h.end(first, "timeout")
		h.decided(bo, event.Active)
		h.expect("bo active approved")
		h.decided(bo, event.Terminated)
		h.expect("bo active approved") // until the notifier has told it
		h.end(second, "rejected")
		h.expect("bo terminated rejected")
		if got := h.r.Watchers(amy)[0].ID; got != id {
			t.Errorf("id %s, was %s", got, id)
		}
	})
}

// At the boundary of a validity everybody is looked at again.
func TestReviewByTime(t *testing.T) {
	inHall(t, 10, func(h *hall) {
		h.rule(bo, event.Pending, time.Now().Add(10*time.Minute))
		h.subscribe("s1", bo, time.Hour)
		h.news("lamp")
		time.Sleep(10*time.Minute - time.Second)
		if h.news("lamp") != 0 {
			t.Error("looked at early")
		}
		h.rule(bo, event.Active, time.Time{})
		time.Sleep(1100 * time.Millisecond)
		h.expect("bo active approved")
		if n := h.news("lamp"); n != 1 {
			t.Errorf("told %d times", n)
		}
	})
}

func TestRecordedResourceGone(t *testing.T) {
	inHall(t, 10, func(h *hall) {
		h.end(h.subscribe("s1", bo, time.Hour), "timeout")
		h.r.Close(amy)
		h.expect("bo terminated noresource")
		time.Sleep(2*Remembered + time.Second)
		if h.r.find(amy) != nil {
			t.Error("an empty room is kept")
		}
	})
}
