package xmlpatch

import (
	"bytes"
	"strings"

	"rollcall/internal/xmlscan"
)

type nodeKind int

const (
	elementNode nodeKind = iota
	textNode             // with the CDATA sections in it
	commentNode
	instructionNode
	attributeNode
	namespaceNode
)

// node is a node of the XPath data model and where it stands.
type node struct {
	kind     nodeKind
	from, to int32
	elem     int    // the element itself, or the one that has the node; -1 the document
	attr     int    // index in Doc.Attrs of an attribute
	target   string // of an instruction
}

// children lists the child nodes of an element, -1 being the document, in order.
func children(d *xmlscan.Doc, parent int) []node {
	from, to, first := prologEnd(d), int32(len(d.Src)), int32(0)
	if parent >= 0 {
		e := &d.Elements[parent]
		from, to, first = e.StartEnd, max(e.StartEnd, e.EndStart), e.First
	}
	var nodes []node
	for c := first; c >= 0; c = d.Elements[c].Next {
		e := &d.Elements[c]
		nodes = appendBetween(nodes, d, parent, from, e.Start)
		nodes = append(nodes, node{kind: elementNode, from: e.Start, to: e.End, elem: int(c), attr: -1})
		from = e.End
	}
	return appendBetween(nodes, d, parent, from, to)
}

// prologEnd is where the document begins behind mark and XML declaration.
func prologEnd(d *xmlscan.Doc) int32 {
	at := 0
	if bytes.HasPrefix(d.Src, []byte("\uFEFF")) {
		at = 3
	}
	if rest := d.Src[at:]; bytes.HasPrefix(rest, []byte("<?xml")) && len(rest) > 5 && strings.IndexByte(" \t\r\n", rest[5]) >= 0 {
		at += bytes.Index(rest, []byte("?>")) + 2
	}
	return int32(at)
}

// appendBetween adds the nodes in a stretch without elements. Outside the root
// element blanks are no nodes.
func appendBetween(nodes []node, d *xmlscan.Doc, parent int, from, to int32) []node {
	text := from
	flush := func(end int32) {
		if end > text && parent >= 0 {
			nodes = append(nodes, node{kind: textNode, from: text, to: end, elem: parent, attr: -1})
		}
	}
	for at := from; at < to; {
		rest := d.Src[at:to]
		i := bytes.IndexByte(rest, '<')
		if i < 0 {
			break
		}
		at += int32(i)
		rest = rest[i:]
		n := node{elem: parent, attr: -1, from: at}
		switch {
		case bytes.HasPrefix(rest, []byte("<![CDATA[")):
			at += int32(bytes.Index(rest, []byte("]]>")) + 3)
			continue
		case bytes.HasPrefix(rest, []byte("<!--")):
			n.kind, n.to = commentNode, at+int32(4+bytes.Index(rest[4:], []byte("-->"))+3)
		default:
			n.kind, n.to = instructionNode, at+int32(bytes.Index(rest, []byte("?>"))+2)
			n.target = string(rest[2 : 2+bytes.IndexAny(rest[2:], " \t\r\n?")])
		}
		flush(at)
		nodes = append(nodes, n)
		at, text = n.to, n.to
	}
	flush(to)
	return nodes
}

// blank reports whether a node is a text node of white space.
func (n *node) blank(d *xmlscan.Doc) bool {
	return n.kind == textNode && len(bytes.Trim(d.Src[n.from:n.to], " \t\r\n")) == 0
}

// stringValue is the text in an element and in all below it.
func stringValue(d *xmlscan.Doc, i int) string {
	if d.Elements[i].First < 0 {
		return d.Text(i)
	}
	var b strings.Builder
	for _, n := range children(d, i) {
		switch n.kind {
		case elementNode:
			b.WriteString(stringValue(d, n.elem))
		case textNode:
			wrapped, err := xmlscan.Scan(bytes.Join([][]byte{[]byte("<t>"), d.Src[n.from:n.to], []byte("</t>")}, nil), xmlscan.Limits{Bytes: len(d.Src) + 7})
			if err == nil {
				b.WriteString(wrapped.Text(0))
			}
		}
	}
	return b.String()
}

// declaration finds the declaration of a prefix in the start tag of an element.
func declaration(d *xmlscan.Doc, elem int, prefix string) (n node, value [2]int32, ok bool) {
	e := &d.Elements[elem]
	name := "xmlns"
	if prefix != "" {
		name += ":" + prefix
	}
	at := e.Start + 1
	for strings.IndexByte(" \t\r\n/>", d.Src[at]) < 0 {
		at++
	}
	for {
		for strings.IndexByte(" \t\r\n", d.Src[at]) >= 0 {
			at++
		}
		if d.Src[at] == '/' || d.Src[at] == '>' {
			return n, value, false
		}
		start := at
		end := at + int32(bytes.IndexAny(d.Src[at:], "= \t\r\n"))
		open := at + int32(bytes.IndexAny(d.Src[at:], `"'`))
		closing := open + 1 + int32(bytes.IndexByte(d.Src[open+1:], d.Src[open]))
		if string(d.Src[start:end]) == name {
			return node{kind: namespaceNode, from: start, to: closing + 1, elem: elem, attr: -1, target: prefix}, [2]int32{open + 1, closing}, true
		}
		at = closing + 1
	}
}
