package auth

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"strings"
	"unicode/utf8"

	"rollcall/internal/store"
)

// basicValue returns what the first line of the Basic scheme (RFC 7617) has after
// the name of the scheme.
func basicValue(lines []string) (value string, ok bool) {
	for _, line := range lines[:min(len(lines), maxLines)] {
		scheme, rest, _ := strings.Cut(strings.Trim(line, " \t"), " ")
		if strings.EqualFold(scheme, "basic") {
			return strings.Trim(rest, " \t"), true
		}
	}
	return "", false
}

// basicChallenge comes last: many clients take the first that they know.
func basicChallenge(realm string) string {
	return `Basic realm="` + realm + `", charset="UTF-8"`
}

// checkBasic compares the password by the hash that is kept of it.
func (a *Authenticator) checkBasic(ctx context.Context, r Request, value string) Result {
	name, password, ok := parseBasic(value)
	if !ok {
		return Result{Status: 400, Reason: "malformed credentials"}
	}
	// The password is here in plain, so unlike with digest a name with the domain
	// in it can be understood.
	if user, domain, found := strings.Cut(name, "@"); found && strings.EqualFold(domain, r.Realm) {
		name = user
	}
	if len(name) > maxUsername {
		return a.refuse(r, Result{Status: 401, Reason: "user name too long"})
	}
	aor := accountOf(name, r.Realm)
	user, err := a.users.Get(ctx, aor)
	known := err == nil
	if !known {
		if !errors.Is(err, store.ErrNotFound) {
			return Result{Status: 503, Reason: err.Error()}
		}
		user = a.decoy
	}
	alg, want := SHA256, user.HA1SHA256
	if want == "" {
		alg, want = MD5, user.HA1MD5 // an account taken over from elsewhere
	}
	same := subtle.ConstantTimeCompare([]byte(HA1(alg, name, r.Realm, password)), []byte(want)) == 1
	if !same || !known {
		return a.refuse(r, Result{Status: 401, Reason: "wrong user name or password", Attempt: aor})
	}
	return Result{AOR: aor, OK: true}
}

// parseBasic decodes user-id ":" password (RFC 7617 §2).
func parseBasic(value string) (name, password string, ok bool) {
	if len(value) > maxCredentials {
		return "", "", false
	}
	text, err := base64.StdEncoding.DecodeString(value)
	if err != nil || !utf8.Valid(text) {
		return "", "", false
	}
	name, password, ok = strings.Cut(string(text), ":")
	control := func(r rune) bool { return r < ' ' || r == 0x7f }
	return name, password, ok && strings.IndexFunc(string(text), control) < 0
}
