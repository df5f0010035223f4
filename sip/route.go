package sip

import (
	"context"

	"rollcall/internal/auth"
	"rollcall/internal/route"
	"rollcall/internal/shard"
	"rollcall/internal/sipuri"
	"rollcall/sip/relay"
	"rollcall/sip/wire"
)

// deniedDomain answers requests for domains that the table of routes denies.
var deniedDomain = wire.Response{Status: 403, Reason: "Domain Denied"}

// away makes a target of a request to another domain, where there is a way to it.
// Only our own users may take it, and who a trusted hop vouches for. ok=false: it
// is none.
func (s *Server) away(req *wire.Request) (t target, no *wire.Response, ok bool) {
	if s.cfg.Relay == nil || !sipScheme(req.URI.Scheme) {
		return target{}, nil, false
	}
	p := s.cfg.Relay.Examine(req, s.own)
	inDialog := p.InDialog() && req.Method == "SUBSCRIBE"
	if !inDialog && (p.Forged || s.ownDomain(req.URI) != "" || req.To.Tag() != "") {
		if p.Forged {
			no = s.cfg.Relay.Refuse(req, &p)
		}
		return target{}, no, p.Forged
	}
	domain := req.URI.Host
	if inDialog {
		domain = p.Domain()
	}
	hop, no := s.hop(&p, domain, req)
	if no != nil {
		return target{}, no, true
	}
	t = target{realm: s.realmOf(req, ""), shard: shard.Index(req.CallID), away: hop, passage: &p}
	if t.realm == "" && !s.cfg.Trust.Contains(req.Flow.Remote().Addr().Unmap()) {
		return target{}, &relayingDenied, true
	}
	if req.Method == "MESSAGE" {
		return t, nil, true
	}
	return t, s.cfg.Relay.Refuse(req, &p), true
}

// hop returns the way of a request that is for a domain.
func (s *Server) hop(p *relay.Passage, domain string, req *wire.Request) (*wire.Hop, *wire.Response) {
	way, no := s.way(domain)
	if no != nil {
		return nil, no
	}
	next, err := p.Next()
	if err != nil {
		return nil, &wire.Response{Status: 400, Reason: "Bad Route"}
	}
	secure := way.TLS || p.URI.Scheme == "sips"
	if !p.InDialog() && len(p.Routes) > 0 && next.Host != domain {
		// A way that the client wishes for has to be one that there is.
		if way, no = s.way(next.Host); no != nil {
			return nil, no
		}
	}
	hop := &wire.Hop{URI: way.URI, TLS: secure || way.TLS}
	if p.InDialog() || way.URI.Host == "" {
		// What a client writes cannot lead us into networks of ours; what the table
		// says can.
		hop.URI, hop.Like, hop.Domain = next, req.Flow, domain
	}
	return hop, nil
}

// way looks up a domain in the table of routes.
func (s *Server) way(domain string) (route.Hop, *wire.Response) {
	if way, ok := s.cfg.Routes.Next(domain); ok {
		return way, nil
	}
	if s.cfg.Routes.Denies(domain) {
		return route.Hop{}, &deniedDomain
	}
	return route.Hop{}, &relayingDenied
}

// own reports whether a URI is that of this server and not of somebody here.
func (s *Server) own(uri sipuri.URI) bool {
	if s.ownDomain(uri) != "" {
		return true
	}
	return s.cfg.LocalHost != nil && s.cfg.LocalHost(uri.Host) && (uri.Port == 0 || s.localPort(uri.Port))
}

// relay takes a request to another domain.
func (s *Server) relay(_ context.Context, req *wire.Request, t target, who auth.Identity) {
	if req.Method == "MESSAGE" {
		hop := *t.away
		hop.Complete = s.cfg.Relay.Identify(req, who)
		s.cfg.IM.MessageAway(req, hop, who)
		return
	}
	s.cfg.Relay.Away(req, t.passage, *t.away, who)
}

// notify takes a NOTIFY to the user or to the subscription of ours that it is for.
func (s *Server) notify(req *wire.Request) {
	if s.cfg.Relay != nil {
		p := s.cfg.Relay.Examine(req, s.own)
		if p.Forged || p.InDialog() {
			s.notifyBack(req, &p)
			return
		}
	}
	if s.cfg.Subscriber == nil {
		// RFC 6665 §4.1.3: what matches no subscription gets 481; none is ours here.
		s.respond(req, wire.Response{Status: 481})
		return
	}
	s.cfg.Subscriber.Notify(req)
}

// notifyBack takes a NOTIFY of another domain to the user who subscribed there.
// What proves that it may is the token in its Route, which only the two sides of
// the dialog know.
func (s *Server) notifyBack(req *wire.Request, p *relay.Passage) {
	if no := s.cfg.Relay.Refuse(req, p); no != nil {
		s.respond(req, *no)
		return
	}
	way, no := s.way(p.Domain())
	if no == nil && way.TLS && !req.Flow.Secure() && !s.cfg.Trust.Contains(req.Flow.Remote().Addr().Unmap()) {
		no = &wire.Response{Status: 403, Reason: "TLS Required"}
	}
	if no != nil {
		s.respond(req, *no)
		return
	}
	s.cfg.Relay.Back(req, p)
}
