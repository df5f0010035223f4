package xmlpatch

import (
	"bytes"
	"strings"

	"rollcall/internal/xmlscan"
)

// Apply applies the operations one after the other (RFC 5261 §4) and returns the
// document that results. src is left as it is. Errors are *Error.
func Apply(src []byte, ops []Op, lim xmlscan.Limits) (*xmlscan.Doc, error) {
	d, err := xmlscan.Scan(src, lim)
	if err != nil {
		return nil, unscannable(err)
	}
	for i := range ops {
		changed, err := ops[i].edit(d)
		if err != nil {
			return nil, err
		}
		if d, err = xmlscan.Scan(changed, lim); err != nil {
			return nil, unscannable(err)
		}
	}
	return d, nil
}

// edit makes the change of one operation.
func (op *Op) edit(d *xmlscan.Doc) ([]byte, error) {
	n, err := locate(d, op.Sel, op.Scope)
	if err != nil {
		return nil, err
	}
	switch op.Kind {
	case Add:
		if op.Type != "" {
			return op.addToTag(d, n)
		}
		return op.add(d, n)
	case Replace:
		return op.replace(d, n)
	}
	return op.remove(d, n)
}

func splice(src []byte, from, to int32, pieces ...[]byte) []byte {
	out := append(make([]byte, 0, len(src)+64), src[:from]...)
	for _, p := range pieces {
		out = append(out, p...)
	}
	return append(out, src[to:]...)
}

// add inserts nodes (RFC 5261 §4.3).
func (op *Op) add(d *xmlscan.Doc, n node) ([]byte, error) {
	context, at := n.elem, n.from // where the nodes go, before or after
	switch op.Pos {
	case "", "prepend":
		if n.kind != elementNode {
			return nil, fail(invalidNodeTypes, "only elements have content to add to")
		}
	case "before", "after":
		if n.kind == attributeNode || n.kind == namespaceNode {
			return nil, fail(invalidNodeTypes, "nothing stands before or after an attribute")
		}
		if n.kind == elementNode {
			context = int(d.Elements[n.elem].Parent)
		}
		if op.Pos == "after" {
			at = n.to
		}
	default:
		return nil, fail(invalidAttributeValue, "no such pos: "+op.Pos)
	}
	content, kinds, err := op.content(d, context)
	if err != nil {
		return nil, err
	}
	if context < 0 {
		for _, kind := range kinds {
			if kind != commentNode && kind != instructionNode {
				return nil, fail(invalidProlog, "beside the root element stand comments and instructions only")
			}
		}
	}
	if op.Pos == "before" || op.Pos == "after" {
		return splice(d.Src, at, at, content), nil
	}
	e := &d.Elements[n.elem]
	switch {
	case e.SelfClosing:
		// An empty-element tag is opened up.
		name := d.Src[e.Start+1:][:nameLength(e.Name)]
		return splice(d.Src, e.StartEnd-2, e.StartEnd, []byte(">"), content, []byte("</"), name, []byte(">")), nil
	case op.Pos == "prepend":
		return splice(d.Src, e.StartEnd, e.StartEnd, content), nil
	}
	return splice(d.Src, e.EndStart, e.EndStart, content), nil
}

func nameLength(n xmlscan.Name) int {
	if n.Prefix == "" {
		return len(n.Local)
	}
	return len(n.Prefix) + 1 + len(n.Local)
}

// addToTag adds an attribute or a namespace declaration (RFC 5261 §4.3.2, §4.3.3).
func (op *Op) addToTag(d *xmlscan.Doc, n node) ([]byte, error) {
	if n.kind != elementNode {
		return nil, fail(invalidNodeTypes, "only elements have attributes")
	}
	if op.Pos != "" {
		return nil, fail(invalidPatchDirective, "type and pos exclude each other")
	}
	value, err := op.text()
	if err != nil {
		return nil, err
	}
	var name string
	if prefix, ok := strings.CutPrefix(op.Type, "namespace::"); ok {
		if _, _, there := declaration(d, n.elem, prefix); there || prefix == "" {
			return nil, fail(invalidPatchDirective, "cannot declare the prefix "+prefix)
		}
		name = "xmlns:" + prefix
	} else if name, err = op.attributeName(d, n.elem); err != nil {
		return nil, err
	}
	at := tagEnd(d, n.elem)
	return splice(d.Src, at, at, []byte(" "+name+`="`), xmlscan.EscapeAttr(nil, value), []byte(`"`)), nil
}

// tagEnd is where a further attribute goes: behind the last one.
func tagEnd(d *xmlscan.Doc, elem int) int32 {
	at := d.Elements[elem].StartEnd - 1
	if d.Elements[elem].SelfClosing {
		at--
	}
	return blanksBefore(d.Src, at)
}

// blanksBefore is where the white space in front of an offset begins.
func blanksBefore(src []byte, at int32) int32 {
	for strings.IndexByte(" \t\r\n", src[at-1]) >= 0 {
		at--
	}
	return at
}

// attributeName is the name that an attribute to add has in the document.
func (op *Op) attributeName(d *xmlscan.Doc, elem int) (string, error) {
	qname, ok := strings.CutPrefix(op.Type, "@")
	if !ok {
		return "", fail(invalidAttributeValue, "no such type: "+op.Type)
	}
	space, local, err := expand(qname, op.Scope, false)
	if err != nil {
		return "", err
	}
	if local == "xmlns" && space == "" || d.AttrIndex(elem, space, local) >= 0 {
		return "", fail(invalidPatchDirective, "cannot add the attribute "+qname)
	}
	if space == "" {
		return local, nil
	}
	given, _, _ := strings.Cut(qname, ":")
	prefix, ok := choose(given, space, "", d.Scope(elem), false)
	if !ok {
		return "", fail(invalidNamespaceURI, "the document has no prefix for "+space)
	}
	return prefix + ":" + local, nil
}

// text is the content of an operation that must be text alone.
func (op *Op) text() (string, error) {
	d, err := wrap(op.Content, nil)
	if err != nil {
		return "", unscannable(err)
	}
	for _, n := range children(d, 0) {
		if n.kind != textNode {
			return "", fail(invalidNodeTypes, "the content must be text")
		}
	}
	return d.Text(0), nil
}

// wrap scans content as that of an element.
func wrap(content []byte, scope []xmlscan.Binding) (*xmlscan.Doc, error) {
	wrapped := bytes.Join([][]byte{[]byte("<c>"), content, []byte("</c>")}, nil)
	d, err := xmlscan.ScanFragment(wrapped, scope, xmlscan.Limits{Bytes: len(wrapped)})
	return d, err
}

// replace puts content in place of a node (RFC 5261 §4.4).
func (op *Op) replace(d *xmlscan.Doc, n node) ([]byte, error) {
	switch n.kind {
	case attributeNode, namespaceNode:
		var from, to int32
		if n.kind == attributeNode {
			from, to = d.Attrs[n.attr].ValueStart, d.Attrs[n.attr].ValueEnd
		} else {
			_, value, _ := declaration(d, n.elem, n.target)
			from, to = value[0], value[1]
		}
		value, err := op.text()
		if err != nil {
			return nil, err
		}
		return splice(d.Src, from, to, xmlscan.EscapeAttr(nil, value)), nil
	case textNode:
		if _, err := op.text(); err != nil {
			return nil, err
		}
		return splice(d.Src, n.from, n.to, op.Content), nil
	}
	context := n.elem
	if n.kind == elementNode {
		context = int(d.Elements[n.elem].Parent)
	}
	content, kinds, err := op.content(d, context)
	if err != nil {
		return nil, err
	}
	if len(kinds) != 1 || kinds[0] != n.kind {
		return nil, fail(invalidNodeTypes, "a node is replaced by one of its kind")
	}
	return splice(d.Src, n.from, n.to, bytes.Trim(content, " \t\r\n")), nil
}

// remove takes a node out (RFC 5261 §4.5).
func (op *Op) remove(d *xmlscan.Doc, n node) ([]byte, error) {
	from, to := n.from, n.to
	if len(bytes.TrimSpace(op.Content)) > 0 {
		return nil, fail(invalidDiffFormat, "remove has no content")
	}
	switch n.kind {
	case attributeNode, namespaceNode, textNode:
		if op.WS != "" {
			return nil, fail(invalidWhitespaceDirective, "ws goes with elements, comments and instructions")
		}
		if n.kind != textNode {
			from = blanksBefore(d.Src, from)
		}
		return splice(d.Src, from, to), nil
	case elementNode:
		if n.elem == 0 {
			return nil, fail(invalidRootElement, "a document needs a root element")
		}
	}
	before, after := op.WS == "before" || op.WS == "both", op.WS == "after" || op.WS == "both"
	if op.WS != "" && !before && !after {
		return nil, fail(invalidAttributeValue, "no such ws: "+op.WS)
	}
	parent := n.elem
	if n.kind == elementNode {
		parent = int(d.Elements[n.elem].Parent)
	}
	for _, sibling := range children(d, parent) {
		if before && sibling.to == n.from && sibling.blank(d) {
			from, before = sibling.from, false
		}
		if after && sibling.from == n.to && sibling.blank(d) {
			to, after = sibling.to, false
		}
	}
	if before || after {
		return nil, fail(invalidWhitespaceDirective, "there is no white space to remove")
	}
	return splice(d.Src, from, to), nil
}
