package groupcommit

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"rollcall/internal/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errRow = errors.New("value out of range")

// disk is a database that takes a while, and refuses rows named "bad".
type disk struct {
	mu     sync.Mutex
	delay  time.Duration
	away   bool
	groups [][]string // subscription IDs per transaction, upserts and drops
	rows   map[string]store.Subscription
	tasks  int
}

func (d *disk) write(ctx context.Context, b *store.Batch, tasks []Task) ([]error, error) {
	d.mu.Lock()
	delay := d.delay
	d.mu.Unlock()
	time.Sleep(delay)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.away {
		return nil, fmt.Errorf("connection refused: %w", store.ErrUnavailable)
	}
	var group []string
	for _, s := range b.Subscriptions {
		if s.ID == "bad" {
			return nil, errRow
		}
		group = append(group, s.ID)
	}
	group = append(group, b.DropSubscriptions...)
	for _, s := range b.Subscriptions {
		d.rows[s.ID] = s
	}
	for _, id := range b.DropSubscriptions {
		delete(d.rows, id)
	}
	var failed []error
	for _, t := range tasks {
		d.tasks++
		failed = append(failed, t(ctx))
	}
	d.groups = append(d.groups, group)
	return failed, nil
}

func start(d *disk) *Engine {
	d.rows = map[string]store.Subscription{}
	return New(Config{Write: d.write, Timeout: time.Second})
}

func put(id string) store.Batch {
	return store.Batch{Subscriptions: []store.Subscription{{ID: id}}}
}

func TestAloneNobodyWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{delay: 200 * time.Microsecond}
		e := start(d)
		defer e.Close()
		begin := time.Now()
		for i := range 10 {
			if err := e.Commit(context.Background(), put(fmt.Sprint(i))); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(begin); took != 10*d.delay {
			t.Errorf("10 commits took %v, the disk alone takes %v", took, 10*d.delay)
		}
	})
}

// Callers that come back after each commit are collected into full groups.
func TestCrowdIsGrouped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const callers, each = 16, 20
		d := &disk{delay: 200 * time.Microsecond}
		e := start(d)
		defer e.Close()
		var wg sync.WaitGroup
		for c := range callers {
			wg.Go(func() {
				for i := range each {
					time.Sleep(time.Duration(c) * 10 * time.Microsecond) // each has work of its own
					if err := e.Commit(context.Background(), put(fmt.Sprintf("%d-%d", c, i))); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		if len(d.rows) != callers*each {
			t.Errorf("%d rows, want %d", len(d.rows), callers*each)
		}
		if n := len(d.groups); n > 2*each {
			t.Errorf("%d transactions for %d rounds of %d callers", n, each, callers)
		}
	})
}

func TestOneBadRow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{delay: time.Millisecond}
		var hooked atomic.Int32
		d.rows = map[string]store.Subscription{}
		e := New(Config{Write: d.write, Timeout: time.Second, Hook: func(n int, took time.Duration, err error) {
			hooked.Add(1)
			if n == 0 || took < d.delay {
				t.Errorf("hook got %d batches, %v", n, took)
			}
		}})
		defer e.Close()
		var wg sync.WaitGroup
		taskErr := errors.New("someone else was first")
		for i := range 10 {
			wg.Go(func() {
				var err, want error
				switch i {
				case 3:
					err, want = e.Commit(context.Background(), put("bad")), errRow
				case 4:
					err, want = e.Do(context.Background(), func(context.Context) error { return taskErr }), taskErr
				default:
					err = e.Commit(context.Background(), put(fmt.Sprint(i)))
				}
				if !errors.Is(err, want) {
					t.Errorf("caller %d: %v, want %v", i, err, want)
				}
			})
		}
		wg.Wait()
		if len(d.rows) != 8 {
			t.Errorf("%d rows, want 8", len(d.rows))
		}
		if hooked.Load() == 0 {
			t.Error("the hook was not called")
		}
	})
}

// When the database is away nobody is tried alone: that would take for ever.
func TestAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{delay: time.Second, away: true}
		e := start(d)
		defer e.Close()
		var wg sync.WaitGroup
		begin := time.Now()
		for i := range 100 {
			wg.Go(func() {
				if err := e.Commit(context.Background(), put(fmt.Sprint(i))); !errors.Is(err, store.ErrUnavailable) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if took := time.Since(begin); took > 3*time.Second {
			t.Errorf("took %v", took)
		}
		d.mu.Lock()
		d.away = false
		d.mu.Unlock()
		if err := e.Commit(context.Background(), put("x")); err != nil {
			t.Errorf("the database is back: %v", err)
		}
	})
}

func TestWithdrawn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{delay: time.Second}
		e := start(d)
		defer e.Close()
		go func() { _ = e.Commit(context.Background(), put("first")) }()
		synctest.Wait() // the disk is busy with it
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		if err := e.Commit(ctx, put("second")); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		// Taken up already: the outcome counts, not the context.
		ctx, cancel = context.WithTimeout(context.Background(), 1500*time.Millisecond)
		defer cancel()
		if err := e.Commit(ctx, put("third")); err != nil {
			t.Error(err)
		}
		if _, ok := d.rows["second"]; ok || len(d.rows) != 2 {
			t.Errorf("rows %v", d.rows)
		}
	})
}

func TestDeferredIsWrittenSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{}
		e := start(d)
		e.Defer(put("a"))
		time.Sleep(2 * lingering)
		d.mu.Lock()
		if len(d.rows) != 1 {
			t.Error("a deferred row was not written though nothing else was to do")
		}
		d.mu.Unlock()
		e.Defer(put("b"))
		e.Defer(store.Batch{DropSubscriptions: []string{"a"}})
		e.Close()
		if _, ok := d.rows["b"]; !ok || len(d.rows) != 1 {
			t.Errorf("rows after Close: %v", d.rows)
		}
		if err := e.Commit(context.Background(), put("c")); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("commit after Close: %v", err)
		}
		e.Defer(put("d"))
		e.Close()
	})
}

// The queue is bounded: a caller that finds it full waits, and may give up.
func TestFullQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{delay: patience - time.Second}
		e := start(d)
		e.Defer(put("x"))
		time.Sleep(2 * lingering) // now the disk is busy
		for i := range queueLength {
			e.Defer(put(fmt.Sprint(i)))
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := e.Commit(ctx, put("late")); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("commit into a full queue: %v", err)
		}
		e.Close()
		if len(d.rows) != queueLength+1 {
			t.Errorf("%d rows, want %d", len(d.rows), queueLength+1)
		}
	})
}

// Merging batches is the same as applying one after the other.
func TestMergeIsSequence(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var batches []store.Batch
		want := map[string]string{}
		keys := []string{"a", "b", "c", "d"}
		for range rapid.IntRange(0, 6).Draw(t, "batches") {
			var b store.Batch
			for _, k := range keys {
				switch rapid.IntRange(0, 2).Draw(t, "op") {
				case 1:
					tag := rapid.StringN(1, 3, 3).Draw(t, "tag")
					b.Subscriptions = append(b.Subscriptions, store.Subscription{ID: k, Sent: tag})
					want[k] = tag
				case 2:
					b.DropSubscriptions = append(b.DropSubscriptions, k)
					delete(want, k)
				}
			}
			batches = append(batches, b)
		}
		m := Merge(batches)
		got, seen := map[string]string{}, map[string]bool{}
		for _, s := range m.Subscriptions {
			got[s.ID] = s.Sent
			if seen[s.ID] {
				t.Fatalf("%s twice", s.ID)
			}
			seen[s.ID] = true
		}
		for _, id := range m.DropSubscriptions {
			if seen[id] {
				t.Fatalf("%s both written and dropped", id)
			}
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Fatal(d)
		}
	})
}

func BenchmarkCommit(b *testing.B) {
	for _, callers := range []int{1, 16, 128} {
		b.Run(fmt.Sprint(callers), func(b *testing.B) {
			e := New(Config{Timeout: time.Second, Write: func(context.Context, *store.Batch, []Task) ([]error, error) { return nil, nil }})
			defer e.Close()
			b.SetParallelism(callers)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				batch := put("x")
				for pb.Next() {
					_ = e.Commit(context.Background(), batch)
				}
			})
		})
	}
}
