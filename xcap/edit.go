package xcap

import (
	"bytes"
	"slices"
	"strings"

	"rollcall/internal/xcapuri"
	"rollcall/internal/xmlscan"
	"rollcall/xcap/usage"
)

// edited is a document after a change.
type edited struct {
	doc     *xmlscan.Doc
	created bool // the node was not there before
}

// splice replaces src[from:to] by the pieces, leaving src as it is.
func splice(src []byte, from, to int32, pieces ...[]byte) []byte {
	n := len(src) - int(to-from)
	for _, p := range pieces {
		n += len(p)
	}
	out := append(make([]byte, 0, n), src[:from]...)
	for _, p := range pieces {
		out = append(out, p...)
	}
	return append(out, src[to:]...)
}

// putElement replaces the selected element by body or inserts body where the
// selector wants it.
func putElement(d *xmlscan.Doc, n *xcapuri.NodeSelector, body []byte, lim xmlscan.Limits) (edited, *conflict) {
	parent, _, err := n.EvalParent(d)
	if err != nil {
		return edited{}, newConflict(noParent, "the parent element: "+err.Error())
	}
	var scope []xmlscan.Binding
	if parent >= 0 {
		// RFC 4825 §8.2.3: the fragment is read in the namespaces of its parent.
		scope = d.Scope(parent)
	}
	fragment, err := xmlscan.ScanFragment(body, scope, lim)
	if err != nil {
		return edited{}, malformed(err, notXMLFrag)
	}
	body = fragment.Bytes(0)
	step := &n.Steps[len(n.Steps)-1]
	if target, err := step.Select(d, parent); err == nil {
		e := &d.Elements[target]
		return settle(splice(d.Src, e.Start, e.End, body), n, e.Start, body, false, lim)
	}
	at, ok := insertionPoint(d, step, parent)
	if !ok {
		return edited{}, newConflict(cannotInsert, "the selector names no place for a new element")
	}
	if p := parent; at == d.Elements[p].StartEnd && d.Elements[p].SelfClosing {
		// An empty-element tag is opened up to take the child.
		e := &d.Elements[p]
		name := append([]byte("</"), qualified(e.Name)...)
		return settle(splice(d.Src, at-2, at, []byte(">"), body, name, []byte(">")), n, at-1, body, true, lim)
	}
	return settle(splice(d.Src, at, at, body), n, at, body, true, lim)
}

func qualified(n xmlscan.Name) string {
	if n.Prefix == "" {
		return n.Local
	}
	return n.Prefix + ":" + n.Local
}

// insertionPoint is where an element that the step does not select yet goes
// (RFC 4825 §8.2.3).
func insertionPoint(d *xmlscan.Doc, step *xcapuri.Step, parent int) (at int32, ok bool) {
	if parent < 0 || step.Position == 0 {
		return 0, false // beside the root element, or at a place that never matches
	}
	var named []int
	for c := range d.Children(parent) {
		if step.Names(d, c) {
			named = append(named, c)
		}
	}
	switch {
	case step.Position > 1:
		if step.Position-1 > len(named) {
			return 0, false
		}
		return d.Elements[named[step.Position-2]].End, true
	case len(named) == 0, step.Any && step.Position < 0:
		return d.Elements[parent].EndStart, true
	case step.Position == 1:
		return d.Elements[named[0]].Start, true
	}
	return d.Elements[named[len(named)-1]].End, true
}

// settle scans the document as it would become and holds it against the rule
// that GET(PUT(x)) is x: the selector must select exactly the body, at start.
func settle(src []byte, n *xcapuri.NodeSelector, start int32, body []byte, created bool, lim xmlscan.Limits) (edited, *conflict) {
	d, err := xmlscan.Scan(src, lim)
	if err != nil {
		return edited{}, malformed(err, notXMLFrag)
	}
	m, err := n.Eval(d)
	if err != nil || d.Elements[m.Elem].Start != start || !bytes.Equal(d.Bytes(m.Elem), body) {
		return edited{}, newConflict(cannotInsert, "the selector would not select the element that was put")
	}
	return edited{doc: d, created: created}, nil
}

// putAttribute sets an attribute of the selected element.
func putAttribute(d *xmlscan.Doc, n *xcapuri.NodeSelector, body []byte, lim xmlscan.Limits) (edited, *conflict) {
	elem, _, err := n.EvalParent(d)
	if err != nil {
		return edited{}, newConflict(noParent, "the element: "+err.Error())
	}
	raw, value, c := attValue(body)
	if c != nil {
		return edited{}, c
	}
	var src []byte
	a := d.AttrIndex(elem, n.Attr.Space, n.Attr.Local)
	if a >= 0 {
		attr := &d.Attrs[a]
		quote := d.Src[attr.ValueEnd]
		src = splice(d.Src, attr.ValueStart, attr.ValueEnd, quoted(raw, quote))
	} else {
		at := tagEnd(d, elem)
		src = splice(d.Src, at, at, newAttribute(d, elem, n.Attr), []byte(`="`), quoted(raw, '"'), []byte(`"`))
	}
	result, err := xmlscan.Scan(src, lim)
	if err != nil {
		return edited{}, malformed(err, notAttValue)
	}
	m, err := n.Eval(result)
	if err != nil || m.Elem != elem || result.AttrValue(&result.Attrs[m.Attr]) != value {
		return edited{}, newConflict(cannotInsert, "the selector would not select the attribute that was put")
	}
	return edited{doc: result, created: a < 0}, nil
}

// attValue reads an AttValue, with its quotes as RFC 4825 §7.7 has it or
// without. raw may hold references; value is what it means.
func attValue(body []byte) (raw []byte, value string, c *conflict) {
	raw = bytes.Trim(body, " \t\r\n")
	if len(raw) > 0 && (raw[0] == '"' || raw[0] == '\'') {
		if len(raw) < 2 || bytes.IndexByte(raw[1:], raw[0]) != len(raw)-2 {
			return nil, "", newConflict(notAttValue, "quotes of the value do not match")
		}
		raw = raw[1 : len(raw)-1]
	}
	element := slices.Concat([]byte(`<a v="`), quoted(raw, '"'), []byte(`"/>`))
	d, err := xmlscan.Scan(element, xmlscan.Limits{Bytes: len(element)})
	if err != nil {
		return nil, "", malformed(err, notAttValue)
	}
	value, _ = d.Attr(0, "", "v")
	return raw, value, nil
}

// quoted makes raw fit for standing between quotes.
func quoted(raw []byte, quote byte) []byte {
	if quote == '\'' {
		return bytes.ReplaceAll(raw, []byte("'"), []byte("&apos;"))
	}
	return bytes.ReplaceAll(raw, []byte(`"`), []byte("&quot;"))
}

// tagEnd is where a further attribute goes: behind the last one.
func tagEnd(d *xmlscan.Doc, elem int) int32 {
	e := &d.Elements[elem]
	at := e.StartEnd - 1
	if e.SelfClosing {
		at--
	}
	for strings.IndexByte(" \t\r\n", d.Src[at-1]) >= 0 {
		at--
	}
	return at
}

// newAttribute is the name of a new attribute with a blank in front, preceded
// by a declaration when the element has no prefix for its namespace.
func newAttribute(d *xmlscan.Doc, elem int, name xcapuri.Name) []byte {
	switch name.Space {
	case "":
		return []byte(" " + name.Local)
	case xmlscan.XMLNamespace:
		return []byte(" xml:" + name.Local)
	}
	scope := d.Scope(elem)
	prefix := name.Prefix
	for taken := true; taken; {
		taken = false
		for _, b := range scope {
			if b.URI == name.Space && b.Prefix != "" {
				return []byte(" " + b.Prefix + ":" + name.Local)
			}
			taken = taken || b.Prefix == prefix
		}
		if taken {
			prefix += "_"
		}
	}
	b := xmlscan.EscapeAttr([]byte(" xmlns:"+prefix+`="`), name.Space)
	return append(b, `" `+prefix+":"+name.Local...)
}

// removeNode takes the selected element or attribute out. White space around an
// element stays.
func removeNode(d *xmlscan.Doc, n *xcapuri.NodeSelector, m xcapuri.Match, lim xmlscan.Limits) (*xmlscan.Doc, *conflict) {
	from, to := d.Elements[m.Elem].Start, d.Elements[m.Elem].End
	switch {
	case m.Attr >= 0:
		from, to = d.Attrs[m.Attr].Start, d.Attrs[m.Attr].End
		for strings.IndexByte(" \t\r\n", d.Src[from-1]) >= 0 {
			from--
		}
	case m.Elem == 0:
		return nil, newConflict(usage.SchemaValidationError, "a document needs a root element")
	}
	result, err := xmlscan.Scan(splice(d.Src, from, to), lim)
	if err != nil {
		return nil, malformed(err, usage.SchemaValidationError)
	}
	// RFC 4825 §8.4: DELETE must be idempotent.
	if _, err := n.Eval(result); err == nil {
		return nil, newConflict(cannotDelete, "the selector would select another node then")
	}
	return result, nil
}
