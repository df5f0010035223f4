package subscriber

import (
	"sync"
	"time"

	"rollcall/internal/hop"
	"rollcall/internal/metrics"
	"rollcall/internal/quota"
	"rollcall/internal/route"
	"rollcall/internal/shard"
	"rollcall/internal/sipuri"
	"rollcall/internal/wheel"
	"rollcall/sip/event"
	"rollcall/sip/wire"
)

// Sender is what a Subscriber needs of the transport (wire.Endpoint).
type Sender interface {
	Forward(out wire.Outgoing, hop wire.Hop, done func(wire.Result))
	ContactURI(*wire.Flow) string
}

// Package is what is to be known of an event package.
type Package struct {
	// Accept are the media types of its bodies, in lower case.
	Accept []string
	// Check reports what is wrong with a body; nil: nothing ever is.
	Check func(body []byte) error
}

// Config is what a Subscriber is made of.
type Config struct {
	Sender  Sender
	Pool    *shard.Pool
	Wheel   *wheel.Wheel
	Metrics *metrics.Metrics
	Routes  route.Table
	Trust   hop.Trust // hops that get to know an asserted identity

	// Packages are those that can be subscribed to, by their tokens.
	Packages map[string]Package

	Expires time.Duration // asked for: 1 h
	// Max bounds the subscriptions, MaxPerWatcher those on behalf of one user; what
	// is beyond shows as being on probation: 20,000 and 1,000.
	Max, MaxPerWatcher int
	Rate               float64       // new subscriptions per second and domain: 20
	MaxBody            int           // bytes of a NOTIFY's; larger ones get 413: 64 kB
	Linger             time.Duration // how long one lives that nobody needs: 10 s
}

func (c Config) withDefaults() Config {
	if c.Expires <= 0 {
		c.Expires = time.Hour
	}
	if c.Max <= 0 {
		c.Max = 20_000
	}
	if c.MaxPerWatcher <= 0 {
		c.MaxPerWatcher = 1000
	}
	if c.Rate <= 0 {
		c.Rate = 20
	}
	if c.MaxBody <= 0 {
		c.MaxBody = 64 << 10
	}
	if c.Linger <= 0 {
		c.Linger = 10 * time.Second
	}
	return c
}

// Subscriber keeps subscriptions. It is safe for concurrent use.
type Subscriber struct {
	cfg   Config
	rooms [shard.Count]room
	pace  *pace
	quota *quota.Quota[string] // by watcher
}

// room holds what belongs to one shard.
type room struct {
	byTag map[string]*subscription // by local tag

	mu    sync.Mutex
	byKey map[Key]*subscription
}

// New returns a Subscriber without subscriptions. It needs no end of its own: it
// stops with pool and wheel.
func New(cfg Config) *Subscriber {
	cfg = cfg.withDefaults()
	s := &Subscriber{cfg: cfg, pace: newPace(cfg.Rate), quota: quota.New[string](cfg.Max, cfg.MaxPerWatcher)}
	for i := range s.rooms {
		s.rooms[i].byKey, s.rooms[i].byTag = make(map[Key]*subscription), make(map[string]*subscription)
	}
	return s
}

// Key names a subscription.
type Key struct {
	Watcher  string // address-of-record on whose behalf it is
	Resource string // canonical address
	Event    string
}

// View is what is known of a resource.
type View struct {
	// Known says that there is anything: an answer or a failure.
	Known  bool
	State  event.State
	Reason string // of Terminated; always there

	ContentType string // raw, with its parameters
	Body        []byte // when Active, of the newest NOTIFY that had one
	Tag         string // of the body
}

// unserved are the fixed views of what there is no subscription to.
var (
	noWay  = View{Known: true, State: event.Terminated, Reason: "giveup"}
	noRoom = View{Known: true, State: event.Terminated, Reason: "probation"}
)

// Watch has a subscription kept, and changed called when View may give something
// else, until Unwatch. id tells those apart who watch the same; with one that is
// known Watch asks again for what there was no room for. like, which may be nil, is
// where the wish came from: strangers cannot lead us into networks of ours. changed
// is called on any goroutine and must not block.
func (s *Subscriber) Watch(key Key, id string, like *wire.Flow, changed func()) {
	if _, _, ok := s.address(key); !ok {
		return
	}
	n := shard.Index(key.Resource)
	r := &s.rooms[n]
	r.mu.Lock()
	b := r.byKey[key]
	if b == nil {
		b = s.newSubscription(n, key)
		r.byKey[key] = b
	}
	_, again := b.users[id]
	b.users[id] = changed
	r.mu.Unlock()
	s.cfg.Pool.Post(n, func() { b.join(like, again) })
	if !again && b.view.Load().Known {
		changed()
	}
}

// Unwatch ends what Watch began. It may be called on any goroutine, as Watch.
func (s *Subscriber) Unwatch(key Key, id string) {
	n := shard.Index(key.Resource)
	r := &s.rooms[n]
	r.mu.Lock()
	defer r.mu.Unlock()
	b := r.byKey[key]
	if b == nil {
		return
	}
	delete(b.users, id)
	if len(b.users) == 0 {
		s.cfg.Pool.Post(n, b.part)
	}
}

// View returns what is known now. It may be called on any goroutine; the body must
// not be changed.
func (s *Subscriber) View(key Key) View {
	r := &s.rooms[shard.Index(key.Resource)]
	r.mu.Lock()
	b := r.byKey[key]
	r.mu.Unlock()
	if b != nil {
		return *b.view.Load()
	}
	if _, _, ok := s.address(key); !ok {
		return noWay
	}
	return View{}
}

// address returns the URI of a resource and the way to it.
func (s *Subscriber) address(key Key) (uri sipuri.URI, hop route.Hop, ok bool) {
	uri, err := sipuri.Parse(key.Resource)
	if err != nil || uri.Scheme != "sip" && uri.Scheme != "sips" || uri.Host == "" || key.Watcher == "" {
		return uri, hop, false
	}
	if _, known := s.cfg.Packages[key.Event]; !known {
		return uri, hop, false
	}
	hop, ok = s.cfg.Routes.Next(uri.Host)
	return uri, hop, ok
}
