package main

import (
	"bytes"
	"compress/flate"
	"compress/zlib"
	"crypto/rand"
	"io"
	"regexp"
	"strings"
	"testing"
)

// linphoneList is the body with which Linphone 5.1 names its friends.
func linphoneList(friends ...string) string {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` + "\n" +
		`<resource-lists xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns="urn:ietf:params:xml:ns:resource-lists">` + "\n <list>\n")
	for _, f := range friends {
		b.WriteString(`  <entry uri="` + f + `"/>` + "\n")
	}
	return b.String() + " </list>\n</resource-lists>\n"
}

// linphoneLines are the header lines as recorded, three of them Accept.
func linphoneLines(c *sipClient, expires string, body bool) []string {
	lines := []string{"Supported: eventlist", "Event: presence", "Expires: " + expires}
	if body {
		lines = append(lines, "Content-Type: application/resource-lists+xml")
	}
	contact := c.contact() + `;expires=` + expires + `;+sip.instance="<urn:uuid:ab42192a-18ef-00c1-944d-619189bf6025>"`
	return append(lines, "Content-Encoding: deflate", "Contact: "+contact, "Require: recipient-list-subscribe",
		"Accept: multipart/related", "Accept: application/pidf+xml", "Accept: application/rlmi+xml",
		"Content-Disposition: recipient-list", "Accept-Encoding: deflate", "User-Agent: Linphone-lpworker/5.1.65")
}

func zlibbed(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func rawDeflated(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.DefaultCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// bareID is the one way of naming a document that Linphone knows.
var bareID = regexp.MustCompile("\r\nContent-Id: ([^<>\r]+)\r\n")

// inflated undoes the coding of a NOTIFY, and what is done for Linphone.
func inflated(t *testing.T, m *message) *message {
	t.Helper()
	if got := m.get("Content-Encoding"); got != "deflate" {
		t.Fatalf("Content-Encoding %q of\n%s", got, m)
	}
	r, err := zlib.NewReader(bytes.NewReader(m.body))
	if err != nil {
		t.Fatal(err)
	}
	if m.body, err = io.ReadAll(r); err != nil {
		t.Fatal(err)
	}
	if got := m.get("Event"); got != "Presence" {
		t.Fatalf("Event %q: Linphone does not take this for presence", got)
	}
	m.body = bareID.ReplaceAll(m.body, []byte("\r\nContent-ID: <$1>\r\n"))
	return m
}

// states returns what a list says of each resource.
func (l *rlmi) states() map[string]string {
	states := make(map[string]string)
	for _, r := range l.Resources {
		states[r.URI] = "none"
		for _, i := range r.Instances {
			states[r.URI] = i.State + " " + i.Reason
		}
	}
	return states
}

func (l *rlmi) wantStates(t *testing.T, list string, version int, full string, want map[string]string) {
	t.Helper()
	got := l.states()
	if l.URI != list || l.Version != version || l.FullState != full || len(got) != len(want) {
		t.Fatalf("uri=%q version=%d fullState=%s %v, want %q %d %s %v", l.URI, l.Version, l.FullState, got, list, version, full, want)
	}
	for uri, state := range want {
		if got[uri] != state {
			t.Fatalf("%s is %q, want %q", uri, got[uri], state)
		}
	}
}

// Linphone's friend list as recorded: subscribed, changed by giving up the
// subscription for another, given up. A friend who lets everybody see, and one
// without an account.
func TestLinphoneFriendList(t *testing.T) {
	const rls = "sip:rls@" + domain
	args := []string{"--data", t.TempDir(), "--domain", domain}
	s := start(t, args)
	bob := dialSIP(t, "tcp", s.sip, "bob", password("bob"))
	rules := `<ruleset xmlns="urn:ietf:params:xml:ns:common-policy" xmlns:pr="urn:ietf:params:xml:ns:pres-rules"><rule id="all"><conditions/>` +
		`<actions><pr:sub-handling>allow</pr:sub-handling></actions><transformations><pr:provide-services><pr:all-services/></pr:provide-services>` +
		`<pr:provide-persons><pr:all-persons/></pr:provide-persons><pr:provide-note>true</pr:provide-note></transformations></rule></ruleset>`
	newXCAPClient(t, s.xcapRoot, "bob", password("bob")).put(201, "pres-rules/users/sip:bob@"+domain+"/index", typeRules, rules)
	absent := "sip:absent@" + domain
	publish := func(note string) {
		bob.want(200, request{method: "PUBLISH", uri: bob.aor(),
			lines: []string{"Event: presence", "Expires: 600", "Content-Type: " + typePIDF}, body: blinkPIDF("bob", "open", "away", "away", note)})
	}
	for _, network := range []string{"udp", "tcp"} {
		t.Run(network, func(t *testing.T) {
			alice := dialSIP(t, network, s.sip, "alice", password("alice"))
			sub := func(body string) *dialog {
				d := &dialog{c: alice, r: request{method: "SUBSCRIBE", uri: rls, to: rls, callID: rand.Text(),
					lines: linphoneLines(alice, "3600", true), body: body}}
				m := alice.want(200, d.r)
				if m.get("Require") != "eventlist" {
					t.Errorf("Require of the 200 is %q", m.get("Require"))
				}
				_, d.r.toTag, _ = strings.Cut(m.get("To"), "tag=")
				d.target = strings.Trim(m.get("Contact"), "<>")
				return d
			}
			first := sub(zlibbed(t, linphoneList(absent, bob.aor())))
			readRLMI(t, inflated(t, first.notify())).wantStates(t, rls, 0, "true", map[string]string{absent: "terminated noresource", bob.aor(): "active "})
			publish("gone fishing " + network)
			l := readRLMI(t, inflated(t, first.notify()))
			l.wantStates(t, rls, 1, "false", map[string]string{bob.aor(): "active "})
			if doc := l.parts[l.Resources[0].Instances[0].CID]; !strings.Contains(doc, "gone fishing "+network) {
				t.Errorf("alice sees\n%s", doc)
			}

			// The way Linphone ends it: the coding of a body that is not there.
			end := first.r
			end.uri, end.body, end.lines = first.target, "", linphoneLines(alice, "0", false)
			alice.want(200, end)
			if m := inflated(t, first.notify()); m.get("Subscription-State") != "terminated;reason=timeout" {
				t.Errorf("Subscription-State %q", m.get("Subscription-State"))
			}

			// One friend more, this time in the form without zlib header; then the
			// same and another list in the dialog.
			second := sub(rawDeflated(t, linphoneList(absent, "sip:carol@"+domain, "SIP:bob@LOCALHOST", bob.aor())))
			readRLMI(t, inflated(t, second.notify())).wantStates(t, rls, 0, "true",
				map[string]string{absent: "terminated noresource", bob.aor(): "active ", "sip:carol@" + domain: "pending "})
			again := second.r
			again.uri = second.target
			alice.want(200, again)
			if l := readRLMI(t, inflated(t, second.notify())); l.FullState != "true" || len(l.Resources) != 3 {
				t.Errorf("refresh with the same list: %+v", l)
			}
			again.body = zlibbed(t, linphoneList(bob.aor()))
			alice.want(200, again)
			readRLMI(t, inflated(t, second.notify())).wantStates(t, rls, 2, "true", map[string]string{bob.aor(): "active "})
		})
	}
	for _, tt := range []struct {
		name    string
		r       request
		replace [2]string
		body    string
		status  int
		header  string
	}{
		{name: "another coding", replace: [2]string{"Content-Encoding: deflate", "Content-Encoding: br"}, body: "x", status: 415, header: "Accept-Encoding: deflate, gzip, identity"},
		{name: "no deflated data", body: "<resource-lists/>", status: 400},
		{name: "a bomb", body: zlibbed(t, strings.Repeat(" ", 1<<20)), status: 413},
		{name: "no XML", body: zlibbed(t, "hello"), status: 400},
		{name: "another root", body: zlibbed(t, `<list xmlns="urn:ietf:params:xml:ns:resource-lists"/>`), status: 400},
		{name: "another disposition", replace: [2]string{"Content-Disposition: recipient-list", "Content-Disposition: render"}, body: zlibbed(t, linphoneList()), status: 415, header: "Accept: application/resource-lists+xml"},
		{name: "no body", replace: [2]string{"Content-Type: application/resource-lists+xml", "X-Body: none"}, status: 400},
		{name: "RFC 4662 §4.1: without eventlist", replace: [2]string{"Supported: eventlist", "Supported: replaces"}, body: zlibbed(t, linphoneList()), status: 421, header: "Require: eventlist"},
		{name: "too many", body: zlibbed(t, manyFriends(1001)), status: 413},
		{name: "another package", replace: [2]string{"Event: presence", "Event: presence.winfo"}, body: zlibbed(t, linphoneList()), status: 420, header: "Unsupported: recipient-list-subscribe"},
		{name: "somebody else's address", r: request{uri: "sip:bob@" + domain}, body: zlibbed(t, linphoneList()), status: 403},
		{name: "the own address", r: request{uri: "sip:alice@" + domain}, body: zlibbed(t, linphoneList()), status: 200},
	} {
		t.Run(tt.name, func(t *testing.T) {
			alice := dialSIP(t, "tcp", s.sip, "alice", password("alice"))
			r := tt.r
			r.method, r.body, r.lines = "SUBSCRIBE", tt.body, linphoneLines(alice, "3600", true)
			if r.uri == "" {
				r.uri = rls
			}
			for i, l := range r.lines {
				if l == tt.replace[0] {
					r.lines[i] = tt.replace[1]
				}
			}
			m := alice.want(tt.status, r)
			if name, value, ok := strings.Cut(tt.header, ": "); ok && m.get(name) != value {
				t.Errorf("%s is %q, want %q", name, m.get(name), value)
			}
		})
	}
}

func manyFriends(n int) string {
	friends := make([]string, n)
	for i := range friends {
		friends[i] = "sip:u" + strings.Repeat("x", i%7) + string(rune('a'+i%26)) + strings.Repeat("y", i/26) + "@" + domain
	}
	return linphoneList(friends...)
}
