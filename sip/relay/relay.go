package relay

import (
	"strings"
	"time"

	"rollcall/internal/auth"
	"rollcall/internal/hop"
	"rollcall/internal/quota"
	"rollcall/internal/sipuri"
	"rollcall/internal/store"
	"rollcall/sip/wire"
)

// Limits of the relay.
const (
	defaultMaxInFlight = 20_000
	defaultMaxPerUser  = 100
	// answerWithin lies below 64*T1, after which the sender has given up and an
	// answer would be late (RFC 4320 §4.2).
	answerWithin = 30 * time.Second
)

// Sender sends requests (wire.Endpoint).
type Sender interface {
	Do(out wire.Outgoing, done func(wire.Result))
	Forward(out wire.Outgoing, hop wire.Hop, done func(wire.Result))
	Flow(ref string) *wire.Flow
	ContactURI(f *wire.Flow) string
}

// Bindings says where a user can be reached.
type Bindings interface {
	Bindings(aor string) []store.Binding
}

// Config is what a Relay is made of.
type Config struct {
	Sender   Sender
	Bindings Bindings
	Trust    hop.Trust // hops that get to know asserted identities
	Realms   []string  // ours: credentials for them go no further
	Secret   []byte    // signs what Record-Route says; the same over restarts

	MaxInFlight int // requests that wait for an answer: 20,000
	MaxPerUser  int // of one user: 100
}

// Relay forwards requests between our users and other domains.
type Relay struct {
	cfg      Config
	moved    moved
	inFlight *quota.Quota[string] // by AOR
}

// New returns a Relay.
func New(cfg Config) *Relay {
	if cfg.MaxInFlight <= 0 {
		cfg.MaxInFlight = defaultMaxInFlight
	}
	if cfg.MaxPerUser <= 0 {
		cfg.MaxPerUser = defaultMaxPerUser
	}
	return &Relay{cfg: cfg, inFlight: quota.New[string](cfg.MaxInFlight, cfg.MaxPerUser)}
}

// Refuse makes the checks of RFC 3261 §16.3 that do not depend on who asks; nil:
// go on.
func (r *Relay) Refuse(req *wire.Request, p *Passage) *wire.Response {
	switch {
	case p.Forged:
		return &wire.Response{Status: 403, Reason: "Forged Flow Token"} // RFC 5626 §5.3.1
	case req.MaxForwards == 0:
		return &wire.Response{Status: 483}
	case req.Marked(r.mark(req)):
		return &wire.Response{Status: 482}
	}
	if options := req.Header("Proxy-Require"); options != "" {
		return &wire.Response{Status: 420, Headers: []wire.Header{{Name: "Unsupported", Value: options}}}
	}
	return nil
}

// Away sends a request of who to another domain, towards hop, and passes on the
// answer.
func (r *Relay) Away(req *wire.Request, p *Passage, hop wire.Hop, who auth.Identity) {
	subscriber := who.AOR
	if p.dialog != nil {
		subscriber = p.dialog.aor
	}
	if !who.Trusted && subscriber != who.AOR {
		respond(req, wire.Response{Status: 403, Reason: "Not Your Subscription"})
		return
	}
	if !r.inFlight.Take(who.AOR) {
		respond(req, wire.Overloaded())
		return
	}
	f := r.forwarding(req, p, who)
	switch {
	case p.dialog != nil:
		f.token = p.dialog
		hop.Peer = p.dialog.peer
		r.moved.note(req.CallID, p.dialog.flow, req.Flow)
	case req.Method == "SUBSCRIBE":
		f.token = &token{flow: req.Flow.Ref(), domain: req.URI.Host}
		if !who.Trusted {
			f.token.aor, f.token.device = who.AOR, deviceOf(instanceOf(req))
		}
	}
	hop.Complete = f.complete
	r.cfg.Sender.Forward(f.out, hop, func(result wire.Result) {
		r.inFlight.Give(who.AOR)
		Answer(req, &result)
	})
}

// Back sends a request of another domain to the user who subscribed there.
func (r *Relay) Back(req *wire.Request, p *Passage) {
	t := p.dialog
	flow := r.flowOf(req.CallID, t, p.URI)
	if flow == nil && t.aor != "" {
		respond(req, wire.Response{Status: 430}) // RFC 5626 §5.3.1
		return
	}
	if !r.inFlight.Take(t.aor) {
		respond(req, wire.Overloaded())
		return
	}
	f := r.forwarding(req, p, auth.Identity{Trusted: r.trusted(req.Flow)})
	f.token = t
	done := func(result wire.Result) {
		r.inFlight.Give(t.aor)
		Answer(req, &result)
	}
	if flow != nil {
		f.out.Flow = flow
		f.complete(&f.out)
		r.cfg.Sender.Do(f.out, done)
		return
	}
	// The connection of a server like us can be opened again.
	next, err := p.Next()
	if err != nil {
		done(wire.Result{Err: wire.ErrUnreachable})
		return
	}
	hop := wire.Hop{URI: next, Like: req.Flow, Complete: f.complete}
	if gone := wire.Gone(t.flow); gone != nil {
		hop.Peer = gone.Remote().Addr()
	}
	r.cfg.Sender.Forward(f.out, hop, done)
}

// Identify returns what gives a request of who the P-Asserted-Identity that its
// next hop may have, for wire.Hop.Complete.
func (r *Relay) Identify(req *wire.Request, who auth.Identity) func(out *wire.Outgoing) {
	f := &forwarding{r: r, in: req.Flow}
	f.identity, f.shown = identityLines(req, who)
	return f.complete
}

func (r *Relay) trusted(f *wire.Flow) bool {
	return r.cfg.Trust.Contains(f.Remote().Addr().Unmap())
}

// flowOf returns the way to who has the dialog t with the contact target; nil:
// there is none now.
func (r *Relay) flowOf(callID string, t *token, target sipuri.URI) *wire.Flow {
	if f := r.moved.find(callID, t.flow); f != nil {
		return f
	}
	if f := r.cfg.Sender.Flow(t.flow); f != nil && f.Alive() {
		return f
	}
	if t.aor == "" {
		return nil
	}
	return r.registered(t, target)
}

// registered returns the flow over which the device of t has come back, as far as
// can be told: it registered with the contact target or under its instance, or it
// is the only one there is.
func (r *Relay) registered(t *token, target sipuri.URI) *wire.Flow {
	var same, only *wire.Flow
	others := 0
	for _, b := range r.cfg.Bindings.Bindings(t.aor) { // the newest first
		f := r.cfg.Sender.Flow(b.Flow)
		if f == nil || !f.Alive() {
			continue
		}
		if contact, err := sipuri.Parse(b.Contact); err == nil && sipuri.Equal(contact, target) {
			return f
		}
		if same == nil && t.device != "" && deviceOf(b.Instance) == t.device {
			same = f
		}
		only = f
		others++
	}
	switch {
	case same != nil:
		return same
	case others == 1:
		return only
	}
	return nil
}

// instanceOf returns the instance of the device that sent req (RFC 5626 §4.1), or "".
func instanceOf(req *wire.Request) string {
	if len(req.Contacts) != 1 {
		return ""
	}
	instance, _ := req.Contacts[0].Param("+sip.instance")
	return instance
}

// recordRoute returns the Record-Route lines that keep us in a dialog of which
// one request comes over in and leaves over out. They are two where one URI does
// not do for both sides (RFC 5658 §6); the topmost is for the side it goes to.
func (r *Relay) recordRoute(b []byte, t *token, callID string, secure bool, in, out *wire.Flow) []byte {
	user, ok := t.seal(r.cfg.Secret, callID)
	if !ok {
		return b
	}
	near, far := r.uri(user, secure, in), r.uri(user, secure, out)
	b = append(append(append(b, "Record-Route: <"...), far...), ">\r\n"...)
	if near != far {
		b = append(append(append(b, "Record-Route: <"...), near...), ">\r\n"...)
	}
	return b
}

// uri is that of ours on f, with a user part.
func (r *Relay) uri(user string, secure bool, f *wire.Flow) string {
	rest := strings.TrimPrefix(r.cfg.Sender.ContactURI(f), "sip:")
	scheme := "sip:"
	if secure && f.Secure() {
		// RFC 3261 §16.6 step 4; transport=tls is not for sips (§26.2.2).
		scheme, rest = "sips:", strings.TrimSuffix(rest, ";transport=tls")
	}
	return scheme + user + "@" + rest + ";lr"
}
