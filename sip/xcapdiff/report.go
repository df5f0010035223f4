package xcapdiff

import (
	"fmt"
	"slices"

	"rollcall/internal/xmlscan"
)

const namespace = "urn:ietf:params:xml:ns:xcap-diff"

// maxReport bounds a document: elements beyond it are named without their
// content (RFC 5875 §4.7).
const maxReport = 192 << 10

// report writes an XCAP diff document (RFC 5874 §3).
type report struct{ b []byte }

func newReport(root string) *report {
	r := &report{b: []byte(`<?xml version="1.0" encoding="UTF-8"?>` + "\n<xcap-diff xmlns=\"" + namespace + `"`)}
	r.attr("xcap-root", root)
	r.b = append(r.b, '>')
	return r
}

func (r *report) attr(name, value string) {
	r.b = append(append(append(r.b, ' '), name...), `="`...)
	r.b = append(xmlscan.EscapeAttr(r.b, value), '"')
}

// changed tells of a new version of a document, with patches when there are some.
func (r *report) changed(i item, previous string, steps []step) {
	if len(steps) == 0 {
		r.version(i.sel, step{from: previous, to: i.etag})
		r.b = append(r.b, "/>"...)
		return
	}
	for _, s := range steps {
		r.version(i.sel, s)
		r.b = append(r.b, '>')
		if r.b = append(r.b, s.patch...); len(s.patch) == 0 {
			r.b = append(r.b, "<body-not-changed/>"...)
		}
		r.b = append(r.b, "</document>"...)
	}
}

func (r *report) version(sel string, s step) {
	r.b = append(r.b, "\n<document"...)
	if s.from != "" {
		r.attr("previous-etag", s.from)
	}
	r.attr("new-etag", s.to)
	r.attr("sel", sel)
}

// present tells of something that exists.
func (r *report) present(i item) {
	switch i.kind {
	case attribute:
		r.b = append(r.b, "\n<attribute"...)
		r.attr("sel", i.sel)
		r.b = append(append(append(r.b, '>'), i.content...), "</attribute>"...)
	case element:
		r.element(i)
	default:
		r.version(i.sel, step{to: i.etag})
		r.b = append(r.b, "/>"...)
	}
}

func (r *report) element(i item) {
	if len(r.b)+len(i.content) > maxReport {
		r.b = append(r.b, "\n<element"...)
		r.attr("sel", i.sel)
		r.b = append(r.b, "/>"...)
		return
	}
	// The content begins with the declarations it needs, on an element of ours
	// whose prefix they leave alone.
	prefix, content := splitScope(i.content)
	r.b = append(append(append(r.b, "\n<"...), prefix...), ":element"...)
	r.attr("sel", i.sel)
	r.b = append(append(append(r.b, content...), "</"...), prefix...)
	r.b = append(r.b, ":element>"...)
}

// removed tells of something that exists no more.
func (r *report) removed(i item) {
	switch i.kind {
	case attribute, element:
		name := "attribute"
		if i.kind == element {
			name = "element"
		}
		r.b = append(append(r.b, "\n<"...), name...)
		r.attr("sel", i.sel)
		r.b = append(r.b, ` exists="0"/>`...)
	default:
		r.b = append(r.b, "\n<document"...)
		r.attr("previous-etag", i.etag)
		r.attr("sel", i.sel)
		r.b = append(r.b, "/>"...)
	}
}

func (r *report) size() int { return len(r.b) }

func (r *report) finish() []byte { return append(r.b, "\n</xcap-diff>\n"...) }

// inScope renders an element with what its names need: a prefix for the element
// around it, a space, then the declarations, ">" and the element as stored.
func inScope(d *xmlscan.Doc, elem int) []byte {
	scope := d.Scope(elem)
	prefix := "d"
	for n := 1; slices.ContainsFunc(scope, func(b xmlscan.Binding) bool { return b.Prefix == prefix }); n++ {
		prefix = fmt.Sprintf("d%d", n)
	}
	b := []byte(prefix + " xmlns:" + prefix + `="` + namespace + `"`)
	byDefault := ""
	for _, binding := range scope {
		if binding.Prefix == "xml" {
			continue
		}
		if binding.Prefix == "" {
			byDefault = binding.URI
			continue
		}
		b = append(append(append(b, " xmlns:"...), binding.Prefix...), `="`...)
		b = append(xmlscan.EscapeAttr(b, binding.URI), '"')
	}
	b = append(append(xmlscan.EscapeAttr(append(b, ` xmlns="`...), byDefault), '"'), '>')
	return append(b, d.Bytes(elem)...)
}

// splitScope takes what inScope rendered apart.
func splitScope(content []byte) (prefix, rest []byte) {
	at := slices.Index(content, ' ')
	return content[:at], content[at:]
}
