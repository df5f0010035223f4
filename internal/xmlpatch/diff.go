package xmlpatch

import (
	"bytes"
	"slices"
	"strconv"

	"rollcall/internal/xmlscan"
)

// maxChanges bounds a patch that Diff makes; above it whole elements are replaced.
const maxChanges = 32

// Diff makes a patch that turns one document into the other, byte for byte. ok
// is false when there is none, or none that is much smaller than the document.
func Diff(from, to []byte) (ops []Op, ok bool) {
	lim := xmlscan.Limits{Bytes: len(from) + len(to)} // in between it may have something of both
	a, err := xmlscan.Scan(from, lim)
	if err != nil {
		return nil, false
	}
	b, err := xmlscan.Scan(to, lim)
	if err != nil {
		return nil, false
	}
	ra, rb := &a.Elements[0], &b.Elements[0]
	if !bytes.Equal(from[:ra.Start], to[:rb.Start]) || !bytes.Equal(from[ra.End:], to[rb.End:]) {
		return nil, false // the prolog is beyond patches
	}
	c := comparison{old: a, new: b}
	if !c.element(0, 0, "*") || !c.proved(lim) {
		return nil, false
	}
	size := 0
	for i := range c.ops {
		size += len(c.ops[i].Append(nil, ""))
	}
	return c.ops, size < len(to)
}

// comparison collects the operations that turn old into new. They are applied in
// order, so a selector counts positions as they are when its turn comes: what is
// in front of it is as in new, what is behind as in old.
type comparison struct {
	old, new *xmlscan.Doc
	ops      []Op
}

// proved tries the patch.
func (c *comparison) proved(lim xmlscan.Limits) bool {
	got, err := Apply(c.old.Src, c.ops, lim)
	return err == nil && bytes.Equal(got.Src, c.new.Src)
}

// element makes old element i into new element k, by its parts if that is
// possible, else as a whole. sel selects it.
func (c *comparison) element(i, k int, sel string) bool {
	if bytes.Equal(c.old.Bytes(i), c.new.Bytes(k)) && sameScope(c.old.Scope(i), c.new.Scope(k)) {
		return true
	}
	n := len(c.ops)
	if c.parts(i, k, sel) && len(c.ops)-n <= maxChanges {
		return true
	}
	c.ops = c.ops[:n]
	parent := c.new.Elements[k].Parent
	if parent < 0 {
		return false // as good as a new document
	}
	c.ops = append(c.ops, Op{Kind: Replace, Sel: sel, Content: c.new.Bytes(k), Scope: c.new.Scope(int(parent))})
	return len(c.ops) <= maxOps
}

func sameScope(a, b []xmlscan.Binding) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(x xmlscan.Binding) bool { return !slices.Contains(b, x) })
}

func (c *comparison) parts(i, k int, sel string) bool {
	a, b := &c.old.Elements[i], &c.new.Elements[k]
	if a.Prefix != b.Prefix || a.Local != b.Local || !slices.Equal(c.old.Declared(i), c.new.Declared(k)) || !sameScope(c.old.Scope(i), c.new.Scope(k)) {
		return false
	}
	if !c.endTag(a, b) {
		return false
	}
	return c.attributes(i, k, sel) && c.children(i, k, sel)
}

// endTag reports whether patches leave behind the end tag that is wanted.
func (c *comparison) endTag(a, b *xmlscan.Element) bool {
	got, want := c.old.Src[a.EndStart:a.End], c.new.Src[b.EndStart:b.End]
	if a.SelfClosing && !b.SelfClosing {
		got = []byte("</" + written(a.Name) + ">")
		return bytes.Equal(got, want) && b.EndStart > b.StartEnd // else nothing opens it
	}
	return bytes.Equal(got, want)
}

// attributes changes those of an element, provided that the start tag comes out
// as it is wanted.
func (c *comparison) attributes(i, k int, sel string) bool {
	scope := c.old.Scope(i)
	tag := c.old.Src // as it becomes, in place
	var changes []Op
	var edits []edit
	for _, a := range c.old.Attributes(i) {
		at := c.new.AttrIndex(k, a.Space, a.Local)
		if at < 0 {
			changes = append(changes, Op{Kind: Remove, Sel: sel + "/@" + written(a.Name), Scope: scope})
			edits = append(edits, edit{from: blanksBefore(tag, a.Start), to: a.End})
			continue
		}
		if b := &c.new.Attrs[at]; !bytes.Equal(tag[a.ValueStart:a.ValueEnd], c.new.Src[b.ValueStart:b.ValueEnd]) {
			value := c.new.AttrValue(b)
			changes = append(changes, Op{Kind: Replace, Sel: sel + "/@" + written(a.Name), Content: xmlscan.Escape(nil, value), Scope: scope})
			edits = append(edits, edit{a.ValueStart, a.ValueEnd, string(xmlscan.EscapeAttr(nil, value))})
		}
	}
	end := tagEnd(c.old, i)
	for _, b := range c.new.Attributes(k) {
		if c.old.AttrIndex(i, b.Space, b.Local) < 0 {
			value := c.new.AttrValue(&b)
			changes = append(changes, Op{Kind: Add, Sel: sel, Type: "@" + written(b.Name), Content: xmlscan.Escape(nil, value), Scope: scope})
			edits = append(edits, edit{end, end, " " + written(b.Name) + `="` + string(xmlscan.EscapeAttr(nil, value)) + `"`})
		}
	}
	from := c.old.Elements[i].Start
	var got []byte
	for _, e := range edits {
		got = append(append(got, tag[from:e.from]...), e.text...)
		from = e.to
	}
	got = append(got, tag[from:end]...)
	if end > from {
		from = end
	}
	got = append(got, bytes.TrimRight(tag[from:c.old.Elements[i].StartEnd], "/>")...)
	want := bytes.TrimRight(c.new.Src[c.new.Elements[k].Start:c.new.Elements[k].StartEnd], "/>")
	if !bytes.Equal(got, want) {
		return false
	}
	c.ops = append(c.ops, changes...)
	return true
}

func written(n xmlscan.Name) string {
	if n.Prefix == "" {
		return n.Local
	}
	return n.Prefix + ":" + n.Local
}

// children compares the nodes of two elements from both ends; what is left in
// the middle has changed.
func (c *comparison) children(i, k int, sel string) bool {
	olds, news := children(c.old, i), children(c.new, k)
	same := func(a, b node) bool {
		return a.kind == b.kind && bytes.Equal(c.old.Src[a.from:a.to], c.new.Src[b.from:b.to])
	}
	front := 0
	for front < len(olds) && front < len(news) && same(olds[front], news[front]) {
		front++
	}
	back := 0
	for back < len(olds)-front && back < len(news)-front && same(olds[len(olds)-1-back], news[len(news)-1-back]) {
		back++
	}
	gone, come := olds[front:len(olds)-back], news[front:len(news)-back]
	if len(gone) > 0 && len(come) > 0 {
		before := len(c.ops)
		if c.aligned(olds, news, k, sel) {
			return true
		}
		c.ops = c.ops[:before]
	}
	switch {
	case len(gone) == len(come):
		return c.pairs(gone, come, news, front, sel)
	case len(gone) == 0:
		return c.insert(news, front, len(come), back, sel, c.new.Scope(k))
	case len(come) == 0:
		return c.delete(olds, front, len(gone), sel)
	}
	return false
}

// pairs changes node after node.
func (c *comparison) pairs(gone, come, news []node, front int, sel string) bool {
	for n := range gone {
		a, b := gone[n], come[n]
		if a.kind != b.kind || len(c.ops) > maxOps {
			return false
		}
		old, new := c.old.Src[a.from:a.to], c.new.Src[b.from:b.to]
		switch {
		case bytes.Equal(old, new):
		case a.kind == elementNode:
			if !c.element(a.elem, b.elem, sel+"/"+position(news, front+n)) {
				return false
			}
		case a.kind == instructionNode:
			return false
		default:
			c.ops = append(c.ops, Op{Kind: Replace, Sel: sel + "/" + position(news, front+n), Content: new})
		}
	}
	return true
}

// position selects one of the nodes among its siblings.
func position(nodes []node, i int) string {
	n := 0
	for _, other := range nodes[:i+1] {
		if other.kind == nodes[i].kind {
			n++
		}
	}
	test := [...]string{elementNode: "*", textNode: "text()", commentNode: "comment()", instructionNode: "processing-instruction()"}[nodes[i].kind]
	return test + "[" + strconv.Itoa(n) + "]"
}

// insert adds the nodes from front on, behind the one in front of them.
func (c *comparison) insert(news []node, front, count, back int, sel string, scope []xmlscan.Binding) bool {
	op := Op{Kind: Add, Sel: sel, Content: c.new.Src[news[front].from:news[front+count-1].to], Scope: scope}
	switch {
	case back == 0:
	case front == 0:
		op.Pos = "prepend"
	default:
		op.Pos, op.Sel = "after", sel+"/"+position(news, front-1)
	}
	c.ops = append(c.ops, op)
	return true
}

// delete removes nodes, the last one first, white space along with its neighbour.
func (c *comparison) delete(olds []node, front, count int, sel string) bool {
	for n := front + count - 1; n >= front; n-- {
		op := Op{Kind: Remove}
		switch blank := func(i int) bool { return i >= front && olds[i].blank(c.old) }; {
		case olds[n].kind != textNode && blank(n-1):
			op.WS, op.Sel = "before", position(olds, n)
			n--
		case blank(n) && n > front && olds[n-1].kind != textNode:
			op.WS = "after"
			n--
			op.Sel = position(olds, n)
		default:
			op.Sel = position(olds, n)
		}
		op.Sel = sel + "/" + op.Sel
		if c.ops = append(c.ops, op); len(c.ops) > maxOps {
			return false
		}
	}
	return true
}
