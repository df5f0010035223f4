package rls

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"sync"
)

// maxInflated bounds what a body may become when its content coding is undone.
const maxInflated = 256 << 10

// errInflated says that a body is larger than that.
var errInflated = errors.New("inflated body is too large")

// inflate undoes the content coding deflate. That is the zlib format by its
// definition (RFC 9110 §8.4.1.2); clients that leave the zlib header out are as old
// as the name is misleading.
func inflate(b []byte) ([]byte, error) {
	if deflated(b) {
		r, err := zlib.NewReader(bytes.NewReader(b))
		if err == nil {
			text, err := readInflated(r)
			if err == nil || errors.Is(err, errInflated) {
				return text, err
			}
		}
	}
	return readInflated(flate.NewReader(bytes.NewReader(b)))
}

// gunzip undoes the content coding gzip.
func gunzip(b []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, fmt.Errorf("inflating: %w", err)
	}
	return readInflated(r)
}

func readInflated(r io.ReadCloser) ([]byte, error) {
	defer r.Close()
	text, err := io.ReadAll(io.LimitReader(r, maxInflated+1))
	if err != nil {
		return nil, fmt.Errorf("inflating: %w", err)
	}
	if len(text) > maxInflated {
		return nil, errInflated
	}
	return text, nil
}

// deflated reports whether b begins with a zlib header (RFC 1950 §2.2). No XML
// document does: none of the characters one may begin with ends in 8 as a byte.
func deflated(b []byte) bool {
	return len(b) >= 2 && b[0]&0x0f == 8 && b[0]>>4 <= 7 && (int(b[0])<<8|int(b[1]))%31 == 0
}

// deflater writes the zlib format. Its state is large, so it is used again.
type deflater struct{ pool sync.Pool }

// deflate applies the content coding deflate: equal text gives equal bytes.
func (d *deflater) deflate(text []byte) []byte {
	var b bytes.Buffer
	b.Grow(len(text)/4 + 64)
	w, ok := d.pool.Get().(*zlib.Writer)
	if ok {
		w.Reset(&b)
	} else {
		w = zlib.NewWriter(&b)
	}
	// A bytes.Buffer takes everything.
	_, _ = w.Write(text)
	_ = w.Close()
	w.Reset(io.Discard)
	d.pool.Put(w)
	return b.Bytes()
}
