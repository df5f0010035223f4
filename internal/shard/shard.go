package shard

import (
	"context"
	"log/slog"
	"runtime/debug"
	"sync"
)

// Count is the fixed number of shards. It is part of every local dialog tag, so
// it must not change while subscriptions of an earlier run are still alive.
const Count = 128

// A seeded hash differs from run to run; dialogs outlive the process, so the shard
// of a key is computed with FNV-1a, which is stable.
func fnv1a(key string) uint32 {
	h := uint32(2166136261)
	for i := 0; i < len(key); i++ {
		h ^= uint32(key[i])
		h *= 16777619
	}
	return h
}

// Index returns the shard of key, 0 <= index < Count, the same in every run.
func Index(key string) int { return int(fnv1a(key) % Count) }

// Pool is a set of Count worker goroutines.
type Pool struct {
	shards  [Count]worker
	limit   int
	onPanic func(recovered any)
	wg      sync.WaitGroup
}

type worker struct {
	mu       sync.Mutex
	wake     sync.Cond
	posts    []func()
	requests []func()
	stopping bool
}

// New starts a pool. limit bounds the requests waiting per shard. onPanic, if
// not nil, is told of every panic that a piece of work did not recover itself.
func New(limit int, onPanic func(recovered any)) *Pool {
	p := &Pool{limit: limit, onPanic: onPanic}
	for i := range p.shards {
		w := &p.shards[i]
		w.wake.L = &w.mu
		p.wg.Add(1)
		go p.run(w)
	}
	return p
}

// Try queues a request from outside on shard i. It reports false, and does not
// queue, when the shard is over its limit or the pool is stopping: answer 503.
func (p *Pool) Try(i int, fn func()) bool { return p.try(i, p.limit, fn) }

// TryKnown is Try for a request that keeps alive what there is already. It is
// taken up to a quarter over the limit: what it would cost to turn it away, new
// work for all who depend on it, is more than what it costs to serve it.
func (p *Pool) TryKnown(i int, fn func()) bool { return p.try(i, p.limit+p.limit/4+1, fn) }

func (p *Pool) try(i, limit int, fn func()) bool {
	w := &p.shards[i]
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopping || len(w.requests) >= limit {
		return false
	}
	w.requests = append(w.requests, fn)
	w.wake.Signal()
	return true
}

// Post queues a continuation on shard i; it runs before waiting requests. The
// caller keeps the number of its outstanding posts bounded by what it owns.
// After Stop posts are dropped.
func (p *Pool) Post(i int, fn func()) {
	w := &p.shards[i]
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopping {
		return
	}
	w.posts = append(w.posts, fn)
	w.wake.Signal()
}

// Stop refuses new work, lets the shards finish what is queued and waits for
// them until ctx ends.
func (p *Pool) Stop(ctx context.Context) error {
	for i := range p.shards {
		w := &p.shards[i]
		w.mu.Lock()
		w.stopping = true
		w.wake.Signal()
		w.mu.Unlock()
	}
	done := make(chan struct{})
	go func() { p.wg.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *Pool) run(w *worker) {
	defer p.wg.Done()
	var posts, requests []func()
	for {
		w.mu.Lock()
		for len(w.posts) == 0 && len(w.requests) == 0 && !w.stopping {
			w.wake.Wait()
		}
		if w.stopping && len(w.posts) == 0 && len(w.requests) == 0 {
			w.mu.Unlock()
			return
		}
		posts, w.posts = w.posts, posts[:0]
		// One request at a time: continuations that arrive meanwhile go first.
		requests = requests[:0]
		if len(posts) == 0 {
			requests = append(requests, w.requests[0])
			n := copy(w.requests, w.requests[1:])
			w.requests[n] = nil
			w.requests = w.requests[:n]
		}
		w.mu.Unlock()
		for i, fn := range posts {
			p.do(fn)
			posts[i] = nil
		}
		for i, fn := range requests {
			p.do(fn)
			requests[i] = nil
		}
	}
}

func (p *Pool) do(fn func()) {
	defer func() {
		if r := recover(); r != nil {
			slog.Error("panic in a shard", "panic", r, "stack", string(debug.Stack()))
			if p.onPanic != nil {
				p.onPanic(r)
			}
		}
	}()
	fn()
}
