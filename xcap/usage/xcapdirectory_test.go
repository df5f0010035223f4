package usage

import (
	"strings"
	"testing"
	"time"

	"rollcall/internal/store"
)

func TestDirectory(t *testing.T) {
	env := newEnv(t)
	modified := time.Date(2026, 1, 31, 18, 30, 0, 0, time.UTC)
	put := func(xui, auid, path, etag, body string) {
		t.Helper()
		doc := store.Document{DocumentKey: store.DocumentKey{XUI: xui, AUID: auid, Path: path}, Body: []byte(body), ETag: etag, Modified: modified}
		if err := env.Documents.PutDocument(t.Context(), doc, "", nil); err != nil {
			t.Fatal(err)
		}
	}
	read := func(path string) (string, string, bool) {
		t.Helper()
		body, tag, ok, err := byAUID(t, "org.openmobilealliance.xcap-directory").Personal(t.Context(), env, store.DocumentKey{XUI: alice, Path: path})
		if err != nil {
			t.Fatal(err)
		}
		return string(body), tag, ok
	}
	put(alice, "resource-lists", "index", "v1", "<r/>")
	put(alice, "resource-lists", "a b&c", `v"2`, "<resource-lists/>")
	put(alice, "org.openmobilealliance.pres-content", "oma_status-icon/index", "i", "<c/>")
	put(bob, "pres-rules", "index", "x", "<r/>")
	put(alice, "gone-usage", "index", "x", "<r/>")

	body, tag, ok := read("directory.xml")
	d := scan(t, body)
	if !ok || !d.Is(0, nsXCAPDirectory, "xcap-directory") {
		t.Fatal(ok, body)
	}
	folders := map[string]int{}
	for folder := range d.Children(0) {
		auid, _ := d.Attr(folder, "", "auid")
		for range d.Children(folder) {
			folders[auid]++
		}
		if _, there := folders[auid]; !there {
			folders[auid] = 0
		}
	}
	if folders["resource-lists"] != 2 || folders["org.openmobilealliance.pres-content"] != 1 {
		t.Errorf("%v", folders)
	}
	for auid, there := range map[string]bool{"pres-rules": true, "xcap-caps": false, "org.openxcap.watchers": false, "gone-usage": false} {
		if n, ok := folders[auid]; ok != there || n != 0 {
			t.Errorf("%s: %v with %d entries", auid, ok, n)
		}
	}
	for _, want := range []string{
		`uri="/xcap-root/resource-lists/users/sip:alice@example.test/index" etag="v1" last-modified="2026-01-31T18:30:00Z" size="4"/>`,
		`/a%20b&amp;c" etag="v&quot;2" last-modified="2026-01-31T18:30:00Z" size="17"/>`,
		`/org.openmobilealliance.pres-content/users/sip:alice@example.test/oma_status-icon/index"`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("%s is not in\n%s", want, body)
		}
	}
	if _, again, _ := read("directory.xml"); again != tag {
		t.Error("the entity-tag changed without reason")
	}
	put(alice, "pres-rules", "index", "x", "<r/>")
	if _, changed, _ := read("directory.xml"); changed == tag {
		t.Error("the entity-tag stayed although the listing changed")
	}
	if _, _, ok := read("index"); ok {
		t.Error("there is only directory.xml")
	}
	env.Roots = []string{"https://xcap.example.test/root"}
	if body, _, _ := read("directory.xml"); !strings.Contains(body, `uri="https://xcap.example.test/root/resource-lists/`) {
		t.Errorf("a configured root with a host: %s", body)
	}
}
