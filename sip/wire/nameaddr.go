package wire

import (
	"errors"
	"fmt"
	"strings"

	"rollcall/internal/sipuri"
)

// errGrammar is wrapped by everything that is wrong in a header field value.
var errGrammar = errors.New("malformed header field value")

// NameAddr is an address header field value: From, To, Contact, Route and such.
type NameAddr struct {
	Display string         // without quotes; valid UTF-8
	URI     string         // raw, without brackets
	Params  []sipuri.Param // of the header field, names lower-case, values unquoted
	Raw     string         // the whole value as received
}

// Tag returns the tag parameter, or "".
func (n NameAddr) Tag() string {
	v, _ := n.Param("tag")
	return v
}

// Param returns the value of a header field parameter and whether it is there.
func (n NameAddr) Param(name string) (string, bool) { return findParam(n.Params, name) }

func findParam(params []sipuri.Param, name string) (string, bool) {
	for i := range params {
		if params[i].Name == name {
			return params[i].Value, true
		}
	}
	return "", false
}

// ParseNameAddr reads one name-addr or addr-spec with its parameters, RFC 3261
// §20.10 and §25.1.
func ParseNameAddr(s string) (NameAddr, error) {
	n := NameAddr{Raw: s}
	rest, err := n.parseAddress(trim(s))
	if err != nil {
		return NameAddr{}, err
	}
	if n.Params, err = parseParams(rest); err != nil {
		return NameAddr{}, err
	}
	return n, nil
}

// parseAddress reads up to the header field parameters and returns those.
func (n *NameAddr) parseAddress(s string) (rest string, err error) {
	if strings.HasPrefix(s, `"`) {
		end := quotedEnd(s, 0)
		if end < 0 {
			return "", fmt.Errorf("%w: unterminated quote", errGrammar)
		}
		n.Display = strings.ToValidUTF8(unquote(s[:end]), "\uFFFD")
		s = trim(s[end:])
		if !strings.HasPrefix(s, "<") {
			return "", fmt.Errorf("%w: no URI after a display name", errGrammar)
		}
	}
	open := strings.IndexByte(s, '<')
	if open < 0 {
		return n.parseAddrSpec(s)
	}
	if name := trim(s[:open]); name != "" {
		// RFC 4475 §3.1.2.15: an unquoted display name consists of tokens.
		for word := range strings.FieldsSeq(name) {
			if !isToken(word) {
				return "", fmt.Errorf("%w: display name must be quoted", errGrammar)
			}
		}
		n.Display = name
	}
	uri, rest, ok := strings.Cut(s[open+1:], ">")
	if !ok || checkAddrSpec(uri) != nil {
		return "", fmt.Errorf("%w: bad URI", errGrammar)
	}
	n.URI = uri
	return rest, nil
}

// parseAddrSpec reads a URI without brackets: parameters then belong to the
// header field, and "," and "?" may not be in it, RFC 8217 §3.
func (n *NameAddr) parseAddrSpec(s string) (rest string, err error) {
	end := strings.IndexByte(s, ';')
	if end < 0 {
		end = len(s)
	}
	n.URI = trim(s[:end])
	if strings.ContainsAny(n.URI, ",?>\"") || checkAddrSpec(n.URI) != nil {
		return "", fmt.Errorf("%w: bad URI", errGrammar)
	}
	return s[end:], nil
}

func checkAddrSpec(uri string) error {
	_, err := sipuri.Parse(uri)
	return err
}

// parseParams reads *(SEMI generic-param). Limits on their number are those of
// the header line.
func parseParams(s string) ([]sipuri.Param, error) {
	s = trim(s)
	if s == "" {
		return nil, nil
	}
	params := make([]sipuri.Param, 0, strings.Count(s, ";"))
	for s != "" {
		if s[0] != ';' {
			return nil, fmt.Errorf("%w: text after a value", errGrammar)
		}
		var p sipuri.Param
		var err error
		if p, s, err = cutParam(trim(s[1:])); err != nil {
			return nil, err
		}
		params = append(params, p)
	}
	return params, nil
}

// cutParam takes token [EQUAL (token / host / quoted-string)] off s.
func cutParam(s string) (p sipuri.Param, rest string, err error) {
	n := tokenLen(s)
	if n == 0 {
		return p, "", fmt.Errorf("%w: empty parameter", errGrammar)
	}
	p.Name, s = strings.ToLower(s[:n]), trim(s[n:])
	if !strings.HasPrefix(s, "=") {
		return p, s, nil
	}
	p.HasValue, s = true, trim(s[1:])
	if strings.HasPrefix(s, `"`) {
		end := quotedEnd(s, 0)
		if end < 0 {
			return p, "", fmt.Errorf("%w: unterminated quote", errGrammar)
		}
		p.Value = unquote(s[:end])
		return p, trim(s[end:]), nil
	}
	n = 0
	for n < len(s) && (tokenChar(s[n]) || s[n] == '[' || s[n] == ']' || s[n] == ':') {
		n++
	}
	if n == 0 {
		return p, "", fmt.Errorf("%w: parameter without a value", errGrammar)
	}
	p.Value = s[:n]
	return p, trim(s[n:]), nil
}

func tokenLen(s string) int {
	n := 0
	for n < len(s) && tokenChar(s[n]) {
		n++
	}
	return n
}
