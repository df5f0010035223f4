package rls

import (
	"bytes"
	"encoding/xml"
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
}

// row is what the subscriber knows of one resource.
type row struct{ state, reason, body, name string }

type rlmiList struct {
	XMLName   xml.Name       `xml:"urn:ietf:params:xml:ns:rlmi list"`
	URI       string         `xml:"uri,attr"`
	Version   *uint32        `xml:"version,attr"`
	FullState string         `xml:"fullState,attr"`
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
	return &subscriber{uri: uri, version: -1, table: make(map[string]row), cids: make(map[string]bool)}
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
	root, parts := w.split(t, m)
	w.last, w.bodies = rlmiList{}, len(parts)
	if err := xml.Unmarshal(root, &w.last); err != nil {
		t.Fatalf("RLMI: %v\n%s", err, root)
	}
	w.apply(t, parts)
}

// split parses the multipart body with the standard library.
func (w *subscriber) split(t failer, m message) (root []byte, parts map[string]string) {
	t.Helper()
	mediaType, params, err := mime.ParseMediaType(m.header("Content-Type"))
	if err != nil || mediaType != "multipart/related" || params["type"] != "application/rlmi+xml" {
		t.Fatalf("Content-Type %q: %v", m.header("Content-Type"), err)
	}
	if !bytes.HasPrefix(m.out.Body, []byte("--"+params["boundary"]+"\r\n")) {
		t.Errorf("the body does not begin with its boundary")
	}
	r := multipart.NewReader(bytes.NewReader(m.out.Body), params["boundary"])
	parts = make(map[string]string)
	for {
		p, err := r.NextRawPart()
		if err == io.EOF {
			return root, parts
		}
		if err != nil {
			t.Fatalf("multipart: %v\n%s", err, m.out.Body)
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
		if !strings.HasPrefix(p.Header.Get("Content-Type"), "application/pidf+xml") {
			t.Errorf("part is %q", p.Header.Get("Content-Type"))
		}
		parts[id[1:len(id)-1]] = string(body)
	}
}

// apply is the table of RFC 4662 §5.6.
func (w *subscriber) apply(t failer, parts map[string]string) {
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
			body, ok := parts[i.CID]
			if !ok {
				t.Errorf("no part for cid %s", i.CID)
			}
			delete(parts, i.CID)
			known.body = body
		}
		w.table[r.URI] = known
	}
	if len(parts) > 0 {
		t.Errorf("parts nobody refers to: %v", parts)
	}
}
