package pidf

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
	"time"

	"rollcall/internal/xmlscan"
)

// writer builds a composed document.
type writer struct {
	c          *composing
	buf        []byte
	ids        ids
	components []Component // in the order written
	origins    []Origin
}

func newWriter(c *composing, parts []part) *writer {
	size := 256 + len(c.AOR)
	for i := range parts {
		size += len(parts[i].text) + 1
	}
	w := &writer{c: c, ids: make(ids, 2*len(parts)), components: make([]Component, 0, len(parts)+1)}
	w.buf = openDocument(make([]byte, 0, min(size, maxBody)), c.AOR)
	return w
}

func openDocument(b []byte, aor string) []byte {
	b = append(b, `<?xml version="1.0" encoding="UTF-8"?>`+"\n"+`<presence xmlns="`+Namespace+`" entity="`...)
	b = xmlscan.EscapeAttr(b, aor)
	return append(b, "\">\n"...)
}

func closeDocument(b []byte) []byte { return append(b, "\n</presence>\n"...) }

// full stops the writing of what is thrown away anyway.
func (w *writer) full() bool { return len(w.buf) > maxBody }

func (w *writer) finish() bool {
	w.buf = closeDocument(w.buf)
	return !w.full()
}

func (w *writer) begin(c Component) {
	if len(w.components) > 0 {
		w.buf = append(w.buf, '\n')
	}
	w.components = append(w.components, c)
}

// trace notes where what is written is from.
func (w *writer) trace(p *part, id, element string) {
	if !w.c.Trace {
		return
	}
	kind := Tuple
	var since time.Time
	if p.piece != nil {
		kind, since = p.Kind, p.when
	}
	w.origins = append(w.origins, Origin{kind, element, id, p.source, p.lineage, since})
}

// offline says that nothing is known.
func (w *writer) offline() {
	id := w.ids.claim("", OfflineTupleID(w.c.AOR), Tuple, 0)
	w.begin(Component{Kind: Tuple, ID: id})
	w.buf = offlineTuple(w.buf, w.c.AOR, id)
	w.trace(&part{source: FromNobody}, id, "")
}

// part adds one component.
func (w *writer) part(p *part) {
	if w.full() {
		return
	}
	if r := p.reg; r != nil {
		id := w.ids.claim("", "r"+digest(r.Contact+" "+r.Instance), Tuple, p.ordinal)
		w.begin(Component{Kind: Tuple, ID: id})
		w.buf = plainTuple(w.buf, id, "open", strings.Trim(r.Instance, "<>"), priority(r.Q), r.Contact)
		w.trace(p, id, "")
		return
	}
	c := p.Component
	switch c.Kind {
	case Tuple, Device:
		c.ID = w.ids.claim(p.lineage, c.PublishedID, c.Kind, p.ordinal)
	case Person:
		w.person(p, c)
		return
	}
	w.begin(c)
	w.piece(p, c, 0, int32(len(p.text)))
	w.trace(p, c.ID, "")
}

// piece writes a span of the text of a part, its ids made unique. c has the id of
// the component.
func (w *writer) piece(p *part, c Component, from, to int32) {
	for i := range p.ids {
		at := &p.ids[i]
		if at.from < from || at.from >= to {
			continue
		}
		id := c.ID
		if !at.own {
			id = w.ids.claim(p.lineage, at.id, Other, at.elem)
		}
		if id != at.id {
			w.buf = append(w.buf, p.text[from:at.from]...)
			w.buf = xmlscan.EscapeAttr(w.buf, id)
			from = at.to
		}
	}
	w.buf = append(w.buf, p.text[from:to]...)
}

// person writes the person of a group: what the first one has, and of the others
// what it lacks.
func (w *writer) person(p *part, c Component) {
	named := p.named
	if named == nil {
		named = p
	}
	c.PublishedID = p.PublishedID
	published := named.PublishedID
	if named.source == FromCall {
		published = named.ids[0].id
	}
	c.ID = w.ids.claim(named.lineage, published, Person, named.ordinal)
	w.begin(c)
	w.trace(p, c.ID, "")
	adopted := w.adoptions(p)
	call := w.c.OnPhone && !w.c.personsSet && p.source != FromCall && w.firstPerson()
	if len(adopted) == 0 && !call {
		w.piece(p, c, 0, int32(len(p.text)))
		return
	}
	w.assembled(p, c, adopted, call)
}

// firstPerson reports whether the component begun last is the first person.
func (w *writer) firstPerson() bool {
	n := len(w.components)
	return n == 1 || w.components[n-2].Kind != Person
}

// adoption is a child that a person gets from another.
type adoption struct {
	*kid
	from *part
}

func (w *writer) adoptions(p *part) (adopted []adoption) {
	if len(p.merged) == 0 {
		return nil
	}
	has := make(map[xmlscan.Name]bool, 8)
	for i := range p.kids {
		has[p.kids[i].name] = true
	}
	for _, other := range p.merged {
		n := len(adopted)
		for i := range other.kids {
			if k := &other.kids[i]; !has[k.name] {
				adopted = append(adopted, adoption{k, other})
			}
		}
		for _, a := range adopted[n:] {
			has[a.name] = true
		}
	}
	return adopted
}

// assembled writes a person with children that it has not in its source.
func (w *writer) assembled(p *part, c Component, adopted []adoption, call bool) {
	e := &p.doc.scanned().Elements[c.Elem]
	if p.start < 0 { // an empty-element tag
		w.piece(p, c, 0, int32(len(p.text)))
		w.buf = append(bytes.TrimSuffix(w.buf, []byte("/>")), '>')
	} else {
		w.piece(p, c, 0, p.start)
	}
	all := make([]adoption, 0, len(p.kids)+len(adopted))
	for i := range p.kids {
		all = append(all, adoption{&p.kids[i], p})
	}
	all = append(all, adopted...)
	slices.SortStableFunc(all, func(a, b adoption) int { return cmp.Compare(a.rank, b.rank) })
	for _, a := range all {
		if w.full() {
			break
		}
		if call && a.rank > 1 { // behind all attributes
			w.call(c)
			call = false
		}
		from := len(w.buf)
		if a.from == p {
			w.piece(p, c, a.kid.from, a.kid.to)
		} else {
			w.adopt(a)
			w.trace(a.from, c.ID, a.name.Local)
		}
		if call && a.name == (xmlscan.Name{Local: "activities", Space: RPID}) {
			w.buf = withCall(w.buf, from, a.from.doc.scanned(), a.elem)
			w.trace(onPhone, c.ID, "on-the-phone")
			call = false
		}
	}
	if call {
		w.call(c)
	}
	w.buf = endTag(w.buf, e)
}

// onPhone stands for the call among the parts.
var onPhone = &part{piece: &piece{Component: Component{Kind: Person}}, source: FromCall}

// call writes that there is one.
func (w *writer) call(c Component) {
	w.buf = append(w.buf, `<rpid:activities xmlns:rpid="`+RPID+`"><rpid:on-the-phone/></rpid:activities>`...)
	w.trace(onPhone, c.ID, "on-the-phone")
}

// adopt writes a child that another person had.
func (w *writer) adopt(a adoption) {
	src := source{doc: a.from.doc.scanned()}
	src.declare(a.elem, src.doc.Scope(int(src.doc.Elements[a.elem].Parent)), true)
	src.repair(a.elem, &w.c.horizon)
	src.settle()
	e := &src.doc.Elements[a.elem]
	text, ids := src.copy(nil, nil, e.Start, e.End)
	w.piece(&part{piece: &piece{text: text, ids: ids}, lineage: a.from.lineage}, Component{}, 0, int32(len(text)))
}
