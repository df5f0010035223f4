package xmlscan

import "iter"

// XMLNamespace is what the prefix xml is bound to in every document.
const XMLNamespace = "http://www.w3.org/XML/1998/namespace"

const xmlnsNamespace = "http://www.w3.org/2000/xmlns/"

// Doc is the flat index of a scanned document. Elements are in document order;
// Elements[0] is the root. A Doc is immutable and safe for concurrent use.
type Doc struct {
	Src      []byte
	Elements []Element
	Attrs    []Attr

	text  string // Src as a string; all names are parts of it
	decls []Binding
	base  []Binding // scope around the root of a fragment

	declRoom [4]Binding // for decls, which are few in most documents
}

// Name is a qualified name with the namespace it expands to.
type Name struct{ Prefix, Local, Space string }

// Element is one element and where it stands. All offsets count bytes of Src.
type Element struct {
	Name
	Parent int32 // -1 for the root
	Next   int32 // next sibling element or -1
	First  int32 // first child element or -1

	Start    int32 // '<' of the start tag
	StartEnd int32 // behind '>' of the start tag
	EndStart int32 // '<' of the end tag; End for an empty-element tag
	End      int32 // behind the end tag

	AttrFirst, AttrCount int32 // in Doc.Attrs; namespace declarations are not among them
	declFirst, declCount int32

	SelfClosing bool
}

// Attr is one attribute, namespace declarations excluded.
type Attr struct {
	Name
	Start, End           int32 // from the name to behind the closing quote
	ValueStart, ValueEnd int32 // between the quotes

	_ [attrPadding]byte // see room
}

// Binding is a namespace binding; Prefix is empty for the default namespace.
type Binding struct{ Prefix, URI string }

// Children yields the element children of element i in document order.
func (d *Doc) Children(i int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for c := d.Elements[i].First; c >= 0; c = d.Elements[c].Next {
			if !yield(int(c)) {
				return
			}
		}
	}
}

// Is reports whether element i has the given expanded name.
func (d *Doc) Is(i int, space, local string) bool {
	e := &d.Elements[i]
	return e.Local == local && e.Space == space
}

// Bytes returns the exact source of element i.
func (d *Doc) Bytes(i int) []byte {
	e := &d.Elements[i]
	return d.Src[e.Start:e.End:e.End]
}

// Attributes returns the attributes of element i in document order.
func (d *Doc) Attributes(i int) []Attr {
	e := &d.Elements[i]
	return d.Attrs[e.AttrFirst : e.AttrFirst+e.AttrCount]
}

// AttrIndex returns the index in Attrs of an attribute of element i, or -1.
func (d *Doc) AttrIndex(i int, space, local string) int {
	e := &d.Elements[i]
	for a := e.AttrFirst; a < e.AttrFirst+e.AttrCount; a++ {
		if d.Attrs[a].Local == local && d.Attrs[a].Space == space {
			return int(a)
		}
	}
	return -1
}

// Attr returns the normalised value of an attribute of element i.
func (d *Doc) Attr(i int, space, local string) (value string, ok bool) {
	a := d.AttrIndex(i, space, local)
	if a < 0 {
		return "", false
	}
	return d.AttrValue(&d.Attrs[a]), true
}

// AttrValue returns the value with references expanded and white space
// normalised (XML 1.0 §3.3.3).
func (d *Doc) AttrValue(a *Attr) string {
	return normalise(d.text[a.ValueStart:a.ValueEnd])
}

// ValueIs reports whether AttrValue(a) is value, most often by a glance at the
// first characters.
func (d *Doc) ValueIs(a *Attr, value string) bool {
	raw := d.text[a.ValueStart:a.ValueEnd]
	for i := range len(raw) {
		c := raw[i]
		if c < ' ' || c == '&' {
			return normalise(raw) == value
		}
		if i == len(value) || c != value[i] {
			return false
		}
	}
	return len(raw) == len(value)
}

// Text returns the character data directly under element i, CDATA sections
// included, references expanded and line ends normalised. Data of child
// elements, comments and processing instructions are not part of it.
func (d *Doc) Text(i int) string {
	e := &d.Elements[i]
	if e.First < 0 {
		return characterData(d.text[e.StartEnd:max(e.StartEnd, e.EndStart)])
	}
	b := make([]byte, 0, 64)
	at := e.StartEnd
	for c := range d.Children(i) {
		b = append(b, characterData(d.text[at:d.Elements[c].Start])...)
		at = d.Elements[c].End
	}
	return string(append(b, characterData(d.text[at:e.EndStart])...))
}

// Blank reports whether Text(i) is only white space, without making it.
func (d *Doc) Blank(i int) bool {
	e := &d.Elements[i]
	at := e.StartEnd
	for c := range d.Children(i) {
		if !blankData(d.text[at:d.Elements[c].Start]) {
			return false
		}
		at = d.Elements[c].End
	}
	return blankData(d.text[at:max(at, e.EndStart)])
}

// Declared returns the namespace declarations on element i itself.
func (d *Doc) Declared(i int) []Binding {
	e := &d.Elements[i]
	return d.decls[e.declFirst : e.declFirst+e.declCount]
}

// Scope returns the namespace bindings in scope at element i, the innermost
// last. The implied one of the prefix xml is left out.
func (d *Doc) Scope(i int) []Binding {
	var scope []Binding
	for n := int32(i); n >= 0; n = d.Elements[n].Parent {
		scope = addOuter(scope, d.Declared(int(n)))
	}
	scope = addOuter(scope, d.base)
	kept := scope[:0]
	for _, b := range scope {
		if b.URI != "" && b.Prefix != "xml" {
			kept = append(kept, b)
		}
	}
	for l, r := 0, len(kept)-1; l < r; l, r = l+1, r-1 {
		kept[l], kept[r] = kept[r], kept[l]
	}
	return kept
}

// addOuter appends the declarations of an enclosing element that are not
// hidden by those already in scope.
func addOuter(scope, outer []Binding) []Binding {
	for i := len(outer) - 1; i >= 0; i-- {
		hidden := false
		for _, b := range scope {
			if b.Prefix == outer[i].Prefix {
				hidden = true
				break
			}
		}
		if !hidden {
			scope = append(scope, outer[i])
		}
	}
	return scope
}
