package usage

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"rollcall/internal/xmlscan"
)

// maxQuoted limits how much of a client's text a phrase repeats, in bytes.
const maxQuoted = 60

func nameOf(d *xmlscan.Doc, i int) name {
	e := &d.Elements[i]
	return name{e.Space, e.Local}
}

func qualified(prefix, local string) string {
	if prefix == "" {
		return local
	}
	return prefix + ":" + local
}

// show is an element as its author wrote it.
func show(d *xmlscan.Doc, i int) string {
	e := &d.Elements[i]
	return "<" + qualified(e.Prefix, e.Local) + ">"
}

func quoteName(n name) string {
	if n.space == "" {
		return n.local + " without namespace"
	}
	return n.local + " in " + quote(n.space)
}

// quote repeats a client's text, shortened.
func quote(s string) string {
	s = collapse(s)
	if len(s) > maxQuoted {
		cut := maxQuoted
		for !utf8.RuneStart(s[cut]) {
			cut--
		}
		s = s[:cut] + "…"
	}
	return strconv.Quote(s)
}

// position is the place of element i among its siblings of the same name, from
// 1, and whether it is the only one.
func position(d *xmlscan.Doc, i int) (n int, only bool) {
	e := &d.Elements[i]
	if e.Parent < 0 {
		return 1, true
	}
	own := nameOf(d, i)
	total := 0
	for sibling := range d.Children(int(e.Parent)) {
		if nameOf(d, sibling) == own {
			total++
			if sibling == i {
				n = total
			}
		}
	}
	return n, total == 1
}

// ancestors lists i and the elements around it, the root first.
func ancestors(d *xmlscan.Doc, i int) []int {
	depth := 0
	for e := i; e >= 0; e = int(d.Elements[e].Parent) {
		depth++
	}
	path := make([]int, depth)
	for e := i; e >= 0; e = int(d.Elements[e].Parent) {
		depth--
		path[depth] = e
	}
	return path
}

// readablePath says where element i is, for a person.
func readablePath(d *xmlscan.Doc, i int) string {
	var b strings.Builder
	for k, e := range ancestors(d, i) {
		if k > 0 {
			b.WriteByte('/')
		}
		b.WriteString(d.Elements[e].Local)
		if n, only := position(d, e); !only {
			b.WriteString("[" + strconv.Itoa(n) + "]")
		}
	}
	return b.String()
}

// fieldSelector is the node selector of an attribute as it stands in a request
// URI: percent-encoded, starting at the root element, with a query when a name
// is not in the default namespace (RFC 4825 §11, exists/@field).
func fieldSelector(d *xmlscan.Doc, i int, attr, defaultNS string) string {
	var path, query strings.Builder
	prefixes := map[string]string{}
	for _, e := range ancestors(d, i) {
		if path.Len() > 0 {
			path.WriteByte('/')
		}
		n := nameOf(d, e)
		if n.space != defaultNS {
			p, ok := prefixes[n.space]
			if !ok {
				p = "n" + strconv.Itoa(len(prefixes))
				prefixes[n.space] = p
				query.WriteString("xmlns(" + p + "=" + escapeURI(escapeXPointer(n.space)) + ")")
			}
			path.WriteString(p + ":")
		}
		path.WriteString(escapeURI(n.local))
		if k, _ := position(d, e); d.Elements[e].Parent >= 0 {
			path.WriteString("%5b" + strconv.Itoa(k) + "%5d")
		}
	}
	path.WriteString("/@" + escapeURI(attr))
	if query.Len() > 0 {
		path.WriteString("?" + query.String())
	}
	return path.String()
}

// escapeXPointer guards what has a meaning inside xmlns(...).
func escapeXPointer(s string) string {
	return strings.NewReplacer("^", "^^", "(", "^(", ")", "^)").Replace(s)
}

// escapeURI percent-encodes what may not stand in a path segment or query.
func escapeURI(s string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~!$&'()*+,;=:@"
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if strings.IndexByte(plain, s[i]) >= 0 {
			b.WriteByte(s[i])
			continue
		}
		b.WriteString("%" + strings.ToLower(strconv.FormatUint(uint64(s[i])+0x100, 16)[1:]))
	}
	return b.String()
}
