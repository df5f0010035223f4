package auth

import (
	"crypto/md5"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"rollcall/internal/store"
)

// Identity is who sent a request, once that is known.
type Identity struct {
	AOR         string // canonical address-of-record; empty: anonymous
	DisplayName string
	Trusted     bool // asserted by a trusted hop, not proved by credentials
}

// Algorithm is a digest algorithm as named in challenges (RFC 7616 §6.1).
type Algorithm string

// The algorithms that are offered and accepted.
const (
	MD5       Algorithm = "MD5"
	SHA256    Algorithm = "SHA-256"
	SHA512256 Algorithm = "SHA-512-256"
)

// HA1 returns H(user:realm:password) in lower-case hex, the form in which
// passwords are kept (RFC 7616 §3.4.2). The user and the realm are plain text.
func HA1(alg Algorithm, user, realm, password string) string {
	return string(appendHash(nil, alg, []byte(user+":"+realm+":"+password)))
}

// ha1Of returns the HA1 of an account; empty when it has none for alg: accounts
// from elsewhere, or from before the algorithm was known here.
func ha1Of(u *store.User, alg Algorithm) string {
	switch alg {
	case SHA256:
		return u.HA1SHA256
	case SHA512256:
		return u.HA1SHA512
	}
	return u.HA1MD5
}

// appendHash appends the hash of text in lower-case hex.
func appendHash(dst []byte, alg Algorithm, text []byte) []byte {
	switch alg {
	case SHA256:
		sum := sha256.Sum256(text)
		return hex.AppendEncode(dst, sum[:])
	case SHA512256:
		sum := sha512.Sum512_256(text)
		return hex.AppendEncode(dst, sum[:])
	}
	sum := md5.Sum(text)
	return hex.AppendEncode(dst, sum[:])
}

// NewUser makes an account of a canonical AOR ("sip:user@domain"). The realm is
// the domain.
func NewUser(aor, password string) (store.User, error) {
	escaped, domain, ok := strings.Cut(strings.TrimPrefix(aor, "sip:"), "@")
	if !ok || !strings.HasPrefix(aor, "sip:") || escaped == "" || domain == "" {
		return store.User{}, fmt.Errorf("%q is not an address of the form sip:user@domain", aor)
	}
	if password == "" {
		return store.User{}, errors.New("the password is empty")
	}
	user, err := url.PathUnescape(escaped)
	if err != nil {
		return store.User{}, fmt.Errorf("%q: %w", aor, err)
	}
	if strings.ContainsRune(user, ':') {
		// RFC 7616 §3.4.4: the colon separates the parts of what is hashed.
		return store.User{}, fmt.Errorf("%q: a user name with a colon cannot be used for digest authentication", aor)
	}
	return store.User{
		AOR:       aor,
		HA1MD5:    HA1(MD5, user, domain, password),
		HA1SHA256: HA1(SHA256, user, domain, password),
		HA1SHA512: HA1(SHA512256, user, domain, password),
		Created:   time.Now(),
	}, nil
}
