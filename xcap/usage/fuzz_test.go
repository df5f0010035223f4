package usage

import (
	"os"
	"path/filepath"
	"testing"
	"unicode/utf8"

	"rollcall/internal/store"
	"rollcall/internal/xmlscan"
)

// FuzzValidate runs every usage over any well-formed document: no panic, and a
// refusal always says what is wrong, in valid UTF-8.
func FuzzValidate(f *testing.F) {
	files, err := filepath.Glob("testdata/blink/*.xml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	f.Add([]byte(icon("image/png", "base64", base64Of(pngMagic))))
	f.Add([]byte(`<user-profiles xmlns="urn:oma:xml:xdm:user-profile"><user-profile uri="sip:alice@example.test"/></user-profiles>`))
	f.Add([]byte(listsHead + `<list name="a"/><list name="a"><list><external/></list></list></resource-lists>`))
	f.Add([]byte(servicesHead + service("sip:bob@example.test") + service("sip:bob+x@example.test") + `</rls-services>`))
	f.Add([]byte(rulesHead + `<cr:rule id="é"><cr:actions><pr:x/></cr:actions></cr:rule></cr:ruleset>`))
	env := newEnv(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		d, err := xmlscan.Scan(body, xmlscan.DefaultLimits())
		if err != nil {
			return
		}
		for _, u := range env.Usages {
			if u.Validate == nil {
				continue
			}
			c := u.Validate(d)
			if c == nil && u.Constrain != nil {
				if _, c, err = u.Constrain(t.Context(), env, store.DocumentKey{XUI: alice, AUID: u.AUID, Path: "index"}, d); err != nil {
					t.Fatal(err)
				}
			}
			if c == nil {
				continue
			}
			if c.Phrase == "" || !utf8.ValidString(c.Phrase) {
				t.Errorf("%s: phrase %q", u.AUID, c.Phrase)
			}
			if (c.Element == UniquenessFailure) != (len(c.Exists) > 0) {
				t.Errorf("%s: %s names %d fields", u.AUID, c.Element, len(c.Exists))
			}
		}
	})
}

// FuzzIndex: whatever services are stored, the index is well-formed and has them all.
func FuzzIndex(f *testing.F) {
	f.Add([]byte(servicesHead + service("sip:a@x") + `</rls-services>`))
	f.Add([]byte(`<r:rls-services xmlns:r="urn:ietf:params:xml:ns:rls-services" xmlns="urn:d" xmlns:q="&quot;&lt;"><r:service xmlns="" uri="q"/></r:rls-services>`))
	f.Fuzz(func(t *testing.T, body []byte) {
		d, err := xmlscan.Scan(body, xmlscan.DefaultLimits())
		if err != nil {
			return
		}
		env := newEnv(t)
		doc := store.Document{DocumentKey: store.DocumentKey{XUI: alice, AUID: "rls-services", Path: "index"}, Body: body, ETag: "1"}
		if err := env.Documents.PutDocument(t.Context(), doc, "", nil); err != nil {
			t.Fatal(err)
		}
		index, _, _, err := globalServices(t.Context(), env, store.DocumentKey{Path: globalIndex})
		if err != nil {
			t.Fatal(err)
		}
		limits := xmlscan.DefaultLimits()
		limits.Bytes *= 64
		limits.Attributes *= 64
		whole, err := xmlscan.Scan(index, limits)
		if err != nil {
			t.Fatalf("%v\n%s", err, index)
		}
		if len(whole.Elements) != len(d.Elements) {
			t.Fatalf("%d elements became %d\n%s", len(d.Elements), len(whole.Elements), index)
		}
		for i := 1; i < len(d.Elements); i++ {
			if nameOf(d, i) != nameOf(whole, i) {
				t.Fatalf("element %d: %v became %v\n%s", i, nameOf(d, i), nameOf(whole, i), index)
			}
		}
	})
}
