package event

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"rollcall/internal/metrics"
	"rollcall/internal/shard"
	"rollcall/internal/sipuri"
	"rollcall/internal/store"
	"rollcall/internal/wheel"
	"rollcall/sip/wire"
)

// Sender is what the notifier needs of the transport (wire.Endpoint).
type Sender interface {
	// Do must not keep the Head of what it sends.
	Do(wire.Outgoing, func(wire.Result))
	Flow(ref string) *wire.Flow
	ContactURI(*wire.Flow) string
	FlowTo(sipuri.URI, *wire.Flow) (*wire.Flow, error)
}

// Store is what the notifier needs of the store.
type Store interface {
	Commit(ctx context.Context, b store.Batch) error
	Defer(b store.Batch)
	LoadSubscriptions(ctx context.Context, now time.Time, fn func(store.Subscription) error) error
}

// Config is what a Notifier is made of.
type Config struct {
	Store   Store
	Sender  Sender
	Pool    *shard.Pool
	Wheel   *wheel.Wheel
	Metrics *metrics.Metrics

	// Reach returns the open connection that a device of a user has registered over,
	// the latest; nil: there is none. is tells the device by its instance.
	Reach func(user string, is func(instance string) bool) *wire.Flow

	// Remote reports whether a watcher is of another domain; nil: none is.
	Remote func(aor string) bool
	// Forward sends to the servers of others (wire.Endpoint); needed with Remote.
	Forward func(out wire.Outgoing, hop wire.Hop, done func(wire.Result))

	Pacing     Pacing
	MinExpires time.Duration // 0 = 60 s
	MaxExpires time.Duration // 0 = 2 h

	MaxPerWatcher  int // 0 = 1000
	MaxPerResource int // 0 = 10000
}

const (
	defaultExpires        = time.Hour
	defaultMinExpires     = time.Minute
	defaultMaxExpires     = 2 * time.Hour
	defaultMaxPerWatcher  = 1000
	defaultMaxPerResource = 10000

	// leaseTimeout bounds how long a NOTIFY waits for the store.
	leaseTimeout = 5 * time.Second
)

// Notifier is the notifier side of RFC 6665 for all event packages.
type Notifier struct {
	cfg     Config
	entries map[string]*entry
	events  []string
	rooms   [shard.Count]room
	quota   quota

	inFlight atomic.Int64
	landed   chan struct{} // told when inFlight becomes 0
	stopping atomic.Bool
}

// entry is a registered package with its terms.
type entry struct {
	pkg     Package
	event   string
	terms   Terms
	options []string // understood in Require
}

// New returns a notifier without packages.
func New(cfg Config) *Notifier {
	cfg.MinExpires = orDefault(cfg.MinExpires, defaultMinExpires)
	cfg.MaxExpires = orDefault(cfg.MaxExpires, defaultMaxExpires)
	cfg.MaxPerResource = orDefault(cfg.MaxPerResource, defaultMaxPerResource)
	n := &Notifier{
		cfg:     cfg,
		entries: make(map[string]*entry),
		quota:   quota{limit: orDefault(cfg.MaxPerWatcher, defaultMaxPerWatcher), held: make(map[string]*holding)},
		landed:  make(chan struct{}, 1),
	}
	for i := range n.rooms {
		n.rooms[i].init()
	}
	return n
}

func orDefault[T ~int | ~int64](v, fallback T) T {
	if v <= 0 {
		return fallback
	}
	return v
}

// Register adds a package. All packages are registered before traffic begins.
func (n *Notifier) Register(p Package) {
	e := &entry{pkg: p, event: p.Event(), terms: p.Terms()}
	e.options = append([]string{"eventlist"}, e.terms.Options...)
	if e.terms.DefaultExpires <= 0 {
		e.terms.DefaultExpires = defaultExpires
	}
	if e.terms.MinExpires <= 0 {
		e.terms.MinExpires = n.cfg.MinExpires
	}
	n.entries[e.event] = e
	n.events = append(n.events, e.event)
	slices.Sort(n.events)
}

// Events returns the packages for Allow-Events. Templates such as presence.winfo
// are left out (RFC 6665 §4.4.4).
func (n *Notifier) Events() []string {
	var events []string
	for _, e := range n.events {
		if !strings.Contains(e, ".") {
			events = append(events, e)
		}
	}
	return events
}

// Changed says that there may be news for every subscription of resource. It may
// be called on any goroutine; calls that come before the shard has seen to the
// first one are one.
func (n *Notifier) Changed(event, resource string) {
	i := shard.Index(resource)
	r := &n.rooms[i]
	r.mu.Lock()
	first := len(r.announced) == 0
	r.announced[resourceKey{event, resource}] = struct{}{}
	r.mu.Unlock()
	if first {
		n.cfg.Pool.Post(i, func() { n.spread(r) })
	}
}

// spread marks the subscriptions of the resources announced, and tells those who
// watch them otherwise.
func (n *Notifier) spread(r *room) {
	r.mu.Lock()
	r.announced, r.spreading = r.spreading, r.announced
	r.mu.Unlock()
	for k := range r.spreading {
		n.gather(r, func() { r.each(k, n.noticed) })
		r.tell(k)
	}
	clear(r.spreading)
}

// End terminates every subscription of resource, e.g. as noresource when its
// user has been removed. It may be called on any goroutine.
func (n *Notifier) End(event, resource, reason string) {
	i := shard.Index(resource)
	n.cfg.Pool.Post(i, func() {
		n.rooms[i].each(resourceKey{event, resource}, func(s *Subscription) {
			n.end(s, final{reason: reason})
		})
		n.rooms[i].tell(resourceKey{event, resource})
	})
}

// Stop ends sending: subscriptions stay as they are stored, what is known of
// them is written back, and requests in flight are waited for until ctx ends.
func (n *Notifier) Stop(ctx context.Context) {
	n.stopping.Store(true)
	n.saveAll(ctx) // lest what follows takes too long
	for n.inFlight.Load() > 0 {
		select {
		case <-n.landed:
		case <-ctx.Done():
			slog.Info("NOTIFY requests left unanswered", "count", n.inFlight.Load())
			return
		}
	}
	n.saveAll(ctx)
}

// saveAll writes back what waits in any shard.
func (n *Notifier) saveAll(ctx context.Context) {
	written := make(chan struct{}, shard.Count)
	for i := range n.rooms {
		n.cfg.Pool.Post(i, func() {
			n.save(&n.rooms[i])
			written <- struct{}{}
		})
	}
	for range n.rooms {
		select {
		case <-written:
		case <-ctx.Done():
			return
		}
	}
}
