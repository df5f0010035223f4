package linediff

import (
	"bytes"
	"fmt"
	"strings"
)

const (
	maxEdits = 1000 // edits looked for; the search takes space of its square
	context  = 3    // unchanged lines around a change
	longLine = 160  // bytes; a text with a longer line is broken between tags
)

// XML returns the difference between two XML texts, empty when they have the
// same lines. Texts of long lines are broken between tags to be readable.
func XML(oldName, newName string, a, b []byte) string {
	broken := hasLongLine(a) || hasLongLine(b)
	return Unified(oldName, newName, lines(a, broken), lines(b, broken))
}

func hasLongLine(text []byte) bool {
	for line := range bytes.Lines(text) {
		if len(line) > longLine {
			return true
		}
	}
	return false
}

// lines splits at line ends and, if broken, between tags. Carriage returns are
// made visible.
func lines(text []byte, broken bool) []string {
	s := strings.ReplaceAll(string(text), "\r", `\r`)
	if broken {
		s = strings.ReplaceAll(s, "><", ">\n<")
	}
	if s == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(s, "\n"), "\n")
}

// Unified returns the difference between two lists of lines, empty when they
// are equal.
func Unified(oldName, newName string, a, b []string) string {
	edits := script(a, b)
	var out strings.Builder
	for _, h := range hunks(edits) {
		if out.Len() == 0 {
			fmt.Fprintf(&out, "--- %s\n+++ %s\n", oldName, newName)
		}
		h.write(&out)
	}
	return out.String()
}

// edit is one line of the result: kept (' '), removed ('-') or added ('+').
type edit struct {
	op   byte
	text string
}

func script(a, b []string) []edit {
	head := 0
	for head < len(a) && head < len(b) && a[head] == b[head] {
		head++
	}
	tail := 0
	for tail < len(a)-head && tail < len(b)-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	edits := add(nil, ' ', a[:head])
	edits = append(edits, middle(a[head:len(a)-tail], b[head:len(b)-tail])...)
	return add(edits, ' ', a[len(a)-tail:])
}

func add(edits []edit, op byte, text []string) []edit {
	for _, line := range text {
		edits = append(edits, edit{op, line})
	}
	return edits
}

// middle is the script where both ends differ.
func middle(a, b []string) []edit {
	trace, found := search(a, b)
	if len(a) == 0 || len(b) == 0 || !found {
		return add(add(nil, '-', a), '+', b)
	}
	return backtrack(a, b, trace)
}

// search returns the furthest reaching points of every number of edits: element
// k+d of trace[d] is how far into a one gets on diagonal k with d edits.
func search(a, b []string) (trace [][]int32, found bool) {
	for d := range min(len(a)+len(b), maxEdits) + 1 {
		now := make([]int32, 2*d+1)
		for k := -d; k <= d; k += 2 {
			x := step(trace, d, k)
			y := x - k
			for x < len(a) && y < len(b) && y >= 0 && a[x] == b[y] {
				x, y = x+1, y+1
			}
			now[k+d] = int32(x)
			if x >= len(a) && y >= len(b) {
				return append(trace, now), true
			}
		}
		trace = append(trace, now)
	}
	return nil, false
}

// step is where the d-th edit on diagonal k begins its run of equal lines.
func step(trace [][]int32, d, k int) int {
	if d == 0 {
		return 0
	}
	before := trace[d-1]
	at := func(k int) int { return int(before[k+d-1]) }
	if down(at, d, k) {
		return at(k + 1)
	}
	return at(k-1) + 1
}

// down reports whether the d-th edit reaches diagonal k by adding a line.
func down(at func(int) int, d, k int) bool {
	return k == -d || k != d && at(k-1) < at(k+1)
}

func backtrack(a, b []string, trace [][]int32) []edit {
	var reversed []edit
	x, y := len(a), len(b)
	for d := len(trace) - 1; d >= 0; d-- {
		k := x - y
		start := step(trace, d, k)
		for x > start {
			x, y = x-1, y-1
			reversed = append(reversed, edit{' ', a[x]})
		}
		if d == 0 {
			break
		}
		before := trace[d-1]
		if down(func(k int) int { return int(before[k+d-1]) }, d, k) {
			y--
			reversed = append(reversed, edit{'+', b[y]})
		} else {
			x--
			reversed = append(reversed, edit{'-', a[x]})
		}
	}
	edits := make([]edit, len(reversed))
	for i, e := range reversed {
		edits[len(edits)-1-i] = e
	}
	return edits
}
