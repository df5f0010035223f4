package xcap

import (
	"net/http"
	"strings"
	"testing"

	"rollcall/internal/store"
)

const sample = "<r>\n <a k=\"1\"/>\n <a k=\"2\"/>\n <!--c-->\n <b k=\"1\"/>\n</r>"

// TestPutNode: RFC 4825 §8.2.3, where a new node goes, and that a GET would
// return what was put.
func TestPutNode(t *testing.T) { onStores(t, putNodes, "memory", "sqlite") }

func putNodes(t *testing.T, st store.Store) {
	ts := newTestServerOn(t, st)
	const third = "<r>\n <a k=\"1\"/>\n <a k=\"2\"/><a k=\"3\"/>\n <!--c-->\n <b k=\"1\"/>\n</r>"
	for _, c := range []struct {
		body, selector string
		status         int
		want           string // document, or conflict
	}{
		{`<a k="3"/>`, `r/a[@k="3"]`, 201, third},
		{`<a k="3"/>`, `r/a[3]`, 201, third},
		{`<a k="3"/>`, `r/a[3][@k="3"]`, 201, third},
		{`<a k="3"/>`, `r/*[3][@k="3"]`, 201, third},
		{"<c/>", "r/c", 201, "<r>\n <a k=\"1\"/>\n <a k=\"2\"/>\n <!--c-->\n <b k=\"1\"/>\n<c/></r>"},
		{"<c/>", "r/c[1]", 201, "<r>\n <a k=\"1\"/>\n <a k=\"2\"/>\n <!--c-->\n <b k=\"1\"/>\n<c/></r>"},
		{`<b k="2"/>`, `r/b[@k="2"]`, 201, "<r>\n <a k=\"1\"/>\n <a k=\"2\"/>\n <!--c-->\n <b k=\"1\"/><b k=\"2\"/>\n</r>"},
		{`<b k="9"/>`, `r/*[2][@k="9"]`, 201, "<r>\n <a k=\"1\"/><b k=\"9\"/>\n <a k=\"2\"/>\n <!--c-->\n <b k=\"1\"/>\n</r>"},
		{`<b k="2"/>`, `r/*[2][@k="2"]`, 200, "<r>\n <a k=\"1\"/>\n <b k=\"2\"/>\n <!--c-->\n <b k=\"1\"/>\n</r>"},
		{`<b k="9"/>`, `r/b[1][@k="9"]`, 201, "<r>\n <a k=\"1\"/>\n <a k=\"2\"/>\n <!--c-->\n <b k=\"9\"/><b k=\"1\"/>\n</r>"},
		{`<b k="9"/>`, `r/*[1][@k="9"]`, 201, "<r>\n <b k=\"9\"/><a k=\"1\"/>\n <a k=\"2\"/>\n <!--c-->\n <b k=\"1\"/>\n</r>"},
		{`<x k="7"/>`, `r/*[@k="7"]`, 201, "<r>\n <a k=\"1\"/>\n <a k=\"2\"/>\n <!--c-->\n <b k=\"1\"/>\n<x k=\"7\"/></r>"},
		{`<a k="5"/>`, `r/a[5]`, 409, cannotInsert},
		{`<a k="8"/>`, `r/a[@k="1"]`, 409, cannotInsert},
		{`<z/>`, `r/a[1]`, 409, cannotInsert},
		{`<a/>`, `r/*`, 409, cannotInsert},
		{`<a/>`, `r/a[0]`, 409, cannotInsert},
		{`<a/>`, `r/a`, 409, cannotInsert},
		{`<s/>`, `s`, 409, cannotInsert},
		{`<a/><a/>`, `r/a[3]`, 409, notXMLFrag},
		{`text`, `r/a[3]`, 409, notXMLFrag},
		{`<a>`, `r/a[3]`, 409, notXMLFrag},
		{`<!DOCTYPE a><a/>`, `r/a[3]`, 409, notXMLFrag},
		{"<a>\xe9</a>", `r/a[3]`, 409, notUTF8},
		{`<p:a/>`, `r/*[4]`, 409, "schema-validation-error"},
		{`<q/>`, `r/nope/q`, 409, noParent},
		{`<q/>`, `r/a/q`, 409, noParent},
		{`"9"`, `r/a[@k="1"]/@k`, 409, cannotInsert},
		{`"9"`, `r/a[1]/@k`, 200, "<r>\n <a k=\"9\"/>\n <a k=\"2\"/>\n <!--c-->\n <b k=\"1\"/>\n</r>"},
		{`9`, `r/a[1]/@k`, 200, "<r>\n <a k=\"9\"/>\n <a k=\"2\"/>\n <!--c-->\n <b k=\"1\"/>\n</r>"},
		{`'a"b'`, `r/a[1]/@k`, 200, "<r>\n <a k=\"a&quot;b\"/>\n <a k=\"2\"/>\n <!--c-->\n <b k=\"1\"/>\n</r>"},
		{`"9"`, `r/a[1]/@new`, 201, "<r>\n <a k=\"1\" new=\"9\"/>\n <a k=\"2\"/>\n <!--c-->\n <b k=\"1\"/>\n</r>"},
		{`"9"`, `r/@new`, 201, "<r new=\"9\">\n <a k=\"1\"/>\n <a k=\"2\"/>\n <!--c-->\n <b k=\"1\"/>\n</r>"},
		{`en`, `r/@xml:lang`, 201, "<r xml:lang=\"en\">\n <a k=\"1\"/>\n <a k=\"2\"/>\n <!--c-->\n <b k=\"1\"/>\n</r>"},
		{`9`, `r/@p:n?xmlns(p=urn:x)`, 201, "<r xmlns:p=\"urn:x\" p:n=\"9\">\n <a k=\"1\"/>\n <a k=\"2\"/>\n <!--c-->\n <b k=\"1\"/>\n</r>"},
		{`urn:x`, `r/@xmlns`, 409, cannotInsert},
		{`"9`, `r/a[1]/@k`, 409, notAttValue},
		{`a"b"`, `r/a[1]/@k`, 200, "<r>\n <a k=\"a&quot;b&quot;\"/>\n <a k=\"2\"/>\n <!--c-->\n <b k=\"1\"/>\n</r>"},
		{`"<"`, `r/a[1]/@k`, 409, notAttValue},
		{`"&"`, `r/a[1]/@k`, 409, notAttValue},
		{"\"\xe9\"", `r/a[1]/@k`, 409, notUTF8},
		{`"9"`, `r/nope/@k`, 409, noParent},
		{`<r/>`, `r`, 200, "<r/>"},
		{" <r/>\n", `r`, 200, "<r/>"},
	} {
		t.Run(c.selector+" "+c.body, func(t *testing.T) {
			ts.fresh(sample)
			before := ts.get(docURI)
			a := ts.put(node(c.selector), c.body)
			after := ts.get(docURI)
			if c.status == 409 {
				expect(t, "PUT", a, 409, c.want)
				if after.body != sample || after.etag() != before.etag() {
					t.Errorf("document changed: %q", after.body)
				}
				return
			}
			expect(t, "PUT", a, c.status, "")
			if after.body != c.want {
				t.Errorf("document\n%s\nwant\n%s", after.body, c.want)
			}
			if a.body != "" || a.etag() == "" || a.etag() == before.etag() || a.etag() != after.etag() {
				t.Errorf("body %q, entity-tags %s %s %s", a.body, before.etag(), a.etag(), after.etag())
			}
		})
	}
}

// An empty-element tag is opened to receive a child.
func TestPutIntoEmptyElement(t *testing.T) {
	ts := newTestServer(t)
	for before, want := range map[string]string{
		"<r/>":                                 "<r><c/></r>",
		"<r a='/' />":                          "<r a='/' ><c/></r>",
		"<r></r>":                              "<r><c/></r>",
		"<r><!--x--></r>":                      "<r><!--x--><c/></r>",
		`<p:r xmlns="u" xmlns:p=""/>`:          "",
		"<?xml version='1.0'?>\n<r/>\n<!---->": "<?xml version='1.0'?>\n<r><c/></r>\n<!---->",
	} {
		if want == "" {
			expect(t, before, ts.put(docURI, before), 409, notWellFormed)
			continue
		}
		ts.fresh(before)
		expect(t, before, ts.put(node("r/c"), "<c/>"), 201, "")
		if got := ts.get(docURI).body; got != want {
			t.Errorf("%s: got %s", before, got)
		}
	}
	ts.do(http.MethodDelete, docURI, "")
	ts.mustPut(docURI, `<p:r xmlns:p="urn:x"><p:s/></p:r>`)
	expect(t, "prefix", ts.put(node("p:r/p:s/c")+"?xmlns(p=urn:x)", "<c/>"), 201, "")
	if got := ts.get(docURI).body; got != `<p:r xmlns:p="urn:x"><p:s><c/></p:s></p:r>` {
		t.Errorf("got %s", got)
	}
}

// TestDeleteNode: RFC 4825 §8.4.
func TestDeleteNode(t *testing.T) { onStores(t, deleteNodes, "memory", "sqlite") }

func deleteNodes(t *testing.T, st store.Store) {
	ts := newTestServerOn(t, st)
	for _, c := range []struct {
		selector string
		status   int
		want     string
	}{
		{"r/a[1]", 409, cannotDelete},
		{"r/a[2]", 200, "<r>\n <a k=\"1\"/>\n \n <!--c-->\n <b k=\"1\"/>\n</r>"},
		{"r/a", 404, ""},
		{"r/nope", 404, ""},
		{`r/*[1][@k="1"]`, 200, "<r>\n \n <a k=\"2\"/>\n <!--c-->\n <b k=\"1\"/>\n</r>"},
		{`r/a[@k="1"]`, 200, "<r>\n \n <a k=\"2\"/>\n <!--c-->\n <b k=\"1\"/>\n</r>"},
		{"r/b/@k", 200, "<r>\n <a k=\"1\"/>\n <a k=\"2\"/>\n <!--c-->\n <b/>\n</r>"},
		{"r/b/@nope", 404, ""},
		{"r", 409, "schema-validation-error"},
	} {
		t.Run(c.selector, func(t *testing.T) {
			ts.fresh(sample)
			a := ts.do(http.MethodDelete, node(c.selector), "")
			after := ts.get(docURI)
			switch c.status {
			case 200:
				expect(t, "DELETE", a, 200, "")
				if after.body != c.want || a.etag() == "" || a.etag() != after.etag() {
					t.Errorf("document %q, entity-tags %s %s", after.body, a.etag(), after.etag())
				}
			default:
				expect(t, "DELETE", a, c.status, c.want)
				if after.body != sample {
					t.Errorf("document changed: %q", after.body)
				}
			}
		})
	}
}

// TestGetNode: RFC 4825 §6.3, §6.4, §8.3.
func TestGetNode(t *testing.T) {
	ts := newTestServer(t)
	const doc = `<r xmlns:q="urn:x"><q:s xmlns="urn:d" k="sip:a%2fb@h"><t/></q:s><entry uri="sip:a%2fb@h" q:k="&lt;'"/></r>`
	ts.fresh(doc)
	for _, c := range []struct {
		rule, target    string
		status          int
		mediaType, body string
	}{
		{"prefix not bound", "r/p:s", 400, "text/plain; charset=utf-8", "prefix p is not bound\n"},
		{"foreign parts ignored", "r/p:s/*?foo(bar)xmlns(p=urn:x)", 200, elementType, "<t/>"},
		{"no declarations added", "r/p:s?xmlns(p=urn:x)", 200, elementType, `<q:s xmlns="urn:d" k="sip:a%2fb@h"><t/></q:s>`},
		{"value decoded once", `r/entry[@uri="sip:a%252fb@h"]`, 200, elementType, `<entry uri="sip:a%2fb@h" q:k="&lt;'"/>`},
		{"value decoded once", `r/entry[@uri="sip:a%2fb@h"]`, 404, "", ""},
		{"xmlns is no attribute", `r/*[@xmlns="urn:d"]`, 404, "", ""},
		{"attribute without quotes", "r/entry/@uri", 200, attributeType, "sip:a%2fb@h"},
		{"attribute as written", "r/entry/@p:k?xmlns(p=urn:x)", 200, attributeType, "&lt;'"},
		{"attributes have no default namespace", "r/entry/@k", 404, "", ""},
		{"namespaces", "r/p:s/namespace::*?xmlns(p=urn:x)", 200, namespaceType, `<q:s xmlns:q="urn:x" xmlns="urn:d"/>`},
		{"namespaces", "r/entry/namespace::*", 200, namespaceType, `<entry xmlns:q="urn:x"/>`},
		{"several", "r/*", 404, "", ""},
		{"unknown extension", "r/text()", 404, "", ""},
		{"bracket not closed", "r/entry[", 400, "text/plain; charset=utf-8", "bracket or quote is not closed\n"},
	} {
		a := ts.get(node(c.target))
		expect(t, c.rule+" "+c.target, a, c.status, "")
		if a.body != c.body || a.Header.Get("Content-Type") != c.mediaType {
			t.Errorf("%s: %s: %s %q", c.rule, c.target, a.Header.Get("Content-Type"), a.body)
		}
		if (a.etag() != "") != (c.status == 200) {
			t.Errorf("%s: %s: entity-tag %q", c.rule, c.target, a.etag())
		}
	}
	for _, separator := range []string{"/%7e%7E/", "/~%7e/"} {
		if a := ts.get(docURI + separator + "r/entry/@uri"); a.body != "sip:a%2fb@h" {
			t.Errorf("separator %s: %d %q", separator, a.StatusCode, a.body)
		}
	}
}

// RFC 4825 §7.11: one entity-tag for a document and all of its parts.
func TestEntityTagIsShared(t *testing.T) {
	ts := newTestServer(t)
	ts.fresh(sample)
	same := func(want string) {
		t.Helper()
		for _, target := range []string{docURI, node("r"), node("r/a[1]"), node("r/a[1]/@k"), node("r/namespace::*")} {
			if got := ts.get(target).etag(); got != want || strings.HasPrefix(got, "W/") || len(got) < 3 {
				t.Errorf("%s: %s, want %s", target, got, want)
			}
		}
	}
	tags := map[string]bool{}
	for _, change := range []func() answer{
		func() answer { return ts.put(node(`r/a[@k="3"]`), `<a k="3"/>`) },
		func() answer { return ts.put(node("r/a[1]/@n"), "1") },
		func() answer { return ts.do(http.MethodDelete, node("r/a[1]/@n"), "") },
		func() answer { return ts.put(docURI, sample) },
	} {
		a := change()
		same(a.etag())
		if tags[a.etag()] {
			t.Errorf("entity-tag %s used twice", a.etag())
		}
		tags[a.etag()] = true
	}
}

// A no-parent names the nearest ancestor that there is.
func TestAncestor(t *testing.T) {
	ts := newTestServer(t)
	ts.fresh(sample)
	a := ts.put(node(`r/a[@k="1"]/x/y`), "<y/>")
	if want := "<ancestor>" + docURI + "/~~/r/a%5B@k=%221%22%5D</ancestor>"; !strings.Contains(a.body, want) {
		t.Errorf("%s lacks %s", a.body, want)
	}
	if a := ts.get(docURI + "/~~/r/a%5B@k=%221%22%5D"); a.StatusCode != 200 {
		t.Errorf("ancestor: %d", a.StatusCode)
	}
}
