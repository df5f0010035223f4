package auth

import (
	"crypto/sha256"
	"sync"

	"rollcall/internal/store"
)

// scratch lends room for the text that is hashed.
type scratch struct{ pool sync.Pool }

func newScratch() *scratch {
	return &scratch{sync.Pool{New: func() any { b := make([]byte, 0, 512); return &b }}}
}

// expect appends the right response in hex (RFC 7616 §3.4.1): H(HA1:nonce:nc:
// cnonce:qop:H(method:uri)), everything as the client wrote it; without qop
// H(HA1:nonce:H(method:uri)), as in RFC 2069.
func (c *credentials) expect(dst []byte, room *scratch, alg Algorithm, user store.User, method string) []byte {
	p := room.pool.Get().(*[]byte)
	b := (*p)[:0]
	b = append(b, method...)
	b = append(b, ':')
	b = append(b, c.uri...)
	var buf [2 * sha256.Size]byte
	ha2 := appendHash(buf[:0], alg, b)
	b = b[:0]
	b = append(b, ha1Of(&user, alg)...)
	parts := [...]string{c.nonce, c.nc, c.cnonce, c.qop}
	used := parts[:]
	if c.qop == "" {
		used = parts[:1]
	}
	for _, part := range used {
		b = append(b, ':')
		b = append(b, part...)
	}
	b = append(b, ':')
	b = append(b, ha2...)
	dst = appendHash(dst, alg, b)
	*p = b
	room.pool.Put(p)
	return dst
}
