package eventfilter

import (
	"slices"
	"strings"

	"rollcall/internal/xmlscan"
)

// content is what of a document is delivered (RFC 4661 §3.5).
type content struct{ include, exclude []selector }

// selector selects nodes by an expression, or elements by their namespace.
type selector struct {
	path  *path // nil: by namespace
	space string
}

func (s *selector) find(d *document) nodes {
	if s.path != nil {
		return s.path.find(d)
	}
	var n nodes
	for i := range d.Elements {
		if d.Elements[i].Space == s.space {
			n.elements = append(n.elements, i)
		}
	}
	return n
}

// share is how much of an element is delivered.
type share uint8

const (
	none  share = iota
	shell       // its tags, with those of its children that are
	whole       // all that is in it
)

// Namespaces of presence documents, of which it is known what must be there.
const (
	nsPIDF      = "urn:ietf:params:xml:ns:pidf"
	nsDataModel = "urn:ietf:params:xml:ns:pidf:data-model"
	nsTimed     = "urn:ietf:params:xml:ns:pidf:timed-status"
)

type name struct{ space, local string }

func nameOf(n *xmlscan.Name) name { return name{n.Space, n.Local} }

// needs is the child that an element cannot be without (RFC 3863 §4.4, RFC 4479
// §5; that a status has a child is in the text of RFC 3863 §4.1.3 only).
var needs = map[name]name{
	{nsPIDF, "tuple"}:       {nsPIDF, "status"},
	{nsPIDF, "status"}:      {nsPIDF, "basic"},
	{nsDataModel, "device"}: {nsDataModel, "deviceID"},
}

// needsAttr is the attribute that an element cannot be without.
var needsAttr = map[name]string{
	{nsPIDF, "presence"}:      "entity",
	{nsPIDF, "tuple"}:         "id",
	{nsDataModel, "person"}:   "id",
	{nsDataModel, "device"}:   "id",
	{nsTimed, "timed-status"}: "from",
}

// selection is the work on one document.
type selection struct {
	*document
	shares []share
	cuts   [][2]int32
}

// Apply returns what the filter delivers of a document, byte for byte as it stands
// there; what must be in a valid document stays (RFC 4660 §5.3.1). Nil means that
// nothing is left to deliver.
func (f *Filter) Apply(doc *xmlscan.Doc) []byte {
	if f.key == "" {
		return doc.Src
	}
	s := selection{document: newDocument(doc), shares: make([]share, len(doc.Elements))}
	if len(f.what.include) == 0 {
		s.shares[0] = whole
	}
	wanted := false // of the root element itself
	for i := range f.what.include {
		wanted = s.include(&f.what.include[i]) || wanted
	}
	s.spread()
	s.complete()
	for i := range f.what.exclude {
		s.exclude(&f.what.exclude[i])
	}
	if s.shares[0] == none || !wanted && s.empty() {
		return nil
	}
	return s.splice()
}

// include marks what is selected, and reports whether that is an attribute of the
// root element.
func (s *selection) include(sel *selector) (wanted bool) {
	found := sel.find(s.document)
	for _, i := range found.elements {
		if sel.path != nil {
			s.shares[i] = whole
		}
		s.show(i)
	}
	for _, a := range found.attrs {
		s.show(a.elem)
		wanted = wanted || a.elem == 0
	}
	return wanted
}

// show marks an element and those around it.
func (s *selection) show(i int) {
	s.shares[i] = max(s.shares[i], shell)
	for p := s.Elements[i].Parent; p >= 0 && s.shares[p] == none; p = s.Elements[p].Parent {
		s.shares[p] = shell
	}
}

// spread gives what is in a whole element with it.
func (s *selection) spread() {
	for i := range s.Elements {
		if p := s.Elements[i].Parent; p >= 0 && s.shares[p] == whole {
			s.shares[i] = whole
		}
	}
}

// complete adds what an element cannot be without.
func (s *selection) complete() {
	for i := range s.Elements {
		need, ok := needs[nameOf(&s.Elements[i].Name)]
		if s.shares[i] != shell || !ok || need.local == "basic" && s.hasChild(i) {
			continue
		}
		for c := range s.Children(i) {
			if s.Is(c, need.space, need.local) && s.shares[c] == none {
				s.shares[c] = shell
			}
		}
	}
}

func (s *selection) hasChild(i int) bool {
	for c := range s.Children(i) {
		if s.shares[c] != none {
			return true
		}
	}
	return false
}

// exclude takes out what is selected, unless it has to be there (RFC 4661 §3.5.2).
func (s *selection) exclude(sel *selector) {
	found := sel.find(s.document)
	for _, i := range found.elements {
		if s.shares[i] != none && !s.required(i) {
			s.hide(i)
		}
	}
	for _, a := range found.attrs {
		attr := &s.Attrs[a.attr]
		if s.shares[a.elem] == none || attr.Space == "" && needsAttr[nameOf(&s.Elements[a.elem].Name)] == attr.Local {
			continue
		}
		from := attr.Start
		for strings.IndexByte(" \t\r\n", s.Src[from-1]) >= 0 {
			from--
		}
		s.cuts = append(s.cuts, [2]int32{from, attr.End})
	}
}

// hide takes out an element and all in it.
func (s *selection) hide(i int) {
	end := s.Elements[i].End
	for ; i < len(s.Elements) && s.Elements[i].Start < end; i++ {
		s.shares[i] = none
	}
}

// required reports whether a visible element cannot be taken out.
func (s *selection) required(i int) bool {
	p := int(s.Elements[i].Parent)
	if p < 0 {
		return true
	}
	need := needs[nameOf(&s.Elements[p].Name)]
	if need != nameOf(&s.Elements[i].Name) {
		return false
	}
	for c := range s.Children(p) {
		if c != i && s.shares[c] != none && (need.local == "basic" || s.Is(c, need.space, need.local)) {
			return false
		}
	}
	return true
}

// empty reports whether the root element had children, and none is left.
func (s *selection) empty() bool { return s.Elements[0].First >= 0 && !s.hasChild(0) }

// splice writes the document without what is not delivered, and without the white
// space before it.
func (s *selection) splice() []byte {
	for i := range s.Elements {
		e := &s.Elements[i]
		if s.shares[i] != none || s.shares[e.Parent] == none {
			continue
		}
		from := e.Start
		for strings.IndexByte(" \t\r\n", s.Src[from-1]) >= 0 {
			from--
		}
		s.cuts = append(s.cuts, [2]int32{from, e.End})
	}
	slices.SortFunc(s.cuts, func(a, b [2]int32) int { return int(a[0] - b[0]) })
	out := make([]byte, 0, len(s.Src))
	at := int32(0)
	for _, c := range s.cuts {
		if c[1] <= at {
			continue // within what is out already
		}
		out = append(out, s.Src[at:max(at, c[0])]...)
		at = c[1]
	}
	return append(out, s.Src[at:]...)
}
