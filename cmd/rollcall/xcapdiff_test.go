package main

import (
	"strings"
	"testing"
)

// blinkDocuments is the body of the xcap-diff SUBSCRIBE of Blink.
func blinkDocuments(user string) string {
	var b strings.Builder
	b.WriteString("<?xml version='1.0' encoding='UTF-8'?>\n" + `<rl:resource-lists xmlns:rl="urn:ietf:params:xml:ns:resource-lists"><rl:list>`)
	for _, doc := range []string{"resource-lists/%/index", "rls-services/%/index", "org.openmobilealliance.pres-rules/%/index",
		"pidf-manipulation/%/index", "org.openmobilealliance.pres-content/%/oma_status-icon/index"} {
		b.WriteString(`<rl:entry uri="` + strings.Replace(doc, "%", "users/sip%3A"+user+"%40"+domain, 1) + `"/>`)
	}
	return b.String() + `</rl:list></rl:resource-lists>`
}

func (c *sipClient) subscribeDocuments(body, params string) (*dialog, *message) {
	c.t.Helper()
	d := &dialog{c: c, r: request{
		method: "SUBSCRIBE", uri: c.aor(), to: c.aor(), callID: "diff-" + c.tag, body: body,
		lines: []string{"Event: xcap-diff" + params, "Contact: " + c.contact(), "Expires: 600", "Accept: application/xcap-diff+xml",
			"Supported: 100rel, replaces, norefersub, gruu", "Content-Type: application/resource-lists+xml"},
	}}
	d.accepted(c.want(200, d.r))
	return d, d.notify()
}

// A user's second device hears of what the first one changes, with the entity-tag
// that a GET then shows, and so does the first one.
func TestXCAPDiff(t *testing.T) {
	s := start(t, []string{"--data", t.TempDir(), "--domain", domain})
	const lists = "resource-lists/users/sip%3Aalice%40" + domain + "/index"
	xcap := newXCAPClient(t, s.xcapRoot, "alice", password("alice"))
	etag := xcap.put(201, lists, typeLists, blinkLists(s.xcapRoot, "alice", "bob"), "If-None-Match: *")
	desk := dialSIP(t, "tcp", s.sip, "alice", password("alice"))
	laptop := dialSIP(t, "tcp", s.sip, "alice", password("alice"))
	var dialogs []*dialog
	for _, c := range []*sipClient{desk, laptop} {
		d, first := c.subscribeDocuments(blinkDocuments("alice"), "")
		want := `<document new-etag="` + strings.Trim(etag, `"`) + `" sel="` + lists + `"/>`
		if got := string(first.body); strings.Count(got, "<document") != 1 || !strings.Contains(got, want) || !strings.Contains(got, `xcap-root="`+s.xcapRoot+`/"`) {
			t.Errorf("want %s in\n%s", want, first)
		}
		if first.get("Content-Type") != "application/xcap-diff+xml" || first.get("Sip-Etag") == "" {
			t.Errorf("head of\n%s", first)
		}
		dialogs = append(dialogs, d)
	}
	expect := func(want string) {
		t.Helper()
		for _, d := range dialogs {
			if got := string(d.notify().body); strings.Count(got, "<document") != 1 || !strings.Contains(got, want) {
				t.Errorf("want %s in\n%s", want, got)
			}
		}
	}
	changed := xcap.put(200, lists, typeLists, blinkLists(s.xcapRoot, "alice", "bob", "carol"), "If-Match: "+etag)
	expect(`<document previous-etag="` + strings.Trim(etag, `"`) + `" new-etag="` + strings.Trim(changed, `"`) + `" sel="` + lists + `"/>`)
	// One that asks for patches gets them.
	tablet := dialSIP(t, "tcp", s.sip, "alice", password("alice"))
	patched, _ := tablet.subscribeDocuments(blinkDocuments("alice"), ";diff-processing=aggregate")
	previous := changed
	changed = xcap.put(200, lists, typeLists, strings.Replace(blinkLists(s.xcapRoot, "alice", "bob", "carol"), ">bob<", ">rob<", 1), "If-Match: "+changed)
	expect(`<document previous-etag="` + strings.Trim(previous, `"`) + `" new-etag="` + strings.Trim(changed, `"`) + `" sel="` + lists + `"/>`)
	if got := string(patched.notify().body); !strings.Contains(got, "rob") || strings.Contains(got, "carol") {
		t.Errorf("want a patch in\n%s", got)
	}
	// The same content again, and a document nobody named, are no news.
	xcap.put(200, lists, typeLists, strings.Replace(blinkLists(s.xcapRoot, "alice", "bob", "carol"), ">bob<", ">rob<", 1))
	xcap.put(201, strings.Replace(lists, "index", "private", 1), typeLists, blinkLists(s.xcapRoot, "alice"))
	if resp, text := xcap.do("DELETE", lists, ""); resp.StatusCode != 200 {
		t.Fatalf("DELETE: %d %s", resp.StatusCode, text)
	}
	expect(`<document previous-etag="` + strings.Trim(changed, `"`) + `" sel="` + lists + `"/>`)

	// Other bodies, and other people.
	diff := []string{"Event: xcap-diff", "Contact: " + laptop.contact(), "Content-Type: application/resource-lists+xml"}
	laptop.want(400, request{method: "SUBSCRIBE", uri: laptop.aor(), lines: diff})
	laptop.want(400, request{method: "SUBSCRIBE", uri: laptop.aor(), lines: diff, body: "<list/>"})
	laptop.want(415, request{method: "SUBSCRIBE", uri: laptop.aor(), body: "x", lines: append(diff[:2:2], "Content-Type: text/plain")})
	laptop.want(403, request{method: "SUBSCRIBE", uri: "sip:bob@" + domain, lines: diff, body: strings.Replace(blinkDocuments("bob"), "org.openmobilealliance.pres-content", "pres-rules", 1)})
	if m := laptop.want(489, request{method: "SUBSCRIBE", uri: laptop.aor(), lines: append([]string{"Event: nothing"}, diff[1:]...)}); !strings.Contains(m.get("Allow-Events"), "xcap-diff") {
		t.Errorf("Allow-Events: %s", m.get("Allow-Events"))
	}
}
