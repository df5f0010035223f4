package xcapdiff

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"rollcall/internal/bus"
	"rollcall/internal/store"
	"rollcall/internal/store/memory"
	"rollcall/internal/wheel"
	"rollcall/internal/xmlscan"
	"rollcall/sip/event"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	amy = "sip:amy@example.test"
	bob = "sip:bob@example.test"
)

// parsed is an XCAP diff document as an XML library sees it.
type parsed struct {
	XMLName   xml.Name `xml:"urn:ietf:params:xml:ns:xcap-diff xcap-diff"`
	Root      string   `xml:"xcap-root,attr"`
	Documents []struct {
		Sel      string  `xml:"sel,attr"`
		Previous *string `xml:"previous-etag,attr"`
		New      *string `xml:"new-etag,attr"`
		Content  string  `xml:",innerxml"`
	} `xml:"urn:ietf:params:xml:ns:xcap-diff document"`
	Elements   []node `xml:"urn:ietf:params:xml:ns:xcap-diff element"`
	Attributes []node `xml:"urn:ietf:params:xml:ns:xcap-diff attribute"`
}

type node struct {
	Sel     string `xml:"sel,attr"`
	Exists  string `xml:"exists,attr"`
	Content string `xml:",innerxml"`
}

// desk is a subscription of amy to changes of documents.
type desk struct {
	t     *testing.T
	store *memory.Store
	s     *Service
	sub   *event.Subscription
	src   event.Source
	tag   string
}

func body(uris ...string) []byte {
	b := []byte(`<?xml version="1.0"?><rl:resource-lists xmlns:rl="urn:ietf:params:xml:ns:resource-lists"><rl:list>`)
	for _, uri := range uris {
		b = append(xmlscan.EscapeAttr(append(b, `<rl:entry uri="`...), uri), `"/>`...)
	}
	return append(b, "</rl:list></rl:resource-lists>"...)
}

func newService(t *testing.T, st *memory.Store) *Service {
	w := wheel.New(50 * time.Millisecond)
	t.Cleanup(w.Stop)
	return New(Config{
		Documents: st, Wheel: w, Roots: []string{"/xcap-root"}, Root: func() string { return "http://xcap.example.test/xcap-root/" },
		Usages: map[string]Usage{
			"resource-lists": {Namespaces: []string{"urn:ietf:params:xml:ns:resource-lists"}},
			"pres-rules":     {Namespaces: []string{"urn:ietf:params:xml:ns:pres-rules", "urn:ietf:params:xml:ns:common-policy"}},
			"xcap-caps": {Global: func(_ context.Context, who, path string) (store.Document, bool, error) {
				return store.Document{ETag: "caps1", Body: []byte("<c/>")}, path == "index", nil
			}},
		},
	})
}

func newDesk(t *testing.T, uris ...string) *desk {
	t.Helper()
	d := &desk{t: t, store: memory.New()}
	d.s = newService(t, d.store)
	d.open(uris...)
	return d
}

func (d *desk) open(uris ...string) {
	d.t.Helper()
	d.sub = &event.Subscription{Event: Event, Resource: amy, Watcher: amy, ContentType: listType, Body: body(uris...)}
	var err error
	if d.src, err = d.s.Open(context.Background(), d.sub); err != nil {
		d.t.Fatal(err)
	}
}

func key(auid, path string) store.DocumentKey {
	return store.DocumentKey{XUI: amy, AUID: auid, Path: path}
}

// put stores a version of a document; an empty text removes it.
func (d *desk) put(key store.DocumentKey, etag, text string) {
	d.t.Helper()
	ctx := context.Background()
	old, _ := d.store.Document(ctx, key)
	var err error
	if text == "" {
		err = d.store.DeleteDocument(ctx, key, old.ETag, store.Origin{})
	} else {
		err = d.store.PutDocument(ctx, store.Document{DocumentKey: key, Body: []byte(text), ETag: etag, Modified: time.Now()}, old.ETag, nil)
	}
	if err != nil {
		d.t.Fatal(err)
	}
}

// view returns a report in short: "sel=old>new" for documents, "sel:content" for
// parts of them.
func (d *desk) view(full bool) string {
	d.t.Helper()
	v, ok := d.src.View(full)
	if !ok {
		return "nothing"
	}
	if _, err := xmlscan.Scan(v.Body, xmlscan.DefaultLimits()); err != nil {
		d.t.Fatalf("%v in\n%s", err, v.Body)
	}
	var doc parsed
	if err := xml.Unmarshal(v.Body, &doc); err != nil {
		d.t.Fatalf("%v in\n%s", err, v.Body)
	}
	if v.State != event.Active || v.ContentType != contentType || v.Tag == "" || doc.Root != "http://xcap.example.test/xcap-root/" {
		d.t.Errorf("view %+v of\n%s", v, v.Body)
	}
	d.tag = v.Tag
	var parts []string
	text := func(s *string) string {
		if s == nil {
			return ""
		}
		return *s
	}
	for _, x := range doc.Documents {
		if x.Content != "" {
			d.t.Errorf("RFC 5875 §4.3: patches without being asked for: %s", x.Content)
		}
		parts = append(parts, fmt.Sprintf("%s=%s>%s", x.Sel, text(x.Previous), text(x.New)))
	}
	for _, x := range append(doc.Elements, doc.Attributes...) {
		if x.Exists != "" {
			x.Content = "exists=" + x.Exists
		}
		parts = append(parts, x.Sel+":"+x.Content)
	}
	return strings.Join(parts, " ")
}

func (d *desk) want(full bool, want string) {
	d.t.Helper()
	if got := d.view(full); got != want {
		d.t.Errorf("report %q, want %q", got, want)
	}
}

const (
	lists = "resource-lists/users/sip%3Aamy%40example.test/index"
	rules = "pres-rules/users/sip%3Aamy%40example.test/index"
)

// The life of a document (RFC 5874 §3, RFC 5875 §4.7).
func TestDocument(t *testing.T) {
	d := newDesk(t, lists, rules)
	d.want(true, "")
	d.put(key("resource-lists", "index"), "v1", "<a/>")
	d.want(false, lists+"=>v1")
	d.want(false, "nothing")
	d.put(key("resource-lists", "index"), "v2", "<b/>")
	d.want(false, lists+"=v1>v2")
	d.put(key("resource-lists", "other"), "x", "<b/>")
	d.want(false, "nothing")
	d.want(true, lists+"=>v2")
	d.put(key("resource-lists", "index"), "", "")
	d.want(false, lists+"=v2>")
	d.want(false, "nothing")
	d.put(key("resource-lists", "index"), "v3", "<c/>")
	d.want(false, lists+"=>v3")
}

// One document per report: Blink compares the last entity-tag with all documents.
func TestOneDocumentPerReport(t *testing.T) {
	d := newDesk(t, lists, rules)
	d.want(true, "")
	d.put(key("resource-lists", "index"), "v1", "<a/>")
	d.put(key("pres-rules", "index"), "w1", "<a/>")
	d.want(false, rules+"=>w1")
	d.want(false, lists+"=>v1")
	d.want(false, "nothing")
	d.want(true, rules+"=>w1 "+lists+"=>v1")
}

// What a lost report said is said again, after a SUBSCRIBE not (RFC 5875 §4.7).
func TestLostRemoval(t *testing.T) {
	d := newDesk(t, lists)
	d.put(key("resource-lists", "index"), "v1", "<a/>")
	d.want(true, lists+"=>v1")
	d.put(key("resource-lists", "index"), "", "")
	d.want(false, lists+"=v1>")
	d.want(true, lists+"=v1>")
	d.want(false, "nothing")
	if err := d.src.Refreshed(); err != nil {
		t.Fatal(err)
	}
	d.want(true, "")
}

const listDoc = `<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists" xmlns:x="urn:x"><list name="a&amp;b"%s><entry uri="sip:b@h"/></list></resource-lists>`

// Subscribed to a missing attribute, which is then created and deleted with its
// document: empty root; attribute with text; attribute exists="0".
func TestAttribute(t *testing.T) {
	const sel = lists + "/~~/resource-lists/list%5b1%5d/@name"
	d := newDesk(t, sel)
	d.want(true, "")
	d.put(key("resource-lists", "index"), "v1", fmt.Sprintf(listDoc, ""))
	d.want(false, sel+":a&amp;b")
	d.put(key("resource-lists", "index"), "v2", fmt.Sprintf(listDoc, ` x:other="1"`))
	d.want(false, "nothing") // another part of the document
	d.put(key("resource-lists", "index"), "", "")
	d.want(false, sel+":exists=0")
	d.want(false, "nothing")
}

// Elements come with their content, and the declarations it needs above it.
func TestElement(t *testing.T) {
	const sel = `resource-lists/users/sip:amy@example.test/index/~~/resource-lists/list/entry[@uri="sip:b@h"]`
	d := newDesk(t, sel)
	d.put(key("resource-lists", "index"), "v1", fmt.Sprintf(listDoc, ""))
	d.want(true, sel+`:<entry uri="sip:b@h"/>`)
	v, _ := d.src.View(true)
	doc, err := xmlscan.Scan(v.Body, xmlscan.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	if last := len(doc.Elements) - 1; !doc.Is(last, "urn:ietf:params:xml:ns:resource-lists", "entry") || !doc.Is(last-1, namespace, "element") {
		t.Errorf("names are lost in\n%s", v.Body)
	}
	d.put(key("resource-lists", "index"), "v2", `<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"/>`)
	d.want(false, sel+":exists=0")
}

// A name without prefix stands for each of the usage's namespaces in turn.
func TestUnprefixedNames(t *testing.T) {
	const sel = rules + "/~~/ruleset/@x"
	d := newDesk(t, sel)
	d.put(key("pres-rules", "index"), "v1", `<ruleset xmlns="urn:ietf:params:xml:ns:common-policy" x="1"/>`)
	d.want(true, sel+":1")
}

// Subscribed to a collection, a document is deleted: previous-etag only. A
// document named by itself as well is reported once, as named.
func TestCollection(t *testing.T) {
	for _, uri := range []string{"resource-lists/", "resource-lists/users/", "resource-lists/users/sip%3aamy@example.test/", "/xcap-root/resource-lists/users/amy@example.test/",
		"http://elsewhere/xcap-root/resource-lists/"} {
		d := newDesk(t, uri, lists)
		d.put(key("resource-lists", "index"), "v1", "<a/>")
		d.put(key("resource-lists", "dir/more"), "w1", "<a/>")
		d.put(key("pres-rules", "index"), "x1", "<a/>")
		d.want(true, lists+"=>v1 resource-lists/users/sip:amy@example.test/dir/more=>w1")
		d.put(key("resource-lists", "dir/more"), "", "")
		d.want(false, "resource-lists/users/sip:amy@example.test/dir/more=w1>")
	}
	d := newDesk(t, "resource-lists/users/sip:amy@example.test/dir/")
	d.put(key("resource-lists", "index"), "v1", "<a/>")
	d.put(key("resource-lists", "dir/more"), "w1", "<a/>")
	d.want(true, "resource-lists/users/sip:amy@example.test/dir/more=>w1")
}

// RFC 5875 §4.7: sel is octet for octet what the entry said; what cannot be read,
// or is no resource, is left out without a word.
func TestSelectors(t *testing.T) {
	tests := []struct {
		uri  string
		seen bool
	}{
		{lists, true},
		{"resource-lists/users/sip:amy@example.test/index", true},
		{"resource-lists/users/amy@example.test/index", true},
		{"/xcap-root/" + lists, true},
		{"http://xcap.example.test:8080/xcap-root/" + lists, true},
		{"https://elsewhere/xcap-root/" + lists, true},
		{"xcap-caps/global/index", true},
		{"resource-lists/users/sip:bob@example.test/index", false},
		{"resource-lists/users/sip:bob@example.test/", false},
		{lists + "/~~/a/namespace::*", false},
		{"/other-root/" + lists, false},
		{"unknown/users/sip:amy@example.test/index", false},
		{"unknown/global/index", false},
		{"xcap-caps/global/other", false},
		{"resource-lists", false},
		{"/", false},
		{"", false},
		{"%zz", false},
		{lists + "/~~/a[", false},
	}
	for _, test := range tests {
		d := newDesk(t, test.uri)
		d.put(key("resource-lists", "index"), "v1", "<a/>")
		other := key("resource-lists", "index")
		other.XUI = bob
		d.put(other, "v1", "<a/>")
		want := ""
		if test.seen {
			want = test.uri + "=>v1"
			if strings.HasPrefix(test.uri, "xcap-caps") {
				want = test.uri + "=>caps1"
			}
		}
		d.want(true, want)
	}
}

// RFC 5875 §4.4 and §4.7: a refresh may bring another list, and a body that
// cannot be used changes nothing.
func TestRefresh(t *testing.T) {
	d := newDesk(t, lists)
	d.put(key("resource-lists", "index"), "v1", "<a/>")
	d.put(key("pres-rules", "index"), "w1", "<a/>")
	d.want(true, lists+"=>v1")
	first := d.tag
	d.sub.Body = body(rules)
	if err := d.src.Refreshed(); err != nil {
		t.Fatal(err)
	}
	d.want(true, rules+"=>w1")
	d.sub.Body = body(rules, lists)
	if err := d.src.Refreshed(); err != nil {
		t.Fatal(err)
	}
	d.want(true, rules+"=>w1 "+lists+"=>v1")
	both := d.tag
	d.sub.Body = body(lists, rules)
	if err := d.src.Refreshed(); err != nil {
		t.Fatal(err)
	}
	d.view(true)
	if d.tag != both || both == first {
		t.Error("the order of the list makes no other state, another list does")
	}
}

func TestRefused(t *testing.T) {
	many := make([]string, maxTargets+1)
	for i := range many {
		many[i] = fmt.Sprint("resource-lists/users/amy@example.test/", i)
	}
	tests := []struct {
		name string
		sub  *event.Subscription
		want int
	}{
		{"no body", &event.Subscription{Resource: amy, Watcher: amy}, 400},
		{"other type", &event.Subscription{Resource: amy, Watcher: amy, ContentType: "text/plain", Body: body(lists)}, 415},
		{"not XML", &event.Subscription{Resource: amy, Watcher: amy, ContentType: listType, Body: []byte("<a")}, 400},
		{"other root", &event.Subscription{Resource: amy, Watcher: amy, ContentType: listType, Body: []byte("<resource-lists/>")}, 400},
		{"too many", &event.Subscription{Resource: amy, Watcher: amy, ContentType: listType, Body: body(many...)}, 413},
		{"nobody", &event.Subscription{Resource: amy, ContentType: listType, Body: body(lists)}, 403},
		{"somebody else", &event.Subscription{Resource: amy, Watcher: bob, ContentType: listType, Body: body(lists)}, 403},
	}
	for _, test := range tests {
		_, err := newService(t, memory.New()).Open(context.Background(), test.sub)
		if refusal, ok := errors.AsType[*event.Refusal](err); !ok || refusal.Status != test.want {
			t.Errorf("%s: %v, want %d", test.name, err, test.want)
		}
	}
}

// What one may read of somebody else is a matter of the XCAP server's rules.
func TestReadable(t *testing.T) {
	st := memory.New()
	s := newService(t, st)
	s.cfg.Readable = func(who string, key store.DocumentKey) bool { return who == key.XUI || key.AUID == "pres-content" }
	d := &desk{t: t, store: st, s: s}
	d.put(key("pres-content", "icon"), "v1", "<a/>")
	d.sub = &event.Subscription{Resource: amy, Watcher: bob, ContentType: listType, Body: body("pres-content/users/sip:amy@example.test/icon", lists)}
	var err error
	if d.src, err = s.Open(context.Background(), d.sub); err != nil {
		t.Fatal(err)
	}
	d.want(true, "pres-content/users/sip:amy@example.test/icon=>v1")
}

// When documents cannot be read nothing wrong is said, and all when they can.
func TestStoreDown(t *testing.T) {
	d := newDesk(t, lists)
	d.want(true, "")
	d.put(key("resource-lists", "index"), "v1", "<a/>")
	d.store.Fail(errors.New("down"))
	d.want(false, "nothing")
	d.store.Fail(nil)
	d.want(false, lists+"=>v1")
	d.src.Ended("timeout", new(store.Batch))
}

// News goes to the subscriptions it concerns, and those that are over are
// forgotten.
func TestTopics(t *testing.T) {
	d := newDesk(t, lists, "xcap-caps/global/index")
	if got := len(d.s.watching); got != 2 {
		t.Errorf("%d topics", got)
	}
	d.s.DocumentChanged(bus.DocumentChanged{Key: key("resource-lists", "index"), NewETag: "v1"})
	d.sub.Body = body(lists)
	if err := d.src.Refreshed(); err != nil {
		t.Fatal(err)
	}
	if got := len(d.s.watching); got != 1 {
		t.Errorf("%d topics after a refresh with fewer", got)
	}
	d.src.Ended("timeout", new(store.Batch))
	if got := len(d.s.watching); got != 0 {
		t.Errorf("%d topics are left", got)
	}
}

// A collection that does not fit into a report goes into several.
func TestLarge(t *testing.T) {
	d := newDesk(t, "resource-lists/")
	const count = 3000
	for i := range count {
		d.put(key("resource-lists", fmt.Sprint(strings.Repeat("long", 20), i)), "v1", "<a/>")
	}
	v, _ := d.src.View(true)
	if n := bytes.Count(v.Body, []byte("<document")); len(v.Body) > maxReport+1000 || n < 1000 || n == count {
		t.Fatalf("%d documents in %d octets", n, len(v.Body))
	} else if v, _ = d.src.View(false); bytes.Count(v.Body, []byte("<document")) != 1 {
		t.Errorf("then\n%s", v.Body)
	}
}

func FuzzBody(f *testing.F) {
	f.Add(body(lists, rules, "pidf-manipulation/", lists+"/~~/a/@b"))
	f.Add([]byte(`<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list><entry uri="%7e~/"/></list></resource-lists>`))
	f.Fuzz(func(t *testing.T, in []byte) {
		s := New(Config{Documents: memory.New(), Roots: []string{"/xcap-root"}, Root: func() string { return "/" }})
		targets, err := s.parse(&event.Subscription{Resource: amy, Watcher: amy, ContentType: listType, Body: in})
		if err != nil {
			return
		}
		for _, x := range targets {
			if x.key.XUI != "" && x.key.XUI != amy {
				t.Errorf("%s leads to %+v", x.sel, x.key)
			}
		}
	})
}
