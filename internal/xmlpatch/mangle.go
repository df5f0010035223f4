package xmlpatch

import (
	"cmp"
	"slices"

	"rollcall/internal/xmlscan"
)

// content is the content of an operation as it must be written below context, -1
// being the document, and the kinds of its nodes but for white space (RFC 5261
// §4.2.3: names keep their namespaces; prefixes become those of the document).
func (op *Op) content(d *xmlscan.Doc, context int) ([]byte, []nodeKind, error) {
	c, err := wrap(op.Content, op.Scope)
	if err != nil {
		return nil, nil, unscannable(err)
	}
	var kinds []nodeKind
	for _, n := range children(c, 0) {
		if !n.blank(c) {
			kinds = append(kinds, n.kind)
		}
	}
	m := mangler{content: c}
	if context >= 0 {
		m.target = d.Scope(context)
		m.context = d.Elements[context].Name
	}
	for i := 1; i < len(c.Elements); i++ {
		if err := m.element(i); err != nil {
			return nil, nil, err
		}
	}
	if len(m.edits) == 0 {
		return op.Content, kinds, nil
	}
	content, err := m.apply()
	return content, kinds, err
}

// mangler gives the names of added content the prefixes of the document.
type mangler struct {
	content *xmlscan.Doc
	target  []xmlscan.Binding // in scope where the content goes
	context xmlscan.Name      // of the element around it
	edits   []edit
}

// edit replaces a stretch of the content.
type edit struct {
	from, to int32
	text     string
}

func (m *mangler) element(i int) error {
	e := &m.content.Elements[i]
	if !m.local(i, e.Prefix) {
		prefix, ok := choose(e.Prefix, e.Space, m.context.Prefix, m.target, true)
		switch {
		case e.Space == "" && !ok:
			if p := &m.content.Elements[e.Parent]; e.Parent > 0 && p.Prefix == "" && p.Space == "" {
				break // done there
			}
			// A default namespace is in the way of a name without one.
			at := e.Start + 1 + int32(nameLength(e.Name))
			m.edits = append(m.edits, edit{at, at, ` xmlns=""`})
		case !ok:
			return fail(invalidNamespaceURI, "the document does not declare "+e.Space)
		case prefix != e.Prefix:
			m.rename(e.Start+1, e.Name, prefix)
			if !e.SelfClosing {
				m.rename(e.EndStart+2, e.Name, prefix)
			}
		}
	}
	for _, a := range m.content.Attributes(i) {
		if a.Prefix == "" || a.Prefix == "xml" || m.local(i, a.Prefix) {
			continue
		}
		prefix, ok := choose(a.Prefix, a.Space, "", m.target, false)
		if !ok {
			return fail(invalidNamespaceURI, "the document has no prefix for "+a.Space)
		}
		if prefix != a.Prefix {
			m.rename(a.Start, a.Name, prefix)
		}
	}
	return nil
}

// local reports whether the content itself declares the prefix at element i.
func (m *mangler) local(i int, prefix string) bool {
	for ; i > 0; i = int(m.content.Elements[i].Parent) {
		for _, b := range m.content.Declared(i) {
			if b.Prefix == prefix {
				return true
			}
		}
	}
	return prefix == "xml"
}

func (m *mangler) rename(at int32, n xmlscan.Name, prefix string) {
	old := int32(len(n.Prefix))
	if old > 0 {
		old++ // the colon
	}
	if prefix != "" {
		prefix += ":"
	}
	m.edits = append(m.edits, edit{at, at + old, prefix})
}

// apply makes the edits, and makes sure that no declaration inside the content
// has given a new prefix another meaning.
func (m *mangler) apply() ([]byte, error) {
	slices.SortStableFunc(m.edits, func(a, b edit) int { return cmp.Compare(a.from, b.from) })
	src := m.content.Src
	var out []byte
	at := m.content.Elements[0].StartEnd
	for _, e := range m.edits {
		out = append(append(out, src[at:e.from]...), e.text...)
		at = e.to
	}
	out = append(out, src[at:m.content.Elements[0].EndStart]...)
	mangled, err := wrap(out, m.target)
	if err != nil {
		return nil, unscannable(err)
	}
	for i := 1; i < len(mangled.Elements); i++ {
		if a, b := &m.content.Elements[i], &mangled.Elements[i]; a.Space != b.Space || a.Local != b.Local {
			return nil, fail(invalidNamespacePrefix, "<"+a.Local+"> cannot have its namespace at this place")
		}
	}
	return out, nil
}

// choose finds the prefix of the document for a namespace (RFC 5261 §4.2.3): the
// given one if it means the same there; that of the element around; else the one
// that precedes the given one in alphabetical order, or the first.
func choose(given, space, context string, target []xmlscan.Binding, useDefault bool) (prefix string, ok bool) {
	if uri, _ := uriOf(given, target); uri == space && (useDefault || given != "") {
		return given, true
	}
	if space == "" {
		return "", false
	}
	if uri, bound := uriOf(context, target); bound && uri == space && (useDefault || context != "") {
		return context, true
	}
	var candidates []string
	for _, b := range target {
		if b.URI == space && (useDefault || b.Prefix != "") {
			candidates = append(candidates, b.Prefix)
		}
	}
	if len(candidates) == 0 {
		return "", false
	}
	slices.Sort(candidates)
	i, _ := slices.BinarySearch(candidates, given)
	return candidates[max(i-1, 0)], true
}
