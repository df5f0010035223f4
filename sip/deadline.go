package sip

import (
	"context"
	"sync/atomic"
	"time"
)

// deadlines are the contexts that requests are served with. Those that begin within
// a second share one, so that a request needs no timer of its own.
type deadlines struct{ newest atomic.Pointer[deadline] }

type deadline struct {
	ctx    context.Context
	cancel context.CancelFunc // left to the timer, unless ctx was not needed
	began  time.Time
}

// context returns one that ends requestTimeout from now, or up to a second later.
func (d *deadlines) context(now time.Time) context.Context {
	newest := d.newest.Load()
	if newest != nil && now.Sub(newest.began) < time.Second {
		return newest.ctx
	}
	ctx, cancel := context.WithTimeout(context.Background(), requestTimeout+time.Second)
	fresh := &deadline{ctx, cancel, now}
	if !d.newest.CompareAndSwap(newest, fresh) {
		cancel()
		return d.newest.Load().ctx
	}
	return fresh.ctx
}
