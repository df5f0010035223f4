package rls

import (
	"bytes"
	"errors"
	"testing"

	"pgregory.net/rapid"
)

// Both forms of deflate give back the text, and the zlib form is told from XML.
func TestInflate(t *testing.T) {
	var d deflater
	rapid.Check(t, func(rt *rapid.T) {
		text := rapid.SliceOfN(rapid.Byte(), 0, 3000).Draw(rt, "text")
		for _, form := range [][]byte{d.deflate(text), []byte(raw(t, string(text)))} {
			got, err := inflate(form)
			if err != nil || !bytes.Equal(got, text) {
				rt.Fatalf("%v, %q", err, got)
			}
		}
		if !deflated(d.deflate(text)) || !bytes.Equal(d.deflate(text), d.deflate(text)) {
			rt.Fatal("the zlib form is not recognised, or not always the same")
		}
	})
	for _, xml := range []string{"<a/>", "\ufeff<a/>", " <a/>", "\n<a/>", "\t<a/>", "\r\n<a/>"} {
		if deflated([]byte(xml)) {
			t.Errorf("%q taken for zlib", xml)
		}
	}
	for _, size := range []int{maxInflated, maxInflated + 1, 8 << 20} {
		text := make([]byte, size)
		for _, form := range [][]byte{d.deflate(text), []byte(raw(t, string(text)))} {
			if _, err := inflate(form); errors.Is(err, errInflated) != (size > maxInflated) {
				t.Errorf("%d bytes: %v", size, err)
			}
		}
	}
	whole := d.deflate([]byte(recipients(bo, cy)))
	for i := range whole[:len(whole)-4] {
		if _, err := inflate(whole[:i]); err == nil {
			t.Errorf("the first %d of %d bytes are enough", i, len(whole))
		}
	}
}
