package rls

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"strings"
	"testing"
)

// subscriber is a list subscriber after RFC 4662 §5.6, as strict as Blink.
type subscriber struct {
	uri     string
	version int64
	state   string // Subscription-State of the last NOTIFY
	gaps    int
	table   map[string]row
	last    rlmiList // of the last NOTIFY
	bodies  int      // documents in the last NOTIFY
	cids    map[string]bool
	nested  map[string]*subscriber // lists in the list
	member  string                 // media type of the members' documents
}

// part is one of a multipart body.
type part struct{ kind, body string }

// row is what the subscriber knows of one resource.
type row struct{ state, reason, body, name string }

type rlmiList struct {
	XMLName   xml.Name       `xml:"urn:ietf:params:xml:ns:rlmi list"`
	URI       string         `xml:"uri,attr"`
	Version   *uint32        `xml:"version,attr"`
	FullState string         `xml:"fullState,attr"`
	Names     []string       `xml:"urn:ietf:params:xml:ns:rlmi name"`
	Resources []rlmiResource `xml:"urn:ietf:params:xml:ns:rlmi resource"`
}

type rlmiResource struct {
	URI       string   `xml:"uri,attr"`
	Names     []string `xml:"urn:ietf:params:xml:ns:rlmi name"`
	Instances []struct {
		ID     string `xml:"id,attr"`
		State  string `xml:"state,attr"`
		Reason string `xml:"reason,attr"`
		CID    string `xml:"cid,attr"`
	} `xml:"urn:ietf:params:xml:ns:rlmi instance"`
}

func newSubscriber(uri string) *subscriber {
	return &subscriber{uri: uri, version: -1, table: make(map[string]row), cids: make(map[string]bool),
		nested: make(map[string]*subscriber), member: "application/pidf+xml"}
}

// failer is *testing.T, *testing.B or *rapid.T.
type failer interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

var _ failer = (*testing.T)(nil)

// receive takes a NOTIFY in.
func (w *subscriber) receive(t failer, m message) {
	t.Helper()
	if m.response != "" || m.out.Method != "NOTIFY" {
		t.Fatalf("not a NOTIFY: %+v", m)
	}
	w.state = m.header("Subscription-State")
	if got := m.header("Require"); got != "eventlist" {
		t.Errorf("Require is %q", got)
	}
	if len(m.out.Body) > 256<<10 {
		t.Errorf("body of %d bytes", len(m.out.Body))
	}
	if m.header("Content-Encoding") == "deflate" {
		text, err := inflate(m.out.Body)
		if err != nil || !deflated(m.out.Body) {
			t.Fatalf("a body that is not in the zlib format: %v", err)
		}
		m.out.Body = text
	}
	w.take(t, m.header("Content-Type"), m.out.Body)
}

// take takes a multipart body in.
func (w *subscriber) take(t failer, contentType string, body []byte) {
	t.Helper()
	root, parts := w.split(t, contentType, body)
	w.last, w.bodies = rlmiList{}, len(parts)
	if err := xml.Unmarshal(root, &w.last); err != nil {
		t.Fatalf("RLMI: %v\n%s", err, root)
	}
	w.apply(t, parts)
}

// split parses the multipart body with the standard library.
func (w *subscriber) split(t failer, contentType string, multi []byte) (root []byte, parts map[string]part) {
	t.Helper()
	mediaType, params, err := mime.ParseMediaType(contentType)
	if err != nil || mediaType != "multipart/related" || params["type"] != "application/rlmi+xml" {
		t.Fatalf("Content-Type %q: %v", contentType, err)
	}
	if !bytes.HasPrefix(multi, []byte("--"+params["boundary"]+"\r\n")) {
		t.Errorf("the body does not begin with its boundary")
	}
	r := multipart.NewReader(bytes.NewReader(multi), params["boundary"])
	parts = make(map[string]part)
	for {
		p, err := r.NextRawPart()
		if err == io.EOF {
			return root, parts
		}
		if err != nil {
			t.Fatalf("multipart: %v\n%s", err, multi)
		}
		id := p.Header.Get("Content-ID")
		if !strings.HasPrefix(id, "<") || !strings.HasSuffix(id, ">") {
			t.Fatalf("Content-ID %q", id)
		}
		if w.cids[id] {
			t.Errorf("Content-ID %s was used before", id)
		}
		w.cids[id] = true
		if enc := p.Header.Get("Content-Transfer-Encoding"); enc != "binary" {
			t.Errorf("transfer encoding %q", enc)
		}
		body, err := io.ReadAll(p)
		if err != nil {
			t.Fatalf("multipart: %v", err)
		}
		if root == nil {
			if id != params["start"] || !strings.HasPrefix(p.Header.Get("Content-Type"), "application/rlmi+xml") {
				t.Errorf("first part %s %q, start is %s", id, p.Header.Get("Content-Type"), params["start"])
			}
			root = body
			continue
		}
		kind := p.Header.Get("Content-Type")
		if !strings.HasPrefix(kind, w.member) && !strings.HasPrefix(kind, "multipart/related;") {
			t.Errorf("part is %q", kind)
		}
		parts[id[1:len(id)-1]] = part{kind, string(body)}
	}
}

// apply is the table of RFC 4662 §5.6.
func (w *subscriber) apply(t failer, parts map[string]part) {
	t.Helper()
	l := &w.last
	if l.URI != w.uri || l.Version == nil || l.FullState != "true" && l.FullState != "false" {
		t.Fatalf("list %+v", l)
	}
	version := int64(*l.Version)
	if version <= w.version {
		t.Fatalf("version %d after %d", version, w.version)
	}
	if l.FullState == "true" {
		w.table = make(map[string]row)
	} else if version != w.version+1 {
		w.gaps++
	}
	if w.version < 0 && l.FullState != "true" {
		t.Errorf("the first NOTIFY is partial")
	}
	w.version = version
	seen := make(map[string]bool)
	for _, r := range l.Resources {
		if seen[r.URI] {
			t.Errorf("%s occurs twice", r.URI)
		}
		seen[r.URI] = true
		known := row{name: strings.Join(r.Names, "|")}
		if len(r.Instances) > 1 {
			t.Fatalf("%d instances of %s", len(r.Instances), r.URI)
		}
		for _, i := range r.Instances {
			known.state, known.reason = i.State, i.Reason
			if i.ID == "" || (i.State == "active") != (i.CID != "") || (i.State == "terminated") != (i.Reason != "") {
				t.Errorf("instance %+v of %s", i, r.URI)
			}
			if i.CID == "" {
				continue
			}
			p, ok := parts[i.CID]
			if !ok {
				t.Errorf("no part for cid %s", i.CID)
			}
			delete(parts, i.CID)
			known.body = p.body
			if strings.HasPrefix(p.kind, "multipart/") {
				known.body = w.within(r.URI).read(t, p)
				w.gaps += w.within(r.URI).gaps
			}
		}
		w.table[r.URI] = known
	}
	if len(parts) > 0 {
		t.Errorf("parts nobody refers to: %v", parts)
	}
}

// within is the list in the list of this name.
func (w *subscriber) within(uri string) *subscriber {
	if w.nested[uri] == nil {
		w.nested[uri] = newSubscriber(uri)
		w.nested[uri].member = w.member
	}
	return w.nested[uri]
}

// read takes a nested list in and returns what it has.
func (w *subscriber) read(t failer, p part) string {
	t.Helper()
	w.take(t, p.kind, []byte(p.body))
	return fmt.Sprint(w.table)
}
