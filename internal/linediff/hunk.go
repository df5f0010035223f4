package linediff

import (
	"fmt"
	"strings"
)

// hunk is a run of edits with what stands around them.
type hunk struct {
	a, b  int // lines before it in the old and in the new text
	edits []edit
}

// hunks cuts a script where more lines are unchanged than are shown.
func hunks(edits []edit) []hunk {
	var list []hunk
	a, b := 0, 0
	open, last := false, 0 // whether a hunk is open, and where its last change is
	for i, e := range edits {
		if e.op != ' ' {
			if !open || i-last > 2*context+1 {
				from := max(i-context, 0)
				if open {
					close := &list[len(list)-1]
					close.edits = close.edits[:len(close.edits)-(i-1-last-context)]
				}
				list = append(list, hunk{a: a - (i - from), b: b - (i - from), edits: append([]edit(nil), edits[from:i]...)})
				open = true
			}
			last = i
		}
		if open {
			h := &list[len(list)-1]
			h.edits = append(h.edits, e)
		}
		if e.op != '+' {
			a++
		}
		if e.op != '-' {
			b++
		}
	}
	if open {
		h := &list[len(list)-1]
		h.edits = h.edits[:len(h.edits)-max(0, len(edits)-1-last-context)]
	}
	return list
}

func (h *hunk) write(out *strings.Builder) {
	removed, added := 0, 0
	for _, e := range h.edits {
		if e.op != '+' {
			removed++
		}
		if e.op != '-' {
			added++
		}
	}
	fmt.Fprintf(out, "@@ -%s +%s @@\n", span(h.a, removed), span(h.b, added))
	for _, e := range h.edits {
		out.WriteByte(e.op)
		out.WriteString(e.text)
		out.WriteByte('\n')
	}
}

// span is a range of lines as diff writes it: an empty one is named by the line
// before it.
func span(before, n int) string {
	switch n {
	case 0:
		return fmt.Sprintf("%d,0", before)
	case 1:
		return fmt.Sprint(before + 1)
	}
	return fmt.Sprintf("%d,%d", before+1, n)
}
