package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// board follows who has been told what: the outcome that a run is judged by.
type board struct {
	client    *client
	subjects  []*subject // by index of presentity
	latency   histogram
	delivered atomic.Uint64 // new states that arrived at a watcher
	measuring atomic.Bool
	skipped   atomic.Int64 // states that were superseded before they were sent
}

// subject is a presentity with its watchers.
type subject struct {
	*presentity
	watches []*watch
	turn    sync.Mutex // closed loop: one change at a time
	awaited atomic.Pointer[arrival]
}

// watch is what one watcher knows of one presentity.
type watch struct {
	subject *subject
	highest atomic.Int64
	latest  atomic.Int64
}

// arrival waits for one state to reach all watchers.
type arrival struct {
	number  int64
	missing atomic.Int64
	done    chan struct{}
}

func newBoard(c *client, accounts []account) *board {
	b := &board{client: c, subjects: make([]*subject, len(accounts))}
	for i, a := range accounts {
		b.subjects[i] = &subject{presentity: c.newPresentity(i, a)}
	}
	return b
}

// watch adds a watcher of presentity i.
func (b *board) watch(i int) *watch {
	w := &watch{subject: b.subjects[i]}
	b.subjects[i].watches = append(b.subjects[i].watches, w)
	return w
}

// told takes a state that a watcher was told of.
func (b *board) told(w *watch, number int, at time.Time) {
	n := int64(number)
	w.latest.Store(n)
	before := w.highest.Load()
	if n <= before {
		if n < before {
			b.client.faults.add(faultBackwards, 1)
		}
		return
	}
	w.highest.Store(n)
	if b.measuring.Load() {
		if sent, ok := w.subject.times.of(number); ok {
			b.latency.add(at.Sub(sent))
			b.delivered.Add(1)
			b.skipped.Add(n - before - 1)
		}
	}
	if a := w.subject.awaited.Load(); a != nil && before < a.number && n >= a.number && a.missing.Add(-1) == 0 {
		close(a.done)
	}
}

// change publishes the next state of presentity i and waits until all its
// watchers have it. What fails is counted.
func (b *board) change(ctx context.Context, i int) error {
	s := b.subjects[i]
	s.turn.Lock()
	defer s.turn.Unlock()
	a := &arrival{done: make(chan struct{})}
	a.missing.Store(int64(len(s.watches)))
	err := s.publish(ctx, time.Time{}, func(number int) {
		a.number = int64(number)
		s.awaited.Store(a)
	})
	if err != nil {
		return ctx.Err()
	}
	if len(s.watches) == 0 {
		return nil
	}
	timeout := time.NewTimer(b.client.Timeout)
	defer timeout.Stop()
	select {
	case <-a.done:
	case <-timeout.C:
		b.client.faults.add(faultTimeout, 1)
	case <-ctx.Done():
	}
	return ctx.Err()
}

// closedLoop makes changes round robin; each worker waits for its watchers.
func (b *board) closedLoop(ctx context.Context, changes int) error {
	n := len(b.subjects)
	return parallel(ctx, n*changes, min(b.client.Concurrency, n), func(ctx context.Context, i int) error {
		return b.change(ctx, i%n)
	})
}

// maxInFlight bounds the PUBLISH requests that an overloaded server leaves waiting.
const maxInFlight = 4096

// openLoop makes changes round robin at a fixed rate, whatever the server does.
// Latency counts from when a change was due.
func (b *board) openLoop(ctx context.Context, changes int, rate float64) error {
	room := make(chan struct{}, maxInFlight)
	var wg sync.WaitGroup
	defer wg.Wait()
	start := time.Now()
	for i := range len(b.subjects) * changes {
		due := start.Add(time.Duration(float64(i) / rate * float64(time.Second)))
		if wait := time.Until(due); wait > 0 {
			timer := time.NewTimer(wait)
			select {
			case <-timer.C:
			case <-ctx.Done():
				timer.Stop()
				return ctx.Err()
			}
		}
		select {
		case room <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		wg.Go(func() {
			defer func() { <-room }()
			// A failure is counted where it happens.
			_ = b.subjects[i%len(b.subjects)].publish(ctx, due, nil)
		})
	}
	return nil
}

// changes runs either loop; reaching the end of --duration is no error.
func (b *board) changes(ctx context.Context, changes int, rate float64) error {
	b.measuring.Store(true)
	limited, cancel := ctx, context.CancelFunc(func() {})
	if d := b.client.Duration; d > 0 {
		limited, cancel = context.WithTimeout(ctx, d)
	}
	defer cancel()
	var err error
	if rate > 0 {
		err = b.openLoop(limited, changes, rate)
	} else {
		err = b.closedLoop(limited, changes)
	}
	if ctx.Err() == nil && errors.Is(err, limited.Err()) {
		return nil // --duration is over
	}
	return err
}

// settle waits until every watcher has been told the last state, or time is up.
func (b *board) settle(ctx context.Context, limit time.Duration) {
	deadline := time.Now().Add(limit)
	for time.Now().Before(deadline) && ctx.Err() == nil {
		if lost, stale := b.outcome(); lost+stale == 0 {
			return
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

// outcome counts the watchers that were told nothing, and those whose last
// word is not the presentity's last state.
func (b *board) outcome() (lost, stale int64) {
	for _, s := range b.subjects {
		last := int64(s.times.last())
		for _, w := range s.watches {
			switch latest := w.latest.Load(); {
			case last == 0 || latest == last:
			case latest == 0:
				lost++
			default:
				stale++
			}
		}
	}
	return lost, stale
}

// publishAll gives every presentity its first state.
func (b *board) publishAll(ctx context.Context) error {
	return parallel(ctx, len(b.subjects), b.client.Concurrency, func(ctx context.Context, i int) error {
		return b.subjects[i].publish(ctx, time.Time{}, nil)
	})
}

// withdrawAll removes what was published.
func (b *board) withdrawAll(ctx context.Context) error {
	return parallel(ctx, len(b.subjects), b.client.Concurrency, func(ctx context.Context, i int) error {
		return b.subjects[i].withdraw(ctx)
	})
}

// subscribeAll establishes subscriptions, each with its first NOTIFY.
func subscribeAll(ctx context.Context, c *client, subs []*subscription, seconds int, answered, notified *histogram) error {
	return parallel(ctx, len(subs), c.Concurrency, func(ctx context.Context, i int) error {
		start := time.Now()
		if err := subs[i].send(ctx, seconds); err != nil {
			return err
		}
		answered.add(time.Since(start))
		if err := subs[i].wait(ctx); err != nil {
			return err
		}
		notified.add(time.Since(start))
		return nil
	})
}

// unsubscribeAll ends subscriptions and takes the last NOTIFYs, so that the
// server is not left waiting; what fails now is of no interest.
func unsubscribeAll(ctx context.Context, c *client, subs []*subscription) error {
	return parallel(ctx, len(subs), c.Concurrency, func(ctx context.Context, i int) error {
		if subs[i].send(ctx, 0) == nil {
			_ = subs[i].wait(ctx)
		}
		return ctx.Err()
	})
}

// countStates counts subscriptions by their state.
func countStates(subs []*subscription) map[string]int64 {
	counts := map[string]int64{}
	for _, s := range subs {
		state := s.current()
		if state == "" {
			state = "unknown"
		}
		counts[fmt.Sprintf("subscriptions %s", state)]++
	}
	return counts
}
