package registrar

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"rollcall/internal/bus"
	"rollcall/internal/metrics"
	"rollcall/internal/pidf"
	"rollcall/internal/shard"
	"rollcall/internal/store"
	"rollcall/internal/wheel"
)

// Store is what the registrar needs of a store.
type Store interface {
	Commit(ctx context.Context, b store.Batch) error
	LoadBindings(ctx context.Context, now time.Time, fn func(store.Binding) error) error
}

// Config is what a Registrar is made of.
type Config struct {
	Store   Store
	Pool    *shard.Pool
	Wheel   *wheel.Wheel
	Bus     *bus.Bus
	Metrics *metrics.Metrics

	// Lifetimes of bindings. A request below MinExpires gets 423 unless it asks
	// for an hour or more; what exceeds MaxExpires is shortened.
	MinExpires, DefaultExpires, MaxExpires time.Duration
	// MaxContacts bounds the bindings of one address-of-record.
	MaxContacts int

	// Changed is told what presence may show of an address whenever that changes.
	Changed func(aor string, regs []pidf.Registration)
}

// Registrar answers REGISTER and knows where users can be reached.
type Registrar struct {
	cfg     Config
	entries sync.Map // canonical AOR -> *entry; only the AOR's shard stores and deletes
}

// entry is the state of one address-of-record. Its shard writes it, everyone may
// read the list, which is never changed in place.
type entry struct {
	bindings atomic.Pointer[[]store.Binding]
	timer    wheel.Timer
}

// New returns a Registrar without bindings; Restore loads them.
func New(cfg Config) *Registrar { return &Registrar{cfg: cfg} }

// Bindings returns the live bindings of an address-of-record, the most recently
// registered first. The caller must not change them.
func (r *Registrar) Bindings(aor string) []store.Binding {
	return alive(r.stored(aor), time.Now())
}

// Restore loads the bindings of an earlier run and reports them to Changed.
func (r *Registrar) Restore(ctx context.Context) error {
	byAOR := map[string][]store.Binding{}
	err := r.cfg.Store.LoadBindings(ctx, time.Now(), func(b store.Binding) error {
		byAOR[b.AOR] = append(byAOR[b.AOR], b)
		return nil
	})
	if err != nil {
		return fmt.Errorf("loading bindings: %w", err)
	}
	for aor, bindings := range byAOR {
		r.set(aor, sorted(bindings))
		r.cfg.Changed(aor, registrations(aor, bindings))
	}
	return nil
}

// UserRemoved forgets the bindings of an account that is gone; its rows went
// with the account.
func (r *Registrar) UserRemoved(aor string) {
	r.cfg.Pool.Post(shard.Index(aor), func() { r.replace(aor, nil) })
}

func (r *Registrar) stored(aor string) []store.Binding {
	if e, ok := r.entries.Load(aor); ok {
		return *e.(*entry).bindings.Load()
	}
	return nil
}

// replace makes bindings the state of aor and tells of it if others can see a
// difference. It runs on the shard of aor.
func (r *Registrar) replace(aor string, bindings []store.Binding) {
	before := r.stored(aor)
	r.set(aor, bindings)
	if sameToOthers(before, bindings) {
		return
	}
	r.cfg.Changed(aor, registrations(aor, bindings))
	r.cfg.Bus.Publish(bus.BindingsChanged{AOR: aor})
}

func (r *Registrar) set(aor string, bindings []store.Binding) {
	r.cfg.Metrics.Bindings.Add(float64(len(bindings) - len(r.stored(aor))))
	found, ok := r.entries.Load(aor)
	if len(bindings) == 0 {
		if ok {
			r.cfg.Wheel.Cancel(&found.(*entry).timer)
			r.entries.Delete(aor)
		}
		return
	}
	e, _ := found.(*entry)
	if !ok {
		e = new(entry)
	}
	e.bindings.Store(&bindings)
	if !ok {
		r.entries.Store(aor, e)
	}
	r.cfg.Wheel.Set(&e.timer, nextExpiry(bindings), func() {
		r.cfg.Pool.Post(shard.Index(aor), func() { r.expire(aor) })
	})
}

// expire drops what is over. The rows are left to the reaper.
func (r *Registrar) expire(aor string) {
	all := r.stored(aor)
	if live := alive(all, time.Now()); len(live) < len(all) {
		r.replace(aor, live)
	} else if len(all) > 0 {
		r.set(aor, all) // the timer was early: arm it again
	}
}
