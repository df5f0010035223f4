package xcap

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"rollcall/internal/store"
	"rollcall/internal/store/memory"
	"rollcall/internal/xmlscan"
	"rollcall/xcap/usage"
)

const listsNS = "urn:ietf:params:xml:ns:resource-lists"

func list(content string) string {
	return `<resource-lists xmlns="` + listsNS + `" xmlns:x="urn:x"><list name="l">` + content + `</list></resource-lists>`
}

// RFC 4826 §3.4.5.
func TestListRules(t *testing.T) {
	ts := newTestServer(t)
	for _, c := range []struct {
		rule, body string
		status     int
		conflict   string
		field      string
	}{
		{"siblings of one name", list(`<list name="a"/><list name="a"/>`), 409, usage.UniquenessFailure, "resource-lists/list%5b1%5d/list%5b2%5d/@name"},
		{"siblings without name", list(`<list/><list/>`), 201, "", ""},
		{"strings differ", list(`<entry uri="sip:A@x"/><entry uri="sip:a@x"/><entry uri="sip:a@X.com"/><entry uri="sip:a@x.com"/>`), 201, "", ""},
		{"same entry in a nested list", list(`<entry uri="sip:a@x"/><list><entry uri="sip:a@x"/></list>`), 201, "", ""},
		{"same entry twice", list(`<entry uri="sip:a@x"/><entry uri="sip:a@x"/>`), 409, usage.UniquenessFailure, "resource-lists/list%5b1%5d/entry%5b2%5d/@uri"},
		{"ref with leading slash", list(`<entry-ref ref="/resource-lists/users/sip:a@x/index/~~/resource-lists"/>`), 409, usage.ConstraintFailure, ""},
		{"relative anchor", list(`<external anchor="index/~~/resource-lists/list"/>`), 409, usage.ConstraintFailure, ""},
		{"foreign element before an entry", list(`<x:y/><entry uri="sip:a@x"/>`), 409, usage.SchemaValidationError, ""},
		{"foreign element behind", list(`<entry uri="sip:a@x"/><x:y z="1"><q xmlns=""/></x:y>`), 201, "", ""},
	} {
		a := ts.put(listsURI, c.body)
		expect(t, c.rule, a, c.status, c.conflict)
		if c.field != "" {
			ts.checkField(a, c.rule, c.field)
		}
		if c.status == 201 {
			if got := ts.get(listsURI).body; got != c.body {
				t.Errorf("%s: stored %s", c.rule, got)
			}
		}
		ts.do(http.MethodDelete, listsURI, "")
	}
}

// checkField: a uniqueness-failure names the field, percent-encoded (RFC 4825 §11).
func (ts *testServer) checkField(a answer, rule, want string) {
	ts.t.Helper()
	d, err := xmlscan.Scan([]byte(a.body), xmlscan.Limits{})
	if err != nil {
		ts.t.Fatalf("%s: %v", rule, err)
	}
	for i := range d.Elements {
		if d.Is(i, errorNamespace, "exists") {
			if field, _ := d.Attr(i, "", "field"); field != want {
				ts.t.Errorf("%s: field %s, want %s", rule, field, want)
			}
			return
		}
	}
	ts.t.Errorf("%s: no field in %s", rule, a.body)
}

// RFC 4826 §4.4.5.
func TestServiceRules(t *testing.T) {
	ts := newTestServer(t)
	uri := root + "/rls-services/users/" + alice + "/index"
	service := func(attr, content string) string {
		return `<rls-services xmlns="urn:ietf:params:xml:ns:rls-services"><service uri="` + attr + `">` + content + `</service></rls-services>`
	}
	reference := func(user string) string {
		return "<resource-list>http://h" + root + "/resource-lists/users/" + user + "/index/~~/resource-lists/list%5b1%5d</resource-list>"
	}
	for _, c := range []struct {
		rule, body, conflict string
	}{
		{"list and reference", service("sip:t@example.test", "<list/>"+reference(alice)), usage.SchemaValidationError},
		{"neither", service("sip:t@example.test", ""), usage.SchemaValidationError},
		{"URI of a user", service(bob, reference(alice)), usage.UniquenessFailure},
		{"another user's list", service("sip:t@example.test", reference(bob)), usage.ConstraintFailure},
	} {
		a := ts.put(uri, c.body)
		expect(t, c.rule, a, 409, c.conflict)
		if c.conflict == usage.UniquenessFailure {
			ts.checkField(a, c.rule, "rls-services/service%5b1%5d/@uri")
			if !strings.Contains(a.body, "<alt-value>sip:") {
				t.Errorf("%s: no alt-value in %s", c.rule, a.body)
			}
		}
	}
	// RFC 4825 §8.2.7: the index is current by the time of the answer.
	expect(t, "PUT", ts.put(uri, service("sip:t@example.test", reference(alice))), 201, "")
	index := func() string { return ts.get(root+"/rls-services/global/index", assertedIdentity, bob).body }
	if !strings.Contains(index(), `uri="sip:t@example.test"`) {
		t.Errorf("index %s", index())
	}
	other := strings.TrimSuffix(uri, "index") + "other"
	expect(t, "other document", ts.put(other, service("sip:o@example.test", reference(alice))), 201, "")
	if strings.Contains(index(), "sip:o@example.test") {
		t.Error("the index has services of documents that are not named index")
	}
	expect(t, "DELETE", ts.do(http.MethodDelete, uri, ""), 200, "")
	if strings.Contains(index(), "sip:t@example.test") {
		t.Error("the index has a service that is gone")
	}
}

// claimingStore lets somebody else claim a string in front of a write.
type claimingStore struct {
	store.Store
	claim string
}

func (s *claimingStore) PutDocument(ctx context.Context, doc store.Document, expected string, claims []string) error {
	if claim := s.claim; claim != "" {
		s.claim = ""
		theirs := store.Document{DocumentKey: store.DocumentKey{XUI: bob, AUID: "rls-services", Path: "index"}, Body: []byte("<r/>"), ETag: "theirs"}
		if err := s.Store.PutDocument(ctx, theirs, "", []string{claim}); err != nil {
			return err
		}
	}
	return s.Store.PutDocument(ctx, doc, expected, claims)
}

// A claim that is lost between check and write names its field all the same.
func TestLostClaim(t *testing.T) {
	ts := newTestServerOn(t, &claimingStore{Store: memory.New(), claim: "sip:team@example.test"})
	a := ts.put(root+"/rls-services/users/"+alice+"/index", services(root, alice, "sip:team@example.test"))
	expect(t, "PUT", a, 409, usage.UniquenessFailure)
	ts.checkField(a, "PUT", "rls-services/service%5b1%5d/@uri")
}

// RFC 9110 §9.3.7, §10.2.1: what a resource can do, before and after it is there.
func TestAllow(t *testing.T) {
	ts := newTestServer(t)
	for range 2 {
		for target, allow := range map[string]string{
			docURI:                                strings.Replace(all, "PUT", "PUT, PATCH", 1),
			node("r/a[1]"):                        all,
			node("r/a[1]/@k"):                     all,
			node("r/namespace::*"):                "GET, HEAD, OPTIONS",
			root + "/xcap-caps/global/index":      "GET, HEAD, OPTIONS",
			root + "/resource-lists/global/index": "",
		} {
			for method, status := range map[string]int{"OPTIONS": 204, "POST": 405, "TRACE": 405} {
				a := ts.do(method, target, "")
				if allow == "" {
					status = 404
				}
				if a.StatusCode != status || a.Header.Get("Allow") != allow || a.body != "" {
					t.Errorf("%s %s: %d, Allow %q, body %q", method, target, a.StatusCode, a.Header.Get("Allow"), a.body)
				}
			}
		}
		ts.mustPut(docURI, sample)
	}
	expect(t, "nobody's", ts.do("OPTIONS", root+"/test-app/users/sip:nobody@example.test/index", ""), 404, "")
	expect(t, "stranger", ts.do("OPTIONS", root+"/test-app/users/"+bob+"/index", ""), 403, "")
}

const all = "GET, HEAD, PUT, DELETE, OPTIONS"

// Clients exist that look for header names as the standards spell them.
func TestHeaderSpelling(t *testing.T) {
	ts := newTestServer(t)
	ts.fresh(sample)
	for _, c := range []struct{ who, line string }{
		{alice, `\r\nETag: "[0-9A-Z]+"\r\n`},
		{"", `\r\nWWW-Authenticate: Digest realm="example\.test", .*algorithm=MD5.*\r\n(.*\r\n)*WWW-Authenticate: Digest .*SHA-256`},
	} {
		conn := ts.dial()
		request := "GET " + docURI + " HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
		if c.who != "" {
			request += assertedIdentity + ": " + c.who + "\r\n"
		}
		_, _ = io.WriteString(conn, request+"\r\n")
		got, err := io.ReadAll(conn)
		if err != nil {
			t.Fatal(err)
		}
		head, _, _ := strings.Cut(string(got), "\r\n\r\n")
		if !regexp.MustCompile(c.line).MatchString(head + "\r\n") {
			t.Errorf("%s: %s", c.line, head)
		}
	}
}

// HEAD is GET without the body, whatever is named.
func TestHead(t *testing.T) {
	ts := newTestServer(t)
	ts.fresh(`<r xmlns:p="urn:p"><a k="1"/></r>`)
	for _, target := range []string{docURI, node("r/a"), node("r/a/@k"), node("r/namespace::*"), node("r/nope"), root + "/xcap-caps/global/index"} {
		get, head := ts.get(target), ts.do(http.MethodHead, target, "")
		if head.StatusCode != get.StatusCode || head.body != "" || head.etag() != get.etag() ||
			head.Header.Get("Content-Length") != fmt.Sprint(len(get.body)) || head.Header.Get("Content-Type") != get.Header.Get("Content-Type") {
			t.Errorf("%s: %d %v", target, head.StatusCode, head.Header)
		}
	}
}

// The ancestor of a no-parent can be followed, prefixes included (RFC 4825 §11).
func TestAncestorWithPrefixes(t *testing.T) {
	ts := newTestServer(t)
	ts.fresh(`<p:r xmlns:p="urn:a b(c)"><p:s k="ä&quot;/"/></p:r>`)
	a := ts.put(docURI+"/~~/q:r/q:s%5b@k='%c3%a4%22/'%5d/x/y?xmlns(q=urn:a%20b(c))", "<y/>")
	expect(t, "PUT", a, 409, noParent)
	d, err := xmlscan.Scan([]byte(a.body), xmlscan.Limits{})
	if err != nil || len(d.Elements) != 3 || !d.Is(2, errorNamespace, "ancestor") {
		t.Fatalf("%v: %s", err, a.body)
	}
	ancestor := d.Text(2)
	if strings.ContainsAny(ancestor, `"[] `) || strings.ContainsFunc(ancestor, func(r rune) bool { return r > 126 }) {
		t.Errorf("not percent-encoded: %s", ancestor)
	}
	if got := ts.get(ancestor); got.body != `<p:s k="ä&quot;/"/>` {
		t.Errorf("%s: %d %s", ancestor, got.StatusCode, got.body)
	}
}
