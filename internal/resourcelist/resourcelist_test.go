package resourcelist

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rollcall/internal/store"
	"rollcall/internal/xmlscan"
)

const (
	alice = "sip:alice@example.test"
	bob   = "sip:bob@example.test"
	root  = "http://xcap.example.test/xcap-root"
)

// docs is a store of documents that counts reads.
type docs struct {
	bodies map[store.DocumentKey]string
	reads  int
	err    error
}

func (d *docs) Document(_ context.Context, key store.DocumentKey) (store.Document, error) {
	d.reads++
	if d.err != nil {
		return store.Document{}, d.err
	}
	body, ok := d.bodies[key]
	if !ok {
		return store.Document{}, store.ErrNotFound
	}
	return store.Document{DocumentKey: key, Body: []byte(body)}, nil
}

func key(xui, path string) store.DocumentKey {
	return store.DocumentKey{XUI: xui, AUID: AUID, Path: path}
}

// lists makes a resource-lists document.
func lists(content string) string {
	return `<?xml version="1.0" encoding="UTF-8"?><rl:resource-lists xmlns:rl="` + Namespace +
		`" xmlns:x="urn:example:x">` + content + `</rl:resource-lists>`
}

func anchor(user, path, list string) string {
	return root + "/resource-lists/users/" + user + "/" + path + "/~~/resource-lists/list%5B%40name%3D%22" + list + "%22%5D"
}

func resolver(d *docs) *Resolver {
	return &Resolver{Docs: d, Roots: []string{"/xcap-root"}}
}

func TestRef(t *testing.T) {
	mine := func(list string) string { return anchor(alice, "index", list) }
	tests := []struct {
		name    string
		content string // of alice's index
		ref     string // default: list a of it
		want    []Entry
		err     string
	}{
		{name: "entries in order, whatever form they are written in", content: `<rl:list name="a">
			<rl:entry uri="sip:bob@example.test"><rl:display-name>Bob  B.</rl:display-name></rl:entry>
			<rl:entry uri="cy%40EXAMPLE.test"/><rl:entry uri="pres:di@example.test"/><x:extra/></rl:list>`,
			want: []Entry{{URI: bob, Name: Name{DisplayName: "Bob B."}}, {URI: "sip:cy@example.test"}, {URI: "sip:di@example.test"}}},
		{name: "RFC 4826 §4.5: the flat list is a set, first display name wins", content: `<rl:list name="a">
			<rl:entry uri="sip:bob@example.test"/><rl:list><rl:entry uri="sips:bob@example.TEST"><rl:display-name>Bob</rl:display-name></rl:entry></rl:list>
			<rl:entry uri="bob@example.test"><rl:display-name>Robert</rl:display-name></rl:entry></rl:list>`,
			want: []Entry{{URI: bob, Name: Name{DisplayName: "Bob"}}}},
		{name: "user part keeps its case", content: `<rl:list name="a"><rl:entry uri="sip:A@x"/><rl:entry uri="sip:a@X"/></rl:list>`,
			want: []Entry{{URI: "sip:A@x"}, {URI: "sip:a@x"}}},
		{name: "schemes nobody can subscribe to", content: `<rl:list name="a"><rl:entry uri="tel:+4912"/><rl:entry uri="mailto:b@x"/><rl:entry uri="sip:host"/></rl:list>`,
			want: []Entry{
				{URI: "tel:+4912", Problem: "has scheme tel, which cannot be subscribed to"},
				{URI: "mailto:b@x", Problem: "is no address: malformed URI: not an address of record"},
				{URI: "sip:host", Problem: "names a host, nobody at it"}}},
		{name: "entry-ref", content: `<rl:list name="a"><rl:entry-ref ref="resource-lists/users/` + alice + `/index/~~/resource-lists/list%5b@name=%22b%22%5d/entry%5b@uri=%22sip:bob@example.test%22%5d"><rl:display-name>Mine</rl:display-name></rl:entry-ref></rl:list>
			<rl:list name="b"><rl:entry uri="sip:bob@example.test"><rl:display-name>Bob</rl:display-name></rl:entry></rl:list>`,
			want: []Entry{{URI: bob, Name: Name{DisplayName: "Mine"}}}},
		{name: "external, percent-encoded as Blink writes it, another host", content: `<rl:list name="a"><rl:external anchor="http%3A//127.0.0.1%3A26180/xcap-root/resource-lists/users/sip%3Aalice%40example.test/index/~~/resource-lists/list%5B%40name%3D%22b%22%5D"/></rl:list>
			<rl:list name="b"><rl:entry uri="sip:bob@example.test"/></rl:list>`,
			want: []Entry{{URI: bob}}},
		{name: "a cycle ends, the rest is served", content: `<rl:list name="a"><rl:external anchor="` + mine("b") + `"/><rl:entry uri="sip:bob@example.test"/></rl:list>
			<rl:list name="b"><rl:external anchor="` + mine("a") + `"/></rl:list>`,
			want: []Entry{{URI: mine("a"), Problem: "refers back to a list that contains it", Reference: true}, {URI: bob}}},
		{name: "a list spliced in twice is no cycle", content: `<rl:list name="a"><rl:list><rl:external anchor="` + mine("b") + `"/></rl:list><rl:external anchor="` + mine("b") + `"/></rl:list>
			<rl:list name="b"><rl:entry uri="sip:bob@example.test"/></rl:list>`,
			want: []Entry{{URI: bob}}},
		{name: "references that lead nowhere", content: `<rl:list name="a">
			<rl:external anchor="` + mine("gone") + `"/><rl:external anchor="` + anchor(alice, "other", "b") + `"/>
			<rl:external anchor="` + anchor(bob, "index", "a") + `"/><rl:external anchor="http://x.test/elsewhere/resource-lists/users/` + alice + `/index/~~/resource-lists/list"/>
			<rl:external anchor="` + root + `/pres-rules/users/` + alice + `/index/~~/x"/><rl:external anchor="` + root + `/resource-lists/users/` + alice + `/index"/>
			<rl:external anchor="` + anchor(alice, "broken", "b") + `"/></rl:list>`,
			want: []Entry{
				{URI: mine("gone"), Problem: "element does not exist", Reference: true, Absent: true},
				{URI: anchor(alice, "other", "b"), Problem: "document does not exist", Reference: true, Absent: true},
				{URI: anchor(bob, "index", "a"), Problem: "belongs to another user", Reference: true},
				{URI: "http://x.test/elsewhere/resource-lists/users/" + alice + "/index/~~/resource-lists/list", Problem: "reference leaves this server's XCAP root", Reference: true},
				{URI: root + "/pres-rules/users/" + alice + "/index/~~/x", Problem: "is not in a resource-lists document", Reference: true},
				{URI: root + "/resource-lists/users/" + alice + "/index", Problem: "names a document, not a list in it", Reference: true},
				{URI: anchor(alice, "broken", "b"), Problem: "document is damaged: line 1: not well-formed: element is never closed", Reference: true}}},
		{name: "external to an entry, entry-ref to a list", content: `<rl:list name="a"><rl:external anchor="` + mine("a") + `/entry"/><rl:entry-ref ref="` + mine("a") + `"/><rl:entry uri="bob@example.test"/></rl:list>`,
			want: []Entry{
				{URI: mine("a") + "/entry", Problem: "does not name a list", Reference: true},
				{URI: mine("a"), Problem: "does not name an entry", Reference: true}, {URI: bob}}},
		{name: "the global tree may be read", content: ``, ref: root + "/resource-lists/global/staff/~~/resource-lists/list", want: []Entry{{URI: bob}}},
		{name: "a reference to an entry", content: `<rl:list name="a"><rl:entry uri="bob@example.test"/></rl:list>`, ref: mine("a") + "/entry", want: []Entry{{URI: bob}}},
		{name: "no such list", content: ``, err: "element does not exist"},
		{name: "another user's list", ref: anchor(bob, "index", "a"), err: "belongs to another user"},
		{name: "not a list", ref: root + "/resource-lists/users/" + alice + "/index/~~/resource-lists", err: "names neither a list nor an entry"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := &docs{bodies: map[store.DocumentKey]string{
				key(alice, "index"):  lists(tt.content),
				key(alice, "broken"): "<rl",
				key(bob, "index"):    lists(`<rl:list name="a"><rl:entry uri="sip:secret@x"/></rl:list>`),
				key("", "staff"):     lists(`<rl:list><rl:entry uri="sip:bob@example.test"/></rl:list>`),
			}}
			ref := tt.ref
			if ref == "" {
				ref = mine("a")
			}
			got, err := resolver(d).Ref(t.Context(), ref, alice)
			if (err != nil) != (tt.err != "") || err != nil && (!strings.Contains(err.Error(), tt.err) || !errors.Is(err, ErrUnresolved)) {
				t.Fatalf("error %v, want %q", err, tt.err)
			}
			for i := range got.Entries { // how a scanner words its errors is its own business
				if strings.HasPrefix(got.Entries[i].Problem, "document is damaged") && i < len(tt.want) {
					got.Entries[i].Problem = tt.want[i].Problem
				}
			}
			if diff := cmp.Diff(tt.want, got.Entries); diff != "" {
				t.Errorf("entries (-want +got):\n%s", diff)
			}
		})
	}
}

// Whoever keeps a flat list must know of every document that could change it,
// also of those that are not there yet.
func TestDeps(t *testing.T) {
	d := &docs{bodies: map[store.DocumentKey]string{
		key(alice, "index"): lists(`<rl:list name="a"><rl:external anchor="` + anchor(alice, "missing", "b") + `"/><rl:external anchor="` + anchor(alice, "more", "b") + `"/></rl:list>`),
		key(alice, "more"):  lists(`<rl:list name="b"><rl:external anchor="` + anchor(alice, "index", "c") + `"/></rl:list>`),
	}}
	got, err := resolver(d).Ref(t.Context(), anchor(alice, "index", "a"), alice)
	if err != nil {
		t.Fatal(err)
	}
	want := []store.DocumentKey{key(alice, "index"), key(alice, "missing"), key(alice, "more")}
	if diff := cmp.Diff(want, got.Deps); diff != "" {
		t.Errorf("deps (-want +got):\n%s", diff)
	}
	if d.reads != 3 {
		t.Errorf("%d reads of the store, want one per document", d.reads)
	}
	got, err = resolver(d).Ref(t.Context(), anchor(alice, "nothing", "a"), alice)
	if !errors.Is(err, ErrAbsent) || len(got.Deps) != 1 || got.Deps[0] != key(alice, "nothing") {
		t.Errorf("missing document: deps %v, error %v", got.Deps, err)
	}
}

// An error of the store is not an unresolvable list.
func TestStoreDown(t *testing.T) {
	d := &docs{err: fmt.Errorf("disk: %w", store.ErrUnavailable)}
	_, err := resolver(d).Ref(t.Context(), anchor(alice, "index", "a"), alice)
	if !errors.Is(err, store.ErrUnavailable) || errors.Is(err, ErrUnresolved) {
		t.Errorf("error %v", err)
	}
}

func TestInline(t *testing.T) {
	doc, err := xmlscan.Scan([]byte(`<rls-services xmlns="`+NamespaceRLS+`" xmlns:rl="`+Namespace+`"><service uri="sip:l@x">
		<list><rl:entry uri="sip:bob@example.test"/><entry uri="sip:wrong@namespace"/></list></service></rls-services>`), xmlscan.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	r := resolver(&docs{})
	list := int(doc.Elements[doc.Elements[0].First].First)
	got, err := r.Inline(t.Context(), doc, list, alice)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Entry{{URI: bob}}, got.Entries); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	if _, err := r.Inline(t.Context(), doc, 0, alice); !errors.Is(err, ErrUnresolved) {
		t.Errorf("no list: %v", err)
	}
}

func TestLimits(t *testing.T) {
	nested := strings.Repeat("<rl:list>", 10) + `<rl:entry uri="sip:deep@x"/>` + strings.Repeat("</rl:list>", 10)
	var many strings.Builder
	for i := range 50 {
		fmt.Fprintf(&many, `<rl:entry uri="sip:u%d@x"/>`, i)
	}
	d := &docs{bodies: map[store.DocumentKey]string{
		key(alice, "index"): lists(`<rl:list name="deep"><rl:entry uri="sip:top@x"/>` + nested + `</rl:list><rl:list name="many">` + many.String() + `</rl:list>`),
	}}
	r := resolver(d)
	r.MaxDepth, r.MaxEntries = 5, 20
	got, err := r.Ref(t.Context(), anchor(alice, "index", "deep"), alice)
	if err != nil || len(got.Entries) != 2 || got.Entries[1].Problem != "nests deeper than 5 lists" {
		t.Errorf("depth: %+v, %v", got.Entries, err)
	}
	got, err = r.Ref(t.Context(), anchor(alice, "index", "many"), alice)
	if err != nil || len(got.Entries) != 21 || got.Entries[20].Problem != "the list has more than 20 members" {
		t.Errorf("entries: %d, %v", len(got.Entries), err)
	}
}

// A few lists that each splice in the next one twice must not take exponential time.
func TestFanOut(t *testing.T) {
	var b strings.Builder
	for i := range 60 {
		next := anchor(alice, "index", fmt.Sprint(i+1))
		fmt.Fprintf(&b, `<rl:list name="%d"><rl:list><rl:external anchor="%s"/></rl:list><rl:external anchor="%s"/></rl:list>`, i, next, next)
	}
	b.WriteString(`<rl:list name="60"><rl:entry uri="sip:bob@example.test"/></rl:list>`)
	d := &docs{bodies: map[store.DocumentKey]string{key(alice, "index"): lists(b.String())}}
	r := resolver(d)
	r.MaxDepth = 1000
	got, err := r.Ref(t.Context(), anchor(alice, "index", "0"), alice)
	if err != nil || len(got.Entries) != 1 {
		t.Errorf("%d entries, %v", len(got.Entries), err)
	}
}

func FuzzRef(f *testing.F) {
	f.Add(lists(`<rl:list name="a"><rl:entry uri="sip:bob@example.test"/><rl:external anchor="`+anchor(alice, "index", "a")+`"/></rl:list>`), anchor(alice, "index", "a"))
	f.Add(lists(`<rl:list><rl:entry-ref ref="resource-lists/users/`+alice+`/index/~~/*/*/*"/></rl:list>`), "resource-lists/users/"+alice+"/index/~~/*/*")
	f.Fuzz(func(t *testing.T, body, ref string) {
		d := &docs{bodies: map[store.DocumentKey]string{key(alice, "index"): body}}
		got, err := resolver(d).Ref(t.Context(), ref, alice)
		if err != nil && !errors.Is(err, ErrUnresolved) {
			t.Fatalf("error of nobody: %v", err)
		}
		seen := make(map[string]bool)
		for _, e := range got.Entries {
			if e.Problem == "" && seen[e.URI] {
				t.Fatalf("%s occurs twice", e.URI)
			}
			seen[e.URI] = true
		}
	})
}

func BenchmarkRef(b *testing.B) {
	var content strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&content, `<rl:entry uri="sip:user%d@example.test"/>`, i)
	}
	d := &docs{bodies: map[store.DocumentKey]string{key(alice, "index"): lists(`<rl:list name="a">` + content.String() + `</rl:list>`)}}
	r := resolver(d)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Ref(b.Context(), anchor(alice, "index", "a"), alice); err != nil {
			b.Fatal(err)
		}
	}
}
