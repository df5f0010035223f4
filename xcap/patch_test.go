package xcap

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"rollcall/internal/store"
	"rollcall/internal/xmlpatch"
	"rollcall/internal/xmlscan"
	"rollcall/xcap/usage"
)

func (ts *testServer) patch(target, body string, headers ...string) answer {
	ts.t.Helper()
	return ts.do(http.MethodPatch, target, body, append([]string{"Content-Type", patchType}, headers...)...)
}

func diffOf(sel, previous, ops string) string {
	return `<d:xcap-diff xmlns:d="` + diffNamespace + `" xcap-root="http://h` + root + `/"><d:document sel="` + sel + `" previous-etag="` + previous + `">` + ops + `</d:document></d:xcap-diff>`
}

// RFC 5789, RFC 7351, RFC 5261.
func TestPatch(t *testing.T) {
	ts := newTestServer(t)
	const p = `<p:patch xmlns:p="` + patchNamespace + `">`
	expect(t, "no document", ts.patch(docURI, p+`<p:remove sel="r/b"/></p:patch>`), 404, "")
	ts.fresh(sample)
	before := ts.get(docURI).etag()
	a := ts.patch(docURI, p+`<p:remove sel="r/b" ws="before"/><p:add sel="r/a[1]" type="@n">9</p:add></p:patch>`, "If-Match", before)
	expect(t, "two operations", a, 200, "")
	after := ts.get(docURI)
	if want := "<r>\n <a k=\"1\" n=\"9\"/>\n <a k=\"2\"/>\n <!--c-->\n</r>"; after.body != want || a.etag() == before || a.etag() != after.etag() || a.body != "" {
		t.Errorf("%q %s %s", after.body, a.etag(), after.etag())
	}
	tag := strings.Trim(after.etag(), `"`)
	const sel = "test-app/users/" + alice + "/index"
	for _, c := range []struct {
		rule, contentType, body string
		status                  int
		says                    string
	}{
		{"all or nothing", patchType, p + `<p:remove sel="r/a[1]"/><p:remove sel="r/nope"/></p:patch>`, 409, "<unlocated-node "},
		{"no such operation", patchType, p + `<p:move sel="r"/></p:patch>`, 400, "<invalid-diff-format "},
		{"not XML", patchType, "patch", 400, "not well-formed"},
		{"bomb", patchType, `<!DOCTYPE x><x/>`, 400, "document type"},
		{"other document", patchType, "<x/>", 400, "no patch document"},
		{"other type", "application/xml", p + "</p:patch>", 415, ""},
		{"no type", "", p + "</p:patch>", 415, ""},
		{"nothing", patchType, p + "</p:patch>", 200, ""},
		{"too large", patchType, "<diff><add sel='r'><x>" + strings.Repeat("x", 256<<10-45) + "</x></add></diff>", 409, "<constraint-failure "},
		{"about another document", diffType, diffOf(strings.Replace(sel, "alice", "bob", 1), tag, ""), 400, "another document"},
		{"about an older version", diffType, diffOf(sel, "old", `<d:remove sel="r/a[1]"/>`), 412, ""},
		{"diff", diffType, diffOf(sel, tag, `<d:replace sel="*/a[1]/@n">8</d:replace>`), 200, ""},
	} {
		body := ts.get(docURI).body
		a := ts.do(http.MethodPatch, docURI, c.body, "Content-Type", c.contentType)
		if a.StatusCode != c.status || !strings.Contains(a.body, c.says) {
			t.Errorf("%s: %d %s", c.rule, a.StatusCode, a.body)
		}
		if c.status == 415 && a.Header.Get("Accept-Patch") != acceptPatch {
			t.Errorf("%s: Accept-Patch %q", c.rule, a.Header.Get("Accept-Patch"))
		}
		if got := ts.get(docURI).body; c.status != 200 && got != body {
			t.Errorf("%s: document %s", c.rule, got)
		}
	}
	if got := ts.get(docURI).body; !strings.Contains(got, `n="8"`) {
		t.Errorf("document %s", got)
	}
	expect(t, "If-Match", ts.patch(docURI, p+"</p:patch>", "If-Match", `"old"`), 412, "")
	expect(t, "of a part", ts.patch(node("r/a[1]"), p+"</p:patch>"), 405, "")
	expect(t, "of what is computed", ts.patch(root+"/xcap-caps/global/index", p+"</p:patch>"), 405, "")
	expect(t, "of a stranger", ts.patch(docURI, p+"</p:patch>", assertedIdentity, bob), 403, "")
	if got := ts.do("OPTIONS", docURI, "").Header.Get("Accept-Patch"); got != acceptPatch {
		t.Errorf("Accept-Patch %q", got)
	}
}

// What a patch makes of a document must be what could be put.
func TestPatchIsValidated(t *testing.T) {
	ts := newTestServer(t)
	ts.mustPut(listsURI, list(`<entry uri="sip:a@x"/>`))
	const open = `<p:patch xmlns:p="` + patchNamespace + `" xmlns="` + listsNS + `">`
	expect(t, "schema", ts.patch(listsURI, open+`<p:add sel="*/list"><nonsense/></p:add></p:patch>`), 409, usage.SchemaValidationError)
	expect(t, "uniqueness", ts.patch(listsURI, open+`<p:add sel="*/list"><entry uri="sip:a@x"/></p:add></p:patch>`), 409, usage.UniquenessFailure)
	expect(t, "right", ts.patch(listsURI, open+`<p:add sel="*/list"><entry uri="sip:b@x"/></p:add></p:patch>`), 200, "")
	if got := ts.get(listsURI).body; got != list(`<entry uri="sip:a@x"/><entry uri="sip:b@x"/>`) {
		t.Errorf("document %s", got)
	}
}

// A patch made from two versions leads from the one to the other over HTTP.
func TestPatchOfVersions(t *testing.T) {
	ts := newTestServer(t)
	was, is := buddies("Contact"), strings.Replace(buddies("Contact"), "Contact 100", "Kontakt &amp; Co", 1)
	tag := strings.Trim(ts.mustPut(listsURI, was).etag(), `"`)
	ops, ok := xmlpatch.Diff([]byte(was), []byte(is))
	if !ok {
		t.Fatal("no patch")
	}
	var b []byte
	for i := range ops {
		b = ops[i].Append(b, diffNamespace)
	}
	a := ts.do(http.MethodPatch, listsURI, diffOf("resource-lists/users/"+alice+"/index", tag, string(b)), "Content-Type", diffType)
	if got := ts.get(listsURI).body; a.StatusCode != 200 || got != is {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	if _, err := xmlscan.Scan(b, xmlscan.Limits{}); err != nil || len(b) > 300 {
		t.Errorf("%v: %s", err, b)
	}
}

// No acknowledged patch is lost either.
func TestConcurrentPatches(t *testing.T) {
	onStores(t, func(t *testing.T, st store.Store) {
		var acknowledged sync.Map
		ts := writers(t, st, 32, func(ts *testServer, i int) {
			element := fmt.Sprintf(`<a k="v%d"/>`, i)
			if a := ts.patch(docURI, "<diff><add sel='r'>"+element+"</add></diff>"); a.StatusCode != http.StatusOK {
				t.Errorf("writer %d: %d %s", i, a.StatusCode, a.body)
				return
			}
			acknowledged.Store(element, true)
		})
		got := ts.get(docURI).body
		acknowledged.Range(func(element, _ any) bool {
			if strings.Count(got, element.(string)) != 1 {
				t.Errorf("%s is lost", element)
			}
			return true
		})
	}, "memory", "sqlite")
}
