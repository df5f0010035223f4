package groupcommit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"rollcall/internal/store"
)

const (
	queueLength = 1024                  // callers waiting to be collected
	maxItems    = 512                   // of one group
	maxRows     = 2048                  // of one group; a single batch may be larger
	company     = time.Millisecond      // wait for as many callers as last time
	lingering   = 20 * time.Millisecond // wait for a Commit when nobody waits
)

// Task is work of another kind that shares the transaction of a group. When it
// fails only its own changes are undone.
type Task func(ctx context.Context) error

// Write writes one group in one transaction: the batch, then each task inside a
// savepoint. It returns the error of each task, or one error when nothing at all
// was written; that wraps store.ErrUnavailable unless the rows are to blame.
type Write func(ctx context.Context, b *store.Batch, tasks []Task) (failed []error, err error)

// Config says how groups are written.
type Config struct {
	Write   Write
	Timeout time.Duration    // of one transaction
	Hook    store.CommitHook // may be nil
}

// Engine collects writes. It is safe for concurrent use.
type Engine struct {
	cfg   Config
	queue chan *item
	done  chan struct{}

	mu     sync.RWMutex // held while queueing, so that Close knows who is in
	closed bool

	// Of the goroutine that collects or, meanwhile, of the one that writes.
	spare *item   // read from the queue, belongs to the next group
	last  int     // waiting callers of the last group
	kept  backlog // deferred rows that the database did not take
	down  bool    // it did not answer the last time
}

// item is one caller's write.
type item struct {
	batch store.Batch
	task  Task
	state atomic.Int32
	ready chan error // nil: nobody waits
}

// The states of an item. A caller whose context ends may withdraw what has not
// been taken; afterwards it must wait for the outcome.
const (
	queued int32 = iota
	taken
	withdrawn
)

// New starts an engine.
func New(cfg Config) *Engine {
	e := &Engine{cfg: cfg, queue: make(chan *item, queueLength), done: make(chan struct{})}
	go e.run()
	return e
}

// Commit writes a batch and returns when it is durable or has failed. When ctx
// ends before the batch was taken up nothing is written.
func (e *Engine) Commit(ctx context.Context, b store.Batch) error {
	if Rows(&b) == 0 {
		return ctx.Err()
	}
	return e.wait(ctx, &item{batch: b, ready: make(chan error, 1)})
}

// Do runs a task in the transaction of a group and returns its error, or that of
// the transaction.
func (e *Engine) Do(ctx context.Context, task Task) error {
	return e.wait(ctx, &item{task: task, ready: make(chan error, 1)})
}

// Defer has a batch written soon. It blocks only when the queue is full.
func (e *Engine) Defer(b store.Batch) {
	if Rows(&b) == 0 {
		return
	}
	if err := e.enqueue(context.Background(), &item{batch: b}); err != nil {
		slog.Warn("a deferred write came after the store was closed")
	}
}

func (e *Engine) enqueue(ctx context.Context, it *item) error {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if e.closed {
		return fmt.Errorf("closed: %w", store.ErrUnavailable)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case e.queue <- it:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (e *Engine) wait(ctx context.Context, it *item) error {
	if err := e.enqueue(ctx, it); err != nil {
		return err
	}
	select {
	case err := <-it.ready:
		return err
	case <-ctx.Done():
		if it.state.CompareAndSwap(queued, withdrawn) {
			return ctx.Err()
		}
		return <-it.ready
	}
}

// Close refuses new writes, writes what is queued and returns when that is done.
func (e *Engine) Close() {
	e.mu.Lock()
	first := !e.closed
	e.closed = true
	e.mu.Unlock()
	if first {
		close(e.queue)
	}
	<-e.done
}

func (e *Engine) run() {
	defer close(e.done)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		group, ok := e.collect(timer)
		if !ok {
			break
		}
		if len(group) > 0 || e.kept.rows() > 0 {
			e.supervise(group, timer)
		}
	}
	if e.kept.rows() > 0 {
		e.write(nil)
		e.kept.lose()
	}
}

// collect takes the next group from the queue: all that is there and then, for a
// moment, as many callers as the last group had, since those it released are
// likely to be back.
func (e *Engine) collect(timer *time.Timer) (items []*item, ok bool) {
	first := e.spare
	e.spare = nil
	if first == nil {
		var again <-chan time.Time
		if e.kept.rows() > 0 {
			timer.Reset(retryEvery)
			again = timer.C
		}
		select {
		case first, ok = <-e.queue:
			if !ok {
				return nil, false
			}
		case <-again:
			return nil, true
		}
	}
	g := &gathering{}
	g.add(first)
	for more := true; more && !e.enough(g); {
		select {
		case it, open := <-e.queue:
			more = open && e.take(g, it)
		default:
			more = false
			e.await(g, timer)
		}
	}
	e.last = g.waiting
	return g.items, true
}

// await takes in what comes until the group is large enough or time is up.
func (e *Engine) await(g *gathering, timer *time.Timer) {
	patience := company
	if g.waiting == 0 {
		patience = lingering
	}
	timer.Reset(patience)
	for !e.enough(g) {
		select {
		case it, open := <-e.queue:
			alone := g.waiting == 0
			if !open || !e.take(g, it) {
				return
			}
			if alone && g.waiting > 0 {
				timer.Reset(company)
			}
		case <-timer.C:
			return
		}
	}
}

// take adds an item to the group, or keeps it for the next one.
func (e *Engine) take(g *gathering, it *item) bool {
	if !g.fits(it) {
		e.spare = it
		return false
	}
	g.add(it)
	return true
}

func (e *Engine) enough(g *gathering) bool {
	return len(g.items) >= maxItems || g.rows >= maxRows || g.waiting > 0 && g.waiting >= e.last && len(e.queue) == 0
}

// gathering is a group in the making.
type gathering struct {
	items         []*item
	rows, waiting int
}

func (g *gathering) fits(it *item) bool {
	return len(g.items) == 0 || g.rows+Rows(&it.batch) <= maxRows
}

// add takes an item unless its caller has withdrawn it.
func (g *gathering) add(it *item) {
	if !it.state.CompareAndSwap(queued, taken) {
		return
	}
	g.items = append(g.items, it)
	g.rows += Rows(&it.batch)
	if it.ready != nil {
		g.waiting++
	}
}

// write writes what is left from before and then a group, and releases its
// callers. When the group fails for something in its rows, everyone is tried
// alone so that the innocent pass.
func (e *Engine) write(group []*item) {
	err := e.catchUp()
	if err == nil && len(group) > 0 {
		err = e.attempt(group)
	}
	if err == nil {
		return
	}
	if len(group) == 1 || errors.Is(err, store.ErrUnavailable) {
		for _, it := range group {
			e.refuse(it, err)
		}
		return
	}
	err = nil
	for _, it := range group {
		if !errors.Is(err, store.ErrUnavailable) {
			err = e.attempt([]*item{it})
		}
		if err != nil {
			e.refuse(it, err)
		}
	}
}

// attempt writes items in one transaction and, if that is committed, releases them.
func (e *Engine) attempt(items []*item) error {
	batch, tasks := combine(items)
	failed, err := e.put(&batch, tasks, len(items))
	if err != nil {
		return err
	}
	for _, it := range items {
		if it.task == nil {
			it.release(nil)
			continue
		}
		it.release(failed[0])
		failed = failed[1:]
	}
	return nil
}

// put writes one transaction for a number of callers.
func (e *Engine) put(b *store.Batch, tasks []Task, callers int) ([]error, error) {
	ctx, cancel := context.WithTimeout(context.Background(), e.cfg.Timeout)
	defer cancel()
	start := time.Now()
	failed, err := e.cfg.Write(ctx, b, tasks)
	if e.cfg.Hook != nil {
		e.cfg.Hook(callers, time.Since(start), err)
	}
	e.down = errors.Is(err, store.ErrUnavailable)
	return failed, err
}

func combine(items []*item) (store.Batch, []Task) {
	batches := make([]store.Batch, 0, len(items))
	var tasks []Task
	for _, it := range items {
		if it.task != nil {
			tasks = append(tasks, it.task)
		} else {
			batches = append(batches, it.batch)
		}
	}
	if len(batches) == 1 && Rows(&batches[0]) == 1 {
		return batches[0], tasks
	}
	return Merge(batches), tasks
}

func (it *item) release(err error) {
	if it.ready != nil {
		it.ready <- err
	}
}
