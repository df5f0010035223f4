package auth

import (
	"context"
	"crypto/subtle"
	"errors"
	"strconv"
	"strings"
	"time"

	"rollcall/internal/store"
)

// Order says which algorithm a challenge offers first.
type Order int

const (
	// MD5First is for HTTP: known XCAP clients look at the first challenge only
	// and fail on anything but MD5.
	MD5First Order = iota
	// SHA256First is for SIP (RFC 8760 §2.3: the most preferred first): SHA-256,
	// SHA-512-256, MD5. The second comes after the first because accounts made
	// elsewhere may lack it.
	SHA256First
	// SHA256AndMD5 is for SIP clients that fail on other algorithms.
	SHA256AndMD5
	// MD5Only is for SIP clients that give up when they see an algorithm they do
	// not know, whatever else is offered.
	MD5Only
)

// maxLines bounds the Authorization lines looked at in one request.
const maxLines = 8

// maxUsername bounds what is looked up and remembered.
const maxUsername = 128

// Request is what of a SIP or HTTP request matters for authentication.
type Request struct {
	Method        string
	URI           string   // Request-URI, or request target as received
	Authorization []string // values of all Authorization lines, not joined
	Realm         string   // the domain addressed
	Order         Order
	MatchURI      bool // HTTP, RFC 7616 §3.4.6: the uri parameter must be URI
	// WithoutQop also takes the form of RFC 2069, MD5 without qop, which clients
	// that know no other send whatever is offered. It has no nonce count: what was
	// seen on the way can be replayed until the nonce expires.
	WithoutQop bool
	// Basic also offers and takes the Basic scheme (RFC 7617), last of all. It is
	// for requests that came over TLS only.
	Basic bool
}

// Result says who sent a request, or what to answer.
type Result struct {
	AOR        string // of the user, when OK
	OK         bool
	Stale      bool     // the password was right, the nonce is not good any more
	Status     int      // 0 when OK, else 400, 401 or 503
	Reason     string   // for the log
	Challenges []string // WWW-Authenticate values, when Status is 401
	// Attempt is the AOR whose password was wrong, or that does not exist, when
	// credentials for the realm were given: what to tell Throttle.Failed.
	Attempt string
}

// Authenticator checks credentials. It is safe for concurrent use.
type Authenticator struct {
	users  *Users
	nonces *signer
	counts *counts
	room   *scratch
	decoy  store.User // stands in for users who do not exist
}

// New returns an authenticator whose nonces are signed with secret, which is to
// be the same on every node and over restarts.
func New(secret []byte, users *Users) *Authenticator {
	text := string(secret)
	return &Authenticator{
		users:  users,
		nonces: newSigner(secret),
		counts: newCounts(),
		room:   newScratch(),
		decoy: store.User{
			HA1MD5:    HA1(MD5, "decoy", "", text),
			HA1SHA256: HA1(SHA256, "decoy", "", text),
			HA1SHA512: HA1(SHA512256, "decoy", "", text),
		},
	}
}

// Check authenticates a request. Unknown users and wrong passwords look the same
// from outside.
func (a *Authenticator) Check(ctx context.Context, r Request) Result {
	if r.Basic {
		if value, ok := basicValue(r.Authorization); ok {
			return a.checkBasic(ctx, r, value)
		}
	}
	c, status, reason := pick(r)
	if status != 0 {
		return a.refuse(r, Result{Status: status, Reason: reason})
	}
	alg, count, status, reason := c.examine(r)
	if status != 0 {
		return a.refuse(r, Result{Status: status, Reason: reason})
	}
	if len(c.username) > maxUsername {
		return a.refuse(r, Result{Status: 401, Reason: "user name too long"})
	}
	aor := accountOf(c.username, r.Realm)
	user, err := a.users.Get(ctx, aor)
	known := err == nil
	if !known {
		if !errors.Is(err, store.ErrNotFound) {
			return Result{Status: 503, Reason: err.Error()}
		}
		user = a.decoy
	}
	now := time.Now()
	id, fresh, ours := a.nonces.verify(r.Realm, c.nonce, now)
	if known && ha1Of(&user, alg) == "" && user.HA1MD5 != "" {
		// An account taken over with an HA1 for MD5: a client that took the first
		// challenge must be told what it can prove its password with. There is
		// nothing to guess in this, so it counts as no attempt.
		r.Order = MD5Only
		return a.refuse(r, Result{Status: 401, Reason: "the account has no hash for " + string(alg), Stale: true})
	}
	if !a.right(&c, alg, user, r.Method) || !known {
		return a.refuse(r, Result{Status: 401, Reason: "wrong user name or password", Attempt: aor})
	}
	if !ours || !fresh {
		return a.refuse(r, Result{Status: 401, Reason: "nonce expired", Stale: true})
	}
	if c.qop != "" && !a.counts.use(id, count, now) {
		return a.refuse(r, Result{Status: 401, Reason: "nonce count used before", Stale: true})
	}
	return Result{AOR: aor, OK: true}
}

// pick parses the Authorization lines and returns the credentials for our realm:
// several may be present, one per realm (RFC 3261 §22.1). Schemes we do not know
// are as good as none (RFC 4475 §3.3.7).
func pick(r Request) (c credentials, status int, reason string) {
	status, reason = 401, "no credentials"
	for _, line := range r.Authorization[:min(len(r.Authorization), maxLines)] {
		switch got, err := parseCredentials(line); {
		case errors.Is(err, errNotDigest):
		case err != nil:
			status, reason = 400, err.Error()
		case got.realm != r.Realm:
			if status == 401 {
				reason = "credentials for another realm"
			}
		case algorithmOf(got.algorithm) == "":
			if status == 401 {
				reason = "algorithm not offered"
			}
		default:
			return got, 0, ""
		}
	}
	return c, status, reason
}

// algorithmOf reads the algorithm parameter; "" when it is none of ours.
func algorithmOf(text string) Algorithm {
	if text == "" {
		return MD5 // RFC 7616 §3.4: the default
	}
	for _, alg := range [...]Algorithm{SHA256, MD5, SHA512256} {
		if strings.EqualFold(text, string(alg)) {
			return alg
		}
	}
	return ""
}

// examine checks all of the credentials that does not depend on the account.
func (c *credentials) examine(r Request) (alg Algorithm, count uint32, status int, reason string) {
	alg = algorithmOf(c.algorithm)
	if strings.EqualFold(c.userhash, "true") {
		return alg, 0, 401, "userhash was not offered"
	}
	switch {
	case c.qop == "" && (!r.WithoutQop || alg != MD5):
		return alg, 0, 401, "no qop"
	case c.qop != "" && !strings.EqualFold(c.qop, "auth"):
		// auth-int among them: a body changed on the way is not found out by
		// pretending. The challenge says what is there.
		return alg, 0, 401, "qop " + quoteShort(c.qop) + " was not offered"
	}
	count, ok := parseCount(c.nc)
	if c.qop != "" && (!ok || count == 0 || c.cnonce == "") {
		return alg, 0, 400, "malformed nc or cnonce"
	}
	if r.MatchURI && !sameTarget(c.uri, r.URI) {
		return alg, 0, 400, "uri is not that of the request"
	}
	return alg, count, 0, ""
}

// sameTarget compares the uri parameter with the request target; the parameter
// may be the absolute form of it.
func sameTarget(uri, target string) bool {
	if uri == target {
		return true
	}
	_, rest, ok := strings.Cut(uri, "://")
	if !ok {
		return false
	}
	slash := strings.IndexByte(rest, '/')
	return slash > 0 && rest[slash:] == target
}

// right reports whether the response is the one that user would send. Without
// a stored hash for the algorithm nothing is right: everyone could compute a
// response from an empty one.
func (a *Authenticator) right(c *credentials, alg Algorithm, user store.User, method string) bool {
	known := ha1Of(&user, alg) != ""
	if !known {
		user = a.decoy
	}
	var buf [128]byte
	want := c.expect(buf[:0], a.room, alg, user, method)
	return subtle.ConstantTimeCompare(want, []byte(c.response)) == 1 && known
}

// quoteShort quotes a piece of what a client sent, for the log.
func quoteShort(s string) string { return strconv.Quote(s[:min(len(s), 32)]) }

func (a *Authenticator) refuse(r Request, res Result) Result {
	if res.Status == 401 {
		res.Challenges = a.Challenges(r.Realm, r.Order, res.Stale)
		if r.Basic {
			res.Challenges = append(res.Challenges, basicChallenge(r.Realm))
		}
	}
	return res
}

// Challenges returns WWW-Authenticate values with a fresh nonce.
func (a *Authenticator) Challenges(realm string, order Order, stale bool) []string {
	nonce := a.nonces.nonce(realm, time.Now())
	var list []Algorithm
	switch order {
	case SHA256First:
		list = []Algorithm{SHA256, SHA512256, MD5}
	case SHA256AndMD5:
		list = []Algorithm{SHA256, MD5}
	case MD5Only:
		list = []Algorithm{MD5}
	default:
		list = []Algorithm{MD5, SHA256}
	}
	out := make([]string, len(list))
	for i, alg := range list {
		out[i] = challenge(realm, nonce, alg, stale)
	}
	return out
}

// challenge renders one challenge; what is quoted is laid down in RFC 7616 §3.3.
func challenge(realm, nonce string, alg Algorithm, stale bool) string {
	var b strings.Builder
	b.Grow(96 + len(realm) + len(nonce))
	b.WriteString(`Digest realm="`)
	b.WriteString(realm)
	b.WriteString(`", nonce="`)
	b.WriteString(nonce)
	b.WriteString(`", algorithm=`)
	b.WriteString(string(alg))
	b.WriteString(`, qop="auth"`)
	if stale {
		b.WriteString(", stale=true")
	}
	return b.String()
}
