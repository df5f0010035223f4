package pidf

import (
	"bytes"
	"slices"
	"sort"
	"strconv"
	"strings"

	"rollcall/internal/xmlscan"
)

// writer builds a composed document.
type writer struct {
	buf        []byte
	horizon    *horizon
	ids        ids
	components []Component // in the order written
}

func newWriter(aor string, h *horizon) *writer {
	return &writer{buf: openDocument(nil, aor), horizon: h, ids: make(ids)}
}

func openDocument(b []byte, aor string) []byte {
	b = append(b, `<?xml version="1.0" encoding="UTF-8"?>`+"\n"+`<presence xmlns="`+Namespace+`" entity="`...)
	b = xmlscan.EscapeAttr(b, aor)
	return append(b, "\">\n"...)
}

func closeDocument(b []byte) []byte { return append(b, "\n</presence>\n"...) }

// full stops the writing of what is thrown away anyway.
func (w *writer) full() bool { return len(w.buf) > maxBody }

func (w *writer) finish() ([]byte, bool) {
	w.buf = closeDocument(w.buf)
	return w.buf, !w.full()
}

func (w *writer) begin(c Component) {
	if len(w.components) > 0 {
		w.buf = append(w.buf, '\n')
	}
	w.components = append(w.components, c)
}

// made adds a tuple of our own making.
func (w *writer) made(id string, tuple []byte) {
	w.begin(Component{Kind: Tuple, ID: id})
	w.buf = append(w.buf, tuple...)
}

// part adds one component.
func (w *writer) part(p *part) {
	if w.full() {
		return
	}
	if r := p.reg; r != nil {
		id := w.ids.claim("", "r"+digest(r.Contact+" "+r.Instance), Tuple, p.ordinal)
		w.made(id, plainTuple(nil, id, "open", strings.Trim(r.Instance, "<>"), priority(r.Q), r.Contact))
		return
	}
	c := p.Component
	if c.Kind == Tuple || c.Kind == Person || c.Kind == Device {
		c.ID = w.ids.claim(p.lineage, c.PublishedID, c.Kind, p.ordinal)
	}
	w.begin(c)
	src := source{doc: p.doc, lineage: p.lineage}
	kids, rebuilt := p.kids(w.horizon)
	w.plan(&src, c)
	e := &p.doc.Elements[c.Elem]
	noStatus := c.Kind == Tuple && child(p.doc, c.Elem, Namespace, "status") < 0
	if !rebuilt && !noStatus {
		w.copy(&src, e.Start, e.End)
		return
	}
	w.startTag(&src, e)
	if noStatus { // RFC 3863 §4.1.3: every tuple has one
		w.buf = append(w.buf, `<status xmlns="`+Namespace+`"/>`...)
	}
	if !rebuilt {
		w.copy(&src, e.StartEnd, e.EndStart)
	}
	for _, k := range kids {
		switch {
		case !rebuilt || w.full():
		case k.own:
			w.copy(&src, k.doc.Elements[k.elem].Start, k.doc.Elements[k.elem].End)
		default:
			w.adopt(p, k)
		}
	}
	w.endTag(e)
}

// adopt writes a child that another person had.
func (w *writer) adopt(p *part, k kid) {
	lineage := p.lineage
	for _, m := range p.merged {
		if m.doc == k.doc {
			lineage = m.lineage
		}
	}
	src := source{doc: k.doc, lineage: lineage}
	w.declare(&src, k.elem, true)
	w.repair(&src, k.elem)
	slices.SortStableFunc(src.edits, func(a, b edit) int { return int(a.from - b.from) })
	e := &k.doc.Elements[k.elem]
	w.copy(&src, e.Start, e.End)
}

func (w *writer) startTag(src *source, e *xmlscan.Element) {
	w.copy(src, e.Start, e.StartEnd)
	if e.SelfClosing {
		w.buf = append(bytes.TrimSuffix(w.buf, []byte("/>")), '>')
	}
}

func (w *writer) endTag(e *xmlscan.Element) {
	w.buf = append(w.buf, "</"...)
	if e.Prefix != "" {
		w.buf = append(append(w.buf, e.Prefix...), ':')
	}
	w.buf = append(append(w.buf, e.Local...), '>')
}

// edit replaces a span of the source; from == to inserts.
type edit struct {
	from, to int32
	text     []byte
}

// source is a document that is copied from, with edits in order of place.
type source struct {
	doc     *xmlscan.Doc
	lineage string
	edits   []edit
}

// copy appends a span of the source with its edits.
func (w *writer) copy(src *source, from, to int32) {
	i := sort.Search(len(src.edits), func(i int) bool { return src.edits[i].from >= from })
	for ; i < len(src.edits) && src.edits[i].from < to; i++ {
		e := &src.edits[i]
		w.buf = append(w.buf, src.doc.Src[from:e.from]...)
		w.buf = append(w.buf, e.text...)
		from = e.to
	}
	if from < to {
		w.buf = append(w.buf, src.doc.Src[from:to]...)
	}
}

// plan collects the edits of a component: its id, the namespace declarations it
// needs and the repair of what is in it.
func (w *writer) plan(src *source, c Component) {
	if a := src.doc.AttrIndex(c.Elem, "", "id"); c.ID != "" && a >= 0 {
		src.replaceValue(a, c.ID)
	} else if c.ID != "" {
		src.insert(c.Elem, append(xmlscan.EscapeAttr([]byte(` id="`), c.ID), '"'))
	}
	w.declare(src, c.Elem, false)
	w.claim(src, c.Elem, c.ID != "")
	for i := range src.doc.Children(c.Elem) {
		w.repair(src, i)
	}
	slices.SortStableFunc(src.edits, func(a, b edit) int { return int(a.from - b.from) })
}

// insert puts text behind the name in the start tag of element i.
func (src *source) insert(i int, text []byte) {
	e := &src.doc.Elements[i]
	at := e.Start + 1 + int32(len(e.Local))
	if e.Prefix != "" {
		at += int32(len(e.Prefix)) + 1
	}
	src.edits = append(src.edits, edit{at, at, text})
}

func (src *source) replaceValue(attr int, value string) {
	a := &src.doc.Attrs[attr]
	if src.doc.AttrValue(a) != value {
		src.edits = append(src.edits, edit{a.ValueStart, a.ValueEnd, xmlscan.EscapeAttr(nil, value)})
	}
}

// declare adds the declarations that element i inherits and may need. A prefix
// counts as needed where it occurs with its colon at all, as values may be
// qualified names. In foreign surroundings the default namespace is not that of PIDF.
func (w *writer) declare(src *source, i int, foreign bool) {
	d := src.doc
	own := d.Declared(i)
	declared := func(prefix string) bool {
		return slices.ContainsFunc(own, func(b xmlscan.Binding) bool { return b.Prefix == prefix })
	}
	var text []byte
	defaultSpace := ""
	for _, b := range d.Scope(int(d.Elements[i].Parent)) {
		if b.Prefix == "" {
			defaultSpace = b.URI
		} else if !declared(b.Prefix) && bytes.Contains(d.Bytes(i), []byte(b.Prefix+":")) {
			text = declaration(text, ":"+b.Prefix, b.URI)
		}
	}
	if (foreign || defaultSpace != Namespace) && !declared("") && unprefixed(d, i) {
		text = declaration(text, "", defaultSpace)
	}
	if text != nil {
		src.insert(i, text)
	}
}

func declaration(b []byte, prefix, uri string) []byte {
	b = append(b, " xmlns"+prefix+`="`...)
	b = xmlscan.EscapeAttr(b, uri)
	return append(b, '"')
}

// unprefixed reports whether an element in i uses the default namespace.
func unprefixed(d *xmlscan.Doc, i int) bool {
	for end := d.Elements[i].End; i < len(d.Elements) && d.Elements[i].Start < end; i++ {
		if d.Elements[i].Prefix == "" {
			return true
		}
	}
	return false
}

// repair plans, for element i and all in it, the removal of what is over or
// unreadable and the renaming of ids that are taken.
func (w *writer) repair(src *source, i int) {
	d := src.doc
	if e := &d.Elements[i]; w.horizon.omits(d, i) {
		src.edits = append(src.edits, edit{e.Start, e.End, nil})
		return
	}
	w.claim(src, i, false)
	if src.repairValue(i) {
		return
	}
	for c := range d.Children(i) {
		w.repair(src, c)
	}
}

// claim plans the renaming of the ids on element i; the id of a component is
// settled before.
func (w *writer) claim(src *source, i int, settled bool) {
	e := &src.doc.Elements[i]
	for a := int(e.AttrFirst); a < int(e.AttrFirst+e.AttrCount); a++ {
		attr := &src.doc.Attrs[a]
		if attr.Local == "id" && (attr.Space == xmlscan.XMLNamespace || attr.Space == "" && !settled && ofPresence(e.Space)) {
			src.replaceValue(a, w.ids.claim(src.lineage, src.doc.AttrValue(attr), Other, i))
		}
	}
}

// ofPresence reports whether id attributes of the namespace are xs:IDs and its
// timestamps xs:dateTime.
func ofPresence(space string) bool { return space == Namespace || space == DataModel || space == RPID }

// repairValue puts right what the schema of PIDF says about the value of a basic
// element and the priority of a contact (RFC 3863 §4.1.4, §4.1.5). It reports
// whether all that is in the element was replaced.
func (src *source) repairValue(i int) bool {
	d := src.doc
	e := &d.Elements[i]
	switch {
	case e.Space != Namespace:
	case e.Local == "basic":
		if v := trimmed(d, i); !e.SelfClosing && v != string(d.Src[e.StartEnd:e.EndStart]) {
			src.edits = append(src.edits, edit{e.StartEnd, e.EndStart, xmlscan.Escape(nil, v)})
			return true
		}
	case e.Local == "contact":
		if a := d.AttrIndex(i, "", "priority"); a >= 0 && !isPriority(d.AttrValue(&d.Attrs[a])) {
			src.edits = append(src.edits, edit{d.Attrs[a].Start, d.Attrs[a].End, nil})
		}
	}
	return false
}

// isPriority checks for a value from 0 to 1 with at most three decimals.
func isPriority(s string) bool {
	q, err := strconv.ParseFloat(s, 64)
	return err == nil && q <= 1 && len(s) <= 5 && strings.Trim(s, "0123456789.") == ""
}
