package main

import (
	"crypto/md5"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"
)

// challenge is one WWW-Authenticate value (RFC 7616 §3.3).
type challenge struct {
	realm, nonce, opaque, algorithm string
	qop                             bool // "auth" is offered
	stale                           bool
}

var errNoChallenge = errors.New("no digest challenge with MD5 or SHA-256")

func parseChallenge(value string) (challenge, bool) {
	scheme, rest, _ := strings.Cut(strings.TrimSpace(value), " ")
	if !strings.EqualFold(scheme, "Digest") {
		return challenge{}, false
	}
	p := parseParams(rest)
	c := challenge{realm: p["realm"], nonce: p["nonce"], opaque: p["opaque"], algorithm: p["algorithm"]}
	if c.algorithm == "" {
		c.algorithm = "MD5"
	}
	for q := range strings.SplitSeq(p["qop"], ",") {
		c.qop = c.qop || strings.EqualFold(strings.TrimSpace(q), "auth")
	}
	c.stale = strings.EqualFold(p["stale"], "true")
	known := strings.EqualFold(c.algorithm, "MD5") || strings.EqualFold(c.algorithm, "SHA-256")
	return c, known && c.nonce != ""
}

// parseParams reads name=value pairs with commas between; values may be quoted.
func parseParams(s string) map[string]string {
	params := map[string]string{}
	for s != "" {
		name, rest, ok := strings.Cut(s, "=")
		if !ok {
			break
		}
		name = strings.ToLower(strings.Trim(name, " ,\t"))
		rest = strings.TrimLeft(rest, " \t")
		var value string
		if strings.HasPrefix(rest, `"`) {
			value, s = unquote(rest[1:])
		} else {
			value, s, _ = strings.Cut(rest, ",")
			value = strings.TrimSpace(value)
		}
		params[name] = value
	}
	return params
}

func unquote(s string) (value, rest string) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), s[i+1:]
		case '\\':
			i++
			if i == len(s) {
				return b.String(), ""
			}
		}
		b.WriteByte(s[i])
	}
	return b.String(), ""
}

// credentials answer challenges for one account and keep the nonce for the
// requests that follow.
type credentials struct {
	account

	mu      sync.Mutex
	current challenge
	ha1     string
	count   uint32
	cnonce  string
}

func newCredentials(a account) *credentials {
	return &credentials{account: a, cnonce: randomHex(8)}
}

func randomHex(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	return hex.EncodeToString(b)
}

// accept takes the first challenge that can be answered.
func (c *credentials) accept(values []string) error {
	for _, v := range values {
		ch, ok := parseChallenge(v)
		if !ok {
			continue
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.current, c.count = ch, 0
		c.ha1 = hash(ch.algorithm, c.user+":"+ch.realm+":"+c.password)
		return nil
	}
	return errNoChallenge
}

// authorization is the Authorization value for a request, "" before the first challenge.
func (c *credentials) authorization(method, uri string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ha1 == "" {
		return ""
	}
	c.count++
	ha2 := hash(c.current.algorithm, method+":"+uri)
	value := fmt.Sprintf(`Digest username="%s", realm="%s", nonce="%s", uri="%s", algorithm=%s`,
		c.user, c.current.realm, c.current.nonce, uri, c.current.algorithm)
	if c.current.opaque != "" {
		value += `, opaque="` + c.current.opaque + `"`
	}
	if !c.current.qop {
		return value + `, response="` + hash(c.current.algorithm, c.ha1+":"+c.current.nonce+":"+ha2) + `"`
	}
	nc := fmt.Sprintf("%08x", c.count)
	response := hash(c.current.algorithm, strings.Join([]string{c.ha1, c.current.nonce, nc, c.cnonce, "auth", ha2}, ":"))
	return value + `, qop=auth, nc=` + nc + `, cnonce="` + c.cnonce + `", response="` + response + `"`
}

func hash(algorithm, s string) string {
	if strings.EqualFold(algorithm, "SHA-256") {
		sum := sha256.Sum256([]byte(s))
		return hex.EncodeToString(sum[:])
	}
	sum := md5.Sum([]byte(s))
	return hex.EncodeToString(sum[:])
}
