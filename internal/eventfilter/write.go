package eventfilter

import (
	"fmt"
	"strconv"
	"strings"

	"rollcall/internal/xmlscan"
)

// Append writes the set as a filter document that Parse reads.
func (s *Set) Append(dst []byte) []byte {
	w := writer{prefixes: make(map[string]string)}
	for _, f := range s.filters {
		w.filter(f)
	}
	dst = append(dst, `<filter-set xmlns="`+namespace+`">`...)
	if len(w.order) > 0 {
		dst = append(dst, "<ns-bindings>"...)
		for i, uri := range w.order {
			dst = append(dst, `<ns-binding prefix="n`+strconv.Itoa(i)+`" urn="`...)
			dst = append(xmlscan.EscapeAttr(dst, uri), `"/>`...)
		}
		dst = append(dst, "</ns-bindings>"...)
	}
	dst = append(dst, w.b...)
	return append(dst, "</filter-set>"...)
}

// writer writes filters with prefixes of its own.
type writer struct {
	b        []byte
	prefixes map[string]string
	order    []string
}

// canonical is the same for contents that deliver the same.
func (c *content) canonical() string {
	if len(c.include)+len(c.exclude) == 0 {
		return ""
	}
	w := writer{prefixes: make(map[string]string)}
	w.content(c)
	return fmt.Sprintf("%q %s", w.order, w.b)
}

func (w *writer) attr(name, value string) {
	w.b = append(append(append(w.b, ' '), name...), `="`...)
	w.b = append(xmlscan.EscapeAttr(w.b, value), '"')
}

func (w *writer) filter(f *Filter) {
	w.b = append(w.b, "<filter"...)
	w.attr("id", f.id)
	if f.uri != "" {
		w.attr("uri", f.uri)
	}
	if f.domain != "" {
		w.attr("domain", f.domain)
	}
	if !f.enabled {
		w.attr("enabled", "false")
	}
	w.b = append(w.b, '>')
	if !f.bare {
		w.content(&f.what)
	}
	for i := range f.triggers {
		w.trigger(&f.triggers[i])
	}
	w.b = append(w.b, "</filter>"...)
}

func (w *writer) content(c *content) {
	w.b = append(w.b, "<what>"...)
	for _, list := range [...]struct {
		name      string
		selectors []selector
	}{{"include", c.include}, {"exclude", c.exclude}} {
		for i := range list.selectors {
			s := &list.selectors[i]
			w.b = append(w.b, "<"+list.name...)
			text := s.space
			if s.path == nil {
				w.attr("type", "namespace")
			} else {
				text = w.path(s.path.steps, "/")
			}
			w.b = append(w.b, '>')
			w.b = xmlscan.Escape(w.b, text)
			w.b = append(w.b, "</"+list.name+">"...)
		}
	}
	w.b = append(w.b, "</what>"...)
}

func (w *writer) trigger(t *trigger) {
	w.b = append(w.b, "<trigger>"...)
	for i := range t.changed {
		c := &t.changed[i]
		w.b = append(w.b, "<changed"...)
		if c.from != nil {
			w.attr("from", *c.from)
		}
		if c.to != nil {
			w.attr("to", *c.to)
		}
		if c.by != nil {
			w.attr("by", c.byText)
		}
		w.end(c.path, "changed")
	}
	for _, p := range t.added {
		w.b = append(w.b, "<added"...)
		w.end(p, "added")
	}
	for _, p := range t.removed {
		w.b = append(w.b, "<removed"...)
		w.end(p, "removed")
	}
	w.b = append(w.b, "</trigger>"...)
}

func (w *writer) end(p *path, name string) {
	w.b = append(w.b, '>')
	w.b = xmlscan.Escape(w.b, w.path(p.steps, "/"))
	w.b = append(w.b, "</"+name+">"...)
}

// path writes steps; first stands in front of the first one.
func (w *writer) path(steps []step, first string) string {
	var b strings.Builder
	for i := range steps {
		st := &steps[i]
		if i > 0 {
			first = "/"
		}
		b.WriteString(first)
		if st.deep {
			b.WriteByte('/')
		}
		if st.attr {
			b.WriteByte('@')
		}
		if st.space != "" {
			b.WriteString(w.prefix(st.space) + ":")
		}
		b.WriteString(st.local)
		for _, alt := range st.only {
			b.WriteString("[" + w.alternative(alt) + "]")
		}
	}
	return b.String()
}

func (w *writer) prefix(uri string) string {
	p, ok := w.prefixes[uri]
	if !ok {
		p = "n" + strconv.Itoa(len(w.order))
		w.prefixes[uri] = p
		w.order = append(w.order, uri)
	}
	return p
}

func (w *writer) alternative(alt alternative) string {
	var or []string
	for _, all := range alt {
		var and []string
		for i := range all {
			and = append(and, w.comparison(&all[i]))
		}
		or = append(or, strings.Join(and, " and "))
	}
	return strings.Join(or, " or ")
}

func (w *writer) comparison(c *comparison) string {
	operand := "."
	switch {
	case c.parent:
		operand = ".."
	case len(c.steps) > 0:
		operand = w.path(c.steps, "")
	}
	if c.op == "" {
		return operand
	}
	value := c.text
	if c.exact {
		quote := `"`
		if strings.Contains(c.text, quote) {
			quote = "'"
		}
		value = quote + c.text + quote
	}
	return operand + c.op + value
}
