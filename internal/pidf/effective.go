package pidf

import (
	"slices"
	"strconv"
	"strings"

	"rollcall/internal/xmlscan"
)

// Effective is the gist of a presence document for clients that look at one tuple
// only: whether the presentity can be reached at all and how best, one note, and
// what it is doing. tupleID is the id of the tuple. A document that cannot be read
// is returned as it is.
func Effective(body []byte, tupleID string) []byte {
	doc, err := Parse(body, xmlscan.Limits{Bytes: 2 * maxBody, Elements: 2 * maxElements})
	if err != nil {
		return body
	}
	g := gist{doc: doc}
	best := g.best()
	b := openDocument(make([]byte, 0, 1024), doc.Entity)
	b = append(b, `<tuple id="`...)
	b = xmlscan.EscapeAttr(b, tupleID)
	b = append(b, `"><status><basic>`...)
	b = append(b, g.basic...)
	b = append(b, `</basic></status>`...)
	b = g.contact(b, best)
	if note := g.note(best); note != "" {
		b = append(b, `<note>`...)
		b = append(xmlscan.Escape(b, note), `</note>`...)
	}
	b = append(b, `</tuple>`...)
	if doing := g.activities(); len(doing) > 0 {
		b = append(b, "\n"+`<dm:person xmlns:dm="`+DataModel+`" xmlns:rpid="`+RPID+`" id="p`...)
		b = append(b, digest(tupleID)...)
		b = append(b, `"><rpid:activities>`...)
		for _, name := range doing {
			b = append(append(append(b, "<rpid:"...), name...), "/>"...)
		}
		b = append(b, `</rpid:activities></dm:person>`...)
	}
	return closeDocument(b)
}

type gist struct {
	doc   *Document
	basic string
}

// best is the tuple that counts: the open one of the highest priority, else the
// first; -1 when there is none.
func (g *gist) best() int {
	best, highest := -1, -1.0
	g.basic = "closed"
	for _, t := range g.doc.Tuples {
		status := child(g.doc.Doc, t.Elem, Namespace, "status")
		open := status >= 0 && !closed(g.doc.Doc, t.Elem) && child(g.doc.Doc, status, Namespace, "basic") >= 0
		if q := g.priority(t.Elem); open && q > highest {
			best, highest, g.basic = t.Elem, q, "open"
		} else if best < 0 {
			best = t.Elem
		}
	}
	return best
}

// priority is that of a tuple's contact; one without comes last (RFC 3863 §4.1.5).
func (g *gist) priority(tuple int) float64 {
	if c := child(g.doc.Doc, tuple, Namespace, "contact"); c >= 0 {
		if v, ok := g.doc.Doc.Attr(c, "", "priority"); ok && isPriority(v) {
			q, _ := strconv.ParseFloat(v, 64)
			return q
		}
	}
	return 0
}

// contact appends that of a tuple, or that of the presentity.
func (g *gist) contact(b []byte, tuple int) []byte {
	uri := g.doc.Entity
	if tuple >= 0 {
		if c := child(g.doc.Doc, tuple, Namespace, "contact"); c >= 0 && trimmed(g.doc.Doc, c) != "" {
			uri = trimmed(g.doc.Doc, c)
		}
	}
	b = append(b, `<contact>`...)
	return append(xmlscan.Escape(b, uri), `</contact>`...)
}

// note is that of the person, else of the document, which is about the person as
// well (RFC 4479 §5), else of the tuple.
func (g *gist) note(tuple int) string {
	for _, p := range g.doc.Persons {
		if n := child(g.doc.Doc, p.Elem, DataModel, "note"); n >= 0 {
			return trimmed(g.doc.Doc, n)
		}
	}
	for _, n := range g.doc.Notes {
		return trimmed(g.doc.Doc, n.Elem)
	}
	if tuple >= 0 {
		if n := child(g.doc.Doc, tuple, Namespace, "note"); n >= 0 {
			return trimmed(g.doc.Doc, n)
		}
	}
	return ""
}

// activities are those that RFC 4480 names, the most restrictive first.
func (g *gist) activities() (names []string) {
	d := g.doc.Doc
	for _, p := range g.doc.Persons {
		for i := range d.Children(p.Elem) {
			if !d.Is(i, RPID, "activities") {
				continue
			}
			for a := range d.Children(i) {
				name := d.Elements[a].Local
				if name == "other" {
					name = words[strings.ToLower(trimmed(d, a))]
				}
				if _, known := restrictions[name]; known && d.Elements[a].Space == RPID && !slices.Contains(names, name) {
					names = append(names, name)
				}
			}
		}
	}
	slices.SortStableFunc(names, func(a, b string) int { return int(restrictions[b]) - int(restrictions[a]) })
	return names
}
