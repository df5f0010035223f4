package wire

import (
	"bytes"
	"testing"
)

// What is kept comes back as it was, whatever block it is in; what is appended to
// it does not reach its neighbour.
func TestCohort(t *testing.T) {
	var c cohort
	if got := c.at(span{}); got != nil {
		t.Errorf("nothing kept: %q", got)
	}
	want := make([][]byte, 300)
	spans := make([]span, len(want))
	for i := range want {
		want[i] = bytes.Repeat([]byte{byte(i)}, 1+i*i%(2*fullBlock))
		spans[i] = c.keep(want[i])
	}
	if len(c.blocks) < 10 {
		t.Fatalf("%d blocks: the test is to fill several", len(c.blocks))
	}
	for i, s := range spans {
		_ = append(c.at(s), "overrun"...)
		if !bytes.Equal(c.at(s), want[i]) {
			t.Fatalf("response %d is not what it was", i)
		}
	}
}
