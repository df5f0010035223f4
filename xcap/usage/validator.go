package usage

import (
	"fmt"
	"strings"

	"rollcall/internal/xmlscan"
)

// validator is one run of a schema over a document.
type validator struct {
	schema *schema
	doc    *xmlscan.Doc
	ids    map[string]int // values of xs:ID attributes and who has them

	// wanted is what was looked for in vain since the last child. One buffer does
	// for all matchers: that of a parent is empty while its child is checked.
	wanted []*particle
}

func (v *validator) fail(elem int, format string, args ...any) *Conflict {
	return &Conflict{
		Element: SchemaValidationError,
		Phrase:  readablePath(v.doc, elem) + ": " + fmt.Sprintf(format, args...),
	}
}

// element checks element i against its declared type.
func (v *validator) element(i int, t *elementType) *Conflict {
	if c := v.attributes(i, t); c != nil {
		return c
	}
	switch {
	case t.text != nil:
		return v.simpleContent(i, t.text)
	case t.model != nil:
		return v.elementContent(i, t)
	case t.open:
		return nil
	}
	return v.noContent(i)
}

func (v *validator) simpleContent(i int, t *simpleType) *Conflict {
	for child := range v.doc.Children(i) {
		return v.fail(child, "%s holds %s and no elements", show(v.doc, i), t.expected)
	}
	if text := v.doc.Text(i); !t.valid(text) {
		return v.fail(i, "%s must be %s, not %s", show(v.doc, i), t.expected, quote(text))
	}
	return nil
}

func (v *validator) noContent(i int) *Conflict {
	for child := range v.doc.Children(i) {
		return v.fail(child, "%s must be empty", show(v.doc, i))
	}
	if text := v.doc.Text(i); text != "" {
		return v.fail(i, "%s must be empty, without text or blanks", show(v.doc, i))
	}
	return nil
}

func (v *validator) elementContent(i int, t *elementType) *Conflict {
	if !v.doc.Blank(i) {
		return v.fail(i, "%s holds only elements, but there is the text %s", show(v.doc, i), quote(v.doc.Text(i)))
	}
	m := matcher{validator: v, parent: i, next: int(v.doc.Elements[i].First)}
	if c := m.match(t.model); c != nil {
		return c
	}
	if m.next >= 0 {
		return v.fail(m.next, "%s cannot stand here in %s; %s", show(v.doc, m.next), show(v.doc, i), m.expected())
	}
	v.wanted = v.wanted[:0]
	return nil
}

// lax checks an element that a wildcard admitted: by its declaration if there
// is one, else whatever inside it has one.
func (v *validator) lax(i int) *Conflict {
	n := nameOf(v.doc, i)
	if t := v.schema.elements[n]; t != nil {
		return v.element(i, t)
	}
	// RFC 4825 §8.2.5: a namespace that we advertise, but nothing known of the element.
	if v.schema.known[n.space] && !v.schema.locals[n] {
		return v.fail(i, "the namespace %s has no element %s", n.space, n.local)
	}
	if c := v.globalAttributes(i); c != nil {
		return c
	}
	for child := range v.doc.Children(i) {
		if c := v.lax(child); c != nil {
			return c
		}
	}
	return nil
}

func (v *validator) attributes(i int, t *elementType) *Conflict {
	for k := range t.attrs {
		a := &t.attrs[k]
		value, ok := v.doc.Attr(i, a.name.space, a.name.local)
		if !ok {
			if a.required {
				return v.fail(i, "%s must have the attribute %s", show(v.doc, i), a.name.local)
			}
			continue
		}
		if !a.typ.valid(value) {
			return v.fail(i, "the attribute %s of %s must be %s, not %s", a.name.local, show(v.doc, i), a.typ.expected, quote(value))
		}
		if a.typ.id {
			if c := v.unique(i, a, collapse(value)); c != nil {
				return c
			}
		}
	}
	for _, a := range v.doc.Attributes(i) {
		n := name{a.Space, a.Local}
		if !v.admits(t, n) {
			return v.fail(i, "%s cannot have the attribute %s", show(v.doc, i), qualified(a.Prefix, a.Local))
		}
	}
	return v.globalAttributes(i)
}

// globalAttributes checks the attributes that are declared for whatever element
// of another namespace (RFC 3863 §4.4: mustUnderstand).
func (v *validator) globalAttributes(i int) *Conflict {
	if len(v.schema.attributes) == 0 {
		return nil
	}
	for _, a := range v.doc.Attributes(i) {
		t := v.schema.attributes[name{a.Space, a.Local}]
		if t == nil {
			continue
		}
		if value := v.doc.AttrValue(&a); !t.valid(value) {
			return v.fail(i, "the attribute %s of %s must be %s, not %s", a.Local, show(v.doc, i), t.expected, quote(value))
		}
	}
	return nil
}

// unique checks an xs:ID: it may occur once in the document.
func (v *validator) unique(i int, a *attribute, value string) *Conflict {
	if other, taken := v.ids[value]; taken {
		return v.fail(i, "the %s %s is already that of %s", a.name.local, quote(value), readablePath(v.doc, other))
	}
	v.ids[value] = i
	return nil
}

func (v *validator) admits(t *elementType, n name) bool {
	if n.space == nsXSI { // XML Schema part 1 §2.6: may be used on every element
		return true
	}
	for k := range t.attrs {
		if t.attrs[k].name == n {
			return true
		}
	}
	if !t.anyAttr || n.space == "" || n.space == t.space {
		return false
	}
	return !v.schema.known[n.space] || v.schema.attributes[n] != nil
}

// matcher runs a content model over the children of one element.
type matcher struct {
	*validator
	parent int
	next   int // next child, -1 at the end
}

func (m *matcher) match(p *particle) *Conflict {
	n := 0
	for m.next >= 0 && (p.max == unbounded || n < p.max) {
		if !p.starts(nameOf(m.doc, m.next)) {
			break
		}
		if c := m.once(p); c != nil {
			return c
		}
		n++
	}
	if p.max == unbounded || n < p.max {
		m.wanted = append(m.wanted, p)
	}
	if n >= p.min || p.nullable() {
		return nil
	}
	if m.next < 0 {
		return m.fail(m.parent, "%s is incomplete; %s", show(m.doc, m.parent), m.expected())
	}
	return m.fail(m.next, "%s cannot stand here in %s; %s", show(m.doc, m.next), show(m.doc, m.parent), m.expected())
}

// once matches p one time; the next child starts it.
func (m *matcher) once(p *particle) *Conflict {
	switch {
	case p.seq != nil:
		for _, q := range p.seq {
			if c := m.match(q); c != nil {
				return c
			}
		}
		return nil
	case p.choice != nil:
		n := nameOf(m.doc, m.next)
		for _, q := range p.choice {
			if q.starts(n) {
				return m.match(q)
			}
		}
		return nil
	}
	child := m.next
	m.next = int(m.doc.Elements[child].Next)
	m.wanted = m.wanted[:0]
	if p.other != "" {
		return m.lax(child)
	}
	return m.element(child, p.typ)
}

// expected tells what could have stood at the place reached.
func (m *matcher) expected() string {
	var names []string
	foreign := false
	var add func(p *particle)
	add = func(p *particle) {
		switch {
		case p.choice != nil:
			for _, q := range p.choice {
				add(q)
			}
		case p.seq != nil:
			for _, q := range p.seq {
				add(q)
				if !q.nullable() {
					return
				}
			}
		case p.other != "":
			foreign = true
		default:
			names = appendNew(names, p.element.local)
		}
	}
	for _, p := range m.wanted {
		add(p)
	}
	if foreign {
		names = append(names, "an element of another namespace")
	}
	if len(names) == 0 {
		return "nothing more was expected"
	}
	return "expected " + joinOr(names)
}

func appendNew(list []string, s string) []string {
	for _, have := range list {
		if have == s {
			return list
		}
	}
	return append(list, s)
}

func joinOr(names []string) string {
	if len(names) == 1 {
		return names[0]
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}
