package pidf

import (
	"bytes"
	"slices"
	"sort"
	"strconv"
	"strings"

	"rollcall/internal/xmlscan"
)

// edit replaces a span of the source; from == to inserts.
type edit struct {
	from, to int32
	text     []byte
	isID     bool   // it stands for an id: nothing is changed
	id       string // as published
	elem     int
	own      bool  // the id is that of the component
	before   int32 // octets of text in front of the id
}

// source is a document that is copied from, with edits in order of place.
type source struct {
	doc   *xmlscan.Doc
	edits []edit
}

// settle puts the edits into the order of their places.
func (src *source) settle() {
	slices.SortStableFunc(src.edits, func(a, b edit) int { return int(a.from - b.from) })
}

// grows is a bound for what the edits add.
func (src *source) grows() (n int) {
	for i := range src.edits {
		n += len(src.edits[i].text)
	}
	return n
}

// copy appends a span of the source with its edits, and to ids those in it.
func (src *source) copy(dst []byte, ids []place, from, to int32) ([]byte, []place) {
	i := sort.Search(len(src.edits), func(i int) bool { return src.edits[i].from >= from })
	for ; i < len(src.edits) && src.edits[i].from < to; i++ {
		e := &src.edits[i]
		if e.from < from {
			continue // within what another has replaced
		}
		dst = append(dst, src.doc.Src[from:e.from]...)
		if e.isID {
			at := int32(len(dst)) + e.before
			ids = append(ids, place{at, at + e.to - e.from, e.id, e.elem, e.own})
		}
		dst = append(dst, e.text...)
		from = e.to
	}
	if from < to {
		dst = append(dst, src.doc.Src[from:to]...)
	}
	return dst, ids
}

// behindName is the place behind the name in the start tag of element i.
func (src *source) behindName(i int) int32 {
	e := &src.doc.Elements[i]
	at := e.Start + 1 + int32(len(e.Local))
	if e.Prefix != "" {
		at += int32(len(e.Prefix)) + 1
	}
	return at
}

// id notes that an attribute of element i is an id.
func (src *source) id(attr, i int, own bool) {
	a := &src.doc.Attrs[attr]
	src.edits = append(src.edits, edit{
		from: a.ValueStart, to: a.ValueEnd, text: src.doc.Src[a.ValueStart:a.ValueEnd],
		isID: true, id: src.doc.AttrValue(a), elem: i, own: own,
	})
}

// insertID gives element i an id that is still empty.
func (src *source) insertID(i int) {
	at := src.behindName(i)
	src.edits = append(src.edits, edit{
		from: at, to: at, text: []byte(` id=""`), isID: true, elem: i, own: true, before: int32(len(` id="`)),
	})
}

// claims notes the ids on element i; the id of a component is settled before.
func (src *source) claims(i int, settled bool) {
	e := &src.doc.Elements[i]
	for a := int(e.AttrFirst); a < int(e.AttrFirst+e.AttrCount); a++ {
		attr := &src.doc.Attrs[a]
		if attr.Local == "id" && (attr.Space == xmlscan.XMLNamespace || attr.Space == "" && !settled && ofPresence(e.Space)) {
			src.id(a, i, false)
		}
	}
}

// ofPresence reports whether id attributes of the namespace are xs:IDs and its
// timestamps xs:dateTime.
func ofPresence(space string) bool { return space == Namespace || space == DataModel || space == RPID }

// declare adds the declarations that element i inherits, being in scope around it, and
// may need. A prefix
// counts as needed where it occurs with its colon at all, as values may be
// qualified names. In foreign surroundings the default namespace is not that of PIDF.
func (src *source) declare(i int, scope []xmlscan.Binding, foreign bool) {
	d := src.doc
	own := d.Declared(i)
	declared := func(prefix string) bool {
		return slices.ContainsFunc(own, func(b xmlscan.Binding) bool { return b.Prefix == prefix })
	}
	var text []byte
	defaultSpace := ""
	for _, b := range scope {
		if b.Prefix == "" {
			defaultSpace = b.URI
		} else if !declared(b.Prefix) && uses(d.Bytes(i), b.Prefix) {
			if text == nil {
				text = make([]byte, 0, 256)
			}
			text = declaration(text, b.Prefix, b.URI)
		}
	}
	if (foreign || defaultSpace != Namespace) && !declared("") && unprefixed(d, i) {
		text = declaration(text, "", defaultSpace)
	}
	if text != nil {
		at := src.behindName(i)
		src.edits = append(src.edits, edit{from: at, to: at, text: text})
	}
}

// uses reports whether a prefix occurs with its colon.
func uses(text []byte, prefix string) bool {
	for {
		i := bytes.Index(text, []byte(prefix))
		if i < 0 {
			return false
		}
		if text = text[i+len(prefix):]; len(text) > 0 && text[0] == ':' {
			return true
		}
	}
}

func declaration(b []byte, prefix, uri string) []byte {
	b = append(b, " xmlns"...)
	if prefix != "" {
		b = append(append(b, ':'), prefix...)
	}
	b = append(b, `="`...)
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
// unreadable, and notes the ids.
func (src *source) repair(i int, h *horizon) {
	d := src.doc
	if e := &d.Elements[i]; h.omits(d, i) {
		src.edits = append(src.edits, edit{from: e.Start, to: e.End})
		return
	}
	src.claims(i, false)
	if src.repairValue(i) {
		return
	}
	for c := range d.Children(i) {
		src.repair(c, h)
	}
}

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
			src.edits = append(src.edits, edit{from: e.StartEnd, to: e.EndStart, text: xmlscan.Escape(nil, v)})
			return true
		}
	case e.Local == "contact":
		if a := d.AttrIndex(i, "", "priority"); a >= 0 && !isPriority(d.AttrValue(&d.Attrs[a])) {
			src.edits = append(src.edits, edit{from: d.Attrs[a].Start, to: d.Attrs[a].End})
		}
	}
	return false
}

// isPriority checks for a value from 0 to 1 with at most three decimals.
func isPriority(s string) bool {
	q, err := strconv.ParseFloat(s, 64)
	return err == nil && q <= 1 && len(s) <= 5 && strings.Trim(s, "0123456789.") == ""
}
