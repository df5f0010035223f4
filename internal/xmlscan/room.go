package xmlscan

import (
	"strings"
	"unsafe"
)

// attrPadding gives Attr the size of Element, so that both can share one piece
// of memory: most of the cost of scanning is that of asking for it.
const attrPadding = unsafe.Sizeof(Element{}) - unsafe.Sizeof(Name{}) - 4*unsafe.Sizeof(int32(0))

// asString is src as a string without a copy. It rests on what Scan demands,
// that src does not change.
func asString(src []byte) string { return unsafe.String(unsafe.SliceData(src), len(src)) }

// room makes place for elements and attributes in one piece, by an estimate:
// most elements have two tags, most attributes one '='. What turns out to be
// more is moved by append. Both types begin with a Name and have no other
// pointers, so the collector sees the same in either.
func room(s string, lim Limits) ([]Element, []Attr) {
	elements := min(strings.Count(s, "<")/2+2, lim.Elements)
	attrs := min(strings.Count(s, "="), 4*elements)
	both := make([]Element, elements+attrs)
	rest := unsafe.Slice((*Attr)(unsafe.Pointer(unsafe.SliceData(both[elements:]))), attrs)
	return both[:0:elements], rest[:0:attrs]
}
