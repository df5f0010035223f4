package wire

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"rollcall/internal/sipdns"
	"rollcall/internal/sipuri"
)

const (
	// congested is the size from which a request may not go over UDP where there is
	// another way, RFC 3261 §18.1.1.
	congested = 1300
	// othersWait is how long a target may be silent while there are others to try:
	// the client that waits for all of this gives up after 64*T1.
	othersWait = 8 * time.Second
)

// Hop is where a request goes next.
type Hop struct {
	URI  sipuri.URI // of the topmost Route, else the Request-URI
	TLS  bool       // nothing else will do
	Like *Flow      // as for FlowTo
	// Peer is an address that may be reached whatever Like says.
	Peer netip.Addr
	// Domain is what a certificate has to name when URI has but an address.
	Domain string
	// Complete, unless nil, adds what depends on where the request goes. out.Flow is
	// the way there; out is as it was given to Forward otherwise.
	Complete func(out *Outgoing)
}

// lookup returns the URI to find the servers of.
func (h *Hop) lookup() sipuri.URI {
	uri := h.URI
	if h.TLS {
		uri.Scheme = "sips"
	}
	return uri
}

// certified returns t with the name that its certificate must have.
func (h *Hop) certified(t sipdns.Target) sipdns.Target {
	if _, err := netip.ParseAddr(strings.Trim(t.Name, "[]")); err == nil && h.Domain != "" {
		t.Name = h.Domain
	}
	return t
}

// Forward runs a non-INVITE client transaction with the servers of a hop, one
// after the other, until one answers: RFC 3263 §4.3. out.Flow is not used, and
// out.Patience is for all of them together. done is called as by Do.
func (e *Endpoint) Forward(out Outgoing, hop Hop, done func(Result)) {
	select {
	case e.forwards <- struct{}{}:
	default:
		go done(Result{Err: ErrBusy})
		return
	}
	giveUp := time.Now().Add(out.patience())
	started := e.spawn(func() {
		ctx, cancel := context.WithTimeout(e.ctx, 3*lookupTimeout)
		defer cancel()
		targets, err := e.cfg.Resolver.Targets(ctx, hop.lookup())
		<-e.forwards
		if err != nil {
			done(Result{Err: fmt.Errorf("%w: %w", ErrUnreachable, err)})
			return
		}
		a := &attempt{e: e, out: out, hop: hop, done: done, targets: candidates(targets, hop, &out), giveUp: giveUp}
		a.next(Result{Err: ErrUnreachable})
	})
	if !started {
		<-e.forwards
		go done(Result{Err: ErrClosed})
	}
}

// candidates drops what the hop rules out and puts TCP before UDP for what is large.
func candidates(targets []sipdns.Target, hop Hop, out *Outgoing) []sipdns.Target {
	large := len(out.RequestURI)+len(out.Head)+len(out.Body)+200 > congested
	usable := make([]sipdns.Target, 0, 2*len(targets))
	for _, t := range targets {
		if hop.TLS && t.Transport != sipdns.TLS {
			continue
		}
		if large && t.Transport == sipdns.UDP {
			over := t
			over.Transport = sipdns.TCP
			usable = append(usable, over)
		}
		usable = append(usable, t)
	}
	return usable
}

// attempt is a request on its way through its targets.
type attempt struct {
	e       *Endpoint
	out     Outgoing
	hop     Hop
	targets []sipdns.Target
	done    func(Result)
	giveUp  time.Time
}

// next tries what is left; last is the outcome of what was tried before.
func (a *attempt) next(last Result) {
	for len(a.targets) > 0 {
		left := time.Until(a.giveUp)
		if left <= 0 {
			break
		}
		t := a.targets[0]
		a.targets = a.targets[1:]
		like := a.hop.Like
		if a.hop.Peer == t.Addr.Addr() {
			like = nil
		}
		flow, err := a.e.flowTo(a.hop.certified(t), like)
		if err != nil {
			if last.Status == 0 {
				last = Result{Err: err}
			}
			continue
		}
		out := a.out
		out.Flow, out.Patience = flow, left
		if len(a.targets) > 0 {
			out.Patience = min(othersWait, left)
		}
		if a.hop.Complete != nil {
			a.hop.Complete(&out)
		}
		a.e.Do(out, func(res Result) { a.answered(t, res) })
		return
	}
	a.done(last)
}

func (a *attempt) answered(t sipdns.Target, res Result) {
	// What failed on our side says nothing about the target.
	ours := errors.Is(res.Err, ErrClosed) || errors.Is(res.Err, ErrTooMany) || errors.Is(res.Err, ErrForbidden)
	switch {
	case ours:
		a.done(res)
	case res.Status == 0 || res.Status == 503:
		a.e.cfg.Resolver.Failed(t)
		a.next(res)
	default:
		a.e.cfg.Resolver.Succeeded(t)
		a.done(res)
	}
}
