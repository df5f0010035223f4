package pidf

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"rollcall/internal/sipuri"
	"rollcall/internal/xmlscan"
)

// maxElements bounds the elements of a composed document.
const maxElements = 20000

// maxAttributes bounds the attributes, declarations included, that the start tag of
// a component has when those of its ancestors are added.
const maxAttributes = 64

// piece is a component as it goes into composed documents: self-contained, and
// valid but for ids that others may have, too.
type piece struct {
	Component
	text []byte // part of the source when nothing had to be changed
	ids  []place
	kids []kid // of a person
	content

	device  string    // comparable form of the deviceID, of a tuple or device
	contact string    // comparable form, of a tuple
	class   string    // of a person
	sphere  []string  // tokens, of a person
	stamp   time.Time // its timestamp, zero when it has none
	closed  bool      // a tuple that is
	rank    int8      // restriction of a person's activities

	elements int
	timed    bool // has elements that begin or end: made anew for each composition
	over     bool // the whole of it is
}

// place is where an id stands in the text of a piece.
type place struct {
	from, to int32
	id       string // as published
	elem     int    // of the source
	own      bool   // it is that of the component
}

// kid is a child element of a person.
type kid struct {
	elem     int
	name     xmlscan.Name
	rank     int
	from, to int32 // in the text of the piece
}

// content is where in its text the content of a piece stands; start is negative
// when it has none, being an empty-element tag.
type content struct{ start, end int32 }

// prepare makes the pieces of a document, in order of kind.
func (doc *Document) prepare() error {
	d := doc.Doc
	scope, h := d.Scope(0), &horizon{}
	doc.pieces = make([]piece, 0, len(doc.Tuples)+len(doc.Notes)+len(doc.Persons)+len(doc.Devices)+len(doc.Others))
	for _, list := range [...][]Component{doc.Tuples, doc.Notes, doc.Persons, doc.Devices, doc.Others} {
		for _, c := range list {
			if c.Kind == Device && deviceID(d, c.Elem) == "" {
				continue // RFC 4479 §3.4: says of no device what it says
			}
			p := makePiece(d, c, scope, h)
			if e := &d.Elements[c.Elem]; int(e.AttrCount)+len(scope)+len(d.Declared(c.Elem)) > maxAttributes {
				return invalid("%s %q has too many attributes and namespaces", c.Kind, c.ID)
			}
			if p.device != "" && !slices.Contains(doc.devices, p.device) && len(doc.devices) < 64 {
				doc.devices = append(doc.devices, p.device)
			}
			doc.pieces = append(doc.pieces, p)
		}
	}
	slices.Sort(doc.devices)
	doc.end = lastEnd(d)
	return nil
}

// lastEnd is the latest until in a document.
func lastEnd(d *xmlscan.Doc) (end time.Time) {
	for i := range d.Elements {
		if d.Elements[i].Space != RPID && d.Elements[i].Space != TimedStatus {
			continue
		}
		if v, ok := d.Attr(i, "", "until"); ok {
			if t, ok := instant(v); ok && t.After(end) {
				end = t
			}
		}
	}
	return end
}

// makePiece makes the piece of a component as it is at an instant. scope is that of
// the root.
func makePiece(d *xmlscan.Doc, c Component, scope []xmlscan.Binding, h *horizon) piece {
	p := piece{Component: c}
	if c.Kind == Other && h.omits(d, c.Elem) {
		p.timed, p.over = h.met, true
		return p
	}
	h.met = false
	p.describe(d, h)
	b := builder{piece: &p, d: d, scope: scope, h: h}
	b.build()
	p.timed = h.met
	p.elements = subtree(d, c.Elem)
	return p
}

// describe notes what composition goes by.
func (p *piece) describe(d *xmlscan.Doc, h *horizon) {
	space := DataModel
	switch p.Kind {
	case Tuple:
		space = Namespace
		p.device, p.contact = deviceID(d, p.Elem), contactKey(d, p.Elem)
		p.closed = closed(d, p.Elem)
		if t := timedStatus(d, p.Elem, h); t >= 0 {
			p.closed = trimmed(d, t) == "closed"
		}
	case Device:
		p.device = deviceID(d, p.Elem)
	case Person:
		for i := range d.Children(p.Elem) {
			switch {
			case h.omits(d, i):
			case d.Is(i, RPID, "class") && p.class == "":
				p.class = trimmed(d, i)
			case d.Is(i, RPID, "sphere") && !h.ahead(d, i):
				p.sphere = append(p.sphere, sphereToken(d, i))
			case d.Is(i, RPID, "activities") && !h.ahead(d, i):
				p.rank = max(p.rank, restriction(d, i))
			}
		}
	default:
		return
	}
	if i := child(d, p.Elem, space, "timestamp"); i >= 0 {
		p.stamp, _ = instant(d.Text(i))
	}
}

// subtree counts the elements of i and all in it.
func subtree(d *xmlscan.Doc, i int) int {
	n, end := 0, d.Elements[i].End
	for ; i < len(d.Elements) && d.Elements[i].Start < end; i++ {
		n++
	}
	return n
}

// rank is the place the schema gives to child c of a component: RFC 3863 §4.1,
// RFC 4479 §5.1.2.
func rank(d *xmlscan.Doc, kind Kind, c int) int {
	e := &d.Elements[c]
	if kind == Tuple && e.Space == Namespace {
		switch e.Local {
		case "status":
			return 0
		case "contact":
			return 2
		case "note":
			return 3
		case "timestamp":
			return 4
		}
	}
	if e.Space == DataModel && (kind == Person || kind == Device) {
		switch e.Local {
		case "deviceID":
			if kind == Device {
				return 2
			}
		case "note":
			return 3
		case "timestamp":
			return 4
		}
	}
	return 1
}

// deviceID is the comparable form of the device a tuple or device element is of.
func deviceID(d *xmlscan.Doc, i int) string {
	if c := child(d, i, DataModel, "deviceID"); c >= 0 {
		return urn(trimmed(d, c))
	}
	return ""
}

// contactKey is the comparable form of a tuple's contact.
func contactKey(d *xmlscan.Doc, i int) string {
	c := child(d, i, Namespace, "contact")
	if c < 0 {
		return ""
	}
	text := trimmed(d, c)
	if uri, err := sipuri.Canonical(text); err == nil {
		return uri
	}
	if aor, err := sipuri.AOR(text); err == nil {
		return aor
	}
	return text
}

func closed(d *xmlscan.Doc, tuple int) bool {
	status := child(d, tuple, Namespace, "status")
	if status < 0 {
		return false
	}
	basic := child(d, status, Namespace, "basic")
	return basic >= 0 && trimmed(d, basic) == "closed"
}

func expanded(d *xmlscan.Doc, i int) xmlscan.Name {
	e := &d.Elements[i]
	return xmlscan.Name{Local: e.Local, Space: e.Space}
}

// builder makes the text of a piece.
type builder struct {
	*piece
	d     *xmlscan.Doc
	scope []xmlscan.Binding // around it
	h     *horizon
	src   source
	buf   []byte

	room [8]edit

	promoted string // the basic element of a timed status whose time has come
}

func (b *builder) build() {
	d, c := b.d, b.Component
	b.src.doc, b.src.edits = d, b.room[:0]
	if c.Kind == Tuple {
		b.promote(timedStatus(d, c.Elem, b.h))
	}
	if c.Kind == Tuple || c.Kind == Person || c.Kind == Device {
		if a := d.AttrIndex(c.Elem, "", "id"); a >= 0 {
			b.src.id(a, c.Elem, true)
		} else {
			b.src.insertID(c.Elem)
		}
	}
	b.src.declare(c.Elem, b.scope, false)
	b.src.claims(c.Elem, c.Kind != Note && c.Kind != Other)
	for i := range d.Children(c.Elem) {
		b.src.repair(i, b.h)
	}
	b.src.settle()
	order, rebuilt := b.order()
	e := &d.Elements[c.Elem]
	noStatus := c.Kind == Tuple && child(d, c.Elem, Namespace, "status") < 0
	switch {
	case len(b.src.edits) == 0 && !rebuilt && !noStatus && c.Kind != Person:
		b.text = d.Bytes(c.Elem)
		return
	case !rebuilt && !noStatus && (c.Kind != Person || e.SelfClosing):
		b.buf = make([]byte, 0, int(e.End-e.Start)+b.src.grows())
		b.copy(e.Start, e.End)
		b.start = -1
	default:
		b.buf = make([]byte, 0, int(e.End-e.Start)+b.src.grows()+64)
		b.inOrder(e, order, rebuilt, noStatus)
	}
	b.text = b.buf
}

// order lists the children that stay in schema order. rebuilt is false when that
// is how they stand in the source.
func (b *builder) order() (order []int, rebuilt bool) {
	last, n := 0, 0
	for range b.d.Children(b.Elem) {
		n++
	}
	order = make([]int, 0, n)
	for c := range b.d.Children(b.Elem) {
		r := rank(b.d, b.Kind, c)
		order = append(order, c)
		rebuilt = rebuilt || r < last
		last = max(last, r)
	}
	if rebuilt {
		slices.SortStableFunc(order, func(x, y int) int { return cmp.Compare(rank(b.d, b.Kind, x), rank(b.d, b.Kind, y)) })
	}
	return order, rebuilt
}

// inOrder writes the component with its children in order. Of a person it notes
// where they stand.
func (b *builder) inOrder(e *xmlscan.Element, order []int, rebuilt, noStatus bool) {
	b.copy(e.Start, e.StartEnd)
	if e.SelfClosing {
		b.buf = append(bytes.TrimSuffix(b.buf, []byte("/>")), '>')
	}
	b.start = int32(len(b.buf))
	if noStatus { // RFC 3863 §4.1.3: every tuple has one
		b.buf = append(b.buf, `<status xmlns="`+Namespace+`"`...)
		if b.promoted == "" {
			b.buf = append(b.buf, "/>"...)
		} else {
			b.buf = append(append(append(b.buf, '>'), b.promoted...), "</status>"...)
		}
	}
	at := e.StartEnd
	for _, c := range order {
		k := &b.d.Elements[c]
		if !rebuilt { // white space and comments in between
			b.copy(at, k.Start)
			at = k.End
		}
		from := len(b.buf)
		b.copy(k.Start, k.End)
		if b.Kind == Person && len(b.buf) > from {
			b.kids = append(b.kids, kid{c, expanded(b.d, c), rank(b.d, Person, c), int32(from), int32(len(b.buf))})
		}
	}
	if !rebuilt && !e.SelfClosing {
		b.copy(at, e.EndStart)
	}
	b.end = int32(len(b.buf))
	b.buf = endTag(b.buf, e)
}

func endTag(b []byte, e *xmlscan.Element) []byte {
	b = append(b, "</"...)
	if e.Prefix != "" {
		b = append(append(b, e.Prefix...), ':')
	}
	return append(append(b, e.Local...), '>')
}

// copy appends a span of the source with its edits, and notes the ids in it.
func (b *builder) copy(from, to int32) {
	b.buf, b.ids = b.src.copy(b.buf, b.ids, from, to)
}
