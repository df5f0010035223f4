package usage

import (
	"rollcall/internal/xmlscan"
)

const (
	nsXML = "http://www.w3.org/XML/1998/namespace"
	nsXSI = "http://www.w3.org/2001/XMLSchema-instance"
)

// name is an expanded name.
type name struct{ space, local string }

// schema is the set of declarations that documents of a usage are checked
// against: its own schema and those of the namespaces it knows inside.
type schema struct {
	root       name
	elements   map[name]*elementType // global declarations
	attributes map[name]*simpleType  // global attribute declarations
	locals     map[name]bool         // names that only occur inside other declarations
	known      map[string]bool       // namespaces whose every element is declared
}

// elementType is the type of an element. With text it has simple content, with
// model only element content, open any content, with none of them it is empty.
type elementType struct {
	space   string // target namespace of the schema, for ##other
	attrs   []attribute
	anyAttr bool // attributes of other namespaces, processContents="lax"
	text    *simpleType
	model   *particle
	open    bool
}

// attribute is an attribute declaration.
type attribute struct {
	name     name
	typ      *simpleType
	required bool
}

// particle is a part of a content model: an element, a wildcard, a sequence or
// a choice. The models obey the unique particle attribution rule, so the next
// element decides alone which particle it belongs to.
type particle struct {
	min, max int // max -1: unbounded
	element  name
	typ      *elementType
	other    string // wildcard: any element of a namespace that is not this one
	seq      []*particle
	choice   []*particle
}

const unbounded = -1

func element(space, local string, typ *elementType) *particle {
	return &particle{min: 1, max: 1, element: name{space, local}, typ: typ}
}

// others is `any namespace="##other" processContents="lax"`.
func others(target string) *particle { return &particle{min: 1, max: 1, other: target} }

func sequence(p ...*particle) *particle { return &particle{min: 1, max: 1, seq: p} }
func oneOf(p ...*particle) *particle    { return &particle{min: 1, max: 1, choice: p} }

func (p *particle) optional() *particle  { q := *p; q.min = 0; return &q }
func (p *particle) anyNumber() *particle { q := *p; q.min, q.max = 0, unbounded; return &q }
func (p *particle) oneOrMore() *particle { q := *p; q.min, q.max = 1, unbounded; return &q }

// simple is an element type with text and attributes but no children.
func simple(space string, t *simpleType, attrs ...attribute) *elementType {
	return &elementType{space: space, text: t, attrs: attrs}
}

// group is an element type with element-only content.
func group(space string, model *particle, attrs ...attribute) *elementType {
	return &elementType{space: space, model: model, attrs: attrs}
}

func required(local string, t *simpleType) attribute {
	return attribute{name{"", local}, t, true}
}

func optional(local string, t *simpleType) attribute {
	return attribute{name{"", local}, t, false}
}

var xmlLang = attribute{name{nsXML, "lang"}, language, false}

// allows reports whether the wildcard admits an element of that namespace: XML
// Schema's ##other means neither the target namespace nor none.
func (p *particle) allows(space string) bool {
	return p.other != "" && space != "" && space != p.other
}

// starts reports whether n can begin p.
func (p *particle) starts(n name) bool {
	switch {
	case p.choice != nil:
		for _, q := range p.choice {
			if q.starts(n) {
				return true
			}
		}
		return false
	case p.seq != nil:
		for _, q := range p.seq {
			if q.starts(n) {
				return true
			}
			if !q.nullable() {
				return false
			}
		}
		return false
	case p.other != "":
		return p.allows(n.space)
	}
	return p.element == n
}

// nullable reports whether nothing at all satisfies p.
func (p *particle) nullable() bool {
	if p.min == 0 {
		return true
	}
	switch {
	case p.choice != nil:
		for _, q := range p.choice {
			if q.nullable() {
				return true
			}
		}
		return len(p.choice) == 0
	case p.seq != nil:
		for _, q := range p.seq {
			if !q.nullable() {
				return false
			}
		}
		return true
	}
	return false
}

// declarations collects the global element declarations of several schemas.
type declarations map[name]*elementType

// newSchema makes a schema of global declarations. Every namespace that occurs
// in them is known: an element of it that no declaration mentions is an error
// wherever it stands (RFC 4825 §8.2.5).
func newSchema(root name, attributes []attribute, sets ...declarations) *schema {
	s := &schema{
		root:       root,
		elements:   map[name]*elementType{},
		attributes: map[name]*simpleType{},
		locals:     map[name]bool{},
		known:      map[string]bool{},
	}
	for _, a := range attributes {
		s.attributes[a.name] = a.typ
	}
	for _, set := range sets {
		for n, t := range set {
			s.elements[n] = t
			s.known[n.space] = true
		}
	}
	seen := map[*elementType]bool{}
	for _, t := range s.elements {
		s.collect(t, seen)
	}
	return s
}

func (s *schema) collect(t *elementType, seen map[*elementType]bool) {
	if t.model == nil || seen[t] {
		return
	}
	seen[t] = true
	var walk func(p *particle)
	walk = func(p *particle) {
		if p.typ != nil {
			s.locals[p.element] = true
			s.known[p.element.space] = true
			s.collect(p.typ, seen)
		}
		for _, q := range p.seq {
			walk(q)
		}
		for _, q := range p.choice {
			walk(q)
		}
	}
	walk(t.model)
}

// validate checks the whole document.
func (s *schema) validate(d *xmlscan.Doc) *Conflict {
	v := &validator{schema: s, doc: d, ids: map[string]int{}}
	root := nameOf(d, 0)
	if root != s.root {
		return v.fail(0, "the root element must be %s in the namespace %s, not %s", s.root.local, s.root.space, quoteName(root))
	}
	return v.element(0, s.elements[root])
}
