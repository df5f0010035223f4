package xcapuri

import (
	"strings"

	"rollcall/internal/xmlscan"
)

// parseQuery collects the xmlns() parts of an XPointer expression. Parts of
// other schemes are ignored (RFC 4825 §6.4).
func parseQuery(query string) (map[string]string, error) {
	bindings := map[string]string{"xml": xmlscan.XMLNamespace}
	for rest := trimBlank(query); rest != ""; rest = trimBlank(rest) {
		open := strings.IndexByte(rest, '(')
		if open < 0 || !isSchemeName(rest[:open]) {
			return nil, malformed("query is not an XPointer expression")
		}
		scheme := rest[:open]
		data, n := schemeData(rest[open+1:])
		if n < 0 {
			return nil, malformed("parentheses in query do not match")
		}
		rest = rest[open+1+n:]
		if scheme != "xmlns" {
			continue
		}
		prefix, uri, ok := strings.Cut(data, "=")
		prefix, uri = trimBlank(prefix), trimBlank(uri)
		if !ok || !isNCName(prefix) {
			return nil, malformed("bad xmlns() in query")
		}
		if prefix != "xml" && prefix != "xmlns" {
			bindings[prefix] = uri
		}
	}
	return bindings, nil
}

func isSchemeName(s string) bool {
	prefix, local, prefixed := strings.Cut(s, ":")
	return isNCName(prefix) && (!prefixed || isNCName(local))
}

// schemeData reads up to the parenthesis that closes the part and undoes the
// escapes with circumflex (XPointer framework §3.1). n counts what was read,
// -1 when the part does not end.
func schemeData(s string) (data string, n int) {
	var b strings.Builder
	depth := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '^' && i+1 < len(s) && strings.IndexByte("()^", s[i+1]) >= 0:
			i++
			c = s[i]
		case c == '^':
			return "", -1
		case c == '(':
			depth++
		case c == ')' && depth == 0:
			return b.String(), i + 1
		case c == ')':
			depth--
		}
		b.WriteByte(c)
	}
	return "", -1
}

func trimBlank(s string) string { return strings.Trim(s, " \t\r\n") }
