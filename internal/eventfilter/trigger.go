package eventfilter

import (
	"bytes"
	"math/big"
	"strings"

	"rollcall/internal/xmlscan"
)

// trigger is a kind of change that is to be told: all of it must have happened
// (RFC 4661 §3.6).
type trigger struct {
	changed        []change
	added, removed []*path
}

// change is a value that became another one.
type change struct {
	path     *path
	from, to *string
	by       *big.Rat
	byText   string
}

// Triggered reports whether the change from one document to the next is to be
// told. The older one is what the watcher was shown last, before it was filtered.
func (f *Filter) Triggered(before, now *xmlscan.Doc) bool {
	if len(f.triggers) == 0 {
		return true
	}
	h := newHistory(before, now)
	for i := range f.triggers {
		if f.triggers[i].met(h) {
			return true
		}
	}
	return false
}

func (t *trigger) met(h *history) bool {
	for i := range t.changed {
		if !t.changed[i].met(h) {
			return false
		}
	}
	for _, p := range t.added {
		if !unpaired(p.find(h.now), h.now, h.before, h.earlier) {
			return false
		}
	}
	for _, p := range t.removed {
		if !unpaired(p.find(h.before), h.before, h.now, h.later) {
			return false
		}
	}
	return true
}

// history is two documents and which of their elements are the same.
type history struct {
	before, now    *document
	later, earlier []int // element of the other document, or -1
}

func newHistory(before, now *xmlscan.Doc) *history {
	h := &history{before: newDocument(before), now: newDocument(now)}
	h.later, h.earlier = absent(len(before.Elements)), absent(len(now.Elements))
	if before.Elements[0].Space == now.Elements[0].Space && before.Elements[0].Local == now.Elements[0].Local {
		h.pair(0, 0)
	}
	return h
}

// absent is a list of no partners.
func absent(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = -1
	}
	return list
}

// instance tells siblings apart: by name and id, else by name and order.
type instance struct {
	name
	id string
}

func instanceOf(d *document, i int) instance {
	id, _ := d.Attr(i, "", "id")
	return instance{nameOf(&d.Elements[i].Name), id}
}

// pair notes that two elements are the same, and goes on with their children.
func (h *history) pair(before, now int) {
	h.later[before], h.earlier[now] = now, before
	there := make(map[instance][]int)
	for c := range h.before.Children(before) {
		key := instanceOf(h.before, c)
		there[key] = append(there[key], c)
	}
	for c := range h.now.Children(now) {
		key := instanceOf(h.now, c)
		if list := there[key]; len(list) > 0 {
			there[key] = list[1:]
			h.pair(list[0], c)
		}
	}
}

// unpaired reports whether any of the nodes of a document is not in the other one.
func unpaired(found nodes, d, other *document, partner []int) bool {
	for _, i := range found.elements {
		if i >= 0 && partner[i] < 0 {
			return true
		}
	}
	for _, a := range found.attrs {
		attr := &d.Attrs[a.attr]
		if p := partner[a.elem]; p < 0 || other.AttrIndex(p, attr.Space, attr.Local) < 0 {
			return true
		}
	}
	return false
}

// met reports whether a node that the path selects before or now is in both
// documents with values that differ in the way asked for.
func (c *change) met(h *history) bool {
	for side, d := range [...]*document{h.now, h.before} {
		partner := [...][]int{h.earlier, h.later}[side]
		found := c.path.find(d)
		for _, i := range found.elements {
			p := partner[i]
			if side == 1 {
				i, p = p, i
			}
			if i >= 0 && p >= 0 && h.differs(p, i) && c.fits(h.before.value(p), h.now.value(i)) {
				return true
			}
		}
		for _, a := range found.attrs {
			i, p := a.elem, partner[a.elem]
			if side == 1 {
				i, p = p, i
			}
			if i < 0 || p < 0 {
				continue
			}
			attr := &d.Attrs[a.attr]
			then, had := h.before.Attr(p, attr.Space, attr.Local)
			value, has := h.now.Attr(i, attr.Space, attr.Local)
			then, value = strings.TrimSpace(then), strings.TrimSpace(value)
			if had && has && then != value && c.fits(then, value) {
				return true
			}
		}
	}
	return false
}

// differs reports whether two elements have different values; of those with
// children that is all that is in them.
func (h *history) differs(before, now int) bool {
	a, b := &h.before.Elements[before], &h.now.Elements[now]
	if a.First < 0 && b.First < 0 {
		return h.before.value(before) != h.now.value(now)
	}
	return !bytes.Equal(h.before.Src[a.StartEnd:max(a.StartEnd, a.EndStart)], h.now.Src[b.StartEnd:max(b.StartEnd, b.EndStart)])
}

// fits reports whether a change is as from, to and by say (RFC 4661 §3.6.1).
func (c *change) fits(before, now string) bool {
	if c.from != nil && before != *c.from || c.to != nil && now != *c.to {
		return false
	}
	if c.by == nil {
		return true
	}
	a, b := exact(before), exact(now)
	if a == nil || b == nil {
		return false
	}
	a.Sub(a, b)
	return a.Abs(a).Cmp(c.by) >= 0
}

// exact reads an xs:decimal, nil when it is none.
func exact(s string) *big.Rat {
	if _, ok := decimal(s); !ok {
		return nil
	}
	v, _ := new(big.Rat).SetString(s)
	return v
}
