package pidf

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"unicode"
)

// ids hands out the xs:IDs of one document.
type ids map[string]bool

// claim returns the id that a component or element published as published gets:
// that id itself, or one derived from it and the lineage when it is taken.
func (taken ids) claim(lineage, published string, kind Kind, ordinal int) string {
	id := ncname(published)
	if id == "" {
		id = kind.String()[:1] + digest(lineage+" "+kind.String()+" "+strconv.Itoa(ordinal))
	}
	if taken[id] {
		id = "p" + digest(lineage)[:6] + "-" + id
	}
	for n, base := 2, id; taken[id]; n++ {
		id = base + "-" + strconv.Itoa(n)
	}
	taken[id] = true
	return id
}

// ncname makes s an NCName (Namespaces in XML §3), or returns "" for blank s.
func ncname(s string) string {
	s = strings.TrimSpace(s)
	valid := true
	for i, r := range s {
		valid = valid && nameRune(r) && (i > 0 || nameStart(r))
	}
	if valid {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		switch {
		case i == 0 && !nameStart(r):
			b.WriteByte('_')
			if nameRune(r) {
				b.WriteRune(r)
			}
		case nameRune(r):
			b.WriteRune(r)
		default:
			b.WriteByte('_')
		}
	}
	return b.String()
}

// The classes of the first four editions of XML 1.0 are narrower than that of the
// fifth; ASCII and letters are in all of them.
func nameStart(r rune) bool { return r == '_' || unicode.IsLetter(r) && r < 0xFFFF }

func nameRune(r rune) bool {
	return nameStart(r) || r == '-' || r == '.' || '0' <= r && r <= '9'
}

// digest is a short stable name for s.
func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:6])
}
