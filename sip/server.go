package sip

import (
	"context"
	"log/slog"
	"runtime/debug"
	"time"

	"rollcall/internal/auth"
	"rollcall/internal/hop"
	"rollcall/internal/metrics"
	"rollcall/internal/route"
	"rollcall/internal/shard"
	"rollcall/sip/relay"
	"rollcall/sip/wire"
)

// requestTimeout bounds what a request may wait for the store; it lies below
// Timer F of the client, 64*T1.
const requestTimeout = 20 * time.Second

// Registrar answers REGISTER.
type Registrar interface {
	Register(ctx context.Context, req *wire.Request, aor string, who auth.Identity)
}

// Presence answers PUBLISH.
type Presence interface {
	Publish(ctx context.Context, req *wire.Request, aor string, who auth.Identity)
}

// Notifier answers SUBSCRIBE.
type Notifier interface {
	Subscribe(ctx context.Context, req *wire.Request, resource string, who auth.Identity)
	Events() []string
}

// IM answers MESSAGE.
type IM interface {
	Message(ctx context.Context, req *wire.Request, aor string, who auth.Identity)
	// MessageInstance is for one device of a user.
	MessageInstance(ctx context.Context, req *wire.Request, aor, instance string, who auth.Identity)
	// MessageAway is for another domain.
	MessageAway(req *wire.Request, hop wire.Hop, who auth.Identity)
}

// Subscriber answers NOTIFY in the dialogs of our own subscriptions. Notify is
// called on the goroutine that reads the flow and must not block; it answers req.
type Subscriber interface {
	Notify(req *wire.Request)
}

// Config is what a Server is made of.
type Config struct {
	Domains  []string // served, lower-case; the first is the default
	Auth     *auth.Authenticator
	Users    *auth.Users
	Trust    hop.Trust // hops whose asserted identity is believed
	Throttle *auth.Throttle
	Pool     *shard.Pool
	Metrics  *metrics.Metrics

	// LocalPort reports whether SIP is listened on at a port; nil: on none but the
	// default ones.
	LocalPort func(port int) bool

	// LocalHost reports whether a host, an address mostly, is this server; nil: none
	// but our domains is.
	LocalHost func(host string) bool

	Routes route.Table  // to other domains
	Relay  *relay.Relay // takes requests there; nil: none go

	// Lists says what a SUBSCRIBE of somebody to an address is about, where that is
	// not the address alone; nil: it always is.
	Lists func(aor, from string) string

	// Publishers may publish for every user.
	Publishers map[string]bool

	Registrar Registrar
	GRUUs     GRUUs
	Presence  Presence
	Notifier  Notifier
	IM        IM

	// Subscriber has our own subscriptions; nil: there are none.
	Subscriber Subscriber
}

// Server is the handler of all SIP requests.
type Server struct {
	cfg     Config
	domains map[string]bool
	options []wire.Header
	merges  [shard.Count]merges // each used on its shard only

	deadlines deadlines
}

var _ wire.Handler = (*Server)(nil)

// New returns a Server. The packages of the Notifier must be registered before.
func New(cfg Config) *Server {
	s := &Server{cfg: cfg, domains: map[string]bool{}}
	for _, d := range cfg.Domains {
		s.domains[d] = true
	}
	s.options = capabilities(cfg.Notifier.Events())
	return s
}

// ServeSIP takes a request on the goroutine of its reader. It finds the shard
// and queues; everything else happens there, in order.
func (s *Server) ServeSIP(req *wire.Request) {
	m, ok := methods[req.Method]
	switch {
	case !ok:
		// RFC 3261 §8.2.1 and §21.5.2
		s.respond(req, wire.Response{Status: 501, Headers: []wire.Header{allow}})
		return
	case m.serve == nil:
		m.refuse(s, req)
		return
	}
	t, no := m.target(s, req)
	if no != nil {
		s.respond(req, *no)
		return
	}
	try := s.cfg.Pool.Try
	if refreshes(req) {
		try = s.cfg.Pool.TryKnown
	}
	if !try(t.shard, func() { s.run(m, req, t) }) {
		s.cfg.Metrics.Overload.Inc()
		s.respond(req, wire.Overloaded())
	}
}

// run serves one request on its shard.
func (s *Server) run(m method, req *wire.Request, t target) {
	defer func() {
		if r := recover(); r != nil {
			slog.Error("panic while serving a request", "method", req.Method, "panic", r, "stack", string(debug.Stack()))
			s.cfg.Metrics.Panics.Inc()
			if !req.Responded() {
				s.respond(req, wire.Response{Status: 500})
			}
		}
	}()
	now := time.Now()
	if now.Sub(req.Received) > requestTimeout {
		// The sender is about to give up or has: nothing would come of it but work.
		s.cfg.Metrics.Overload.Inc()
		s.respond(req, wire.Overloaded())
		return
	}
	ctx := s.deadlines.context(now)
	who, no := s.identify(ctx, req, t)
	authorize, serve := m.authorize, m.serve
	if t.away != nil {
		authorize, serve = ownFrom, (*Server).relay
	}
	if no == nil {
		no = authorize(s, req, t, who)
	}
	if no == nil {
		no = t.refuse
	}
	if no == nil {
		no = s.unreachable(ctx, req.Method, t)
	}
	if no != nil {
		s.respond(req, *no)
		return
	}
	if t.away == nil && req.To.Tag() == "" {
		forget, merged := s.merges[t.shard].enter(req, t.aor+t.instance)
		if merged {
			s.respond(req, wire.Response{Status: 482, Reason: "Merged Request"})
			return
		}
		defer forget()
	}
	serve(s, ctx, req, t, who)
}

func (s *Server) respond(req *wire.Request, resp wire.Response) {
	if err := req.Respond(resp); err != nil {
		slog.Debug("response not sent", "method", req.Method, "status", resp.Status, "error", err)
	}
}
