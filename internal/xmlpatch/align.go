package xmlpatch

import (
	"bytes"
	"strconv"
)

// maxAlignment bounds the pairs of children looked at to find those that belong
// together.
const maxAlignment = 64 * 64

// unit is an element with the white space in front of it.
type unit struct {
	from int32
	node node
}

// units splits the children of an element; rest is where the white space begins
// that is behind the last one. ok is false when there is anything but elements and
// white space.
func units(nodes []node, blank func(*node) bool) (list []unit, rest []node, ok bool) {
	for i := 0; i < len(nodes); i++ {
		n := nodes[i]
		from := n.from
		if n.kind == textNode && blank(&n) {
			if i+1 == len(nodes) {
				return list, nodes[i:], true
			}
			i++
			n = nodes[i]
		}
		if n.kind != elementNode {
			return nil, nil, false
		}
		list = append(list, unit{from, n})
	}
	return list, nil, true
}

// aligned changes the children of an element, if these are elements and white
// space only, so that those stay which are in both. done is false when it cannot
// be done so.
func (c *comparison) aligned(olds, news []node, k int, sel string) (done bool) {
	a, oldRest, ok := units(olds, func(n *node) bool { return n.blank(c.old) })
	if !ok {
		return false
	}
	b, newRest, ok := units(news, func(n *node) bool { return n.blank(c.new) })
	if !ok || len(oldRest) != len(newRest) || len(oldRest) == 1 && !c.equal(&oldRest[0], &newRest[0]) {
		return false
	}
	front := 0
	for front < min(len(a), len(b)) && c.score(&a[front], &b[front]) == identical {
		front++
	}
	back := 0
	for back < min(len(a), len(b))-front && c.score(&a[len(a)-1-back], &b[len(b)-1-back]) == identical {
		back++
	}
	gone, come := a[front:len(a)-back], b[front:len(b)-back]
	if len(gone)*len(come) > maxAlignment {
		return false
	}
	return c.follow(c.pair(gone, come), gone, come, front, k, sel)
}

func (c *comparison) equal(a, b *node) bool {
	return bytes.Equal(c.old.Src[a.from:a.to], c.new.Src[b.from:b.to])
}

// How much two units belong together.
const (
	strange   = 0
	namesake  = 1 // an element of that name, without id
	same      = 3 // the element with that id
	identical = 4
)

func (c *comparison) score(a, b *unit) int {
	if !bytes.Equal(c.old.Src[a.from:a.node.from], c.new.Src[b.from:b.node.from]) {
		return strange
	}
	if c.equal(&a.node, &b.node) {
		return identical
	}
	x, y := &c.old.Elements[a.node.elem], &c.new.Elements[b.node.elem]
	if x.Name != y.Name {
		return strange
	}
	i, had := c.old.Attr(a.node.elem, "", "id")
	j, has := c.new.Attr(b.node.elem, "", "id")
	switch {
	case had != has || i != j:
		return strange
	case has:
		return same
	}
	return namesake
}

// pair finds the pairs that belong together most, in order: partner[i] is the
// index in come of what gone[i] becomes, or -1.
func (c *comparison) pair(gone, come []unit) (partner []int) {
	width := len(come) + 1
	best := make([]int, (len(gone)+1)*width) // of gone[i:] and come[j:]
	scores := make([]int, len(gone)*width)
	for i := len(gone) - 1; i >= 0; i-- {
		for j := len(come) - 1; j >= 0; j-- {
			s := c.score(&gone[i], &come[j])
			scores[i*width+j] = s
			best[i*width+j] = max(best[(i+1)*width+j], best[i*width+j+1])
			if s != strange {
				best[i*width+j] = max(best[i*width+j], s+best[(i+1)*width+j+1])
			}
		}
	}
	j := 0
	for i := range gone {
		partner = append(partner, -1)
		for j < len(come) && best[i*width+j] == best[i*width+j+1] {
			j++
		}
		if j < len(come) && best[i*width+j] != best[(i+1)*width+j] {
			partner[i] = j
			j++
		}
	}
	return partner
}

// follow makes the operations of an alignment. Those in front have been done when
// one is applied, so that positions count what is new in front of it.
func (c *comparison) follow(partner []int, gone, come []unit, front, k int, sel string) bool {
	done := 0 // of come
	child := func(n int) string { return sel + "/*[" + strconv.Itoa(front+n) + "]" }
	insert := func(to int) {
		if done == to {
			return
		}
		op := Op{Kind: Add, Sel: sel, Pos: "prepend", Content: c.new.Src[come[done].from:come[to-1].node.to], Scope: c.new.Scope(k)}
		if front+done > 0 {
			op.Sel, op.Pos = child(done), "after"
		}
		c.ops = append(c.ops, op)
		done = to
	}
	for i := range gone {
		if partner[i] < 0 {
			op := Op{Kind: Remove, Sel: child(done + 1)}
			if gone[i].from < gone[i].node.from {
				op.WS = "before"
			}
			c.ops = append(c.ops, op)
		} else {
			insert(partner[i])
			if !c.element(gone[i].node.elem, come[partner[i]].node.elem, child(done+1)) {
				return false
			}
			done++
		}
		if len(c.ops) > maxOps {
			return false
		}
	}
	insert(len(come))
	return true
}
