package main

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
)

const (
	typePartial = "application/pidf-diff+xml"
	typeFilter  = "application/simple-filter+xml"
)

// watchFilters is a filter document.
func watchFilters(filters string) string {
	return `<?xml version="1.0" encoding="UTF-8"?><filter-set xmlns="urn:ietf:params:xml:ns:simple-filter"><ns-bindings>` +
		`<ns-binding prefix="pidf" urn="urn:ietf:params:xml:ns:pidf"/><ns-binding prefix="rpid" urn="urn:ietf:params:xml:ns:pidf:rpid"/></ns-bindings>` +
		filters + `</filter-set>`
}

var partialRoot = regexp.MustCompile(`<p+:(pidf-(?:full|diff))[^>]* version="(\d+)"`)

// expectPartial checks the format of a NOTIFY and returns its version.
func expectPartial(t *testing.T, m *message, root string, want ...string) int {
	t.Helper()
	found := partialRoot.FindStringSubmatch(string(m.body))
	if m.get("Content-Type") != typePartial || found == nil || found[1] != root {
		t.Fatalf("want %s, got\n%s", root, m)
	}
	for _, w := range want {
		if !strings.Contains(string(m.body), w) {
			t.Errorf("no %q in\n%s", w, m)
		}
	}
	version, _ := strconv.Atoi(found[2])
	return version
}

// Partial notification (RFC 5263 §5) and event filters (RFC 4660) over a real
// connection, with a power failure.
func TestPartialAndFiltered(t *testing.T) {
	args := []string{"--data", t.TempDir(), "--domain", domain}
	s := start(t, args, "--pacing", "off")
	alice := dialSIP(t, "tcp", s.sip, "alice", password("alice"))
	bob := dialSIP(t, "tcp", s.sip, "bob", password("bob"))
	newXCAPClient(t, s.xcapRoot, "alice", password("alice")).put(201, "pres-rules/users/sip:alice@"+domain+"/index", typeRules,
		`<ruleset xmlns="urn:ietf:params:xml:ns:common-policy" xmlns:pr="urn:ietf:params:xml:ns:pres-rules"><rule id="all"><conditions><identity><many domain="`+domain+`"/></identity></conditions>`+
			`<actions><pr:sub-handling>allow</pr:sub-handling></actions><transformations><pr:provide-services><pr:all-services/></pr:provide-services>`+
			`<pr:provide-persons><pr:all-persons/></pr:provide-persons><pr:provide-devices><pr:all-devices/></pr:provide-devices><pr:provide-all-attributes/></transformations></rule></ruleset>`)
	tag := ""
	publish := func(basic, activity string) {
		t.Helper()
		r := request{method: "PUBLISH", uri: alice.aor(), lines: []string{"Event: presence", "Expires: 600", "Content-Type: " + typePIDF},
			body: blinkPIDF("alice", basic, activity, activity, strings.Repeat("A long note. ", 30))}
		if tag != "" {
			r.lines = append(r.lines, "SIP-If-Match: "+tag)
		}
		tag = alice.want(200, r).get("Sip-Etag")
	}
	publish("open", "away")

	partial := bob.subscribe(alice.aor(), "presence", "application/pidf+xml;q=0.3, application/pidf-diff+xml;q=1")
	if v := expectPartial(t, partial.notify(), "pidf-full", ">away<", ">open<"); v != 1 {
		t.Errorf("version %d of the first", v)
	}
	publish("open", "busy")
	if v := expectPartial(t, partial.notify(), "pidf-diff", "busy"); v != 2 {
		t.Errorf("version %d of the second", v)
	}
	partial.accepted(partial.refresh(bob, 600))
	if v := expectPartial(t, partial.notify(), "pidf-full", ">busy<"); v != 3 {
		t.Errorf("version %d after the refresh", v)
	}
	partial.accepted(partial.refresh(bob, 0))
	partial.notify()

	// Only the basic status, and only when she comes back.
	filtered := &dialog{c: bob, r: subscribing(bob, alice.aor(), "Content-Type: "+typeFilter)}
	filtered.r.body = watchFilters(`<filter id="1" uri="` + alice.aor() + `"><what><include>//pidf:tuple/pidf:status/pidf:basic</include></what>` +
		`<trigger><changed from="closed" to="open">/pidf:presence/pidf:tuple/pidf:status/pidf:basic</changed></trigger></filter>`)
	publish("closed", "away")
	filtered.accepted(bob.want(200, filtered.r))
	basic := func(m *message, want string) {
		t.Helper()
		if body := string(m.body); m.get("Content-Type") != typePIDF || !strings.Contains(body, ">"+want+"<") || strings.Contains(body, "note") || strings.Contains(body, "person") {
			t.Errorf("want the status %s alone, got\n%s", want, m)
		}
	}
	basic(filtered.notify(), "closed")
	publish("closed", "busy")
	publish("open", "busy")
	m := filtered.notify()
	basic(m, "open")
	filtered.r.body, filtered.r.lines = "", subscribing(bob, alice.aor()).lines
	if m.cseq() != 2 {
		t.Errorf("CSeq %d: something else was told", m.cseq())
	}

	// What is wrong with them.
	for _, tt := range []struct {
		event, contentType, body string
		status                   int
		header                   string
	}{
		{"presence", typeFilter, watchFilters(`<filter id="1"><what><include>//pidf:tuple[1]</include></what></filter>`), 488, "Warning: 399 localhost"},
		{"presence", typeFilter, watchFilters(`<filter id="1"><what/></filter><filter id="2"><what/></filter>`), 488, "Warning: 399 localhost"},
		{"presence", typeFilter, "<filter-set", 488, "Warning: 399 localhost"},
		{"presence", "application/xml", "<a/>", 415, "Accept: " + typeFilter},
		{"presence.winfo", typeFilter, watchFilters(`<filter id="1"><what/></filter>`), 415, ""},
		{"dialog", typeFilter, watchFilters(`<filter id="1"><what/></filter>`), 415, ""},
		{"reg", typeFilter, watchFilters(`<filter id="1"><what/></filter>`), 415, ""},
		{"message-summary", typeFilter, watchFilters(`<filter id="1"><what/></filter>`), 415, ""},
		{"xcap-diff", typeFilter, watchFilters(`<filter id="1"><what/></filter>`), 415, ""},
	} {
		uri := bob.aor()
		if tt.event == "presence" {
			uri = alice.aor()
		}
		r := subscribing(bob, uri, "Event: "+tt.event, "Content-Type: "+tt.contentType)
		r.body = tt.body
		m := bob.want(tt.status, r)
		if name, value, _ := strings.Cut(tt.header, ": "); !strings.HasPrefix(m.get(name), value) {
			t.Errorf("%s %s:\n%s", tt.event, tt.body, m)
		}
	}

	// The power fails, and the filters are still there.
	s.kill()
	s = serve(t, append(args, "--sip-listen", s.sip, "--http-listen", anyPort, "--admin-listen", anyPort, "--min-expires", "1s")...)
	bob = dialSIP(t, "tcp", s.sip, "bob", password("bob"))
	filtered.accepted(filtered.refresh(bob, 600))
	basic(filtered.notify(), "open")
	s.terminate()
}
