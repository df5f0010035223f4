package groupcommit

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"rollcall/internal/store"
)

const (
	patience   = 3 * time.Second // with a write; then others are turned away
	retryEvery = time.Second     // of what is kept, and to see whether the database is back
	maxKept    = 20000           // rows
)

// errHangs is told to those who would have to wait for a database that hangs.
var errHangs = fmt.Errorf("the database has not answered for %v: %w", patience, store.ErrUnavailable)

// backlog holds the rows of deferred writes that the database did not take. They
// are written before anything newer is.
type backlog struct {
	merger
	since time.Time
	lost  int
}

// keep adds the rows of a deferred write, as far as there is room.
func (l *backlog) keep(b *store.Batch) {
	if l.since.IsZero() {
		l.since = time.Now()
	}
	l.lost += l.add(b, max(maxKept-l.rows(), 0))
}

// take adds a newer backlog.
func (l *backlog) take(newer *backlog) {
	if newer.rows() > 0 {
		b := newer.batch()
		l.keep(&b)
	}
	l.lost += newer.lost
}

// written forgets what the database has now.
func (l *backlog) written() {
	slog.Warn("the database is back: deferred writes have been made up for",
		"rows", l.rows(), "lost", l.lost, "after", time.Since(l.since).Round(time.Millisecond))
	*l = backlog{}
}

// lose tells of what could not be written to the end.
func (l *backlog) lose() {
	if n := l.rows() + l.lost; n > 0 {
		slog.Error("deferred writes were lost", "rows", n)
	}
}

// refuse tells a caller that its write failed. When nobody waits, and the rows are
// not to blame, they are kept.
func (e *Engine) refuse(it *item, err error) {
	switch {
	case it.ready != nil:
		it.release(err)
	case !errors.Is(err, store.ErrUnavailable):
		slog.Error("a deferred write was lost", "error", err)
	default:
		if e.kept.since.IsZero() {
			slog.Warn("the database does not answer: deferred writes are kept", "error", err)
		}
		e.kept.keep(&it.batch)
	}
}

// catchUp writes what is kept, or just sees whether the database is back.
func (e *Engine) catchUp() error {
	rows := e.kept.rows()
	if rows == 0 && !e.down {
		return nil
	}
	b := e.kept.batch()
	_, err := e.put(&b, nil, 0)
	if err != nil && !errors.Is(err, store.ErrUnavailable) {
		err = e.oneByOne(&b)
	}
	if err == nil && rows > 0 {
		e.kept.written()
	}
	return err
}

// oneByOne writes the rows of a batch apart, as the database refuses one of them.
func (e *Engine) oneByOne(b *store.Batch) error {
	for single := range singles(b) {
		_, err := e.put(&single, nil, 0)
		switch {
		case errors.Is(err, store.ErrUnavailable):
			return err
		case err != nil:
			slog.Error("a deferred write was lost", "error", err)
			e.kept.lost++
		}
	}
	return nil
}

// supervise has a group written. Those who come while the database hangs are not
// kept waiting.
func (e *Engine) supervise(group []*item, timer *time.Timer) {
	done := e.start(group)
	timer.Reset(patience)
	select {
	case <-done:
	case <-timer.C:
		e.turnAway(done, timer)
	}
}

func (e *Engine) start(group []*item) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		e.write(group)
	}()
	return done
}

// turnAway refuses what comes until the database answers: the write under way, or
// one of those that find out.
func (e *Engine) turnAway(done <-chan struct{}, timer *time.Timer) {
	slog.Warn("the database hangs: writes are refused")
	var newer backlog
	var again <-chan time.Time
	refused, begin, queue := 0, time.Now(), e.queue
	for {
		select {
		case it, open := <-queue:
			if !open {
				queue = nil // to be closed: the write under way is the last
				if done == nil {
					return
				}
				continue
			}
			if refused++; it.ready != nil {
				it.refuse()
			} else {
				newer.keep(&it.batch)
			}
		case <-done:
			done = nil
			e.kept.take(&newer)
			newer = backlog{}
			if !e.down {
				slog.Warn("the database answers again", "refused", refused, "after", time.Since(begin).Round(time.Millisecond))
				return
			}
			if queue == nil {
				return
			}
			timer.Reset(retryEvery)
			again = timer.C
		case <-again:
			done, again = e.start(nil), nil
		}
	}
}

// refuse turns away a caller that still waits.
func (it *item) refuse() {
	if it.state.CompareAndSwap(queued, taken) {
		it.release(errHangs)
	}
}
