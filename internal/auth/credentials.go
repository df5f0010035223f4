package auth

import (
	"errors"
	"strings"
)

// maxCredentials bounds one Authorization line; the uri of an XCAP request with
// a long node selector is the largest part of it.
const maxCredentials = 16 << 10

// credentials is a parsed Authorization value of the Digest scheme (RFC 7616
// §3.4), values unquoted.
type credentials struct {
	username, realm, nonce, uri, response string
	algorithm, cnonce, qop, nc            string
	userhash                              string
	given                                 uint16 // bit per entry of fields
}

var (
	errNotDigest = errors.New("not of the Digest scheme")
	errSyntax    = errors.New("malformed credentials")
)

// field returns where to keep a parameter and its bit in given; nil for those
// that make no difference.
func (c *credentials) field(name string) (*string, uint16) {
	switch {
	case strings.EqualFold(name, "username"):
		return &c.username, 1
	case strings.EqualFold(name, "realm"):
		return &c.realm, 2
	case strings.EqualFold(name, "nonce"):
		return &c.nonce, 4
	case strings.EqualFold(name, "uri"):
		return &c.uri, 8
	case strings.EqualFold(name, "response"):
		return &c.response, 16
	case strings.EqualFold(name, "algorithm"):
		return &c.algorithm, 32
	case strings.EqualFold(name, "cnonce"):
		return &c.cnonce, 64
	case strings.EqualFold(name, "qop"):
		return &c.qop, 128
	case strings.EqualFold(name, "nc"):
		return &c.nc, 256
	case strings.EqualFold(name, "userhash"):
		return &c.userhash, 512
	}
	return nil, 0
}

// mandatory are the bits of username, realm, nonce, uri and response.
const mandatory = 1 | 2 | 4 | 8 | 16

// isDigest reports whether an Authorization value is of the Digest scheme and
// returns its parameters.
func isDigest(line string) (params string, ok bool) {
	scheme, params, _ := strings.Cut(strings.Trim(line, " \t"), " ")
	return params, strings.EqualFold(scheme, "digest")
}

// parseCredentials parses an Authorization value.
func parseCredentials(line string) (credentials, error) {
	var c credentials
	rest, ok := isDigest(line)
	if !ok {
		return c, errNotDigest
	}
	if len(rest) > maxCredentials {
		return c, errSyntax
	}
	for {
		// RFC 9110 §5.6.1: empty list elements are allowed.
		rest = skip(rest, true)
		if rest == "" {
			break
		}
		name := token(rest)
		rest = skip(rest[len(name):], false)
		if name == "" || rest == "" || rest[0] != '=' {
			return c, errSyntax
		}
		var value string
		if value, rest, ok = parseValue(skip(rest[1:], false)); !ok {
			return c, errSyntax
		}
		if field, bit := c.field(name); field != nil {
			if c.given&bit != 0 {
				return c, errSyntax
			}
			c.given |= bit
			*field = value
		}
	}
	if c.given&mandatory != mandatory {
		return c, errSyntax
	}
	return c, nil
}

// parseValue takes a token or quoted string from the start of s, which must be
// followed by a comma or the end.
func parseValue(s string) (value, rest string, ok bool) {
	if s == "" || s[0] != '"' {
		value = bare(s)
		rest = skip(s[len(value):], false)
		return value, rest, value != "" && (rest == "" || rest[0] == ',')
	}
	escaped := false
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s):
			escaped = true
			i++
		case c == '"' && endsValue(s[i+1:]):
			value = s[1:i]
			if escaped {
				value = unescape(value)
			}
			return value, skip(s[i+1:], false), true
		case c < ' ' && c != '\t' || c == 0x7f:
			return "", "", false
		}
	}
	return "", "", false
}

// endsValue reports whether a quote followed by s ends a quoted string. Some
// XCAP clients leave the quotes of a node selector as they are, so a quote counts
// only before the end or before a further parameter.
func endsValue(s string) bool {
	s = skip(s, false)
	if s == "" {
		return true
	}
	if s[0] != ',' {
		return false
	}
	s = skip(s, true)
	name := token(s)
	s = skip(s[len(name):], false)
	return s == "" && name == "" || name != "" && s != "" && s[0] == '='
}

// skip drops white space, and commas too if wanted, at the start of s.
func skip(s string, commas bool) string {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c != ' ' && c != '\t' && (c != ',' || !commas) {
			return s[i:]
		}
	}
	return ""
}

// bare returns the unquoted value at the start of s: a token or, leniently,
// whatever reaches to the next comma or space.
func bare(s string) string {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c <= ' ' || c == ',' || c == '"' || c >= 0x7f {
			return s[:i]
		}
	}
	return s
}

// token returns the token (RFC 9110 §5.6.2) at the start of s.
func token(s string) string {
	for i := 0; i < len(s); i++ {
		if !isTokenChar(s[i]) {
			return s[:i]
		}
	}
	return s
}

func isTokenChar(c byte) bool {
	switch c {
	case '!', '#', '$', '%', '&', '\'', '*', '+', '-', '.', '^', '_', '`', '|', '~':
		return true
	}
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

func unescape(s string) string {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b = append(b, s[i])
	}
	return string(b)
}

// parseCount parses nc, which is exactly eight hex digits (RFC 7616 §3.4).
func parseCount(s string) (uint32, bool) {
	if len(s) != 8 {
		return 0, false
	}
	var n uint32
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		n = n<<4 | uint32(c)
	}
	return n, true
}
