package eventfilter

import (
	"slices"
	"strings"

	"rollcall/internal/xmlscan"
)

// document is a state document and what has been found out about it.
type document struct {
	*xmlscan.Doc
	values map[int]string // of elements with children
}

func newDocument(d *xmlscan.Doc) *document { return &document{Doc: d} }

// nodes is what a path selects: elements, or attributes by their index in Attrs
// with the elements that have them.
type nodes struct {
	elements []int
	attrs    []attrNode
}

type attrNode struct{ elem, attr int }

// root stands for the document itself.
const root = -1

// find evaluates a path.
func (p *path) find(d *document) nodes {
	found := []int{root}
	for i := range p.steps {
		st := &p.steps[i]
		if st.attr {
			return nodes{attrs: st.attributes(d, found)}
		}
		if found = st.elements(d, found); len(found) == 0 {
			break
		}
	}
	return nodes{elements: found}
}

// under lists, for a step, the elements below the given ones, in document order.
func (st *step) under(d *document, from []int) []int {
	var out []int
	if !st.deep {
		for _, i := range from {
			if i == root {
				return []int{0}
			}
			for c := range d.Children(i) {
				out = append(out, c)
			}
		}
		slices.Sort(out)
		return out
	}
	covered := root // all up to here are in out
	for _, i := range from {
		end := len(d.Elements)
		if i != root {
			end = i + 1
			for end < len(d.Elements) && d.Elements[end].Start < d.Elements[i].End {
				end++
			}
		}
		for n := max(i+1, covered+1); n < end; n++ {
			out = append(out, n)
			covered = n
		}
	}
	return out
}

// elements are those that the step leads to.
func (st *step) elements(d *document, from []int) []int {
	return slices.DeleteFunc(st.under(d, from), func(i int) bool { return !st.named(&d.Elements[i].Name) || !st.holds(d, i) })
}

// attributes are those that the step leads to.
func (st *step) attributes(d *document, from []int) []attrNode {
	if st.deep {
		from = merged(from, st.under(d, from))
	}
	var out []attrNode
	for _, i := range from {
		if i == root {
			continue
		}
		e := &d.Elements[i]
		for a := int(e.AttrFirst); a < int(e.AttrFirst+e.AttrCount); a++ {
			if st.named(&d.Attrs[a].Name) {
				out = append(out, attrNode{i, a})
			}
		}
	}
	return out
}

func merged(a, b []int) []int {
	all := append(slices.Clone(a), b...)
	slices.Sort(all)
	return slices.Compact(all)
}

func (st *step) named(n *xmlscan.Name) bool {
	return st.every || n.Space == st.space && (st.local == "*" || st.local == n.Local)
}

// holds reports whether element i fulfils all conditions.
func (st *step) holds(d *document, i int) bool {
	for _, alt := range st.only {
		if !slices.ContainsFunc(alt, func(all []comparison) bool {
			for k := range all {
				if !all[k].holds(d, i) {
					return false
				}
			}
			return true
		}) {
			return false
		}
	}
	return true
}

// holds reports whether any node that the comparison is about compares so (XPath
// 1.0 §3.4).
func (c *comparison) holds(d *document, i int) bool {
	if c.parent {
		i = int(d.Elements[i].Parent)
		return i >= 0 && c.compare(d.value(i))
	}
	return c.walk(d, i, c.steps)
}

func (c *comparison) walk(d *document, i int, steps []step) bool {
	if len(steps) == 0 {
		return c.compare(d.value(i))
	}
	st := &steps[0]
	if st.attr {
		for _, a := range d.Attributes(i) {
			if st.named(&a.Name) && c.compare(strings.TrimSpace(d.AttrValue(&a))) {
				return true
			}
		}
		return false
	}
	for child := range d.Children(i) {
		if st.named(&d.Elements[child].Name) && c.walk(d, child, steps[1:]) {
			return true
		}
	}
	return false
}

func (c *comparison) compare(value string) bool {
	if c.op == "" {
		return true
	}
	if c.exact {
		return (value == c.text) == (c.op == "=")
	}
	v, ok := decimal(value)
	switch c.op {
	case "=":
		return ok && v == c.number
	case "!=":
		return !ok || v != c.number
	case "<":
		return ok && v < c.number
	case ">":
		return ok && v > c.number
	case "<=":
		return ok && v <= c.number
	}
	return ok && v >= c.number
}

// value is the text in an element and in all below it, without white space around.
func (d *document) value(i int) string {
	if d.Elements[i].First < 0 {
		return strings.TrimSpace(d.Text(i))
	}
	if v, ok := d.values[i]; ok {
		return v
	}
	var b strings.Builder
	d.appendText(&b, i)
	if d.values == nil {
		d.values = make(map[int]string)
	}
	v := strings.TrimSpace(b.String())
	d.values[i] = v
	return v
}

// appendText appends the text of an element and of those in it. That of an element
// stands in front of that of its children: documents of state have no mixed content.
func (d *document) appendText(b *strings.Builder, i int) {
	b.WriteString(d.Text(i))
	for c := range d.Children(i) {
		d.appendText(b, c)
	}
}
