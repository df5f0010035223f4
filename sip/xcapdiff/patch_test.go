package xcapdiff

import (
	"fmt"
	"testing"

	"rollcall/internal/xmlpatch"
	"rollcall/internal/xmlscan"
)

// RFC 5875 §4.3: xcap-patching tells every version, aggregate one change from the
// version told last; both give the document as it is, and what cannot be told is
// fetched.
func TestPatches(t *testing.T) {
	long := func(name string, more string) string {
		text := `<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list name="` + name + `">`
		for i := range 50 {
			text += fmt.Sprintf(`<entry uri="sip:user%d@example.test"/>`, i)
		}
		return text + more + "</list></resource-lists>"
	}
	d := newDesk(t, lists)
	d.store.Remember(20, 0)
	d.s.cfg.History = d.store
	k := key("resource-lists", "index")
	d.put(k, "v1", long("a", ""))
	d.put(k, "v2", long("b", ""))
	d.put(k, "v3", long("b", `<entry uri="sip:new@example.test"/>`))
	d.put(k, "v4", long("b", `<entry uri="sip:new@example.test"/>`))
	src := d.src.(*source)
	tests := []struct {
		from, to string
		mode     mode
		steps    int
	}{
		{"v1", "v3", patching, 2},
		{"v1", "v3", aggregate, 1},
		{"v1", "v2", aggregate, 1},
		{"v3", "v4", patching, 1},
		{"v1", "v4", noPatching, 0},
		{"v0", "v3", patching, 0},
		{"v3", "v1", aggregate, 0},
	}
	texts := map[string]string{"v1": long("a", ""), "v2": long("b", ""), "v3": long("b", `<entry uri="sip:new@example.test"/>`), "v4": long("b", `<entry uri="sip:new@example.test"/>`)}
	for _, test := range tests {
		steps := src.steps(k, test.from, test.to, test.mode)
		if len(steps) != test.steps {
			t.Errorf("%+v: %d steps", test, len(steps))
			continue
		}
		doc := newReport("/")
		doc.changed(item{sel: lists, key: k, etag: test.to}, test.from, steps)
		report, err := xmlscan.Scan(doc.finish(), xmlscan.DefaultLimits())
		if err != nil {
			t.Fatal(err)
		}
		text, at := texts[test.from], test.from
		for i := range report.Children(0) {
			if from, _ := report.Attr(i, "", "previous-etag"); from != at {
				t.Errorf("%+v: a step from %s, at %s", test, from, at)
			}
			at, _ = report.Attr(i, "", "new-etag")
			if at == "v4" && test.mode == patching {
				if !report.Is(int(report.Elements[i].First), namespace, "body-not-changed") {
					t.Errorf("%+v: an equal body", test)
				}
				continue
			}
			ops, err := xmlpatch.Parse(report, i, namespace)
			if err != nil {
				t.Fatal(err)
			}
			if len(ops) == 0 {
				continue
			}
			patched, err := xmlpatch.Apply([]byte(text), ops, xmlscan.DefaultLimits())
			if err != nil {
				t.Fatalf("%+v: %v", test, err)
			}
			text = string(patched.Src)
		}
		if at != test.to || test.steps > 0 && text != texts[test.to] {
			t.Errorf("%+v: ends at %s with\n%s", test, at, text)
		}
	}
	// A document that was removed meanwhile is another one.
	d.put(k, "", "")
	d.put(k, "v5", long("a", ""))
	if steps := src.steps(k, "v4", "v5", aggregate); len(steps) != 0 {
		t.Errorf("%d steps over a removal", len(steps))
	}
	// What has nothing in common is fetched.
	d.put(k, "v6", "<other/>")
	if steps := src.steps(k, "v5", "v6", aggregate); len(steps) != 0 {
		t.Errorf("%d steps to another document", len(steps))
	}
}
