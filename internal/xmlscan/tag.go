package xmlscan

import (
	"strings"
	"unicode/utf8"
)

// startTag reads a start or empty-element tag and enters the element.
func (sc *scanner) startTag() error {
	start := sc.pos
	if len(sc.open) == 0 && len(sc.doc.Elements) > 0 {
		return sc.outside(start, "more than one root element")
	}
	if len(sc.doc.Elements) >= sc.lim.Elements {
		return sc.fail(TooLarge, start, "too many elements")
	}
	if len(sc.open) >= sc.lim.Depth {
		return sc.fail(TooLarge, start, "nested too deeply")
	}
	prefix, local, end, err := sc.qname(start + 1)
	if err != nil {
		return err
	}
	index, around := sc.enter(start, prefix, local)
	if end, err = sc.attributes(end, int(around)); err != nil {
		return err
	}
	e := &sc.doc.Elements[index]
	if sc.s[end] == '/' {
		if end++; end == len(sc.s) || sc.s[end] != '>' {
			return sc.malformed(end-1, "'/' without '>' in tag")
		}
		e.SelfClosing = true
	}
	sc.pos = end + 1
	e.StartEnd = int32(sc.pos)
	e.AttrCount = int32(len(sc.doc.Attrs)) - e.AttrFirst
	e.declCount = int32(len(sc.doc.decls)) - e.declFirst
	if err := sc.resolve(e); err != nil {
		return err
	}
	if e.SelfClosing {
		e.EndStart, e.End = e.StartEnd, e.StartEnd
		sc.scope = sc.scope[:around]
	} else {
		sc.open = append(sc.open, openElement{elem: index, last: -1, scope: around})
	}
	return nil
}

// enter adds an element and links it into the tree. It returns its index and
// the length of the namespace scope around it.
func (sc *scanner) enter(start int, prefix, local string) (index, around int32) {
	index = int32(len(sc.doc.Elements))
	if int(index) < cap(sc.doc.Elements) {
		sc.doc.Elements = sc.doc.Elements[:index+1] // zero as made
	} else {
		sc.doc.Elements = append(sc.doc.Elements, Element{})
	}
	e := &sc.doc.Elements[index]
	e.Prefix, e.Local = prefix, local
	e.Parent, e.Next, e.First, e.Start = -1, -1, -1, int32(start)
	e.AttrFirst, e.declFirst = int32(len(sc.doc.Attrs)), int32(len(sc.doc.decls))
	if n := len(sc.open); n > 0 {
		parent := &sc.open[n-1]
		e.Parent = parent.elem
		if parent.last < 0 {
			sc.doc.Elements[parent.elem].First = index
		} else {
			sc.doc.Elements[parent.last].Next = index
		}
		parent.last = index
	}
	return index, int32(len(sc.scope))
}

// attributes reads attributes from i up to '>' or '/', which it returns the
// offset of.
func (sc *scanner) attributes(i, around int) (int, error) {
	for n := 0; ; n++ {
		next := sc.skipBlank(i)
		if next == len(sc.s) {
			return 0, sc.malformed(next, "unfinished tag")
		}
		if c := sc.s[next]; c == '>' || c == '/' {
			return next, nil
		}
		if next == i {
			return 0, sc.malformed(i, "white space missing in front of attribute")
		}
		if n == sc.lim.Attributes {
			return 0, sc.fail(TooLarge, next, "too many attributes")
		}
		end, err := sc.attribute(next, around)
		if err != nil {
			return 0, err
		}
		i = end
	}
}

// attribute reads one attribute at i and returns the offset behind it.
func (sc *scanner) attribute(i, around int) (int, error) {
	a := Attr{Start: int32(i)}
	var err error
	if a.Prefix, a.Local, i, err = sc.qname(i); err != nil {
		return 0, err
	}
	i = sc.skipBlank(i)
	if i == len(sc.s) || sc.s[i] != '=' {
		return 0, sc.malformed(i, "attribute without value")
	}
	i = sc.skipBlank(i + 1)
	if i == len(sc.s) || sc.s[i] != '"' && sc.s[i] != '\'' {
		return 0, sc.malformed(i, "attribute value without quotes")
	}
	n := strings.IndexByte(sc.s[i+1:], sc.s[i])
	if n < 0 {
		return 0, sc.malformed(i, "attribute value without closing quote")
	}
	value := sc.s[i+1 : i+1+n]
	if at := strings.IndexByte(value, '<'); at >= 0 {
		return 0, sc.malformed(i+1+at, "'<' in attribute value")
	}
	if sc.references {
		if err := sc.checkReferences(value, i+1); err != nil {
			return 0, err
		}
	}
	a.ValueStart, a.ValueEnd, a.End = int32(i+1), int32(i+1+n), int32(i+2+n)
	switch {
	case a.Prefix == "xmlns":
		err = sc.declare(int(a.Start), a.Local, normalise(value), around)
	case a.Prefix == "" && a.Local == "xmlns":
		err = sc.declare(int(a.Start), "", normalise(value), around)
	default:
		sc.doc.Attrs = append(sc.doc.Attrs, a)
	}
	return i + 2 + n, err
}

// declare puts a namespace declaration in force (Namespaces in XML 1.0 §3, §5).
func (sc *scanner) declare(offset int, prefix, uri string, around int) error {
	switch {
	case prefix == "xmlns", uri == xmlnsNamespace, (prefix == "xml") != (uri == XMLNamespace):
		return sc.malformed(offset, "reserved prefix or namespace declared")
	case prefix != "" && uri == "":
		return sc.malformed(offset, "prefix "+prefix+" declared without namespace")
	}
	for _, b := range sc.scope[around:] {
		if b.Prefix == prefix {
			return sc.malformed(offset, "namespace declared twice")
		}
	}
	if len(sc.scope) >= maxScope {
		return sc.fail(TooLarge, offset, "too many namespaces in scope")
	}
	b := Binding{prefix, uri}
	sc.scope = append(sc.scope, b)
	sc.doc.decls = append(sc.doc.decls, b)
	return nil
}

// resolve expands the names of an element and its attributes and checks that
// no two attributes have the same expanded name (Namespaces in XML 1.0 §6.3).
func (sc *scanner) resolve(e *Element) error {
	space, bound := sc.lookup(e.Prefix)
	if !bound {
		return sc.fail(UnboundPrefix, int(e.Start), "prefix "+e.Prefix+" is not declared")
	}
	e.Space = space
	attrs := sc.doc.Attrs[e.AttrFirst:]
	for i := range attrs {
		a := &attrs[i]
		if a.Prefix != "" {
			if a.Space, bound = sc.lookup(a.Prefix); !bound {
				return sc.fail(UnboundPrefix, int(a.Start), "prefix "+a.Prefix+" is not declared")
			}
		}
		for j := range i {
			if attrs[j].Local == a.Local && attrs[j].Space == a.Space {
				return sc.malformed(int(a.Start), "attribute "+a.Local+" occurs twice")
			}
		}
	}
	return nil
}

func (sc *scanner) lookup(prefix string) (uri string, bound bool) {
	for i := len(sc.scope) - 1; i >= 0; i-- {
		if sc.scope[i].Prefix == prefix {
			return sc.scope[i].URI, true
		}
	}
	return "", prefix == ""
}

// qname reads a qualified name at i and returns the offset behind it.
func (sc *scanner) qname(i int) (prefix, local string, end int, err error) {
	end, err = sc.ncname(i)
	if err != nil {
		return "", "", 0, err
	}
	if end == len(sc.s) || sc.s[end] != ':' {
		return "", sc.s[i:end], end, nil
	}
	prefix, i = sc.s[i:end], end+1
	if end, err = sc.ncname(i); err != nil {
		return "", "", 0, err
	}
	if end < len(sc.s) && sc.s[end] == ':' {
		return "", "", 0, sc.malformed(end, "second colon in name")
	}
	return prefix, sc.s[i:end], end, nil
}

// ncname reads a name without colon at i and returns the offset behind it.
func (sc *scanner) ncname(i int) (int, error) {
	start, s := i, sc.s
	if i < len(s) && (s[i]-'0' <= 9 || s[i] == '-' || s[i] == '.') {
		return 0, sc.malformed(i, "name expected")
	}
	for {
		for i < len(s) && isNameByte(s[i]) {
			i++
		}
		if i == len(s) || s[i] < utf8.RuneSelf {
			break
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if char, first := wideName(r); !char || i == start && !first {
			break
		}
		i += n
	}
	if i == start {
		return 0, sc.malformed(i, "name expected")
	}
	return i, nil
}
