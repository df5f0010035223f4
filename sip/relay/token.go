package relay

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/netip"
	"strings"
)

// token is what a Record-Route of ours says about a dialog. It is the user part
// of the URI there, signed together with the Call-ID: nobody can make one up, or
// use that of one dialog in another.
type token struct {
	flow   string     // wire.Flow.Ref of the side that subscribed
	aor    string     // of the user who subscribed; empty: it came through a trusted hop
	domain string     // of what is subscribed to
	device string     // its +sip.instance, hashed; empty: it told none
	peer   netip.Addr // where the first request went
}

const (
	tokenPrefix = "rc-"
	macLen      = 16
	// maxTokenText bounds what is looked at, and maxPart what is written.
	maxTokenText = 1024
	maxPart      = 200
)

var (
	errNoToken = errors.New("not a token of ours")
	// errForged: it looks like a token, and is none of this dialog.
	errForged = errors.New("forged token")
)

var tokenText = base64.RawURLEncoding.Strict()

// seal returns the user part for a dialog; ok=false: it would be too long.
func (t token) seal(secret []byte, callID string) (user string, ok bool) {
	var b []byte
	for _, part := range [...]string{t.flow, t.aor, t.domain, t.device, string(t.peer.AsSlice())} {
		if len(part) > maxPart {
			return "", false
		}
		b = append(b, byte(len(part)))
		b = append(b, part...)
	}
	b = append(b, mac(secret, b, callID)...)
	return tokenPrefix + tokenText.EncodeToString(b), true
}

// open reads the user part of a URI.
func open(secret []byte, user, callID string) (token, error) {
	text, ok := strings.CutPrefix(user, tokenPrefix)
	if !ok {
		return token{}, errNoToken
	}
	if len(text) > maxTokenText {
		return token{}, errForged
	}
	b, err := tokenText.DecodeString(text)
	if err != nil || len(b) < macLen {
		return token{}, errForged
	}
	content, sum := b[:len(b)-macLen], b[len(b)-macLen:]
	if !hmac.Equal(sum, mac(secret, content, callID)) {
		return token{}, errForged
	}
	return parseToken(content)
}

// parseToken reads what was signed.
func parseToken(b []byte) (t token, err error) {
	var peer string
	for _, part := range [...]*string{&t.flow, &t.aor, &t.domain, &t.device, &peer} {
		if len(b) == 0 || len(b) <= int(b[0]) {
			return token{}, errForged
		}
		*part, b = string(b[1:1+b[0]]), b[1+b[0]:]
	}
	if len(b) > 0 {
		return token{}, errForged
	}
	if peer != "" {
		var ok bool
		if t.peer, ok = netip.AddrFromSlice([]byte(peer)); !ok {
			return token{}, errForged
		}
	}
	return t, nil
}

func mac(secret, content []byte, callID string) []byte {
	h := hmac.New(sha256.New, secret)
	h.Write(content)
	h.Write([]byte{0})
	h.Write([]byte(callID))
	return h.Sum(nil)[:macLen]
}

// deviceOf is what a token says of a device with an instance.
func deviceOf(instance string) string {
	if instance == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(strings.ToLower(strings.Trim(instance, "<>"))))
	return string(sum[:8])
}
