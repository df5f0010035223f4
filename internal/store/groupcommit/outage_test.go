package groupcommit

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/internal/store"
)

func sent(id, tag string) store.Batch {
	return store.Batch{Subscriptions: []store.Subscription{{ID: id, Sent: tag}}}
}

func (d *disk) set(away bool, delay time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.away, d.delay = away, delay
}

func (d *disk) row(id string) (store.Subscription, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s, ok := d.rows[id]
	return s, ok
}

// What nobody waits for is written when the database is back, and never over
// something newer.
func TestDeferredOutlivesOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{}
		e := start(d)
		if err := e.Commit(context.Background(), put("gone")); err != nil {
			t.Fatal(err)
		}
		d.set(true, 0)
		e.Defer(sent("a", "1"))
		e.Defer(sent("b", "1"))
		e.Defer(store.Batch{DropSubscriptions: []string{"gone"}})
		time.Sleep(time.Minute)
		e.Defer(sent("a", "2"))
		if err := e.Commit(context.Background(), sent("b", "refused")); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("commit while the database is away: %v", err)
		}
		d.set(false, 0)
		if err := e.Commit(context.Background(), sent("b", "2")); err != nil {
			t.Errorf("commit when it is back: %v", err)
		}
		e.Close()
		for id, want := range map[string]string{"a": "2", "b": "2"} {
			if s, _ := d.row(id); s.Sent != want {
				t.Errorf("row %s says %q, want %q", id, s.Sent, want)
			}
		}
		if _, there := d.row("gone"); there {
			t.Error("a row is back that was dropped during the outage")
		}
	})
}

// Nothing new has to come for the rows to be written.
func TestDeferredIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{away: true}
		e := start(d)
		defer e.Close()
		e.Defer(put("a"))
		time.Sleep(10 * time.Second)
		d.set(false, 0)
		time.Sleep(2 * retryEvery)
		if _, there := d.row("a"); !there {
			t.Error("the row was not written")
		}
	})
}

// A row that the database refuses does not hold up the others that were kept.
func TestKeptBadRow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{away: true}
		e := start(d)
		for _, id := range []string{"a", "bad", "c"} {
			e.Defer(put(id))
		}
		time.Sleep(time.Second / 10)
		d.set(false, 0)
		e.Close()
		for _, id := range []string{"a", "c"} {
			if _, there := d.row(id); !there {
				t.Errorf("row %s was not written", id)
			}
		}
	})
}

// While the database hangs, only those wait that came before it was known.
func TestHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const hang = 10 * time.Second
		d := &disk{away: true, delay: hang}
		e := start(d)
		defer e.Close()
		first := make(chan error, 1)
		go func() { first <- e.Commit(context.Background(), put("first")) }()
		time.Sleep(patience + time.Millisecond)
		for i := range 100 {
			begin := time.Now()
			if err := e.Commit(context.Background(), put("x")); !errors.Is(err, store.ErrUnavailable) {
				t.Fatalf("commit %d: %v", i, err)
			}
			if took := time.Since(begin); took > 0 {
				t.Fatalf("commit %d waited for %v", i, took)
			}
			e.Defer(sent("deferred", fmt.Sprint(i)))
			time.Sleep(time.Second)
		}
		if err := <-first; !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("the first: %v", err)
		}
		d.set(false, 0)
		time.Sleep(hang + 2*retryEvery)
		if err := e.Commit(context.Background(), put("x")); err != nil {
			t.Errorf("the database is back: %v", err)
		}
		if s, _ := d.row("deferred"); s.Sent != "99" {
			t.Errorf("deferred row says %q, want the newest", s.Sent)
		}
	})
}

// What is kept is bounded; rows that are kept already are brought up to date.
func TestBacklogIsBounded(t *testing.T) {
	var l, newer backlog
	for i := range maxKept + 10 {
		b := sent(fmt.Sprint(i), "1")
		l.keep(&b)
	}
	b := sent("7", "2")
	newer.keep(&b)
	l.take(&newer)
	if l.rows() != maxKept || l.lost != 10 {
		t.Errorf("%d rows kept and %d lost, want %d and 10", l.rows(), l.lost, maxKept)
	}
	if got := l.batch().Subscriptions[7]; got.ID != "7" || got.Sent != "2" {
		t.Errorf("row 7 is %+v", got)
	}
}
