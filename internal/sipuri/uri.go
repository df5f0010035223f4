package sipuri

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ErrSyntax says that a string is not a URI as RFC 3261 §25 defines it.
var ErrSyntax = errors.New("malformed URI")

// Limits of one URI; what exceeds them is malformed.
const (
	MaxLength = 4096
	MaxParams = 64
)

var errTooLong = fmt.Errorf("%w: longer than %d bytes", ErrSyntax, MaxLength)

// URI is a parsed URI. For schemes without an authority (tel and unknown ones)
// Host is empty and User holds the opaque part.
type URI struct {
	Scheme   string // lower-case
	User     string // as written, escapes kept
	Password string
	HasUser  bool
	Host     string // lower-case; an IPv6 address keeps its brackets
	Port     int    // 0: absent
	Params   []Param
	Headers  string // what follows "?", as written
}

// Param is one parameter of a URI or of a header field value.
type Param struct {
	Name     string // lower-case
	Value    string
	HasValue bool
}

// Param returns the value of the named parameter and whether it is there.
func (u URI) Param(name string) (string, bool) {
	for i := range u.Params {
		if u.Params[i].Name == name {
			return u.Params[i].Value, true
		}
	}
	return "", false
}

// String writes the URI out.
func (u URI) String() string {
	var b strings.Builder
	b.Grow(len(u.Scheme) + len(u.User) + len(u.Host) + 16)
	b.WriteString(u.Scheme)
	b.WriteByte(':')
	if u.HasUser {
		b.WriteString(u.User)
		if u.Password != "" {
			b.WriteByte(':')
			b.WriteString(u.Password)
		}
		if u.Host != "" {
			b.WriteByte('@')
		}
	}
	b.WriteString(u.Host)
	if u.Port != 0 {
		b.WriteByte(':')
		b.WriteString(strconv.Itoa(u.Port))
	}
	for _, p := range u.Params {
		b.WriteByte(';')
		b.WriteString(p.Name)
		if p.HasValue {
			b.WriteByte('=')
			b.WriteString(p.Value)
		}
	}
	if u.Headers != "" {
		b.WriteByte('?')
		b.WriteString(u.Headers)
	}
	return b.String()
}

// Split takes a canonical address-of-record apart. The user part keeps its
// escapes; the domain includes a port if there is one.
func Split(aor string) (user, domain string) {
	_, rest, ok := strings.Cut(aor, ":")
	if !ok {
		rest = aor
	}
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		return rest[:i], rest[i+1:]
	}
	if strings.HasPrefix(aor, "tel:") {
		return rest, ""
	}
	return "", rest
}
