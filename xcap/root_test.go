package xcap

import (
	"strings"
	"testing"

	"rollcall/internal/store"
)

// RFC 4825 §6.1: roots share nothing.
func TestRootsAreIsolated(t *testing.T) {
	const first, second, inner = root, "/other", root + "/inner"
	ts := newTestServer(t, func(c *Config) { c.Roots = []string{first, second, "http://xcap.example.test" + inner + "/"} })
	const doc = "/test-app/users/" + alice + "/index"
	for i, r := range []string{first, second, inner} {
		expect(t, r+" before", ts.get(r+doc), 404, "")
		expect(t, r, ts.put(r+doc, "<r>"+r+"</r>"), 201, "")
		if got := ts.seen()[i].Key; got.AUID != map[string]string{first: "test-app", second: "/other/test-app", inner: inner + "/test-app"}[r] {
			t.Errorf("%s: announced as %+v", r, got)
		}
	}
	for _, r := range []string{first, second, inner} {
		if got := ts.get(r + doc).body; got != "<r>"+r+"</r>" {
			t.Errorf("%s holds %s", r, got)
		}
	}
	expect(t, "DELETE", ts.do("DELETE", second+doc, ""), 200, "")
	expect(t, "deleted", ts.get(second+doc), 404, "")
	expect(t, "others stay", ts.get(first+doc), 200, "")
	expect(t, "outside", ts.get("/nowhere"+doc), 404, "")
	expect(t, "a root in a root is no usage", ts.get(first+"/%2Fother%2Ftest-app/users/"+alice+"/index"), 404, "")
}

func services(root, user, service string) string {
	return `<rls-services xmlns="urn:ietf:params:xml:ns:rls-services"><service uri="` + service + `"><resource-list>http://h` + root +
		`/resource-lists/users/` + user + `/index/~~/resource-lists/list%5b@name=%22l%22%5d</resource-list></service></rls-services>`
}

// RFC 4826 §4.4.5, §4.4.7: service URIs are unique over all roots, but the index
// of a root has its own services only, and no reference leaves a root.
func TestServicesOfRoots(t *testing.T) {
	const second = "/other"
	ts := newTestServer(t, func(c *Config) { c.Roots = []string{root, second} })
	const doc, index = "/rls-services/users/" + alice + "/index", "/rls-services/global/index"
	expect(t, "first", ts.put(root+doc, services(root, alice, "sip:one@example.test")), 201, "")
	expect(t, "same service in another root", ts.put(second+doc, services(second, alice, "sip:one@example.test")), 409, "uniqueness-failure")
	expect(t, "reference into another root", ts.put(second+doc, services(root, alice, "sip:two@example.test")), 409, "constraint-failure")
	expect(t, "second", ts.put(second+doc, services(second, alice, "sip:two@example.test")), 201, "")
	expect(t, "again", ts.put(second+doc, services(second, alice, "sip:two@example.test")+"\n"), 200, "")
	for r, want := range map[string][2]string{root: {"one", "two"}, second: {"two", "one"}} {
		a := ts.get(r+index, assertedIdentity, bob)
		if !strings.Contains(a.body, "sip:"+want[0]) || strings.Contains(a.body, "sip:"+want[1]) {
			t.Errorf("index of %s: %d %s", r, a.StatusCode, a.body)
		}
	}
}

// No key of one tree is mistaken for one of another.
func TestTreeKeys(t *testing.T) {
	cfg := &Config{Roots: []string{"/a", "/a/b", "/"}}
	trees := newTrees(cfg)
	for path, from := range trees {
		for other, to := range trees {
			key := store.DocumentKey{XUI: alice, AUID: "resource-lists", Path: "index"}
			got, ok := to.seen(from.stored(key))
			if ok != (path == other) || (got == key) != (path == other) {
				t.Errorf("%s seen from %s: %+v, %v", path, other, got, ok)
			}
		}
	}
}
