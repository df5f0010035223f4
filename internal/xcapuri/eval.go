package xcapuri

import (
	"errors"

	"rollcall/internal/xmlscan"
)

// Reasons why a selector selects nothing.
var (
	ErrNoMatch   = errors.New("selector matches nothing")
	ErrAmbiguous = errors.New("selector matches several elements")
)

// Match is what a selector selected.
type Match struct {
	Elem      int  // index of the element, of which the others are a part
	Attr      int  // index in Doc.Attrs, -1 when no attribute was asked for
	Namespace bool // the namespace bindings of Elem
}

// Eval evaluates the selector (RFC 4825 §6.3).
func (n *NodeSelector) Eval(d *xmlscan.Doc) (Match, error) {
	elem, _, err := descend(d, n.Steps)
	if err != nil {
		return Match{}, err
	}
	m := Match{Elem: elem, Attr: -1, Namespace: n.Terminal == Namespaces}
	if n.Terminal == Attribute {
		if m.Attr = d.AttrIndex(elem, n.Attr.Space, n.Attr.Local); m.Attr < 0 {
			return Match{}, ErrNoMatch
		}
	}
	return m, nil
}

// EvalParent evaluates the selector without its last part: the element that a
// new element or attribute goes into. It is -1 for the root element, whose
// parent is the document. After an error reached counts the leading steps that
// do select an element.
func (n *NodeSelector) EvalParent(d *xmlscan.Doc) (parent, reached int, err error) {
	steps := n.Steps
	if n.Terminal == Element {
		steps = steps[:len(steps)-1]
	}
	return descend(d, steps)
}

func descend(d *xmlscan.Doc, steps []Step) (elem, reached int, err error) {
	elem = -1
	for i := range steps {
		next, err := steps[i].Select(d, elem)
		if err != nil {
			return -1, i, err
		}
		elem = next
	}
	return elem, len(steps), nil
}

// Select evaluates the step among the element children of parent, -1 being the
// document itself.
func (s *Step) Select(d *xmlscan.Doc, parent int) (int, error) {
	found, position := -1, 0
	for c := FirstChild(d, parent); c >= 0; c = int(d.Elements[c].Next) {
		if !s.Names(d, c) {
			continue
		}
		position++
		if s.Position >= 0 && position != s.Position || !s.passes(d, c) {
			continue
		}
		if found >= 0 {
			return -1, ErrAmbiguous
		}
		found = c
		if s.Position >= 0 {
			break
		}
	}
	if found < 0 {
		return -1, ErrNoMatch
	}
	return found, nil
}

// FirstChild returns the first element child of parent, -1 being the document,
// or -1 when there is none.
func FirstChild(d *xmlscan.Doc, parent int) int {
	if parent < 0 {
		return 0
	}
	return int(d.Elements[parent].First)
}

// Names reports whether the name of the step is that of element i.
func (s *Step) Names(d *xmlscan.Doc, i int) bool {
	return s.Any || d.Is(i, s.Name.Space, s.Name.Local)
}

func (s *Step) passes(d *xmlscan.Doc, i int) bool {
	if s.Test == nil {
		return true
	}
	a := d.AttrIndex(i, s.Test.Name.Space, s.Test.Name.Local)
	return a >= 0 && d.ValueIs(&d.Attrs[a], s.Test.Value)
}
