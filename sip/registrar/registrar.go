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
	"rollcall/sip/flows"
	"rollcall/sip/wire"
)

// Store is what the registrar needs of a store.
type Store interface {
	Commit(ctx context.Context, b store.Batch) error
	Defer(b store.Batch)
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

	// FlowGrace is how long a binding outlives the connection it came over, for
	// its client to come back; twice that after a restart.
	FlowGrace time.Duration
	// Flow finds the open connection of a stored reference, nil if it is gone.
	Flow func(ref string) *wire.Flow
	// FlowTimer is told to clients with outbound (RFC 5626 §6): how long they may
	// be silent on a flow. 0: not told.
	FlowTimer time.Duration
	// ServiceRoute is told to clients for their outgoing requests (RFC 3608).
	ServiceRoute []string
	// Secret makes temporary GRUUs; the same on every node and over restarts.
	Secret []byte

	// Changed is told what presence may show of an address whenever that changes.
	Changed func(aor string, regs []pidf.Registration)
	// News is told that anything about the bindings of an address is different,
	// refreshes included. May be nil.
	News func(aor string)
}

// Registrar answers REGISTER and knows where users can be reached.
type Registrar struct {
	cfg     Config
	minter  minter
	flows   *flows.Tracker
	entries sync.Map // canonical AOR -> *entry; only the AOR's shard stores and deletes
}

// entry is what is known of one address-of-record. Its shard writes it, everyone
// may read the state, which is never changed in place.
type entry struct {
	state atomic.Pointer[state]
	timer wheel.Timer
}

// New returns a Registrar without bindings; Restore loads them.
func New(cfg Config) *Registrar {
	r := &Registrar{cfg: cfg, minter: newMinter(cfg.Secret)}
	r.flows = flows.New(func(aor, ref string) {
		cfg.Pool.Post(shard.Index(aor), func() { r.flowClosed(aor, ref) })
	})
	return r
}

// Bindings returns the live bindings of an address-of-record, the most recently
// registered first. The caller must not change them.
func (r *Registrar) Bindings(aor string) []store.Binding {
	return r.stored(aor).alive(time.Now())
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
		r.set(aor, state{bindings: sorted(bindings), lost: r.lostAtStart(bindings)})
		r.cfg.Changed(aor, registrations(aor, bindings))
	}
	return nil
}

// UserRemoved forgets the bindings of an account that is gone; its rows went
// with the account.
func (r *Registrar) UserRemoved(aor string) {
	r.cfg.Pool.Post(shard.Index(aor), func() { r.replace(aor, nil) })
}

func (r *Registrar) stored(aor string) state {
	if e, ok := r.entries.Load(aor); ok {
		return *e.(*entry).state.Load()
	}
	return state{}
}

// replace makes bindings the state of aor and tells of it if others can see a
// difference. It runs on the shard of aor.
func (r *Registrar) replace(aor string, bindings []store.Binding) {
	before := r.stored(aor)
	next := state{bindings: bindings}
	next.lost = next.usedOf(before.lost)
	r.set(aor, next)
	for _, b := range before.bindings {
		if !next.uses(b.Flow) {
			r.flows.Drop(b.Flow, aor)
		}
	}
	if !sameToOthers(before.bindings, bindings) {
		r.cfg.Changed(aor, registrations(aor, bindings))
		r.cfg.Bus.Publish(bus.BindingsChanged{AOR: aor})
	}
	r.news(aor)
}

func (r *Registrar) news(aor string) {
	if r.cfg.News != nil {
		r.cfg.News(aor)
	}
}

func (r *Registrar) set(aor string, next state) {
	r.cfg.Metrics.Bindings.Add(float64(len(next.bindings) - len(r.stored(aor).bindings)))
	found, ok := r.entries.Load(aor)
	if len(next.bindings) == 0 {
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
	e.state.Store(&next)
	if !ok {
		r.entries.Store(aor, e)
	}
	r.cfg.Wheel.Set(&e.timer, next.until(), func() {
		r.cfg.Pool.Post(shard.Index(aor), func() { r.expire(aor) })
	})
}

// expire drops what is over. The rows of what has expired are left to the reaper.
func (r *Registrar) expire(aor string) {
	all, now := r.stored(aor), time.Now()
	live := all.alive(now)
	if len(live) == len(all.bindings) {
		if len(live) > 0 {
			r.set(aor, all) // the timer was early: arm it again
		}
		return
	}
	var batch store.Batch
	for _, b := range all.bindings {
		if b.Expires.After(now) && !all.end(b).After(now) {
			batch.DropBindings = append(batch.DropBindings, b.Key())
		}
	}
	if len(batch.DropBindings) > 0 {
		r.cfg.Store.Defer(batch)
	}
	r.replace(aor, live)
}
