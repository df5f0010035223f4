package winfo

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	"rollcall/internal/shard"
	"rollcall/internal/store"
	"rollcall/internal/wheel"
	"rollcall/sip/event"
)

// Store is what records need of the store.
type Store interface {
	Defer(b store.Batch)
	LoadWatchers(ctx context.Context, now time.Time, fn func(store.Watcher) error) error
}

// RecordsConfig is what Records are made of.
type RecordsConfig struct {
	Store  Store
	Pool   *shard.Pool
	Wheel  *wheel.Wheel
	Limits Limits
	// Shown decides about watchers.
	Shown Shown
	// Changed tells that there may be news for the subscriptions of a package to a
	// resource. It must not block.
	Changed func(event, resource string)
}

// Records keeps the watchers of all resources of one event package.
type Records struct {
	cfg   RecordsConfig
	event string
	rooms sync.Map // resource -> *room
}

// room is the records of one resource. It belongs to the shard of the resource.
type room struct {
	table   *Table
	watches map[string]event.Watch // by lists
	timer   wheel.Timer
	armed   time.Time
	review  time.Time // when decisions may change by the passing of time
}

// NewRecords returns records of the watchers of an event package.
func NewRecords(event string, cfg RecordsConfig) *Records { return &Records{cfg: cfg, event: event} }

// Watchers implements the function type Watchers.
func (r *Records) Watchers(resource string) []Watcher {
	if d := r.find(resource); d != nil {
		return d.table.List(time.Now())
	}
	return nil
}

// Review has it decided again about everybody who watches a resource or waits. It
// may be called on any goroutine.
func (r *Records) Review(resource string) {
	r.cfg.Changed(Name(r.event), resource)
	r.cfg.Pool.Post(shard.Index(resource), func() {
		if d := r.find(resource); d != nil {
			r.again(d, resource)
		}
	})
}

// Close ends what is recorded of a resource that is gone.
func (r *Records) Close(resource string) {
	r.cfg.Pool.Post(shard.Index(resource), func() {
		d := r.find(resource)
		if d == nil {
			return
		}
		now := time.Now()
		var b store.Batch
		changed := d.table.Close(now, &b)
		r.settle(resource, changed, b)
		r.arm(d, resource, now.Add(Remembered))
	})
}

func (r *Records) find(resource string) *room {
	if d, ok := r.rooms.Load(resource); ok {
		return d.(*room)
	}
	return nil
}

func (r *Records) obtain(resource string) *room {
	if d := r.find(resource); d != nil {
		return d
	}
	d, _ := r.rooms.LoadOrStore(resource, &room{table: NewTable(r.cfg.Limits), watches: make(map[string]event.Watch)})
	return d.(*room)
}

// decide asks how a watcher stands and remembers when to ask again.
func (r *Records) decide(ctx context.Context, resource, watcher string) event.State {
	state, until := r.cfg.Shown(ctx, resource, watcher)
	if state != event.Terminated && !until.IsZero() {
		d := r.obtain(resource)
		if d.review.IsZero() || until.Before(d.review) {
			d.review = until
			r.arm(d, resource, until)
		}
	}
	return state
}

// list brings the entry of a watcher in line with what it is shown.
func (r *Records) list(resource string, m Member, shown event.State) {
	var b store.Batch
	r.admit(resource, m, shown, &b)
	r.settle(resource, false, b)
}

// admit does that, too; rows go into out.
func (r *Records) admit(resource string, m Member, shown event.State, out *store.Batch) {
	d := r.obtain(resource)
	changed := d.table.Admit(m, shown, time.Now(), out)
	r.settle(resource, changed, store.Batch{})
	r.arm(d, resource, m.End())
}

// depart ends the entry of a subscription; rows go into out.
func (r *Records) depart(resource, id, reason string, out *store.Batch) {
	d := r.find(resource)
	if d == nil {
		return
	}
	now := time.Now()
	if d.table.Depart(id, reason, now, out) {
		r.settle(resource, true, store.Batch{})
		r.arm(d, resource, now.Add(Remembered))
	}
}

// settle stores rows and tells of news.
func (r *Records) settle(resource string, changed bool, b store.Batch) {
	if len(b.Watchers)+len(b.DropWatchers) > 0 {
		r.cfg.Store.Defer(b)
	}
	if changed {
		r.cfg.Changed(Name(r.event), resource)
	}
}

// again decides anew about everybody.
func (r *Records) again(d *room, resource string) {
	ctx, cancel := context.WithTimeout(context.Background(), decideWithin)
	defer cancel()
	d.review = time.Time{}
	var b store.Batch
	changed := d.table.Review(func(watcher string) event.State { return r.decide(ctx, resource, watcher) }, time.Now(), &b)
	r.settle(resource, changed, b)
	for id, w := range d.watches {
		if !d.table.Holds(ID(id)) {
			r.judge(w) // blocked until now, perhaps
		}
	}
}

// arm has a visit paid at the given time, or earlier.
func (r *Records) arm(d *room, resource string, at time.Time) {
	if !d.armed.IsZero() && !at.Before(d.armed) {
		return
	}
	d.armed = at
	r.cfg.Wheel.Set(&d.timer, at, func() {
		r.cfg.Pool.Post(shard.Index(resource), func() { r.visit(d, resource) })
	})
}

// visit does what is due at a room, and lets go of one with nothing to remember.
func (r *Records) visit(d *room, resource string) {
	if r.find(resource) != d {
		return
	}
	now := time.Now()
	d.armed = time.Time{}
	if !d.review.IsZero() && !d.review.After(now) {
		r.cfg.Changed(r.event, resource) // subscriptions look for themselves
		r.cfg.Changed(Name(r.event), resource)
		r.again(d, resource)
	}
	maps.DeleteFunc(d.watches, func(_ string, w event.Watch) bool { return !w.Expires.Add(Grace).After(now) })
	var b store.Batch
	changed := d.table.Expire(now, &b)
	r.settle(resource, changed, b)
	next := d.table.Deadline()
	if next.IsZero() || !d.review.IsZero() && d.review.Before(next) {
		next = d.review
	}
	switch {
	case !next.IsZero():
		r.arm(d, resource, next)
	case d.table.Idle(now) && len(d.watches) == 0:
		r.cfg.Wheel.Cancel(&d.timer)
		r.rooms.CompareAndDelete(resource, d)
	default:
		r.arm(d, resource, now.Add(Remembered))
	}
}

// Restore takes over what an earlier run stored of several packages, before
// subscriptions are restored.
func Restore(ctx context.Context, st Store, all ...*Records) error {
	byEvent := make(map[string]*Records, len(all))
	for _, r := range all {
		byEvent[r.event] = r
	}
	rows := make(map[*Records][]store.Watcher)
	now := time.Now()
	err := st.LoadWatchers(ctx, now, func(w store.Watcher) error {
		if r := byEvent[w.Event]; r != nil {
			rows[r] = append(rows[r], w)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("loading watchers: %w", err)
	}
	for r, list := range rows {
		for _, row := range list {
			r.cfg.Pool.Post(shard.Index(row.Presentity), func() {
				d := r.obtain(row.Presentity)
				var b store.Batch
				d.table.Restore(row, now, &b)
				r.settle(row.Presentity, false, b)
				r.arm(d, row.Presentity, now.Add(Grace))
			})
		}
	}
	return nil
}
