package xcap

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// codedSuffix is what the entity-tag of a compressed document has more than that
// of the document itself. RFC 9110 §8.8.3.3: they are two representations, and
// strong tags must tell them apart. Clients that do not ask for compression never
// see it, and edits always mean the document.
const codedSuffix = "-gzip"

// minCoded is below what fits into one packet anyway.
const minCoded = 1024

// coder compresses. It is safe for concurrent use.
type coder struct{ writers sync.Pool }

func newCoder() *coder {
	return &coder{sync.Pool{New: func() any {
		w, _ := gzip.NewWriterLevel(io.Discard, gzip.BestSpeed) // the level is valid
		return w
	}}}
}

// apply compresses the answer to a GET or HEAD if the client asked for that.
func (c *coder) apply(req *request, resp *response) {
	if req.Method != http.MethodGet && req.Method != http.MethodHead || resp.etag == "" {
		return
	}
	asked := acceptsGzip(req.Header["Accept-Encoding"])
	switch {
	case resp.status == http.StatusNotModified:
		// RFC 9110 §15.4.5: the tag of the representation that the client has.
		if n := req.cond.noneMatch; asked && n != nil && n.has(resp.etag+codedSuffix) {
			resp.etag += codedSuffix
		}
	case resp.status == http.StatusOK && len(resp.body) >= minCoded:
		resp.vary = "Accept-Encoding"
		if !asked {
			return
		}
		if coded := c.compress(resp.body); len(coded) < len(resp.body) {
			resp.body, resp.encoding = coded, "gzip"
			resp.etag += codedSuffix
		}
	}
}

func (c *coder) compress(body []byte) []byte {
	w := c.writers.Get().(*gzip.Writer)
	defer c.writers.Put(w)
	var buf bytes.Buffer
	buf.Grow(len(body)/4 + 64)
	w.Reset(&buf)
	_, _ = w.Write(body) // into memory
	_ = w.Close()
	return buf.Bytes()
}

// acceptsGzip reports whether Accept-Encoding (RFC 9110 §12.5.3) names gzip.
// Clients that accept just anything get the document as it is.
func acceptsGzip(lines []string) bool {
	for _, line := range lines {
		for item := range strings.SplitSeq(line, ",") {
			name, params, _ := strings.Cut(item, ";")
			name = strings.TrimSpace(name)
			if strings.EqualFold(name, "gzip") || strings.EqualFold(name, "x-gzip") {
				return weight(params) > 0
			}
		}
	}
	return false
}

// weight is the quality value (RFC 9110 §12.4.2), 1 when there is none.
func weight(params string) float64 {
	name, value, ok := strings.Cut(strings.TrimSpace(params), "=")
	if !ok || !strings.EqualFold(strings.TrimSpace(name), "q") {
		return 1
	}
	q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
	if err != nil {
		return 0
	}
	return q
}

// plain makes the tags of compressed documents count for the documents.
func (c conditions) plain() {
	for _, t := range []*entityTags{c.match, c.noneMatch} {
		if t != nil {
			t.strong = withPlain(t.strong)
			t.weak = withPlain(t.weak)
		}
	}
}

func withPlain(tags []string) []string {
	for _, tag := range tags {
		if plain, coded := strings.CutSuffix(tag, codedSuffix); coded {
			tags = append(tags, plain)
		}
	}
	return tags
}

func (t *entityTags) has(tag string) bool {
	return slices.Contains(t.strong, tag) || slices.Contains(t.weak, tag)
}
