package xcap

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"rollcall/internal/xcapuri"
	"rollcall/internal/xmlscan"
	"rollcall/xcap/usage"
)

// buddies is a list of 200 contacts, 23 kB.
func buddies(name string) string {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` + "\n" + `<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists">` + "\n <list name=\"friends\">\n")
	for i := range 200 {
		fmt.Fprintf(&b, "  <entry uri=\"sip:contact-%03d@example.test\">\n   <display-name>%s %03d</display-name>\n  </entry>\n", i, name, i)
	}
	b.WriteString(" </list>\n</resource-lists>\n")
	return b.String()
}

// BenchmarkHandler measures what a request costs behind the socket.
func BenchmarkHandler(b *testing.B) {
	element := listsURI + "/~~/" + escape(`resource-lists/list[@name="friends"]/entry[@uri="sip:contact-150@example.test"]`)
	entry := func(name string) string {
		return `<entry uri="sip:contact-150@example.test"><display-name>` + name + `</display-name></entry>`
	}
	a, z := buddies("Contact"), buddies("Kontakt")
	for _, c := range []struct {
		name, method, target, contentType string
		bodies                            [2]string
	}{
		{"GET", "GET", listsURI, "", [2]string{}},
		{"GET-304", "GET", listsURI, "", [2]string{}},
		{"GET-element", "GET", element, "", [2]string{}},
		{"PUT", "PUT", listsURI, listsType, [2]string{a, z}},
		{"PUT-same", "PUT", listsURI, listsType, [2]string{a, a}},
		{"PUT-element", "PUT", element, elementType, [2]string{entry("A"), entry("B")}},
	} {
		b.Run(c.name, func(b *testing.B) {
			ts := newTestServer(b)
			ts.mustPut(listsURI, a)
			h := ts.Config.Handler
			r := httptest.NewRequest(c.method, "/", nil)
			r.URL.Path, r.RequestURI, r.RemoteAddr = c.target, c.target, "127.0.0.1:1"
			r.Header.Set(assertedIdentity, alice)
			r.Header.Set("Content-Type", c.contentType)
			want := 200
			if c.name == "GET-304" {
				r.Header.Set("If-None-Match", "*")
				want = 304
			}
			w := &discard{header: http.Header{}}
			i := 0
			b.ReportAllocs()
			for b.Loop() {
				body := c.bodies[i&1]
				r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
				i++
				h.ServeHTTP(w, r)
				if w.status != want {
					b.Fatal(w.status)
				}
			}
		})
	}
}

// discard is a response writer that keeps the status only.
type discard struct {
	header http.Header
	status int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(status int)      { d.status = status }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }

// BenchmarkElementEdit is a PUT of an element without storage and HTTP: locate,
// splice, scan and validate.
func BenchmarkElementEdit(b *testing.B) {
	d, err := xmlscan.Scan([]byte(buddies("Contact")), xmlscan.Limits{})
	if err != nil {
		b.Fatal(err)
	}
	n, err := xcapuri.ParseNode(`resource-lists/list[@name="friends"]/entry[@uri="sip:contact-150@example.test"]`, "", "urn:ietf:params:xml:ns:resource-lists")
	if err != nil {
		b.Fatal(err)
	}
	validate := usage.ResourceLists().Validate
	body := []byte(`<entry uri="sip:contact-150@example.test"><display-name>B</display-name></entry>`)
	b.ReportAllocs()
	for b.Loop() {
		e, c := putElement(d, n, body, xmlscan.Limits{})
		if c != nil || validate(e.doc) != nil {
			b.Fatal(c)
		}
	}
}
