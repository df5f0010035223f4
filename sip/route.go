package sip

import (
	"rollcall/internal/route"
	"rollcall/internal/shard"
	"rollcall/sip/wire"
)

// away makes a target of a MESSAGE to another domain, where there is a way to it.
// Only our own users may take it, and who a trusted hop vouches for.
func (s *Server) away(req *wire.Request) (t target, ok bool) {
	if req.Method != "MESSAGE" || s.ownDomain(req.URI) != "" || !sipScheme(req.URI.Scheme) {
		return target{}, false
	}
	next, ok := s.cfg.Routes.Next(req.URI.Host)
	if !ok {
		return target{}, false
	}
	realm := s.realmOf(req, "")
	if realm == "" && !s.trusted(req.Flow.Remote().Addr().Unmap()) {
		return target{}, false
	}
	return target{realm: realm, shard: shard.Index(req.RequestURI), away: hopOf(next, req)}, true
}

func hopOf(next route.Hop, req *wire.Request) *wire.Hop {
	hop := &wire.Hop{URI: next.URI, TLS: next.TLS || req.URI.Scheme == "sips"}
	if next.URI.Host == "" {
		// What a client writes cannot lead us into networks of ours; what the table
		// says can.
		hop.URI, hop.Like = req.URI, req.Flow
	}
	return hop
}
