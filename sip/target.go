package sip

import (
	"rollcall/internal/shard"
	"rollcall/internal/sipuri"
	"rollcall/sip/event"
	"rollcall/sip/relay"
	"rollcall/sip/wire"
)

// target is what a request is about.
type target struct {
	aor   string // canonical; empty inside a dialog
	realm string // domain to authenticate in
	shard int
	// instance is the device meant, when the request went to a GRUU.
	instance string
	// away is the next hop, when the request is for another domain, and passage its
	// route.
	away    *wire.Hop
	passage *relay.Passage
	// refuse is owed to who has the right to ask.
	refuse *wire.Response
}

// proxied reports whether we are but a proxy for req. For a MESSAGE we answer as
// the server of the user who wrote it.
func (t *target) proxied(req *wire.Request) bool { return t.away != nil && req.Method != "MESSAGE" }

// registration finds the address-of-record of a REGISTER: its To (RFC 3261 §10.3
// steps 1 and 5).
func (s *Server) registration(req *wire.Request) (target, *wire.Response) {
	if no := s.checkRequestURI(req); no != nil {
		return target{}, no
	}
	to, err := sipuri.Parse(req.To.URI)
	if err != nil || !sipScheme(to.Scheme) {
		return target{}, &wire.Response{Status: 400, Reason: "Bad To"}
	}
	return s.address(req, req.To.URI, wire.Response{Status: 404})
}

// resource finds what PUBLISH, MESSAGE and an initial SUBSCRIBE are about: the
// Request-URI.
func (s *Server) resource(req *wire.Request) (target, *wire.Response) {
	if no := s.checkRequestURI(req); no != nil {
		return target{}, no
	}
	if t, no, ok := s.away(req); ok {
		return t, no
	}
	var t target
	var no *wire.Response
	if _, gruu := req.URI.Param("gr"); gruu {
		t, no = s.gruu(req)
	} else {
		t, no = s.address(req, req.RequestURI, relayingDenied)
	}
	if no == nil && (req.Method != "PUBLISH" || s.fromPublisher(req)) {
		t.realm = s.realmOf(req, t.realm)
	}
	return t, no
}

// fromPublisher reports whether req claims to be of a configured publisher, whose
// account may be in another domain than that of the user.
func (s *Server) fromPublisher(req *wire.Request) bool {
	if len(s.cfg.Publishers) == 0 {
		return false
	}
	from, err := sipuri.AOR(req.From.URI)
	return err == nil && s.cfg.Publishers[from]
}

// subscription finds the shard of a SUBSCRIBE. Inside a dialog our tag says it.
func (s *Server) subscription(req *wire.Request) (target, *wire.Response) {
	tag := req.To.Tag()
	if tag == "" {
		t, no := s.resource(req)
		if no == nil && s.cfg.Lists != nil && t.aor != "" {
			from, _ := s.canonical(req.From.URI) // ownFrom looks at errors
			t.aor = s.cfg.Lists(t.aor, from)
			t.shard = shard.Index(t.aor)
		}
		return t, no
	}
	if t, no, ok := s.away(req); ok {
		return t, no
	}
	i, ok := event.TagShard(tag)
	if !ok {
		// RFC 3261 §12.2.2
		return target{}, &wire.Response{Status: 481}
	}
	return target{realm: s.realmOf(req, s.cfg.Domains[0]), shard: i}, nil
}

// relayingDenied answers requests for other domains: there is no way out of here
// for what a client sends.
var relayingDenied = wire.Response{Status: 403, Reason: "Domain Not Served"}

// checkRequestURI is RFC 3261 §8.2.2.1. pres: is what RFC 3856 §5 lets a watcher write.
func (s *Server) checkRequestURI(req *wire.Request) *wire.Response {
	if !sipScheme(req.URI.Scheme) && req.URI.Scheme != "pres" {
		return &wire.Response{Status: 416}
	}
	if req.Method == "REGISTER" && s.ownDomain(req.URI) == "" {
		return &relayingDenied
	}
	return nil
}

// address makes a target of an address in one of our domains; foreign is the
// answer for others.
func (s *Server) address(_ *wire.Request, text string, foreign wire.Response) (target, *wire.Response) {
	aor, err := s.canonical(text)
	if err != nil {
		return target{}, &wire.Response{Status: 404}
	}
	user, domain := sipuri.Split(aor)
	if !s.domains[domain] {
		return target{}, &foreign
	}
	if user == "" {
		return target{}, &wire.Response{Status: 404}
	}
	return target{aor: aor, realm: domain, shard: shard.Index(aor)}, nil
}

// realmOf returns the domain of the sender when it is ours: that is where its
// account is.
func (s *Server) realmOf(req *wire.Request, otherwise string) string {
	from, err := s.canonical(req.From.URI)
	if err != nil {
		return otherwise
	}
	if _, domain := sipuri.Split(from); s.domains[domain] {
		return domain
	}
	return otherwise
}

func sipScheme(scheme string) bool { return scheme == "sip" || scheme == "sips" }
