package sipuri

import (
	"fmt"
	"slices"
	"strings"
)

// Canonical returns the normal form of RFC 4826 §5: host and well-known tokens in
// lower case, needless escapes undone, parameters sorted, headers dropped.
func Canonical(s string) (string, error) {
	u, err := Parse(s)
	if err != nil {
		return "", err
	}
	switch u.Scheme {
	case "tel":
		return canonicalTel(u), nil
	case "sip", "sips", "pres", "im":
	default:
		return u.String(), nil
	}
	u.Headers = ""
	u.User = normalEscapes(u.User, userChar, userChar)
	u.Password = normalEscapes(u.Password, passwordChar, passwordChar)
	for i := range u.Params {
		p := &u.Params[i]
		p.Value = normalEscapes(p.Value, paramChar, paramChar)
		switch p.Name {
		case "transport", "user", "maddr":
			p.Value = strings.ToLower(p.Value)
		}
	}
	sortParams(u.Params)
	text := u.String()
	if len(text) > MaxLength { // escaping what came plain makes it longer
		return "", errTooLong
	}
	return text, nil
}

// canonicalTel drops visual separators, RFC 3966 §4, and sorts parameters. Values
// are compared without case there, so they are lowered.
func canonicalTel(u URI) string {
	u.User = strings.ToLower(dropSeparators(u.User))
	params := make([]Param, len(u.Params))
	for i, p := range u.Params {
		p.Value = strings.ToLower(normalEscapes(p.Value, paramChar, paramChar))
		// RFC 3966 §5.1.3: ext and a global phone-context are numbers themselves.
		if p.Name == "ext" || p.Name == "phone-context" && strings.HasPrefix(p.Value, "+") {
			p.Value = dropSeparators(p.Value)
		}
		params[i] = p
	}
	sortParams(params)
	u.Params = params
	return u.String()
}

func dropSeparators(s string) string {
	if !strings.ContainsAny(s, "-.()") {
		return s
	}
	return strings.Map(func(r rune) rune {
		switch r {
		case '-', '.', '(', ')':
			return -1
		}
		return r
	}, s)
}

func sortParams(p []Param) {
	slices.SortStableFunc(p, func(a, b Param) int { return strings.Compare(a.Name, b.Name) })
}

// AOR returns the canonical address-of-record that s means. It takes every form
// in which clients write one: a name-addr, a URI with parameters, headers or a
// password, pres: and sips: for sip:, no scheme at all, or the whole
// percent-encoded. The result is "sip:user@host[:port]", or "tel:number".
func AOR(s string) (string, error) {
	if plainAOR(s) {
		return s, nil
	}
	if aor, ok := simpleAOR(s); ok {
		return aor, nil
	}
	return anyAOR(s)
}

func anyAOR(s string) (string, error) {
	if len(s) > MaxLength {
		return "", errTooLong
	}
	text := decodeWhole(addrSpec(s))
	scheme, rest, ok := strings.Cut(text, ":")
	switch {
	case ok && isOneOf(scheme, "sip", "sips", "pres", "im"):
	case ok && strings.EqualFold(scheme, "tel"):
		u, err := Parse(text)
		if err != nil {
			return "", err
		}
		return canonicalTel(u), nil
	case strings.IndexByte(text, '@') > 0 && (!ok || strings.IndexByte(scheme, '@') > 0):
		rest = text // "bob@example.com" or "bob@example.com:5070"
	default:
		return "", fmt.Errorf("%w: not an address of record", ErrSyntax)
	}
	return hierarchicalAOR(rest)
}

func hierarchicalAOR(s string) (string, error) {
	var user string
	if i := strings.IndexByte(s, '@'); i >= 0 {
		user, s = s[:i], s[i+1:]
		user, _, _ = strings.Cut(user, ":")
		if user == "" || hasControl(user) {
			return "", fmt.Errorf("%w: bad user part", ErrSyntax)
		}
		user = normalEscapes(user, userChar, userChar) + "@"
	}
	if i := strings.IndexAny(s, ";?"); i >= 0 {
		s = s[:i]
	}
	var u URI
	if err := u.parseHostport(s); err != nil {
		return "", err
	}
	port := ""
	if i := strings.LastIndexByte(s, ':'); u.Port != 0 {
		port = strings.TrimLeft(s[i+1:], "0")
		port = ":" + port
	}
	aor := "sip:" + user + strings.TrimSuffix(u.Host, ".") + port
	if len(aor) > MaxLength { // escaping what came plain makes it longer
		return "", errTooLong
	}
	return aor, nil
}

// plainAOR recognises what is canonical already and needs no work.
func plainAOR(s string) bool {
	if !strings.HasPrefix(s, "sip:") || len(s) > MaxLength {
		return false
	}
	at := strings.IndexByte(s, '@')
	if at <= 4 || !all(s[4:at], userChar) {
		return false
	}
	host := s[at+1:]
	if strings.IndexByte(host, ':') >= 0 || strings.HasSuffix(host, ".") {
		return false
	}
	canonical, ok := canonicalHost(host)
	return ok && canonical == host
}

// simpleAOR recognises what most entries of lists look like: an address without
// scheme or with its first colon escaped, the "@" escaped or not, that needs no
// more work than that.
func simpleAOR(s string) (string, bool) {
	if len(s) > MaxLength-len("sip:") {
		return "", false
	}
	if len(s) > 6 && s[3] == '%' && (s[:6] == "sip%3A" || s[:6] == "sip%3a") {
		s = s[6:]
	}
	at := 0
	for at < len(s) && (alphanum(s[at]) || s[at] == '-' || s[at] == '_' || s[at] == '.') {
		at++
	}
	user, host := s[:at], s[at:]
	switch {
	case user == "":
		return "", false
	case strings.HasPrefix(host, "@"):
		host = host[1:]
	case strings.HasPrefix(host, "%40"):
		host = host[3:]
	default:
		return "", false
	}
	if strings.IndexByte(host, ':') >= 0 || strings.HasSuffix(host, ".") {
		return "", false
	}
	if canonical, ok := canonicalHost(host); !ok || canonical != host {
		return "", false
	}
	return "sip:" + user + "@" + host, true
}

// addrSpec takes the URI out of a name-addr and trims blanks.
func addrSpec(s string) string {
	s = strings.TrimSpace(s)
	if strings.HasPrefix(s, `"`) {
		for i := 1; i < len(s); i++ {
			if s[i] == '\\' {
				i++
			} else if s[i] == '"' {
				s = s[i+1:]
				break
			}
		}
	}
	if i := strings.IndexByte(s, '<'); i >= 0 {
		s, _, _ = strings.Cut(s[i+1:], ">")
	}
	return strings.TrimSpace(s)
}

// decodeWhole undoes the encoding of a URI that was escaped as a whole, as some
// clients do in entities and list entries: then not even the "@" is left.
func decodeWhole(s string) string {
	if strings.IndexByte(s, '%') < 0 {
		return s
	}
	if strings.IndexByte(s, '@') >= 0 {
		for _, scheme := range [...]string{"sip", "sips", "pres", "im"} {
			n := len(scheme)
			if len(s) > n+3 && strings.EqualFold(s[:n], scheme) && strings.EqualFold(s[n:n+3], "%3a") {
				return s[:n] + ":" + s[n+3:]
			}
		}
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		if d, ok := unhex(s, i); c == '%' && ok {
			c = d
			i += 2
		}
		b = append(b, c)
	}
	return string(b)
}

func isOneOf(s string, list ...string) bool {
	for _, x := range list {
		if strings.EqualFold(s, x) {
			return true
		}
	}
	return false
}

func hasControl(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < 0x20 || s[i] == 0x7f {
			return true
		}
	}
	return false
}
