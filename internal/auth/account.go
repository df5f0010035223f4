package auth

import "strings"

// accountOf returns the canonical AOR of a digest user name: what is not allowed
// in the user part of a SIP URI is escaped (RFC 3261 §25.1), so a name with a
// domain in it is another, unknown user.
func accountOf(username, realm string) string {
	escape := 0
	for i := 0; i < len(username); i++ {
		if !isUserChar(username[i]) {
			escape++
		}
	}
	var b strings.Builder
	b.Grow(len("sip:@") + len(username) + 2*escape + len(realm))
	b.WriteString("sip:")
	for i := 0; i < len(username); i++ {
		if c := username[i]; isUserChar(c) {
			b.WriteByte(c)
		} else {
			b.WriteByte('%')
			b.WriteByte(upperHex[c>>4])
			b.WriteByte(upperHex[c&15])
		}
	}
	b.WriteByte('@')
	b.WriteString(realm)
	return b.String()
}

const upperHex = "0123456789ABCDEF"

// isUserChar: unreserved / user-unreserved.
func isUserChar(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	return strings.IndexByte("-_.!~*'()&=+$,;?/", c) >= 0
}
