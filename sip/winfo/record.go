package winfo

import (
	"context"
	"time"

	"rollcall/internal/shard"
	"rollcall/internal/store"
	"rollcall/sip/event"
)

// Wrap returns pkg with its subscriptions recorded. Of the optional parts of
// event.Source those of pkg may have Recorder.
func (r *Records) Wrap(pkg event.Package) event.Package { return recorded{pkg, r} }

type recorded struct {
	event.Package
	r *Records
}

// Open implements event.Package.
func (p recorded) Open(ctx context.Context, s *event.Subscription) (event.Source, error) {
	inner, err := p.Package.Open(ctx, s)
	if err != nil {
		if s.Restored {
			src := &recording{r: p.r, s: s}
			p.r.list(s.Resource, src.member(), event.Terminated)
		}
		return nil, err
	}
	src := &recording{Source: inner, r: p.r, s: s}
	src.state = p.r.decide(ctx, s.Resource, s.Watcher)
	if s.Restored {
		src.list(src.state)
	}
	return src, nil
}

// recording is a subscription that is recorded.
type recording struct {
	event.Source
	r     *Records
	s     *event.Subscription
	state event.State // as decided last
}

// View implements event.Source.
func (src *recording) View(full bool) (event.View, bool) {
	v, ok := src.Source.View(full)
	if ok {
		src.list(v.State)
	}
	return v, ok
}

// list brings the records in line with what the watcher is shown. The end is told
// of by Ended, and a poll by one who is let in is not worth telling (RFC 3857
// §4.7.2).
func (src *recording) list(shown event.State) {
	if shown == event.Terminated || src.s.Fetch && shown == event.Active {
		return
	}
	src.state = shown
	src.r.list(src.s.Resource, src.member(), shown)
}

// Record implements event.Recorder: that somebody asks to be let in must last. From
// here on the subscription counts, before an older one of the same watcher may end.
func (src *recording) Record(b *store.Batch) {
	if inner, ok := src.Source.(event.Recorder); ok {
		inner.Record(b)
	}
	if src.state != event.Terminated {
		src.r.admit(src.s.Resource, src.member(), src.state, b)
	}
}

// Ended implements event.Source.
func (src *recording) Ended(reason string, b *store.Batch) {
	src.Source.Ended(reason, b)
	src.r.depart(src.s.Resource, ID(src.s.ID), reason, b)
}

// Watch records a watcher that has no subscription of its own, or takes over what a
// refresh says about one that is known by its ID. It may be called on any goroutine.
func (r *Records) Watch(w event.Watch) {
	r.cfg.Pool.Post(shard.Index(w.Resource), func() {
		d := r.obtain(w.Resource)
		d.watches[w.ID] = w
		r.arm(d, w.Resource, w.Expires.Add(Grace))
		r.judge(w)
	})
}

// Unwatch ends what Watch began, for a reason of RFC 6665 §4.1.3.
func (r *Records) Unwatch(resource, id, reason string) {
	r.cfg.Pool.Post(shard.Index(resource), func() {
		d := r.find(resource)
		if d == nil {
			return
		}
		delete(d.watches, id)
		var b store.Batch
		r.depart(resource, ID(id), reason, &b)
		r.settle(resource, false, b)
	})
}

// judge has the records say of w what is decided about it.
func (r *Records) judge(w event.Watch) {
	ctx, cancel := context.WithTimeout(context.Background(), decideWithin)
	defer cancel()
	now := time.Now()
	state := r.decide(ctx, w.Resource, w.Watcher)
	if state == event.Active && !w.Expires.After(now) {
		return // a poll by one who is let in
	}
	r.list(w.Resource, Member{List: true, Watcher: store.Watcher{
		Presentity: w.Resource, Event: r.event, ID: ID(w.ID), Watcher: w.Watcher,
		DisplayName: w.DisplayName, Since: now, Expires: w.Expires,
	}}, state)
}

// member is this subscription as its watcher's entry has it.
func (src *recording) member() Member {
	s := src.s
	return Member{Watcher: store.Watcher{
		Presentity: s.Resource, Event: src.r.event, ID: ID(s.ID), Watcher: s.Watcher,
		DisplayName: s.DisplayName, Status: Pending, Cause: "subscribe",
		Since: s.Created, Expires: s.Expires,
	}}
}
