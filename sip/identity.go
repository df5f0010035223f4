package sip

import (
	"context"
	"log/slog"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"rollcall/internal/auth"
	"rollcall/internal/sipuri"
	"rollcall/sip/wire"
)

// identify finds out who sent a request: what a trusted hop says, what the server
// of another domain says of its users, or who the credentials prove. A response that is not nil is owed instead.
func (s *Server) identify(ctx context.Context, req *wire.Request, t target) (auth.Identity, *wire.Response) {
	source := req.Flow.Remote().Addr().Unmap()
	if s.cfg.Trust.Contains(source) {
		return s.asserted(req), nil
	}
	if who, ok := s.federated(req); ok {
		return who, nil
	}
	credentials := req.Each("Authorization") // never joined: RFC 3261 §7.3.1
	challenge := "WWW-Authenticate"
	if t.proxied(req) {
		// RFC 3261 §22.3: credentials for the other domain may be there, too.
		credentials = append(req.Each("Proxy-Authorization"), credentials...)
		challenge = "Proxy-Authenticate"
	}
	if ok, wait := s.cfg.Throttle.Allow(source, ""); len(credentials) > 0 && !ok {
		return auth.Identity{}, throttled(wait)
	}
	client := agentOf(req)
	if client.oneByOne {
		req.Flow.Space(messageGap)
	}
	result := s.cfg.Auth.Check(ctx, auth.Request{
		Method: req.Method, URI: req.RequestURI, Authorization: credentials,
		Realm: t.realm, Order: client.challengeOrder(), WithoutQop: client.withoutQop,
	})
	if account := result.AOR + result.Attempt; account != "" {
		// Guessing at one account from many addresses: the right password does not
		// help then, except from where its owner was seen before.
		if ok, wait := s.cfg.Throttle.Allow(source, account); !ok {
			return auth.Identity{}, throttled(wait)
		}
	}
	if !result.OK {
		return auth.Identity{}, s.unauthenticated(source, result, challenge)
	}
	s.cfg.Throttle.Succeeded(source, result.AOR)
	return auth.Identity{AOR: result.AOR, DisplayName: req.From.Display}, nil
}

// unauthenticated is the answer to who has not proved who it is; challenge is the
// name of the header that says how to.
func (s *Server) unauthenticated(source netip.Addr, result auth.Result, challenge string) *wire.Response {
	resp := &wire.Response{Status: result.Status}
	if resp.Status == 401 && challenge == "Proxy-Authenticate" {
		resp.Status = 407
	}
	for _, c := range result.Challenges {
		resp.Headers = append(resp.Headers, wire.Header{Name: challenge, Value: c})
	}
	if result.Attempt != "" {
		s.cfg.Throttle.Failed(source, result.Attempt)
		s.cfg.Metrics.AuthFailures.WithLabelValues("sip").Inc()
	}
	if result.Status == 503 {
		slog.Error("credentials not checked", "reason", result.Reason)
		*resp = wire.Overloaded()
	}
	return resp
}

// throttled turns away who keeps sending wrong credentials.
func throttled(wait time.Duration) *wire.Response {
	after := strconv.FormatInt(int64((wait+time.Second-1)/time.Second), 10)
	return &wire.Response{Status: 403, Reason: "Too Many Failures", Headers: []wire.Header{{Name: "Retry-After", Value: after}}}
}

// asserted is the identity a trusted hop vouches for: the first SIP URI of
// P-Asserted-Identity (RFC 3325 §9.1), else From. An anonymous one has no AOR.
func (s *Server) asserted(req *wire.Request) auth.Identity {
	who := auth.Identity{Trusted: true, DisplayName: req.From.Display}
	aor := s.assertedAOR(req)
	if aor == "" {
		if withheld(req) {
			// RFC 3325 §7: the identity was taken out on the way. What From says then
			// was vouched for by nobody.
			who.DisplayName = ""
			return who
		}
		var err error
		if aor, err = s.canonical(req.From.URI); err != nil {
			return who
		}
	}
	// RFC 3323 §4.1.1.3: the host of who wants to stay unknown.
	if _, domain := sipuri.Split(aor); domain != "anonymous.invalid" {
		who.AOR = aor
	}
	return who
}

// federated is the sender by From, where the certificate of the peer speaks for
// its domain (RFC 5922 §7.1) and the table of routes lets that domain in. Our own
// users have passwords.
func (s *Server) federated(req *wire.Request) (auth.Identity, bool) {
	proved := req.Flow.Verified()
	if len(proved) == 0 {
		return auth.Identity{}, false
	}
	from, err := s.canonical(req.From.URI)
	if err != nil {
		return auth.Identity{}, false
	}
	user, domain := sipuri.Split(from)
	if user == "" || s.domains[domain] || !s.cfg.Routes.Admits(domain) {
		return auth.Identity{}, false
	}
	for _, name := range proved {
		if strings.TrimPrefix(name, "sip:") == domain {
			return auth.Identity{AOR: from, DisplayName: req.From.Display}, true
		}
	}
	return auth.Identity{}, false
}

func (s *Server) assertedAOR(req *wire.Request) string {
	for _, v := range req.Values("P-Asserted-Identity") {
		if aor, err := s.canonical(v); err == nil && strings.HasPrefix(aor, "sip:") {
			return aor
		}
	}
	return ""
}

// withheld reports whether the sender's identity was asked to be kept from us.
func withheld(req *wire.Request) bool {
	for token := range strings.SplitSeq(req.Header("Privacy"), ";") {
		if strings.EqualFold(strings.TrimSpace(token), "id") {
			return true
		}
	}
	return false
}

// mayPublish lets a user publish for itself only, and a configured publisher for all.
func mayPublish(s *Server, req *wire.Request, t target, who auth.Identity) *wire.Response {
	if s.cfg.Publishers[who.AOR] {
		return nil
	}
	return ownAddress(s, req, t, who)
}

// ownAddress lets a user register and publish for itself only.
func ownAddress(_ *Server, _ *wire.Request, t target, who auth.Identity) *wire.Response {
	if who.AOR != t.aor {
		return &wire.Response{Status: 403}
	}
	return nil
}

// ownFrom lets a user subscribe and write under its own name only. What a
// trusted hop asserts is not compared: From may be anonymous there.
func ownFrom(s *Server, req *wire.Request, _ target, who auth.Identity) *wire.Response {
	if who.Trusted {
		return nil
	}
	if from, err := s.canonical(req.From.URI); err != nil || from != who.AOR {
		return &wire.Response{Status: 403, Reason: "From Is Not the Authenticated User"}
	}
	return nil
}
