package xcapuri

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var roots = []string{"/xcap-root", "http://other.example/xcap-root/inner/"}

func TestParse(t *testing.T) {
	for _, c := range []struct {
		rule, target string
		want         Request // without Node
		node         string
	}{
		{"document", "/xcap-root/resource-lists/users/sip:joe@example.com/index",
			Request{Root: "/xcap-root", AUID: "resource-lists", XUI: "sip:joe@example.com", Path: "index"}, ""},
		{"each segment decoded once", "/xcap-root/resource-lists/users/sip%3Ajoe%2525%40example.com/in%64ex",
			Request{Root: "/xcap-root", AUID: "resource-lists", XUI: "sip:joe%25@example.com", Path: "index"}, ""},
		{"slash inside the XUI", "/xcap-root/a/users/sip:j%2Foe@h/x/y", Request{Root: "/xcap-root", AUID: "a", XUI: "sip:j/oe@h", Path: "x/y"}, ""},
		{"global", "/xcap-root/xcap-caps/global/index", Request{Root: "/xcap-root", AUID: "xcap-caps", Global: true, Path: "index"}, ""},
		{"absolute form", "http://h:80/xcap-root/xcap-caps/global/index", Request{Root: "/xcap-root", AUID: "xcap-caps", Global: true, Path: "index"}, ""},
		{"longest root", "/xcap-root/inner/a/global/index", Request{Root: "/xcap-root/inner", AUID: "a", Global: true, Path: "index"}, ""},
		{"encoded root", "/xcap%2Droot/a/global/index", Request{Root: "/xcap-root", AUID: "a", Global: true, Path: "index"}, ""},
		{"node", "/xcap-root/a/global/index/~~/r/a%5b@k=%22/%22%5D", Request{Root: "/xcap-root", AUID: "a", Global: true, Path: "index"}, `r/a[@k="/"]`},
		{"separator encoded", "/xcap-root/a/global/index/%7e%7E/r", Request{Root: "/xcap-root", AUID: "a", Global: true, Path: "index"}, "r"},
		{"first separator counts", `/xcap-root/a/global/index/~~/r/a[@k="/~~/"]`, Request{Root: "/xcap-root", AUID: "a", Global: true, Path: "index"}, `r/a[@k="/~~/"]`},
		{"raw brackets and quotes", `/xcap-root/a/global/index/~~/r/a[@k="x"]`, Request{Root: "/xcap-root", AUID: "a", Global: true, Path: "index"}, `r/a[@k="x"]`},
		{"double encoding", "/xcap-root/a/global/index/~~/r%5b@k=%22%255b%22%5d", Request{Root: "/xcap-root", AUID: "a", Global: true, Path: "index"}, `r[@k="%5b"]`},
		{"query", "/xcap-root/a/global/index/~~/p:r?xmlns(p=urn%3Ax)",
			Request{Root: "/xcap-root", AUID: "a", Global: true, Path: "index", Query: "xmlns(p=urn:x)"}, "p:r"},
	} {
		got, err := Parse(c.target, roots)
		if err != nil {
			t.Errorf("%s: %s: %v", c.rule, c.target, err)
			continue
		}
		text := ""
		if got.Node != nil {
			text = got.Node.text
		}
		if diff := cmp.Diff(c.want, got, cmpopts.IgnoreFields(Request{}, "Node")); diff != "" || text != c.node {
			t.Errorf("%s: %s: node %q %s", c.rule, c.target, text, diff)
		}
	}
}

func TestParseStatus(t *testing.T) {
	for target, want := range map[string]int{
		"/":                                      404,
		"/other/a/global/index":                  404,
		"/xcap-rootx/a/global/index":             404,
		"/xcap-root":                             404,
		"/xcap-root/":                            404,
		"/xcap-root/a":                           404,
		"/xcap-root/a/users":                     404,
		"/xcap-root/a/users/x":                   404,
		"/xcap-root/a/users/x/":                  404,
		"/xcap-root/a/elsewhere/x/y":             404,
		"/xcap-root/a/global":                    404,
		"/xcap-root/a/global/":                   404,
		"/xcap-root/a/global/x/":                 404,
		"/xcap-root/a/global//x":                 404,
		"/xcap-root/a/global/../x":               404,
		"/xcap-root/a/global/x%2Fy":              404,
		"/xcap-root/a/global/x%0Ay":              404,
		"/xcap-root/~~/a":                        404,
		"/xcap-root/a/global/~~/a":               404,
		"/xcap-root/a/global/%zz":                400,
		"/xcap-root/a/global/%ff":                400,
		"/xcap-root/a/global/%00":                400,
		"/xcap-root/a/global/x/~~":               400,
		"/xcap-root/a/global/x/~~/":              400,
		"/xcap-root/a/global/x/~~/r//a":          400,
		"/xcap-root/a/global/x/~~/r/":            400,
		"/xcap-root/a/global/x/~~/r[":            400,
		"/xcap-root/a/global/x/~~/r]":            400,
		"/xcap-root/a/global/x/~~/r[1":           400,
		"/xcap-root/a/global/x/~~/r[[1]]":        400,
		`/xcap-root/a/global/x/~~/r[@a="1]`:      400,
		`/xcap-root/a/global/x/~~/r[@a="&"]`:     400,
		`/xcap-root/a/global/x/~~/r[@a="<"]`:     400,
		"/xcap-root/a/global/x/~~/p:r":           400,
		"/xcap-root/a/global/x/~~/r/@p:a":        400,
		`/xcap-root/a/global/x/~~/r[@p:a="1"]`:   400,
		"/xcap-root/a/global/x/~~/r?xmlns(":      400,
		"/xcap-root/a/global/x/~~/r?xmlns(p)":    400,
		"/xcap-root/a/global/x/~~/r?x=1":         400,
		`/xcap-root/a/global/x/~~/r[@a="1"][2]`:  404,
		"/xcap-root/a/global/x/~~/r/text()":      404,
		"/xcap-root/a/global/x/~~/@a":            404,
		"/xcap-root/a/global/x/~~/namespace::*":  404,
		"/xcap-root/a/global/x/~~/r[-1]":         404,
		"/xcap-root/a/global/x/~~/r[]":           404,
		"/xcap-root/a/global/x/~~/r[@a]":         404,
		"/xcap-root/a/global/x/~~/r[@a=1]":       404,
		"/xcap-root/a/global/x/~~/..":            404,
		"/xcap-root/a/global/x/~~/r/@a/b":        404,
		"/xcap-root/a/global/x/~~/r?xmlns(p=u)":  0,
		"/xcap-root/a/global/x/~~/r?foo(a(b)c)":  0,
		"/xcap-root/a/global/x?whatever":         0,
		"/xcap-root/a/global/x/~~/r/a[@b='%22']": 0,
	} {
		_, err := Parse(target, roots)
		var e *Error
		got := 0
		if errors.As(err, &e) {
			got = e.Status
		}
		if got != want {
			t.Errorf("%s: %d (%v), want %d", target, got, err, want)
		}
	}
}

// RFC 4825 §8: who may not see the document is told so before the node
// selector is judged; for that the document selector survives.
func TestDocumentSelectorSurvives(t *testing.T) {
	r, err := Parse("/xcap-root/a/users/sip:x@y/index/~~/p:r", roots)
	if err == nil || r.AUID != "a" || r.XUI != "sip:x@y" || r.Path != "index" {
		t.Errorf("%+v %v", r, err)
	}
}

func TestQuery(t *testing.T) {
	for _, c := range []struct {
		query string
		want  map[string]string
	}{
		{"", nil},
		{"xmlns(a=urn:x)xmlns(b=urn:y)", map[string]string{"a": "urn:x", "b": "urn:y"}},
		{" xmlns( a = urn:x )\t xmlns(b=urn:y) ", map[string]string{"a": "urn:x", "b": "urn:y"}},
		{"foo(bar)xmlns(p=urn:x)", map[string]string{"p": "urn:x"}},
		{"x:foo(a(b)^))xmlns(p=urn:^(^^^)=(1))", map[string]string{"p": "urn:(^)=(1)"}},
		{"xmlns(a=1)xmlns(a=2)", map[string]string{"a": "2"}},
		{"xmlns(xml=1)xmlns(xmlns=2)", nil},
	} {
		got, err := parseQuery(c.query)
		delete(got, "xml")
		if diff := cmp.Diff(c.want, got, cmpopts.EquateEmpty()); err != nil || diff != "" {
			t.Errorf("%q: %v %s", c.query, err, diff)
		}
	}
}

func TestParseRef(t *testing.T) {
	const list = `resource-lists/list[@name="oma_buddylist"]`
	for _, c := range []struct{ rule, ref, xui, node string }{
		{"wholly encoded", "http%3A//127.0.0.1%3A26180/xcap-root/resource-lists/users/sip%3Aalice%40example.test/index/~~/resource-lists/list%5B%40name%3D%22oma_buddylist%22%5D", "sip:alice@example.test", list},
		{"slashes encoded too", "http%3A%2F%2Fh%2Fxcap-root%2Fresource-lists%2Fusers%2Fsip%3Aalice%40example.test%2Findex%2F~~%2Fresource-lists%2Flist%5B%40name%3D%22oma_buddylist%22%5D", "sip:alice@example.test", list},
		{"any host", "https://elsewhere.example:99/xcap-root/resource-lists/users/sip:a@b/index/~~/" + list, "sip:a@b", list},
		{"relative", "resource-lists/users/sip:a@b/index/~~/resource-lists/list%5b@name=%22oma_buddylist%22%5d", "sip:a@b", list},
		{"absolute path", "/xcap-root/resource-lists/users/sip:a@b/index/~~/" + list, "sip:a@b", list},
		{"white space around", "\n resource-lists/users/sip:a@b/index/~~/" + list + "\n", "sip:a@b", list},
		{"encoded query", "resource-lists/users/sip:a@b/index/~~/r:resource-lists%3Fxmlns(r=urn:x)", "sip:a@b", "r:resource-lists"},
		{"encoded question mark in a value", "resource-lists/users/sip:a@b/index/~~/e[@u=%22%3F%22]", "sip:a@b", `e[@u="?"]`},
		{"document", "resource-lists/users/sip:a@b/index", "sip:a@b", ""},
	} {
		r, err := ParseRef(c.ref, roots)
		if err != nil {
			t.Errorf("%s: %v", c.rule, err)
			continue
		}
		node := ""
		if r.Node != nil {
			node = r.Node.text
		}
		if r.AUID != "resource-lists" || r.XUI != c.xui || r.Path != "index" || node != c.node {
			t.Errorf("%s: %+v node %q", c.rule, r, node)
		}
	}
	for _, ref := range []string{"", "http://h/elsewhere/resource-lists/users/a/index", "http:", "http://", "mailto:x@y", "/", "a/b", "../resource-lists/users/a/index"} {
		if r, err := ParseRef(ref, roots); err == nil {
			t.Errorf("%q: accepted as %+v", ref, r)
		}
	}
}

func TestKey(t *testing.T) {
	for _, xui := range []string{"sip:alice@Example.test", "alice@example.test", "sip%3Aalice%40example.test"} {
		r := Request{AUID: "a", XUI: xui, Path: "index"}
		if k, err := r.Key(); err != nil || k.XUI != "sip:alice@example.test" {
			t.Errorf("%s: %+v %v", xui, k, err)
		}
	}
	if k, err := (Request{AUID: "a", Global: true, Path: "index"}).Key(); err != nil || k.XUI != "" {
		t.Errorf("%+v %v", k, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("/xcap-root/a/users/sip:x@y/index/~~/p:r/a%5b2%5d%5b@k=%22/%22%5d/@p:x?xmlns(p=urn:x)")
	f.Add("http%3A//h%3A1/xcap-root/a/global/i/~~/r%3Fxmlns(a=b)")
	f.Fuzz(func(t *testing.T, target string) {
		for _, parse := range []func(string, []string) (Request, error){Parse, ParseRef} {
			r, err := parse(target, roots)
			if err != nil {
				var e *Error
				if !errors.As(err, &e) || e.Status != 400 && e.Status != 404 {
					t.Fatalf("%q: %v", target, err)
				}
				continue
			}
			if r.AUID == "" || r.Path == "" || r.Global == (r.XUI != "") || r.Node != nil && len(r.Node.Steps) == 0 {
				t.Fatalf("%q: %+v", target, r)
			}
			if r.Node == nil {
				continue
			}
			again, err := ParseNode(r.Node.text, r.Query, "")
			if err != nil || cmp.Diff(r.Node, again, cmp.AllowUnexported(NodeSelector{}, Step{})) != "" {
				t.Fatalf("%q: node %q does not parse again: %v", target, r.Node.text, err)
			}
		}
	})
}
