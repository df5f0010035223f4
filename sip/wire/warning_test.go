package wire

import (
	"strings"
	"testing"
)

// RFC 3261 §20.43: the text is a quoted string.
func TestWarning(t *testing.T) {
	for _, tc := range []struct{ text, want string }{
		{"no entity", `399 a.test "no entity"`},
		{"\"q\" and \\", `399 a.test "'q' and '"`},
		{"ü\r\nX: y", `399 a.test "???X: y"`},
		{strings.Repeat("é", 1000), `399 a.test "` + strings.Repeat("?", maxWarning) + `"`},
	} {
		if h := Warning("a.test", tc.text); h.Name != "Warning" || h.Value != tc.want {
			t.Errorf("%q: %v", tc.text, h)
		}
	}
}
