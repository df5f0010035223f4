package xmlpatch

import (
	"strings"
	"testing"

	"rollcall/internal/xmlscan"
)

// What is in both documents is not sent again, whatever comes and goes around it.
func TestDiffAlignsChildren(t *testing.T) {
	filler := strings.Repeat("<x/>", 50)
	child := func(id, text string) string { return "<c id='" + id + "'><v>" + text + "</v>" + filler + "</c>" }
	doc := func(children ...string) string { return "<r>\n" + strings.Join(children, "\n") + "\n</r>" }
	a, b, d := child("a", "1"), child("b", "1"), child("d", "1")
	for _, c := range []struct {
		what, old, new string
		ops            int
	}{
		{"one more in front, another changed", doc(a, b), doc(d, a, child("b", "2")), 2},
		{"one gone, one come, one changed", doc(a, b, "<n/>"), doc(child("b", "2"), "<n/>", d), 3},
		{"other ids", doc(a, b), doc(a, child("e", "1"), b, "<n/>"), 2},
		{"order", doc(a, b, d), doc(d, a, b), 2},
		{"no ids", doc("<n>1"+filler+"</n>", a), doc("<m/>", "<n>2"+filler+"</n>", b, a), 3},
		{"others between the same", doc(a, b), doc(a, d, b, d), 2},
	} {
		ops, ok := Diff([]byte(c.old), []byte(c.new))
		if !ok || len(ops) != c.ops {
			t.Errorf("%s: %v %d operations %+v", c.what, ok, len(ops), ops)
		}
		if got, err := Apply([]byte(c.old), ops, xmlscan.Limits{}); err != nil || string(got.Src) != c.new {
			t.Errorf("%s: %v", c.what, err)
		}
	}
}
