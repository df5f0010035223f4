package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"hash"
	"sync"
	"time"
)

// A nonce is 8 octets of time in microseconds, 8 random octets and 16 octets of
// HMAC-SHA256 over the realm and those, in base64url.
const (
	nonceHead = 16
	nonceMAC  = 16
	nonceSize = nonceHead + nonceMAC
)

// nonceLifetime is how long a nonce is good for; after that a right response is
// answered with stale=true and a fresh one.
const nonceLifetime = 5 * time.Minute

// clockSkew is how far in the future the nonce of another node may be.
const clockSkew = 10 * time.Second

// Strict: one nonce has one text.
var nonceText = base64.RawURLEncoding.Strict()

// nonceID is what a nonce count table keeps of a nonce: its time and random part.
type nonceID [nonceHead]byte

func (id nonceID) issued() time.Time {
	return time.UnixMicro(int64(binary.BigEndian.Uint64(id[:8])))
}

// signer makes and recognises nonces.
type signer struct {
	macs sync.Pool // of hash.Hash: keyed HMACs are expensive to set up
}

func newSigner(secret []byte) *signer {
	key := append([]byte("digest nonce "), secret...)
	s := &signer{}
	s.macs.New = func() any { return hmac.New(sha256.New, key) }
	return s
}

func (s *signer) nonce(realm string, now time.Time) string {
	var raw [nonceSize]byte
	binary.BigEndian.PutUint64(raw[:8], uint64(now.UnixMicro()))
	_, _ = rand.Read(raw[8:nonceHead]) // never fails
	var text [64]byte
	sum := s.sign(realm, raw[:nonceHead])
	copy(raw[nonceHead:], sum[:nonceMAC])
	return string(nonceText.AppendEncode(text[:0], raw[:]))
}

// verify returns the identity of a nonce this signer made for realm, and whether
// it is still fresh.
func (s *signer) verify(realm, nonce string, now time.Time) (id nonceID, fresh, ours bool) {
	var raw [nonceSize]byte
	if len(nonce) != nonceText.EncodedLen(nonceSize) {
		return id, false, false
	}
	if n, err := nonceText.Decode(raw[:], []byte(nonce)); err != nil || n != nonceSize {
		return id, false, false
	}
	sum := s.sign(realm, raw[:nonceHead])
	if !hmac.Equal(sum[:nonceMAC], raw[nonceHead:]) {
		return id, false, false
	}
	id = nonceID(raw[:nonceHead])
	age := now.Sub(id.issued())
	return id, age < nonceLifetime && age > -clockSkew, true
}

func (s *signer) sign(realm string, head []byte) [sha256.Size]byte {
	mac := s.macs.Get().(hash.Hash)
	defer s.macs.Put(mac)
	mac.Reset()
	mac.Write(head)
	mac.Write([]byte(realm))
	var sum [sha256.Size]byte
	mac.Sum(sum[:0])
	return sum
}
