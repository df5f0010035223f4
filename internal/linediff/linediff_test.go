package linediff

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestUnified(t *testing.T) {
	seq := func(from, to int) (out []string) {
		for i := from; i <= to; i++ {
			out = append(out, fmt.Sprint(i))
		}
		return out
	}
	changed := seq(1, 30)
	changed[4], changed[24] = "x", "y"
	near := seq(1, 12)
	near[2], near[9] = "x", "y"
	for _, test := range []struct {
		name string
		a, b []string
		want string
	}{
		{"equal", seq(1, 3), seq(1, 3), ""},
		{"from nothing", nil, seq(1, 2), "@@ -0,0 +1,2 @@\n+1\n+2\n"},
		{"to nothing", seq(1, 1), nil, "@@ -1 +0,0 @@\n-1\n"},
		{"two hunks", seq(1, 30), changed, "@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+x\n 6\n 7\n 8\n@@ -22,7 +22,7 @@\n 22\n 23\n 24\n-25\n+y\n 26\n 27\n 28\n"},
		{"near changes share a hunk", seq(1, 12), near, "@@ -1,12 +1,12 @@\n 1\n 2\n-3\n+x\n 4\n 5\n 6\n 7\n 8\n 9\n-10\n+y\n 11\n 12\n"},
		{"insertion", seq(1, 5), append(append(seq(1, 2), "n"), seq(3, 5)...), "@@ -1,5 +1,6 @@\n 1\n 2\n+n\n 3\n 4\n 5\n"},
	} {
		got := Unified("a", "b", test.a, test.b)
		if got = strings.TrimPrefix(got, "--- a\n+++ b\n"); got != test.want {
			t.Errorf("%s:\n%s\nwant\n%s", test.name, got, test.want)
		}
	}
}

// A document on one line is shown tag by tag.
func TestXML(t *testing.T) {
	entries := strings.Repeat(`<entry uri="sip:someone@example.com"/>`, 10)
	old := "<list>" + entries + "</list>"
	got := XML("1", "2", []byte(old), []byte(strings.Replace(old, "</list>", "<entry uri='sip:new@example.com'/></list>", 1)))
	if !strings.Contains(got, "\n+<entry uri='sip:new@example.com'/>\n") || strings.Count(got, "\n") > 10 {
		t.Errorf("difference:\n%s", got)
	}
	if got := XML("1", "2", []byte("<a>\r\n</a>\n"), []byte("<a>\n</a>\n")); !strings.Contains(got, "-<a>\\r\n+<a>\n") {
		t.Errorf("line ends:\n%s", got)
	}
}

// Applying the script to one text gives the other, and nothing is done without need.
func TestScript(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c", "d"}), 0, 30)
		a, b := text.Draw(t, "a"), text.Draw(t, "b")
		var before, after []string
		changes := 0
		for _, e := range script(a, b) {
			if e.op != '+' {
				before = append(before, e.text)
			}
			if e.op != '-' {
				after = append(after, e.text)
			}
			if e.op != ' ' {
				changes++
			}
		}
		if !slices.Equal(before, a) || !slices.Equal(after, b) {
			t.Fatalf("script leads from %v to %v", before, after)
		}
		if want := len(a) + len(b) - 2*common(a, b); changes != want {
			t.Fatalf("%d changes, want %d", changes, want)
		}
	})
}

// common is the length of the longest common subsequence, by the textbook.
func common(a, b []string) int {
	table := make([][]int, len(a)+1)
	for i := range table {
		table[i] = make([]int, len(b)+1)
	}
	for i := range a {
		for j := range b {
			if a[i] == b[j] {
				table[i+1][j+1] = table[i][j] + 1
			} else {
				table[i+1][j+1] = max(table[i][j+1], table[i+1][j])
			}
		}
	}
	return table[len(a)][len(b)]
}

// Texts that have nothing in common are shown as replaced, in bounded time.
func TestVeryDifferent(t *testing.T) {
	var a, b []string
	for i := range 20000 {
		a, b = append(a, fmt.Sprint("a", i)), append(b, fmt.Sprint("b", i))
	}
	if got := strings.Count(Unified("a", "b", a, b), "\n"); got != 40003 {
		t.Errorf("%d lines", got)
	}
}
