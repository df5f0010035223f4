package xmlpatch

import (
	"bytes"
	"slices"
	"strings"

	"rollcall/internal/xmlscan"
)

// Kind is what an operation does; it is the name of its element.
type Kind string

// Kinds of operations (RFC 5261 §4.3 to §4.5).
const (
	Add     Kind = "add"
	Replace Kind = "replace"
	Remove  Kind = "remove"
)

// Op is one patch operation.
type Op struct {
	Kind    Kind
	Sel     string            // selector of the one node concerned
	Pos     string            // of an add: before, after, prepend; empty appends
	Type    string            // of an add: @attribute or namespace::prefix
	WS      string            // of a remove: before, after, both
	Content []byte            // what stands inside the element, as written
	Scope   []xmlscan.Binding // namespaces in which Sel, Type and Content are read
}

// maxOps bounds a patch: the document is scanned after every operation.
const maxOps = 256

// Parse reads the operations that are the children of an element of a patch
// document, all of the namespace given.
func Parse(d *xmlscan.Doc, parent int, space string) ([]Op, error) {
	if !d.Blank(parent) {
		return nil, fail(invalidDiffFormat, "text between the operations")
	}
	var ops []Op
	for i := range d.Children(parent) {
		e := &d.Elements[i]
		kind := Kind(e.Local)
		if e.Space != space || kind != Add && kind != Replace && kind != Remove {
			return nil, fail(invalidDiffFormat, "<"+e.Local+"> is no patch operation")
		}
		if len(ops) == maxOps {
			return nil, fail(invalidDiffFormat, "too many operations")
		}
		op := Op{Kind: kind, Scope: d.Scope(i), Content: d.Src[e.StartEnd:max(e.StartEnd, e.EndStart)]}
		for _, a := range d.Attributes(i) {
			value := d.AttrValue(&a)
			switch {
			case a.Space != "":
			case a.Local == "sel":
				op.Sel = value
			case a.Local == "pos" && kind == Add:
				op.Pos = value
			case a.Local == "type" && kind == Add:
				op.Type = value
			case a.Local == "ws" && kind == Remove:
				op.WS = value
			case a.Local == "msgid": // of RFC 5261 §5
			default:
				return nil, fail(invalidAttributeValue, "<"+e.Local+"> has no attribute "+a.Local)
			}
		}
		if op.Sel == "" {
			return nil, fail(invalidAttributeValue, "<"+e.Local+"> without sel")
		}
		ops = append(ops, op)
	}
	return ops, nil
}

// Append writes the operation as an element of the given namespace. It declares
// all it needs, so that it may stand in any document.
func (op *Op) Append(dst []byte, space string) []byte {
	prefix := "d"
	for slices.ContainsFunc(op.Scope, func(b xmlscan.Binding) bool { return b.Prefix == prefix }) {
		prefix += "d"
	}
	declared := []xmlscan.Binding{{Prefix: prefix, URI: space}}
	isDefault := func(b xmlscan.Binding) bool { return b.Prefix == "" }
	if !slices.ContainsFunc(op.Scope, isDefault) {
		declared = append(declared, xmlscan.Binding{})
	}
	return op.element(dst, prefix, append(declared, op.Scope...))
}

// AppendIn writes the operation as an element with a prefix that is bound to its
// namespace, where the given bindings are in scope. It declares what it needs
// besides these. The prefix must have no other meaning in the document.
func (op *Op) AppendIn(dst []byte, prefix string, around []xmlscan.Binding) []byte {
	declared := slices.DeleteFunc(op.needs(), func(b xmlscan.Binding) bool {
		outer, _ := uriOf(b.Prefix, around)
		return outer == b.URI
	})
	return op.element(dst, prefix, declared)
}

// element writes the operation as an element that declares the given bindings.
func (op *Op) element(dst []byte, prefix string, declared []xmlscan.Binding) []byte {
	name := prefix + ":" + string(op.Kind)
	dst = append(append(dst, '<'), name...)
	attr := func(name, value string) {
		dst = append(append(append(dst, ' '), name...), `="`...)
		dst = append(xmlscan.EscapeAttr(dst, value), '"')
	}
	for _, b := range declared {
		if b.Prefix == "" {
			attr("xmlns", b.URI)
		} else {
			attr("xmlns:"+b.Prefix, b.URI)
		}
	}
	for _, a := range [...][2]string{{"sel", op.Sel}, {"pos", op.Pos}, {"type", op.Type}, {"ws", op.WS}} {
		if a[1] != "" {
			attr(a[0], a[1])
		}
	}
	if len(op.Content) == 0 {
		return append(dst, "/>"...)
	}
	dst = append(append(dst, '>'), op.Content...)
	return append(append(append(dst, "</"...), name...), '>')
}

// needs lists the bindings that the names in the operation may depend on. A
// prefix counts where it stands with its colon at all, as values may be qualified
// names.
func (op *Op) needs() []xmlscan.Binding {
	var needed []xmlscan.Binding
	for _, b := range op.Scope {
		with := b.Prefix + ":"
		if b.Prefix != "" && (strings.Contains(op.Sel, with) || strings.Contains(op.Type, with) || bytes.Contains(op.Content, []byte(with))) {
			needed = append(needed, b)
		}
	}
	if bytes.IndexByte(op.Content, '<') < 0 && op.nameless() {
		return needed
	}
	uri, _ := uriOf("", op.Scope)
	return append(needed, xmlscan.Binding{URI: uri})
}

// nameless reports whether the selector has no names that a default namespace
// would apply to.
func (op *Op) nameless() bool {
	steps, err := parseSelector(op.Sel, op.Scope)
	if err != nil {
		return false
	}
	for i := range steps {
		if steps[i].kind == elementNode && !steps[i].any {
			return false
		}
		for _, p := range steps[i].filter {
			if p.child {
				return false
			}
		}
	}
	return true
}
