package im

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"rollcall/internal/auth"
	"rollcall/internal/shard"
	"rollcall/internal/sipuri"
	"rollcall/internal/store"
	"rollcall/internal/wheel"
	"rollcall/policy"
	"rollcall/sip/wire"
)

// Limits of the relay.
const (
	maxInFlight = 20_000
	// answerWithin lies below 64*T1, after which the sender has given up and an
	// answer would be late (RFC 4320 §4.2).
	answerWithin = 30 * time.Second
	// storeTimeout bounds work on the store that no request waits for.
	storeTimeout = 5 * time.Second
)

// Bindings says where a user can be reached.
type Bindings interface {
	Bindings(aor string) []store.Binding
}

// Users looks up accounts.
type Users interface {
	// Get returns store.ErrNotFound when there is no such user.
	Get(ctx context.Context, aor string) (store.User, error)
}

// Sender sends requests over flows.
type Sender interface {
	Do(out wire.Outgoing, done func(wire.Result))
	Flow(ref string) *wire.Flow
	FlowTo(uri sipuri.URI, like *wire.Flow) (*wire.Flow, error)
	Forward(out wire.Outgoing, hop wire.Hop, done func(wire.Result))
}

// Store is where messages wait.
type Store interface {
	Commit(ctx context.Context, b store.Batch) error
	Defer(b store.Batch)
	LoadMessages(ctx context.Context, now time.Time, fn func(store.WaitingMessage) error) error
	Message(ctx context.Context, key store.MessageKey) (store.Message, error)
}

// Policy knows whom a user has blocked; *policy.Engine is one.
type Policy interface {
	Explain(ctx context.Context, req policy.Request) (policy.Decision, error)
}

// Config is what a Relay is made of.
type Config struct {
	Bindings Bindings
	Users    Users
	Sender   Sender
	Wheel    *wheel.Wheel
	Pool     *shard.Pool
	MaxBody  int // larger bodies get 413

	// Policy is asked whether the recipient has blocked the sender; nil: nobody is blocked.
	Policy Policy

	// Store keeps messages to users who cannot be reached; nil: none are kept.
	Store Store
	// Lifetime is how long a message is kept at most (7 days).
	Lifetime time.Duration
	// MaxKept and MaxKeptBytes bound what is kept for one recipient (100, 1 MB).
	MaxKept, MaxKeptBytes int
}

func (c Config) withDefaults() Config {
	if c.Lifetime <= 0 {
		c.Lifetime = 7 * 24 * time.Hour
	}
	if c.MaxKept <= 0 {
		c.MaxKept = 100
	}
	if c.MaxKeptBytes <= 0 {
		c.MaxKeptBytes = 1 << 20
	}
	return c
}

// Relay forwards MESSAGE requests and keeps those that nobody could take.
type Relay struct {
	cfg      Config
	inFlight atomic.Int64
	kept     atomic.Int64                 // messages waiting, of all recipients
	boxes    [shard.Count]map[string]*box // by recipient; owned by the recipient's shard

	mu      sync.Mutex
	current map[passage]struct{} // requests being relayed
}

// New returns a Relay. With a Store, Restore comes next.
func New(cfg Config) *Relay {
	r := &Relay{cfg: cfg.withDefaults(), current: make(map[passage]struct{})}
	for i := range r.boxes {
		r.boxes[i] = make(map[string]*box)
	}
	return r
}

// Message relays req to the user aor on behalf of who. It answers req itself,
// now or when the contacts have. It runs on the shard of aor.
func (r *Relay) Message(ctx context.Context, req *wire.Request, aor string, who auth.Identity) {
	if resp, ok := r.refuse(ctx, req, aor, who); !ok {
		respond(req, resp)
		return
	}
	head := forwardedHead(req, who.Trusted)
	// What comes while earlier messages are being delivered lines up behind them.
	if b := r.find(aor); b != nil && b.delivering && r.mayKeep(req, head, b) {
		respond(req, r.keep(ctx, req, aor, who.AOR, head))
		return
	}
	groups := r.targets(aor, req.Flow)
	if len(groups) == 0 {
		// RFC 3261 §16.6: a user of ours without a usable contact.
		respond(req, r.keep(ctx, req, aor, who.AOR, head))
		return
	}
	r.relay(req, aor, who.AOR, head, groups, r.storable(req))
}

// MessageInstance relays req to the contacts of one instance of the user, where
// the request went to a GRUU. It is not kept: RFC 5627 §6.1 wants 480.
func (r *Relay) MessageInstance(ctx context.Context, req *wire.Request, aor, instance string, who auth.Identity) {
	if resp, ok := r.refuse(ctx, req, aor, who); !ok {
		respond(req, resp)
		return
	}
	group := r.instance(aor, instance, req.Flow)
	if len(group) == 0 {
		respond(req, wire.Response{Status: 480})
		return
	}
	r.relay(req, aor, who.AOR, forwardedHead(req, who.Trusted), [][]target{group}, false)
}

// relay sends req to all groups of contacts; keep: when nobody takes it, keep it.
func (r *Relay) relay(req *wire.Request, aor, from string, head []byte, groups [][]target, keep bool) {
	pass := passageOf(req, aor)
	if !r.enter(pass) {
		// RFC 3261 §8.2.2.2, §16.3 step 4: it is on its way already, and came back.
		respond(req, wire.Response{Status: 482})
		return
	}
	if r.inFlight.Add(1) > maxInFlight {
		r.inFlight.Add(-1)
		r.leave(pass)
		respond(req, wire.Overloaded())
		return
	}
	out := wire.Outgoing{Method: "MESSAGE", CSeq: req.CSeq, MaxForwards: hopsLeft(req), Head: head, Body: req.Body, Detail: true}
	r.send(out, groups, func(best *wire.Result) {
		r.leave(pass)
		if !unreached(best) || !keep {
			r.inFlight.Add(-1)
			answer(req, best)
			return
		}
		r.cfg.Pool.Post(shard.Index(aor), func() {
			defer r.inFlight.Add(-1)
			ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
			defer cancel()
			respond(req, r.keep(ctx, req, aor, from, head))
			r.catchUp(aor, req.Received)
		})
	})
}

// refuse makes the checks of RFC 3261 §16.3 and RFC 3428 §8 and asks whether the
// recipient wants to hear from the sender; ok says go on.
func (r *Relay) refuse(ctx context.Context, req *wire.Request, aor string, who auth.Identity) (resp wire.Response, ok bool) {
	if resp, ok := r.acceptable(req, who); !ok {
		return resp, false
	}
	switch _, err := r.cfg.Users.Get(ctx, aor); {
	case errors.Is(err, store.ErrNotFound):
		return wire.Response{Status: 404}, false
	case err != nil:
		slog.Error("user not read", "aor", aor, "error", err)
		return wire.Overloaded(), false
	}
	return r.admit(ctx, aor, who.AOR)
}

// acceptable makes the checks that do not depend on the recipient.
func (r *Relay) acceptable(req *wire.Request, who auth.Identity) (resp wire.Response, ok bool) {
	if who.AOR == "" {
		return wire.Response{Status: 403, Reason: "Anonymous Senders Not Accepted"}, false
	}
	if req.MaxForwards == 0 {
		return wire.Response{Status: 483}, false
	}
	if options := req.Header("Proxy-Require"); options != "" {
		return wire.Response{Status: 420, Headers: []wire.Header{{Name: "Unsupported", Value: options}}}, false
	}
	if missing := privacyOf(req).missing; len(missing) > 0 {
		// RFC 3323 §5: rather nothing than half of what was asked for.
		return wire.Response{Status: 500, Reason: "Privacy Not Provided: " + strings.Join(missing, " ")}, false
	}
	if len(req.Body) > r.cfg.MaxBody {
		return wire.Response{Status: 413}, false
	}
	return wire.Response{}, true
}

func respond(req *wire.Request, resp wire.Response) {
	if err := req.Respond(resp); err != nil {
		slog.Debug("answer to MESSAGE not sent", "error", err)
	}
}
