package xcap

import (
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"rollcall/internal/auth"
	"rollcall/internal/hop"
	"rollcall/internal/sipuri"
	"rollcall/internal/store"
)

// assertedIdentity is the header in which a front end tells who it has
// authenticated.
const assertedIdentity = "X-Xcap-Asserted-Identity"

// authenticate finds out who sent the request.
func (s *server) authenticate(req *request) response {
	trust := hop.Trust(s.Trust)
	peer := trust.Client(req.Request)
	if asserted := req.Header.Get(assertedIdentity); asserted != "" {
		if trust.Contains(hop.Peer(req.Request)) {
			return req.believe(asserted)
		}
		slog.Debug("asserted identity ignored: it does not come from a trusted address", "address", peer.String())
	}
	if len(req.Header["Authorization"]) > 0 {
		if ok, wait := s.Throttle.Allow(peer, ""); !ok {
			return response{status: http.StatusTooManyRequests, retryAfter: wait}
		}
	}
	res := s.Auth.Check(req.Context(), auth.Request{
		Method: req.Method, URI: req.RequestURI, Authorization: req.Header["Authorization"],
		Realm: s.realm(req), Order: auth.MD5First, MatchURI: true,
		Basic: s.Basic && trust.Secure(req.Request),
	})
	// The account's limit answers alike for right and wrong passwords, so that a
	// guesser learns nothing.
	if account := res.AOR + res.Attempt; account != "" {
		if ok, wait := s.Throttle.Allow(peer, account); !ok {
			return response{status: http.StatusTooManyRequests, retryAfter: wait}
		}
	}
	if res.OK {
		s.Throttle.Succeeded(peer, res.AOR)
		req.who = auth.Identity{AOR: res.AOR}
		return response{}
	}
	if res.Attempt != "" {
		s.Throttle.Failed(peer, res.Attempt)
		s.Metrics.AuthFailures.WithLabelValues("http").Inc()
	}
	switch res.Status {
	case http.StatusUnauthorized:
		return response{status: res.Status, challenges: res.Challenges}
	case http.StatusServiceUnavailable:
		return busy()
	}
	return explained(http.StatusBadRequest, res.Reason)
}

// believe takes the identity that a trusted front end asserts, in quotes or not.
func (req *request) believe(asserted string) response {
	first, _, _ := strings.Cut(asserted, ",")
	aor, err := sipuri.AOR(strings.Trim(strings.TrimSpace(first), `"`))
	if err != nil {
		return explained(http.StatusBadRequest, "malformed asserted identity")
	}
	req.who = auth.Identity{AOR: aor, Trusted: true}
	return response{}
}

// realm is the SIP domain that the request is about: that of the credentials
// if they are for one of ours, of the XUI, or of the host addressed.
func (s *server) realm(req *request) string {
	for _, line := range req.Header["Authorization"] {
		for _, domain := range s.Domains {
			if strings.Contains(line, `realm="`+domain+`"`) {
				return domain
			}
		}
	}
	if aor, err := sipuri.AOR(req.target.XUI); err == nil {
		if _, domain := sipuri.Split(aor); slices.Contains(s.Domains, domain) {
			return domain
		}
	}
	host, _, _ := strings.Cut(strings.ToLower(req.Host), ":")
	for _, domain := range s.Domains {
		if host == domain || strings.HasSuffix(host, "."+domain) {
			return domain
		}
	}
	return s.Domains[0]
}

// authorize finds usage and document owner and applies RFC 4825 §5.7: a user's
// tree is for the owner and whom the configuration lets in, the global tree is
// for everyone to read unless the usage says otherwise.
func (s *server) authorize(req *request) response {
	req.usage = s.usages[req.target.AUID]
	key, err := req.target.Key()
	if req.usage == nil || err != nil {
		return response{status: http.StatusNotFound}
	}
	req.key = key
	if req.target.Global {
		readable := req.usage.GlobalReadable
		switch {
		case req.usage.Global == nil:
			return response{status: http.StatusNotFound}
		case readable == nil || readable(req.who):
			return response{}
		case s.access.super[req.who.AOR]:
			req.delegated = true
			return response{}
		}
		return response{status: http.StatusNotFound}
	}
	switch _, err := s.Users.Get(req.Context(), key.XUI); {
	case errors.Is(err, store.ErrNotFound):
		return response{status: http.StatusNotFound}
	case err != nil:
		return failed(req, err)
	}
	if req.who.AOR == key.XUI {
		return response{}
	}
	if !s.access.allows(req.who.AOR, key.XUI, key.AUID, !readOnly(req.Method)) {
		return response{status: http.StatusForbidden}
	}
	req.delegated = true
	return response{}
}
