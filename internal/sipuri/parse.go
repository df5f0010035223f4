package sipuri

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Parse reads a URI. The syntax of sip, sips, pres and im is that of RFC 3261
// §25 throughout; tel is read as RFC 3966; of other schemes only the character
// set is checked.
func Parse(s string) (URI, error) {
	if len(s) > MaxLength {
		return URI{}, errTooLong
	}
	scheme, rest, ok := strings.Cut(s, ":")
	if !ok || !isScheme(scheme) {
		return URI{}, fmt.Errorf("%w: no scheme", ErrSyntax)
	}
	u := URI{Scheme: strings.ToLower(scheme)}
	var err error
	switch u.Scheme {
	case "sip", "sips", "pres", "im":
		err = u.parseHierarchy(rest)
	case "tel":
		err = u.parseTel(rest)
	default:
		u.User, u.HasUser = rest, true
		if rest == "" || !all(rest, opaque) {
			err = fmt.Errorf("%w: bad character", ErrSyntax)
		}
	}
	if err != nil {
		return URI{}, err
	}
	return u, nil
}

// parseHierarchy reads [userinfo "@"] hostport *(";" param) ["?" headers]. An "@"
// cannot stand unescaped anywhere else, so the only one ends the userinfo, which
// itself may contain ";" and "?".
func (u *URI) parseHierarchy(s string) error {
	if i := strings.IndexByte(s, '@'); i >= 0 {
		if err := u.parseUserinfo(s[:i]); err != nil {
			return err
		}
		s = s[i+1:]
	}
	if i := strings.IndexByte(s, '?'); i >= 0 {
		u.Headers, s = s[i+1:], s[:i]
		if err := checkHeaders(u.Headers); err != nil {
			return err
		}
	}
	hostport, params, more := strings.Cut(s, ";")
	if err := u.parseHostport(hostport); err != nil {
		return err
	}
	if !more {
		return nil
	}
	return u.parseParams(params)
}

func (u *URI) parseUserinfo(s string) error {
	u.User, u.Password, _ = strings.Cut(s, ":")
	u.HasUser = true
	if u.User == "" || !escaped(u.User, userChar) {
		return fmt.Errorf("%w: bad user part", ErrSyntax)
	}
	if !escaped(u.Password, passwordChar) {
		return fmt.Errorf("%w: bad password", ErrSyntax)
	}
	return nil
}

func (u *URI) parseHostport(s string) error {
	host, port := s, ""
	colon := strings.LastIndexByte(s, ':')
	if colon > strings.LastIndexByte(s, ']') {
		host, port = s[:colon], s[colon+1:]
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return fmt.Errorf("%w: bad port", ErrSyntax)
		}
		u.Port = int(n)
	}
	canonical, ok := canonicalHost(host)
	if !ok {
		return fmt.Errorf("%w: bad host", ErrSyntax)
	}
	u.Host = canonical
	return nil
}

func (u *URI) parseParams(s string) error {
	for more := true; more; {
		var p string
		p, s, more = strings.Cut(s, ";")
		name, value, hasValue := strings.Cut(p, "=")
		if !escaped(name, paramChar) || !escaped(value, paramChar) || name == "" || hasValue && value == "" {
			return fmt.Errorf("%w: bad parameter", ErrSyntax)
		}
		name = strings.ToLower(normalEscapes(name, paramChar, paramChar))
		// RFC 3261 §19.1.1: a parameter name must not appear more than once.
		if _, twice := u.Param(name); twice || len(u.Params) == MaxParams {
			return fmt.Errorf("%w: repeated or too many parameters", ErrSyntax)
		}
		u.Params = append(u.Params, Param{Name: name, Value: value, HasValue: hasValue})
	}
	return nil
}

// parseTel reads a telephone number and its parameters, RFC 3966 §3.
func (u *URI) parseTel(s string) error {
	number, params, more := strings.Cut(s, ";")
	u.User, u.HasUser = number, true
	if number == "" || !all(number, telChar) || !strings.ContainsAny(number, "0123456789*#ABCDEFabcdef") {
		return fmt.Errorf("%w: bad telephone number", ErrSyntax)
	}
	if strings.LastIndexByte(number, '+') > 0 {
		return fmt.Errorf("%w: bad telephone number", ErrSyntax)
	}
	if !more {
		return nil
	}
	return u.parseParams(params)
}

func checkHeaders(s string) error {
	for more := true; more; {
		var h string
		h, s, more = strings.Cut(s, "&")
		name, value, ok := strings.Cut(h, "=")
		if !ok || name == "" || !escaped(name, headerChar) || !escaped(value, headerChar) {
			return fmt.Errorf("%w: bad headers", ErrSyntax)
		}
	}
	return nil
}

// canonicalHost checks a hostname, IPv4 address or IPv6 reference and returns
// it in lower case.
func canonicalHost(s string) (string, bool) {
	if s == "" || len(s) > 255 {
		return "", false
	}
	if s[0] == '[' {
		if s[len(s)-1] != ']' {
			return "", false
		}
		a, err := netip.ParseAddr(s[1 : len(s)-1])
		if err != nil || !a.Is6() || a.Zone() != "" {
			return "", false
		}
		if text := a.String(); text != s[1:len(s)-1] {
			return "[" + text + "]", true
		}
		return s, true
	}
	label, upper := 0, false // label: where the current label starts
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '.':
			if i == label || s[i-1] == '-' || s[label] == '-' {
				return "", false
			}
			if i+1 < len(s) {
				label = i + 1
			}
		case 'A' <= c && c <= 'Z':
			upper = true
		// The underscore is no part of the grammar, but names of containers have it.
		case alphanum(c), c == '-', c == '_':
		default:
			return "", false
		}
	}
	if c := s[label]; '0' <= c && c <= '9' {
		// A top label starts with a letter: this can only be an IPv4 address.
		if _, err := netip.ParseAddr(s); err != nil {
			return "", false
		}
	} else if c == '-' || s[len(s)-1] == '-' {
		return "", false
	}
	if upper {
		s = strings.ToLower(s)
	}
	return s, true
}
