package presence

import (
	"maps"
	"strings"
	"testing"
)

// What is published and cannot be understood is refused with words that tell a
// person what is wrong (RFC 3903 §6 step 5, RFC 3261 §20.43), and changes nothing.
func TestInvalidDocuments(t *testing.T) {
	root := func(inner string) string {
		return `<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="` + amy + `">` + inner + `</presence>`
	}
	const closing = "</presence>"
	for _, tt := range []struct{ name, body, says string }{
		{"nothing but blanks", "  \n ", "no root element"},
		{"no XML", "online", "outside"},
		{"not closed", strings.TrimSuffix(root(""), closing), "presence"},
		{"two roots", root("") + root(""), "root"},
		{"tags cross", root(`<tuple id="a"><status></tuple></status>`), "status"},
		{"attribute twice", root(`<tuple id="a" id="b"/>`), "id"},
		{"unbound prefix", root(`<dm:person id="p"/>`), "dm"},
		{"not UTF-8", root("<note>\xff</note>"), "UTF-8"},
		{"another encoding", `<?xml version="1.0" encoding="ISO-8859-1"?>` + root(""), "encoding"},
		{"DTD", `<!DOCTYPE presence [<!ENTITY a "b">]>` + root("&a;"), "document type"},
		{"unknown entity", root("<note>&nbsp;</note>"), "entity"},
		{"control character", root("<note>\x01</note>"), "character"},
		{"too deep", root(strings.Repeat(`<a xmlns="urn:a">`, 70) + strings.Repeat("</a>", 70)), "nested"},
		{"too many attributes", root(`<tuple id="a" ` + attributes(70) + `/>`), "attributes"},
		{"too many namespaces", strings.Replace(root(`<tuple `+attributes(40)+` id="a"/>`), " entity", namespaces(40)+" entity", 1), "too many attributes and namespaces"},
		{"another document", `<watcherinfo xmlns="urn:ietf:params:xml:ns:watcherinfo"/>`, "the root element is not presence"},
		{"no namespace", `<presence entity="` + amy + `"/>`, "the root element is not presence"},
		{"RFC 3863 §4.1.1: no entity", strings.Replace(root(""), "entity", "about", 1), "presence has no entity"},
		{"RFC 3863 §4.1.1: empty entity", strings.Replace(root(""), amy, "", 1), "presence has no entity"},
		{"RFC 3863 §4.1.4: basic", root(`<tuple id="a"><status><basic>OPEN</basic></status></tuple>`), "tuple 'a': basic is neither open nor closed"},
		{"RFC 3863 §4.1.4: empty basic", root(`<tuple id="a"><status><basic/></status></tuple>`), "basic is neither open nor closed"},
		{"RFC 3863 §4.4: two basics", root(`<tuple id="a"><status><basic>open</basic><basic>closed</basic></status></tuple>`), "more than one basic"},
		{"RFC 3863 §4.4: two statuses", root(`<tuple id="a"><status/><status/></tuple>`), "more than one status"},
		{"RFC 3863 §4.4: two contacts", root(`<tuple id="a"><status/><contact>a:b</contact><contact>a:c</contact></tuple>`), "more than one contact"},
		{"RFC 3863 §4.4: two timestamps", root(`<tuple id="a"><status/><timestamp/><timestamp/></tuple>`), "more than one timestamp"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, Config{}, func(t *testing.T, r *rig) {
				tag := r.must(amy, typed, document(tuple("t", "open")))
				before := r.tuples(amy)
				for _, headers := range []string{typed, typed + "SIP-If-Match: " + tag} {
					a := r.publish(amy, headers, tt.body)
					warning := a.header("Warning")
					if a.status != 400 || !strings.HasPrefix(warning, `399 example.test "`) || !strings.HasSuffix(warning, `"`) || !strings.Contains(warning, tt.says) {
						t.Errorf("%d, Warning: %s, want one that says %q", a.status, warning, tt.says)
					}
				}
				if after := r.tuples(amy); !maps.Equal(before, after) {
					t.Errorf("%v became %v", before, after)
				}
				r.must(amy, refresh(tag), "")
			})
		})
	}
}

func attributes(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(` a` + strings.Repeat("a", i) + `=""`)
	}
	return b.String()
}

func namespaces(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(` xmlns:n` + strings.Repeat("n", i) + `="urn:n"`)
	}
	return b.String()
}

// What is out of order or odd is put right instead (RFC 4479 §5), as clients send it
// and nobody is helped by a refusal.
func TestSloppyDocuments(t *testing.T) {
	for name, inner := range map[string]string{
		"tuple without id":                    `<tuple><status><basic>open</basic></status></tuple>`,
		"id with a digit":                     `<tuple id="1"><status/></tuple>`,
		"the same id twice":                   tuple("a", "open") + tuple("a", "closed"),
		"no status":                           `<tuple id="a"/>`,
		"person before tuple":                 `<dm:person id="p"/>` + tuple("a", "open"),
		"note before tuple":                   `<note>n</note>` + tuple("a", "open"),
		"children in any order":               `<tuple id="a"><note/><contact>a:b</contact><status><basic>open</basic></status></tuple>`,
		"unreadable timestamp":                `<tuple id="a"><status/><timestamp>now</timestamp></tuple>`,
		"unreadable priority":                 `<tuple id="a"><status/><contact priority="2">a:b</contact></tuple>`,
		"unknown element of PIDF":             `<presentity/>` + tuple("a", "open"),
		"unknown extensions":                  `<x:y xmlns:x="urn:x"><x:z/></x:y>`,
		"device without deviceID":             `<dm:device id="d"/>`,
		"RFC 3863 §4.2.3: must be understood": `<tuple id="a"><status><basic>open</basic><x:y xmlns:x="urn:x" xmlns:p="urn:ietf:params:xml:ns:pidf" p:mustUnderstand="1"/></status></tuple>`,
		"nothing":                             "",
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, Config{}, func(t *testing.T, r *rig) {
				r.must(amy, typed, document(inner))
				tuplesOf(t, r.view(amy).Body) // can be read
			})
		})
	}
}

// RFC 3903 §14.4: what is signed or encrypted cannot be composed; it is refused, not
// altered or passed over.
func TestSecuredBodies(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, r *rig) {
		for _, kind := range []string{
			`multipart/signed;protocol="application/pkcs7-signature";micalg=sha1;boundary=b`, "application/pkcs7-mime;smime-type=enveloped-data",
			"multipart/mixed;boundary=b", "multipart/encrypted;boundary=b",
		} {
			a := r.publish(amy, "Event: presence\nContent-Type: "+kind, "--b\r\n\r\nx\r\n--b--\r\n")
			if a.status != 415 || !strings.HasPrefix(a.header("Accept"), "application/pidf+xml") {
				t.Errorf("%s: %s", kind, a.text)
			}
		}
	})
}
