package presence

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"rollcall/internal/metrics"
	"rollcall/internal/pidf"
	"rollcall/internal/shard"
	"rollcall/internal/store"
	"rollcall/internal/wheel"
	"rollcall/policy"
	"rollcall/sip/event"
	"rollcall/sip/eventstate"
	"rollcall/sip/flows"
)

// The event packages this one is about.
const (
	Event      = "presence"
	WinfoEvent = "presence.winfo"
)

// Store is what the service needs of the store.
type Store interface {
	Commit(ctx context.Context, b store.Batch) error
	Defer(b store.Batch)
	LoadPublications(ctx context.Context, now time.Time, fn func(store.Publication) error) error
	LoadWatchers(ctx context.Context, now time.Time, fn func(store.Watcher) error) error
}

// Documents is where hard state is read (RFC 4827).
type Documents interface {
	Document(ctx context.Context, key store.DocumentKey) (store.Document, error)
}

// Users tells who has an account.
type Users interface {
	Get(ctx context.Context, aor string) (store.User, error)
}

// Policy decides who sees what; *policy.Engine is one.
type Policy interface {
	Decide(ctx context.Context, req policy.Request) (policy.Decision, error)
	DocumentChanged(key store.DocumentKey) (presentities []string)
}

// Config is what a Service needs. Zero limits and times have defaults.
type Config struct {
	Store     Store
	Documents Documents
	Policy    Policy
	Users     Users
	Pool      *shard.Pool
	Wheel     *wheel.Wheel
	Metrics   *metrics.Metrics

	// Lifetime of publications: 60 s, 3600 s and 24 h by default.
	MinExpires, DefaultExpires, MaxExpires time.Duration
	// MaxPublications bounds the publications of one presentity (16).
	MaxPublications int
	// MaxBody bounds a published document in bytes (64 kB).
	MaxBody int
	// MaxWatchers and MaxWaiting bound the watchers of one presentity that
	// watcher information lists, and those among them that wait (10000, 100).
	MaxWatchers, MaxWaiting int
	// GiveUp is how long a watcher waits for a decision (3 days).
	GiveUp time.Duration
	// AllowEvents are the packages to name in a 489 (only presence).
	AllowEvents []string
	// Publishers may publish for every user.
	Publishers map[string]bool
	// FlowGrace is how long a publication outlives the connection it came over
	// when it is not renewed (65 s: longer than a binding does); twice that after
	// a restart, which clients have to notice first.
	FlowGrace time.Duration

	// Conflict says whose word counts when devices disagree about the person.
	Conflict pidf.Conflict
	// SettleWindow bounds how often in it another device comes to speak for the
	// person; 0: no bound.
	SettleWindow time.Duration
	// Simple are the first words of User-Agent of clients that look at one tuple.
	Simple []string
}

func (c Config) withDefaults() Config {
	for _, d := range [...]struct {
		set *time.Duration
		def time.Duration
	}{
		{&c.MinExpires, time.Minute}, {&c.DefaultExpires, time.Hour},
		{&c.MaxExpires, 24 * time.Hour}, {&c.GiveUp, 72 * time.Hour},
		{&c.FlowGrace, 65 * time.Second},
	} {
		if *d.set <= 0 {
			*d.set = d.def
		}
	}
	for _, d := range [...]struct {
		set *int
		def int
	}{
		{&c.MaxPublications, 16}, {&c.MaxBody, 64 << 10}, {&c.MaxWatchers, 10000}, {&c.MaxWaiting, 100},
	} {
		if *d.set <= 0 {
			*d.set = d.def
		}
	}
	if c.Metrics == nil {
		c.Metrics = metrics.New()
	}
	if len(c.AllowEvents) == 0 {
		c.AllowEvents = []string{Event}
	}
	return c
}

// Service is the presence agent of the domain.
type Service struct {
	cfg    Config
	ctx    context.Context // of work no request asked for
	cancel context.CancelFunc
	notify atomic.Pointer[func(event, resource string)]

	admission eventstate.Admission
	desk      eventstate.Desk[*pidf.Document]
	flows     *flows.Tracker

	// presentities maps addresses-of-record to *presentity. There are only
	// those of accounts, and of resources that are being watched; what has
	// nothing to remember is dropped after idleTime.
	presentities sync.Map

	// sightings maps those who were ever there to *sighting.
	sightings sync.Map
}

// New returns a service. Restore comes next.
func New(cfg Config) *Service {
	ctx, cancel := context.WithCancel(context.Background())
	s := &Service{cfg: cfg.withDefaults(), ctx: ctx, cancel: cancel}
	s.flows = flows.New(s.flowClosed)
	s.admission = eventstate.Admission{Publishers: s.cfg.Publishers, AllowEvents: s.cfg.AllowEvents}
	s.desk = eventstate.Desk[*pidf.Document]{
		Terms: s.terms(), Store: s.cfg.Store,
		Limits: eventstate.Limits{
			MinExpires: s.cfg.MinExpires, DefaultExpires: s.cfg.DefaultExpires, MaxExpires: s.cfg.MaxExpires,
			MaxPublications: s.cfg.MaxPublications, MaxBody: s.cfg.MaxBody,
		},
	}
	s.Notify(func(string, string) {})
	return s
}

// Notify sets what is told that a package may have news of a resource. It must
// not block.
func (s *Service) Notify(fn func(event, resource string)) { s.notify.Store(&fn) }

// Stop ends work that waits for the store. State is durable as it is.
func (s *Service) Stop() { s.cancel() }

// find returns a presentity that is in memory, or nil.
func (s *Service) find(aor string) *presentity {
	if p, ok := s.presentities.Load(aor); ok {
		return p.(*presentity)
	}
	return nil
}

// obtain returns the presentity, made if need be; its shard is then told to see
// to it.
func (s *Service) obtain(aor string) *presentity {
	if p := s.find(aor); p != nil {
		return p
	}
	p, there := s.presentities.LoadOrStore(aor, newPresentity(s, aor))
	if !there {
		p.(*presentity).mark(markDue)
	}
	return p.(*presentity)
}

// known returns the presentity if it has an account; store.ErrNotFound if not.
func (s *Service) known(ctx context.Context, aor string) (*presentity, error) {
	p := s.find(aor)
	if p != nil && p.known.Load() {
		return p, nil
	}
	if _, err := s.cfg.Users.Get(ctx, aor); err != nil {
		return nil, err
	}
	if p == nil {
		p = s.obtain(aor)
		p.known.Store(true)
	} else if !p.known.Swap(true) {
		p.mark(markRules) // it was watched before it had an account
	}
	return p, nil
}

// View is what a watcher is shown of a presentity. Only an active one has a
// body. Equal tags mean equal bodies.
type View struct {
	State  event.State
	Reason string // when terminated
	Body   []byte
	Tag    string

	forms *forms
}

// View tells what the watcher sees of the presentity now. It may be called on
// any goroutine.
func (s *Service) View(ctx context.Context, presentity, watcher string) View {
	p, err := s.known(ctx, presentity)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return View{State: event.Terminated, Reason: "noresource"}
	case err != nil:
		return pendingView
	}
	snap, err := p.snapshot(ctx)
	if err != nil {
		p.reevaluateAt(time.Now().Add(retryAfter))
		return pendingView
	}
	handling, transform := p.decide(ctx, watcher, snap)
	return snap.view(handling, transform)
}

// pendingView tells nothing (RFC 5025 §3.2.1), which is also all that can be
// told while the store is down.
var pendingView = View{State: event.Pending, Tag: "pending"}
