package xcap

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rollcall/internal/bus"
	"rollcall/internal/store"
	"rollcall/internal/store/memory"
	"rollcall/internal/xmlscan"
)

const listsURI = root + "/resource-lists/users/" + alice + "/index"

const listsType = "application/resource-lists+xml"

func TestDocumentLife(t *testing.T) { onStores(t, documentLife, "memory", "sqlite") }

func documentLife(t *testing.T, st store.Store) {
	ts := newTestServerOn(t, st)
	expect(t, "GET nothing", ts.get(docURI), 404, "")
	made := ts.put(docURI, sample)
	expect(t, "create", made, 201, "")
	got := ts.get(docURI)
	expect(t, "GET", got, 200, "")
	if got.body != sample || got.etag() != made.etag() || got.Header.Get("Content-Type") != "application/test-app+xml" {
		t.Errorf("%q %s %s", got.body, got.etag(), got.Header.Get("Content-Type"))
	}
	head := ts.do(http.MethodHead, docURI, "")
	if head.StatusCode != 200 || head.body != "" || head.Header.Get("Content-Length") != fmt.Sprint(len(sample)) || head.etag() != made.etag() {
		t.Errorf("HEAD: %d %v", head.StatusCode, head.Header)
	}
	changed := ts.put(docURI, "<r/>")
	expect(t, "replace", changed, 200, "")
	again := ts.put(docURI, "<r/>")
	expect(t, "same bytes", again, 200, "")
	if again.etag() != changed.etag() || changed.etag() == made.etag() {
		t.Errorf("entity-tags %s %s %s", made.etag(), changed.etag(), again.etag())
	}
	expect(t, "DELETE", ts.do(http.MethodDelete, docURI, ""), 200, "")
	expect(t, "DELETE again", ts.do(http.MethodDelete, docURI, ""), 404, "")
	bare := func(a answer) string { return strings.Trim(a.etag(), `"`) }
	key := store.DocumentKey{XUI: alice, AUID: "test-app", Path: "index"}
	want := []bus.DocumentChanged{
		{Key: key, NewETag: bare(made)},
		{Key: key, OldETag: bare(made), NewETag: bare(changed)},
		{Key: key, OldETag: bare(changed)},
	}
	if diff := cmp.Diff(want, ts.seen()); diff != "" {
		t.Errorf("events: %s", diff)
	}
}

// The same element again is no change either.
func TestSameElement(t *testing.T) {
	ts := newTestServer(t)
	ts.fresh(sample)
	n := len(ts.seen())
	tag := ts.get(docURI).etag()
	for target, body := range map[string]string{node("r/a[1]"): `<a k="1"/>`, node("r/a[1]/@k"): `"1"`} {
		a := ts.put(target, body)
		expect(t, target, a, 200, "")
		if a.etag() != tag {
			t.Errorf("%s: entity-tag %s, want %s", target, a.etag(), tag)
		}
	}
	if len(ts.seen()) != n {
		t.Error("an event for no change")
	}
}

// RFC 4825 §8.2.2: what the body must be.
func TestPutDocumentBody(t *testing.T) {
	ts := newTestServer(t)
	const lists = `<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"/>`
	for _, c := range []struct {
		rule, contentType, body string
		status                  int
		conflict                string
	}{
		{"type of the usage", listsType, lists, 201, ""},
		{"parameters ignored", `application/Resource-Lists+xml; charset="utf-8"`, lists, 201, ""},
		{"no type", "", lists, 201, ""},
		{"type of forms", "application/x-www-form-urlencoded", lists, 201, ""},
		{"other type", "application/xml", lists, 415, ""},
		{"type of elements", elementType, lists, 415, ""},
		{"not XML", listsType, "hello", 409, notWellFormed},
		{"nothing", listsType, "", 409, notWellFormed},
		{"document type declaration", listsType, "<!DOCTYPE x>" + lists, 409, notWellFormed},
		{"declared encoding", listsType, `<?xml version="1.0" encoding="ISO-8859-1"?>` + lists, 409, notUTF8},
		{"bytes", listsType, "<a>\xe9</a>", 409, notUTF8},
		{"schema", listsType, "<r/>", 409, "schema-validation-error"},
		{"uniqueness", listsType, `<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list name="a"/><list name="a"/></resource-lists>`, 409, "uniqueness-failure"},
		{"depth", listsType, strings.Repeat("<a>", 70) + strings.Repeat("</a>", 70), 409, "constraint-failure"},
		{"size", listsType, "<a>" + strings.Repeat(" ", 256<<10) + "</a>", 413, ""},
	} {
		a := ts.put(listsURI, c.body, "Content-Type", c.contentType)
		expect(t, c.rule, a, c.status, c.conflict)
		if a.conflict() != "" {
			d, err := xmlscan.Scan([]byte(a.body), xmlscan.Limits{})
			if err != nil || !d.Is(0, errorNamespace, "xcap-error") || d.Elements[d.Elements[0].First].Next >= 0 {
				t.Errorf("%s: body %q: %v", c.rule, a.body, err)
				continue
			}
			if phrase, _ := d.Attr(1, "", "phrase"); phrase == "" {
				t.Errorf("%s: no phrase in %s", c.rule, a.body)
			}
		}
		ts.do(http.MethodDelete, listsURI, "")
	}
	expect(t, "coded content", ts.put(listsURI, lists, "Content-Encoding", "gzip"), 415, "")
	expect(t, "part of a document", ts.put(listsURI, lists, "Content-Range", "bytes 0-1/2"), 400, "")
	ts.fresh(sample)
	expect(t, "element without type", ts.do(http.MethodPut, node("r/c"), "<c/>"), 415, "")
	expect(t, "element as attribute", ts.do(http.MethodPut, node("r/c"), "<c/>", "Content-Type", attributeType), 415, "")
	expect(t, "attribute as element", ts.do(http.MethodPut, node("r/@c"), "c", "Content-Type", elementType), 415, "")
}

// RFC 4825 §8.2.1: the parent of a document is a directory.
func TestPutPlace(t *testing.T) {
	ts := newTestServer(t, func(c *Config) { c.Quotas.Documents = 2 })
	base := root + "/test-app/users/" + alice
	expect(t, "directory", ts.put(base+"/dir/index", "<r/>"), 409, noParent)
	expect(t, "element in no document", ts.put(node("r/a"), "<a/>", "If-Match", `"x"`), 409, noParent)
	expect(t, "name the usage does not have", ts.put(root+"/pidf-manipulation/users/"+alice+"/other", "<r/>", "Content-Type", "application/pidf+xml"), 409, "constraint-failure")
	expect(t, "long name", ts.put(base+"/"+strings.Repeat("x", 300), "<r/>"), 409, "constraint-failure")
	expect(t, "first", ts.put(base+"/1", "<r/>"), 201, "")
	expect(t, "second", ts.put(base+"/2", "<r/>"), 201, "")
	expect(t, "third of two", ts.put(base+"/3", "<r/>"), 409, "constraint-failure")
	expect(t, "replacing still works", ts.put(base+"/2", "<s/>"), 200, "")
}

// RFC 4825 §7.11, §8.2.6, §8.5 and RFC 9110 §13.
func TestConditions(t *testing.T) { onStores(t, conditionsOn, "memory", "sqlite") }

func conditionsOn(t *testing.T, st store.Store) {
	ts := newTestServerOn(t, st)
	ts.fresh(sample)
	tag := ts.get(docURI).etag()
	bare := strings.Trim(tag, `"`)
	missing := root + "/test-app/users/" + alice + "/missing"
	for _, c := range []struct {
		method, target, body string
		header, value        string
		status               int
	}{
		{"GET", docURI, "", "If-None-Match", tag, 304},
		{"GET", docURI, "", "If-None-Match", `"a" , W/` + tag, 304},
		{"GET", docURI, "", "If-None-Match", bare, 304},
		{"GET", docURI, "", "If-None-Match", "*", 304},
		{"GET", docURI, "", "If-None-Match", `"old"`, 200},
		{"GET", docURI, "", "If-None-Match", `"*"`, 200},
		{"GET", node("r/a[1]"), "", "If-None-Match", tag, 304},
		{"GET", node("r/nope"), "", "If-None-Match", tag, 404},
		{"GET", docURI, "", "If-Match", `"old"`, 412},
		{"GET", missing, "", "If-None-Match", "*", 404},
		{"HEAD", docURI, "", "If-None-Match", tag, 304},
		{"PUT", docURI, "<n/>", "If-Match", `"old"`, 412},
		{"PUT", docURI, "<n/>", "If-Match", "W/" + tag, 412},
		{"PUT", docURI, "<n/>", "If-None-Match", "*", 412},
		{"PUT", docURI, "<n/>", "If-None-Match", tag, 412},
		{"PUT", docURI, sample, "If-Match", `"old"`, 412},
		{"PUT", docURI, "not xml", "If-Match", `"old"`, 412},
		{"PUT", missing, "<n/>", "If-Match", "*", 412},
		{"PUT", missing, "<n/>", "If-Match", tag, 412},
		{"PUT", node("r/new"), "<new/>", "If-None-Match", "*", 412},
		{"PUT", node("r/a[1]"), `<a k="1"/>`, "If-None-Match", "*", 412},
		{"PUT", node("r/new"), "<new/>", "If-Match", `"old"`, 412},
		{"PUT", node("r/nope/new"), "<new/>", "If-Match", `"old"`, 412},
		{"DELETE", docURI, "", "If-Match", `"old"`, 412},
		{"DELETE", missing, "", "If-Match", tag, 412},
		{"DELETE", node("r/b"), "", "If-Match", `"old"`, 412},
		{"DELETE", node("r/nope"), "", "If-Match", `"old"`, 404},
		{"PUT", docURI, sample, "If-Match", tag, 200},
		{"PUT", docURI, sample, "If-Match", `"old", ` + tag, 200},
	} {
		contentType := ""
		if strings.Contains(c.target, "~~") {
			contentType = elementType
		}
		a := ts.do(c.method, c.target, c.body, c.header, c.value, "Content-Type", contentType)
		expect(t, strings.Join([]string{c.method, c.target, c.header, c.value}, " "), a, c.status, "")
		if c.status == 304 && (a.etag() != tag || a.body != "") {
			t.Errorf("304: entity-tag %s, body %q", a.etag(), a.body)
		}
	}
	if got := ts.get(docURI); got.body != sample || got.etag() != tag {
		t.Errorf("document changed: %s", got.body)
	}
	expect(t, "create only", ts.put(missing, "<n/>", "If-None-Match", "*"), 201, "")
	expect(t, "creation of a node", ts.put(node("r/new"), "<new/>", "If-Match", tag), 201, "")
	tag = ts.get(docURI).etag()
	expect(t, "unquoted", ts.put(docURI, "<n/>", "If-Match", strings.Trim(tag, `"`)), 200, "")
	expect(t, "DELETE", ts.do(http.MethodDelete, docURI, "", "If-Match", ts.get(docURI).etag()), 200, "")
}

// racingStore is changed by somebody else in front of every write.
type racingStore struct {
	store.Store
	races int
}

func (s *racingStore) PutDocument(ctx context.Context, doc store.Document, expected string, claims []string) error {
	if s.races > 0 {
		s.races--
		d, err := s.Document(ctx, doc.DocumentKey)
		if err != nil {
			return err
		}
		was := d.ETag
		d.Body = []byte(strings.Replace(string(d.Body), "</r>", "<x/></r>", 1))
		d.ETag = fmt.Sprintf("race%d", s.races)
		if err := s.Store.PutDocument(ctx, d, was, nil); err != nil {
			return err
		}
	}
	return s.Store.PutDocument(ctx, doc, expected, claims)
}

// Another node's write in between: worked out anew, unless a condition forbids it.
func TestLostRace(t *testing.T) {
	st := &racingStore{Store: memory.New()}
	ts := newTestServerOn(t, st)
	ts.fresh("<r></r>")
	st.races = 3
	expect(t, "unconditional", ts.put(node("r/a"), "<a/>"), 201, "")
	if got := ts.get(docURI).body; got != "<r><x/><x/><x/><a/></r>" {
		t.Errorf("got %s", got)
	}
	st.races = 1
	expect(t, "If-Match", ts.put(node("r/b"), "<b/>", "If-Match", ts.get(docURI).etag()), 412, "")
	st.races = 1 << 20
	a := ts.put(node("r/b"), "<b/>")
	if a.StatusCode != 503 || a.Header.Get("Retry-After") == "" || !strings.Contains(a.body, "others keep changing") {
		t.Errorf("endless race: %d %s", a.StatusCode, a.body)
	}
}

// A store that is down is never mistaken for a document that is not there.
func TestStoreDown(t *testing.T) {
	st := memory.New()
	ts := newTestServerOn(t, st)
	ts.fresh(sample)
	st.Fail(store.ErrUnavailable)
	for _, a := range []answer{
		ts.get(docURI), ts.get(node("r")), ts.put(docURI, "<n/>", "If-None-Match", "*"), ts.put(node("r/a[1]"), "<a/>"), ts.do(http.MethodDelete, docURI, "", "If-Match", `"old"`),
	} {
		if a.StatusCode != 503 || a.Header.Get("Retry-After") == "" || !strings.Contains(a.body, "try again later") {
			t.Errorf("%s: %d %s", a.Request.Method, a.StatusCode, a.body)
		}
	}
	st.Fail(fmt.Errorf("disk on fire"))
	if a := ts.get(docURI); a.StatusCode != 500 {
		t.Errorf("other failure: %d", a.StatusCode)
	}
}

// forgetfulStore writes and then cannot say so.
type forgetfulStore struct{ store.Store }

func (s forgetfulStore) PutDocument(ctx context.Context, doc store.Document, expected string, claims []string) error {
	if err := s.Store.PutDocument(ctx, doc, expected, claims); err != nil {
		return err
	}
	return fmt.Errorf("connection lost: %w", store.ErrUnavailable)
}

// A write of unknown outcome is announced: policy and lists must not go on with
// what they compiled from the document before.
func TestUnknownOutcome(t *testing.T) {
	ts := newTestServerOn(t, forgetfulStore{memory.New()})
	expect(t, "PUT", ts.put(docURI, sample), 503, "")
	if n := len(ts.seen()); n != 1 {
		t.Errorf("%d events", n)
	}
	expect(t, "GET", ts.get(docURI), 200, "")
	expect(t, "refused", ts.put(docURI, "<r>"), 409, notWellFormed)
	if n := len(ts.seen()); n != 1 {
		t.Errorf("%d events after a refusal", n)
	}
}

// No edit makes a document larger than one that could be put.
func TestEditedDocumentTooLarge(t *testing.T) {
	ts := newTestServer(t, func(c *Config) { c.Limits.Bytes = 100 })
	ts.fresh("<r><a>" + strings.Repeat("x", 40) + "</a></r>")
	expect(t, "element", ts.put(node("r/b"), "<b>"+strings.Repeat("x", 60)+"</b>"), 409, "constraint-failure")
	expect(t, "attribute", ts.put(node("r/@b"), strings.Repeat("x", 60)), 409, "constraint-failure")
	expect(t, "body", ts.put(node("r/b"), "<b>"+strings.Repeat("x", 200)+"</b>"), 413, "")
}

// RFC 4825 §8.2.3: a fragment takes the default namespace of its parent.
func TestFragmentNamespace(t *testing.T) {
	ts := newTestServer(t)
	ts.mustPut(listsURI, `<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list name="l"/></resource-lists>`)
	entry := listsURI + "/~~/" + escape(`resource-lists/list[@name="l"]/entry[@uri="sip:bob@example.test"]`)
	const body = `<entry uri="sip:bob@example.test"><display-name>Bob</display-name></entry>`
	expect(t, "PUT", ts.put(entry, body), 201, "")
	if got := ts.get(entry); got.body != body {
		t.Errorf("GET: %q", got.body)
	}
	expect(t, "unknown element", ts.put(listsURI+"/~~/resource-lists/list%5b1%5d/nonsense", "<nonsense/>"), 409, "schema-validation-error")
	expect(t, "other namespace", ts.put(listsURI+"/~~/resource-lists/list%5b1%5d/p:n?xmlns(p=urn:x)", `<n xmlns="urn:x"/>`), 201, "")
}

// The root of rule documents is in another namespace than their permissions:
// an unprefixed selector finds it all the same.
func TestAlternativeNamespace(t *testing.T) {
	ts := newTestServer(t)
	for _, auid := range []string{"pres-rules", "org.openmobilealliance.pres-rules"} {
		uri := root + "/" + auid + "/users/" + alice + "/index"
		ts.mustPut(uri, `<cr:ruleset xmlns:cr="urn:ietf:params:xml:ns:common-policy" xmlns:pr="urn:ietf:params:xml:ns:pres-rules"><cr:rule id="a"><cr:actions><pr:sub-handling>block</pr:sub-handling></cr:actions></cr:rule></cr:ruleset>`)
		expect(t, "GET", ts.get(uri+"/~~/"+escape(`ruleset/rule[@id="a"]`)), 200, "")
		expect(t, "PUT", ts.put(uri+"/~~/"+escape(`ruleset/rule[@id="b"]`), `<cr:rule id="b"/>`), 201, "")
		expect(t, "attribute", ts.put(uri+"/~~/"+escape(`ruleset/rule[2]/@id`), "c"), 200, "")
		expect(t, "DELETE", ts.do(http.MethodDelete, uri+"/~~/"+escape(`ruleset/rule[@id="c"]`), ""), 200, "")
		expect(t, "neither", ts.put(uri+"/~~/ruleset/nope/rule", `<cr:rule id="b"/>`), 409, noParent)
	}
}

// RFC 4826 §4.4.5: a service URI belongs to one document of the server.
func TestServiceURITaken(t *testing.T) {
	ts := newTestServer(t)
	doc := func(user, service string) string {
		return fmt.Sprintf(`<rls-services xmlns="urn:ietf:params:xml:ns:rls-services"><service uri="%s"><resource-list>http://h%s/resource-lists/users/%s/index/~~/resource-lists/list%%5b@name=%%22l%%22%%5d</resource-list></service></rls-services>`, service, root, user)
	}
	uri := func(user string) string { return root + "/rls-services/users/" + user + "/index" }
	as := func(user string) []string { return []string{assertedIdentity, user} }
	expect(t, "first", ts.put(uri(alice), doc(alice, "sip:team@example.test"), as(alice)...), 201, "")
	a := ts.put(uri(bob), doc(bob, "sip:team@example.test"), as(bob)...)
	expect(t, "second", a, 409, "uniqueness-failure")
	if !strings.Contains(a.body, `<exists field="rls-services/service`) {
		t.Errorf("no field: %s", a.body)
	}
	expect(t, "given up", ts.do(http.MethodDelete, uri(alice), ""), 200, "")
	expect(t, "taken over", ts.put(uri(bob), doc(bob, "sip:team@example.test"), as(bob)...), 201, "")
	index := root + "/rls-services/global/index"
	expect(t, "index for its reader", ts.get(index, as(bob)...), 200, "")
	expect(t, "index for others", ts.get(index), 404, "")
}
