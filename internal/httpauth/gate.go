package httpauth

import (
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"rollcall/internal/auth"
	"rollcall/internal/hop"
	"rollcall/internal/metrics"
	"rollcall/internal/sipuri"
)

// AssertedIdentity is the header in which a front end tells who it has
// authenticated.
const AssertedIdentity = "X-Xcap-Asserted-Identity"

// Gate authenticates requests. All fields but Basic and Trust are required.
type Gate struct {
	Auth     *auth.Authenticator
	Throttle *auth.Throttle
	Metrics  *metrics.Metrics
	Domains  []string // SIP domains; the first is the realm of requests that name none
	// Trust are the networks of front ends whose asserted identity is believed.
	Trust hop.Trust
	// Basic also takes the Basic scheme, over TLS only.
	Basic bool
}

// Refusal is what to answer to a request that is not let in; Status 0 stands for
// one that is.
type Refusal struct {
	Status     int
	Challenges []string // values of WWW-Authenticate
	RetryAfter time.Duration
	Text       string // for a person who reads the answer
}

// Check finds out who sent a request that is about a user; about is empty when it
// is about nobody.
func (g *Gate) Check(r *http.Request, about string) (auth.Identity, Refusal) {
	peer := g.Trust.Client(r)
	if asserted := r.Header.Get(AssertedIdentity); asserted != "" {
		if g.Trust.Contains(hop.Peer(r)) {
			return believe(asserted)
		}
		slog.Debug("asserted identity ignored: it does not come from a trusted address", "address", peer.String())
	}
	if len(r.Header["Authorization"]) > 0 {
		if ok, wait := g.Throttle.Allow(peer, ""); !ok {
			return auth.Identity{}, tooManyAttempts(wait)
		}
	}
	res := g.Auth.Check(r.Context(), auth.Request{
		Method: r.Method, URI: r.RequestURI, Authorization: r.Header["Authorization"],
		Realm: g.realm(r, about), Order: auth.MD5First, MatchURI: true,
		Basic: g.Basic && g.Trust.Secure(r),
	})
	// The account's limit answers alike for right and wrong passwords, so that a
	// guesser learns nothing.
	if account := res.AOR + res.Attempt; account != "" {
		if ok, wait := g.Throttle.Allow(peer, account); !ok {
			return auth.Identity{}, tooManyAttempts(wait)
		}
	}
	if res.OK {
		g.Throttle.Succeeded(peer, res.AOR)
		return auth.Identity{AOR: res.AOR}, Refusal{}
	}
	if res.Attempt != "" {
		g.Throttle.Failed(peer, res.Attempt)
		g.Metrics.AuthFailures.WithLabelValues("http").Inc()
	}
	switch res.Status {
	case http.StatusUnauthorized:
		return auth.Identity{}, Refusal{Status: res.Status, Challenges: res.Challenges}
	case http.StatusServiceUnavailable:
		return auth.Identity{}, Refusal{Status: res.Status, RetryAfter: retryAfter, Text: "the database does not answer; try again later"}
	}
	return auth.Identity{}, Refusal{Status: http.StatusBadRequest, Text: res.Reason}
}

// retryAfter is when a store that is away may be back.
const retryAfter = 5 * time.Second

func tooManyAttempts(wait time.Duration) Refusal {
	return Refusal{Status: http.StatusTooManyRequests, RetryAfter: wait, Text: "too many wrong passwords; try again later"}
}

// believe takes the identity that a trusted front end asserts, in quotes or not.
func believe(asserted string) (auth.Identity, Refusal) {
	first, _, _ := strings.Cut(asserted, ",")
	aor, err := sipuri.AOR(strings.Trim(strings.TrimSpace(first), `"`))
	if err != nil {
		return auth.Identity{}, Refusal{Status: http.StatusBadRequest, Text: "malformed asserted identity"}
	}
	return auth.Identity{AOR: aor, Trusted: true}, Refusal{}
}

// realm is the SIP domain that the request is about: that of the credentials
// if they are for one of ours, of the user, or of the host addressed.
func (g *Gate) realm(r *http.Request, about string) string {
	for _, line := range r.Header["Authorization"] {
		for _, domain := range g.Domains {
			if strings.Contains(line, `realm="`+domain+`"`) {
				return domain
			}
		}
	}
	if aor, err := sipuri.AOR(about); err == nil {
		if _, domain := sipuri.Split(aor); slices.Contains(g.Domains, domain) {
			return domain
		}
	}
	host, _, _ := strings.Cut(strings.ToLower(r.Host), ":")
	for _, domain := range g.Domains {
		if host == domain || strings.HasSuffix(host, "."+domain) {
			return domain
		}
	}
	return g.Domains[0]
}
