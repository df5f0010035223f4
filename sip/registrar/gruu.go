package registrar

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"net/url"
	"strings"
	"time"

	"rollcall/internal/sipuri"
	"rollcall/internal/store"
)

// A temporary GRUU says by itself where it leads, so none is stored (after the
// idea of RFC 5627 Appendix A.2): its user part is "tgruu." and, in base64url,
// 16 octets of HMAC-SHA256 over the domain and a text, and that text in AES-CTR
// with those octets as its initial counter. The text is 8 octets of the era, 4
// of the CSeq and the user, padded so that its length says little. One REGISTER
// has one temporary GRUU; to others two of them have nothing in common.
const (
	temporaryPrefix = "tgruu."
	tagSize         = 16
	eraSize         = 8
	headSize        = eraSize + 4
	maxToken        = 1024
)

// minter makes and opens temporary GRUUs.
type minter struct {
	block cipher.Block
	mac   []byte
}

func newMinter(secret []byte) minter {
	derive := func(label string) []byte {
		h := hmac.New(sha256.New, secret)
		h.Write([]byte(label))
		return h.Sum(nil)
	}
	block, err := aes.NewCipher(derive("gruu cipher"))
	if err != nil { // 32 octets are a key
		return minter{}
	}
	return minter{block: block, mac: derive("gruu tag")}
}

// mint returns the user part of the temporary GRUU of the REGISTER cseq.
func (m minter) mint(user, domain, era string, cseq uint32) (string, bool) {
	raw, err := hex.DecodeString(era)
	if err != nil || len(raw) != eraSize {
		return "", false
	}
	text := make([]byte, headSize+(len(user)+15)/16*16)
	copy(text, raw)
	binary.BigEndian.PutUint32(text[eraSize:], cseq)
	copy(text[headSize:], user)
	sealed := make([]byte, tagSize+len(text))
	copy(sealed, m.tag(domain, text))
	cipher.NewCTR(m.block, sealed[:tagSize]).XORKeyStream(sealed[tagSize:], text)
	return temporaryPrefix + base64.RawURLEncoding.EncodeToString(sealed), true
}

// open returns what mint was given.
func (m minter) open(token, domain string) (user, era string, ok bool) {
	encoded, ok := strings.CutPrefix(token, temporaryPrefix)
	if !ok || len(encoded) > maxToken {
		return "", "", false
	}
	sealed, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil || len(sealed) < tagSize+headSize {
		return "", "", false
	}
	text := make([]byte, len(sealed)-tagSize)
	cipher.NewCTR(m.block, sealed[:tagSize]).XORKeyStream(text, sealed[tagSize:])
	if !hmac.Equal(m.tag(domain, text), sealed[:tagSize]) {
		return "", "", false
	}
	return strings.TrimRight(string(text[headSize:]), "\x00"), hex.EncodeToString(text[:eraSize]), true
}

func (m minter) tag(domain string, text []byte) []byte {
	h := hmac.New(sha256.New, m.mac)
	h.Write([]byte(domain))
	h.Write([]byte{0})
	h.Write(text)
	return h.Sum(nil)[:tagSize]
}

// PublicGRUU returns the public GRUU of a binding, "" when it has no instance.
// It is made of the instance alone and so the same for ever (RFC 5627 §5.1).
func PublicGRUU(b store.Binding) string {
	if !isURN(b.Instance) {
		return ""
	}
	return b.AOR + ";gr=" + escapeParam(b.Instance)
}

// TemporaryGRUU returns the temporary GRUU that the most recent REGISTER of a
// binding was given, "" when it has none.
func (r *Registrar) TemporaryGRUU(b store.Binding) string {
	if !isURN(b.Instance) {
		return ""
	}
	user, domain := sipuri.Split(b.AOR)
	token, ok := r.minter.mint(user, domain, b.Era, b.CSeq)
	if !ok {
		return ""
	}
	return "sip:" + token + "@" + domain + ";gr"
}

// GRUU says where a URI with the parameter gr in a domain of ours leads (RFC
// 5627 §5.4 and §6.1); ok=false: nowhere. A public GRUU is good for as long as
// the account, so any instance may be meant; a temporary one for as long as the
// instance stays registered under the Call-ID.
func (r *Registrar) GRUU(uri sipuri.URI) (aor, instance string, temporary, ok bool) {
	value, _ := uri.Param("gr")
	if value == "" {
		user, era, ok := r.minter.open(uri.User, uri.Host)
		if !ok {
			return "", "", true, false
		}
		aor = "sip:" + user + "@" + uri.Host
		for _, b := range r.Bindings(aor) {
			if b.Era == era {
				return aor, b.Instance, true, true
			}
		}
		return "", "", true, false
	}
	instance, err := url.PathUnescape(value)
	if err != nil || !isURN(instance) || !uri.HasUser {
		return "", "", false, false
	}
	aor, err = sipuri.AOR("sip:" + uri.User + "@" + uri.Host)
	return aor, instance, false, err == nil
}

// Reachable reports whether an instance of a user has a contact.
func (r *Registrar) Reachable(aor, instance string) bool {
	for _, b := range r.stored(aor).alive(time.Now()) {
		if SameInstance(b.Instance, instance) {
			return true
		}
	}
	return false
}

// SameInstance compares instance-ids, which are URNs: RFC 5626 §4.1. UUIDs, of
// which nearly all are made, do not depend on case.
func SameInstance(a, b string) bool { return a != "" && strings.EqualFold(a, b) }

func isURN(instance string) bool {
	return len(instance) > len("urn:x:") && len(instance) <= 512 && strings.EqualFold(instance[:4], "urn:")
}

// escapeParam writes a parameter value of a URI (RFC 3261 §25.1, pvalue).
func escapeParam(s string) string {
	const hexDigits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-_.!~*'()[]/:&+$", c) >= 0:
			b.WriteByte(c)
		default:
			b.WriteByte('%')
			b.WriteByte(hexDigits[c>>4])
			b.WriteByte(hexDigits[c&15])
		}
	}
	return b.String()
}
