package xcap

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"testing"
)

// RFC 9110 §8.4, §8.8.3.3, §12.5.3: compressed only for those who ask, under an
// entity-tag of its own, which is good for conditions, too.
func TestGzip(t *testing.T) {
	ts := newTestServer(t)
	long := "<r>" + strings.Repeat(`<a k="1"/>`, 500) + "</r>"
	etag := ts.mustPut(docURI, long).etag()
	coded := strings.TrimSuffix(etag, `"`) + `-gzip"`

	for accept, want := range map[string]bool{
		"gzip": true, "deflate, GZIP;q=0.5": true, "x-gzip": true, "gzip ; q=1.0": true,
		"": false, "*": false, "identity": false, "gzip;q=0": false, "gzip;q=0.000, *": false, "gzip;q=x": false, "br": false,
	} {
		// An empty value takes the header away; net/http must not add its own.
		a := ts.get(docURI, "Accept-Encoding", orIdentity(accept))
		if (a.Header.Get("Content-Encoding") == "gzip") != want {
			t.Errorf("%q: %v", accept, a.Header)
			continue
		}
		body, tag := a.body, etag
		if want {
			body, tag = gunzip(t, a.body), coded
			if len(a.body) > len(long)/10 {
				t.Errorf("%d of %d octets", len(a.body), len(long))
			}
		}
		if body != long || a.etag() != tag || a.Header.Get("Vary") != "Accept-Encoding" || a.ContentLength != int64(len(a.body)) {
			t.Errorf("%q: %s, length %d, %v", accept, a.etag(), a.ContentLength, a.Header)
		}
		head := ts.do(http.MethodHead, docURI, "", "Accept-Encoding", orIdentity(accept))
		if head.etag() != tag || head.ContentLength != a.ContentLength || head.Header.Get("Content-Encoding") != a.Header.Get("Content-Encoding") {
			t.Errorf("HEAD %q: %v", accept, head.Header)
		}
	}

	for _, c := range []struct {
		rule, accept, header, tag string
		status                    int
		answered                  string
	}{
		{"the compressed form is fresh", "gzip", "If-None-Match", coded, 304, coded},
		{"the document is fresh", "gzip", "If-None-Match", etag, 304, etag},
		{"weak", "gzip", "If-None-Match", "W/" + coded, 304, coded},
		{"neither", "gzip", "If-None-Match", `"other-gzip"`, 200, coded},
		{"a form that is not asked for", "identity", "If-None-Match", coded, 200, etag},
		{"identity", "identity", "If-None-Match", etag, 304, etag},
		{"If-Match", "gzip", "If-Match", coded, 200, coded},
		{"If-Match without asking", "identity", "If-Match", coded, 412, etag},
	} {
		a := ts.get(docURI, "Accept-Encoding", c.accept, c.header, c.tag)
		if a.StatusCode != c.status || a.etag() != c.answered {
			t.Errorf("%s: %d %s, want %d %s", c.rule, a.StatusCode, a.etag(), c.status, c.answered)
		}
	}

	// Parts are small enough; so are errors.
	if a := ts.get(node("r/a[1]"), "Accept-Encoding", "gzip"); a.Header.Get("Content-Encoding") != "" || a.etag() != etag || a.Header.Get("Vary") != "" {
		t.Errorf("element: %v", a.Header)
	}
	// Whoever got the document compressed can edit it.
	expect(t, "PUT, old tag", ts.put(docURI, "<r/>", "If-Match", `"old-gzip"`), 412, "")
	a := ts.put(docURI, long+"<!-- -->", "If-Match", coded, "Accept-Encoding", "gzip")
	expect(t, "PUT", a, 200, "")
	if strings.Contains(a.etag(), codedSuffix) || a.etag() == etag {
		t.Errorf("PUT: %s", a.etag())
	}
	expect(t, "PUT, If-None-Match", ts.put(docURI, "<r/>", "If-None-Match", strings.TrimSuffix(a.etag(), `"`)+`-gzip"`), 412, "")
	expect(t, "DELETE", ts.do(http.MethodDelete, docURI, "", "If-Match", strings.TrimSuffix(a.etag(), `"`)+`-gzip"`), 200, "")
}

func orIdentity(accept string) string {
	if accept == "" {
		return "identity"
	}
	return accept
}

func gunzip(t *testing.T, body string) string {
	t.Helper()
	r, err := gzip.NewReader(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := io.Copy(&b, r); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func BenchmarkGzip(b *testing.B) {
	c, body := newCoder(), []byte("<r>"+strings.Repeat(`<entry uri="sip:someone@example.test"/>`, 600)+"</r>")
	b.ReportAllocs()
	for b.Loop() {
		c.compress(body)
	}
}
