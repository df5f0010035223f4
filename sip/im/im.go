package im

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"sync/atomic"
	"time"

	"rollcall/internal/auth"
	"rollcall/internal/sipuri"
	"rollcall/internal/store"
	"rollcall/internal/wheel"
	"rollcall/sip/wire"
)

// Limits of the relay.
const (
	maxInFlight = 20_000
	// answerWithin lies below 64*T1, after which the sender has given up and an
	// answer would be late (RFC 4320 §4.2).
	answerWithin = 30 * time.Second
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
}

// Config is what a Relay is made of.
type Config struct {
	Bindings Bindings
	Users    Users
	Sender   Sender
	Wheel    *wheel.Wheel
	MaxBody  int // larger bodies get 413
}

// Relay forwards MESSAGE requests.
type Relay struct {
	cfg      Config
	inFlight atomic.Int64
}

// New returns a Relay.
func New(cfg Config) *Relay { return &Relay{cfg: cfg} }

// Message relays req to the user aor on behalf of who. It answers req itself,
// now or when the contacts have.
func (r *Relay) Message(ctx context.Context, req *wire.Request, aor string, who auth.Identity) {
	if resp, ok := r.refuse(ctx, req, aor, who); !ok {
		respond(req, resp)
		return
	}
	groups := r.targets(req, aor)
	if len(groups) == 0 {
		// RFC 3261 §16.6: a user of ours without a usable contact.
		respond(req, wire.Response{Status: 480})
		return
	}
	if r.inFlight.Add(1) > maxInFlight {
		r.inFlight.Add(-1)
		respond(req, overloaded())
		return
	}
	f := &fork{relay: r, req: req, head: forwardedHead(req, who.Trusted), waiting: len(groups)}
	r.cfg.Wheel.Set(&f.deadline, time.Now().Add(answerWithin), f.expired)
	for _, g := range groups {
		f.try(g)
	}
}

// refuse makes the checks of RFC 3261 §16.3 and RFC 3428 §8; ok says go on.
func (r *Relay) refuse(ctx context.Context, req *wire.Request, aor string, who auth.Identity) (resp wire.Response, ok bool) {
	if who.AOR == "" {
		return wire.Response{Status: 403, Reason: "Anonymous Senders Not Accepted"}, false
	}
	if req.MaxForwards == 0 {
		return wire.Response{Status: 483}, false
	}
	if options := req.Header("Proxy-Require"); options != "" {
		return wire.Response{Status: 420, Headers: []wire.Header{{Name: "Unsupported", Value: options}}}, false
	}
	if len(req.Body) > r.cfg.MaxBody {
		return wire.Response{Status: 413}, false
	}
	switch _, err := r.cfg.Users.Get(ctx, aor); {
	case errors.Is(err, store.ErrNotFound):
		return wire.Response{Status: 404}, false
	case err != nil:
		slog.Error("user not read", "aor", aor, "err", err)
		return overloaded(), false
	}
	return wire.Response{}, true
}

func overloaded() wire.Response {
	after := strconv.Itoa(5 + rand.IntN(10))
	return wire.Response{Status: 503, Headers: []wire.Header{{Name: "Retry-After", Value: after}}}
}

func respond(req *wire.Request, resp wire.Response) {
	if err := req.Respond(resp); err != nil {
		slog.Debug("answer to MESSAGE not sent", "err", err)
	}
}
