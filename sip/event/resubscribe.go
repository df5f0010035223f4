package event

import (
	"context"
	"log/slog"
	"strings"
	"time"
	"unique"

	"rollcall/internal/auth"
	"rollcall/sip/wire"
)

// resubscribe deals with a SUBSCRIBE inside a dialog: a refresh or the end
// (RFC 6665 §4.2.1.4).
func (n *Notifier) resubscribe(ctx context.Context, req *wire.Request, who auth.Identity) *Refusal {
	s := n.find(req)
	if s == nil {
		return &Refusal{Status: 481} // RFC 3261 §12.2.2
	}
	if s.Watcher != who.AOR {
		return &Refusal{Status: 403, Reason: "Not Your Subscription"}
	}
	if req.CSeq <= s.dialog.remoteCSeq {
		// Retransmissions have been answered below; this one is out of order.
		return &Refusal{Status: 500, Reason: "CSeq Out Of Order"}
	}
	e, refusal := n.packageOf(req)
	if refusal != nil {
		return refusal
	}
	if e != s.entry || req.EventID() != s.EventID {
		return &Refusal{Status: 403, Reason: "Dialog Sharing Not Supported"} // RFC 6665 §4.5.2
	}
	granted, refusal := n.expiry(req, e)
	if refusal != nil {
		return refusal
	}
	condition, refusal := conditionOf(req)
	if refusal != nil {
		return refusal
	}
	if granted == 0 {
		return n.unsubscribe(ctx, req, s, condition)
	}
	return n.refresh(ctx, req, s, granted, condition)
}

// find returns the subscription whose dialog req belongs to.
func (n *Notifier) find(req *wire.Request) *Subscription {
	i, ok := TagShard(req.To.Tag())
	if !ok {
		return nil
	}
	s := n.rooms[i].byTag[req.To.Tag()]
	if s == nil || s.dialog.callID() != req.CallID || s.dialog.remoteTag() != req.From.Tag() {
		return nil
	}
	return s
}

// refresh takes over what the new SUBSCRIBE says, asks the package, stores it,
// and only then answers. When one of them says no, everything is as before.
func (n *Notifier) refresh(ctx context.Context, req *wire.Request, s *Subscription, granted time.Duration, condition string) *Refusal {
	accept, refusal := acceptOf(req, s.entry)
	if refusal != nil {
		return refusal
	}
	before := s.latest()
	after := before
	after.accept = accept
	after.supported = parseSupported(req, s.entry.options)
	body, refusal := s.entry.bodyOf(req)
	if refusal != nil {
		return refusal
	}
	if after.fresh = len(body) > 0; after.fresh {
		after.contentType, after.body = strings.Clone(req.ContentType), body
	}
	after.deflate, after.simple = takesDeflate(req), s.entry.simple(req)
	if len(req.Contacts) > 0 || req.ContactStar {
		if after.target, refusal = remoteTarget(req); refusal != nil {
			return refusal
		}
	}
	after.flow = req.Flow
	after.contact = n.contact(req.Flow)
	after.remoteCSeq = req.CSeq
	after.expires = time.Now().Add(granted)

	s.setLatest(after)
	leased, special := s.lease, s.special
	err := s.source.Refreshed()
	if err == nil {
		s.lease = s.lease.extended()
		s.setSpecial(s.entry.wishesOf(req.EventParams, granted, condition))
		if err = n.commit(ctx, s); err != nil {
			s.setLatest(before)
			s.lease, s.special = leased, special
			if again := s.source.Refreshed(); again != nil {
				slog.Debug("package cannot go back", "id", s.ID, "error", again)
			}
		}
	}
	if err != nil {
		s.setLatest(before)
		return refusalOf(err)
	}
	n.reroute(s)
	n.quota.share(s)
	n.arm(s, s.Expires)
	if n.unchanged(s) {
		n.grant(req, s, 204, granted)
		return nil
	}
	n.grant(req, s, 200, granted)
	s.sending.owed = true
	n.pump(s)
	return nil
}

// reroute has later NOTIFY requests follow the newest SUBSCRIBE. One that is on
// its way over another flow is given up: its answer cannot be hoped for, and the
// watcher waits for this one (RFC 6665 §4.1.2.4, Timer N).
func (n *Notifier) reroute(s *Subscription) {
	n.rooms[s.Shard].found(s)
	old := s.out
	s.out = n.outbound(s)
	p := &s.sending
	if p.inFlight && !sameFlow(old, s.out) {
		p.inFlight = false
		p.attempt++
		p.full = true
	}
	p.retry, p.hold, p.tries = 0, false, 0
}

// unsubscribe ends s at the watcher's wish (RFC 6665 §4.2.1.4).
func (n *Notifier) unsubscribe(ctx context.Context, req *wire.Request, s *Subscription, condition string) *Refusal {
	s.Flow = req.Flow
	s.dialog.contact = n.contact(req.Flow)
	if target, bad := remoteTarget(req); bad == nil {
		s.dialog.target = target
	}
	n.reroute(s)
	last, known := s.lastView(condition)
	b := n.remove(s, last.reason)
	err := n.cfg.Store.Commit(ctx, b)
	if err != nil {
		// Over it is all the same; the row goes later, at its expiry at the latest.
		n.cfg.Store.Defer(b)
		refusal := refusalOf(err)
		n.respond(req, wire.Response{Status: refusal.Status, Headers: refusal.Headers})
	} else if known {
		n.grant(req, s, 204, 0) // RFC 5839 §5.7: and no NOTIFY
		return nil
	} else {
		n.grant(req, s, 200, 0)
	}
	s.sending.final = &last
	n.pump(s)
	return nil
}

// latest is what each SUBSCRIBE of a dialog sets anew.
type latest struct {
	accept, supported   []string
	contentType, target string
	body                []byte
	fresh               bool // body came with it
	deflate, simple     bool
	flow                *wire.Flow
	contact             unique.Handle[string]
	remoteCSeq          uint32
	expires             time.Time
}

// latest is what to go back to when a refresh fails: its body is not new then.
func (s *Subscription) latest() latest {
	return latest{
		accept: s.Accept, supported: s.Supported, contentType: s.ContentType, body: s.Body,
		deflate: s.Deflate, simple: s.Simple, flow: s.Flow,
		target: s.dialog.target, contact: s.dialog.contact, remoteCSeq: s.dialog.remoteCSeq, expires: s.Expires,
	}
}

func (s *Subscription) setLatest(l latest) {
	s.Accept, s.Supported, s.ContentType, s.Body = l.accept, l.supported, l.contentType, l.body
	s.BodyNew, s.Deflate, s.Simple = l.fresh, l.deflate, l.simple
	s.Flow, s.Expires = l.flow, l.expires
	s.dialog.target, s.dialog.contact, s.dialog.remoteCSeq = l.target, l.contact, l.remoteCSeq
}
