package main

import (
	"encoding/xml"
	"html"
	"strings"
	"testing"
	"time"
)

// The event package xcap-diff: RFC 5874, RFC 5875.
func TestXCAPDiff(t *testing.T) {
	t.Parallel()
	playAll(t, venues(t)[:3], []row{
		{name: "two devices", play: documentsOnTwoDevices},
		{name: "a missing attribute", play: missingAttribute},
		{name: "collection", play: watchedCollection},
		{name: "conditional", play: documentsConditional},
		{name: "modes", play: diffProcessing},
		{name: "selectors", play: selectorsAsSent},
		{name: "another list", play: otherDocuments},
		{name: "one at a time", only: streams, play: oneReportAtATime},
		{name: "refused NOTIFY", play: refusedReport},
		{name: "refused", play: documentsRefused},
	})
}

// documentList is the body of an xcap-diff SUBSCRIBE.
func documentList(uris ...string) string {
	var b strings.Builder
	b.WriteString("<?xml version='1.0' encoding='UTF-8'?>\n" + `<rl:resource-lists xmlns:rl="urn:ietf:params:xml:ns:resource-lists"><rl:list>`)
	for _, uri := range uris {
		b.WriteString(`<rl:entry uri="` + html.EscapeString(uri) + `"/>`)
	}
	return b.String() + `</rl:list></rl:resource-lists>`
}

// blinkDocuments is what Blink names.
func blinkDocuments(user string) string {
	home := "/users/sip%3A" + user + "%40" + domain + "/"
	return documentList("resource-lists"+home+"index", "rls-services"+home+"index", "org.openmobilealliance.pres-rules"+home+"index",
		"pidf-manipulation"+home+"index", "org.openmobilealliance.pres-content"+home+"oma_status-icon/index")
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

// reported is an xcap-diff document in short: "sel=old>new" for a document,
// "sel:content" for a part of one; with ~ where there are patches.
func reported(t *testing.T, m *message) string {
	t.Helper()
	type part struct {
		Sel      string  `xml:"sel,attr"`
		Exists   string  `xml:"exists,attr"`
		Previous *string `xml:"previous-etag,attr"`
		New      *string `xml:"new-etag,attr"`
		Content  string  `xml:",innerxml"`
	}
	var report struct {
		XMLName    xml.Name `xml:"urn:ietf:params:xml:ns:xcap-diff xcap-diff"`
		Documents  []part   `xml:"document"`
		Elements   []part   `xml:"element"`
		Attributes []part   `xml:"attribute"`
	}
	if err := xml.Unmarshal(m.body, &report); err != nil || m.get("Content-Type") != "application/xcap-diff+xml" {
		t.Fatalf("%v in\n%s", err, m)
	}
	tag := func(s *string) string {
		if s == nil {
			return ""
		}
		return *s
	}
	var parts []string
	for _, d := range report.Documents {
		text := d.Sel + "=" + tag(d.Previous) + ">" + tag(d.New)
		if d.Content != "" {
			text += "~"
		}
		parts = append(parts, text)
	}
	for _, x := range append(report.Elements, report.Attributes...) {
		if x.Exists != "" {
			x.Content = "exists=" + x.Exists
		}
		parts = append(parts, x.Sel+":"+x.Content)
	}
	return strings.Join(parts, " ")
}

func wantReport(t *testing.T, m *message, want string) {
	t.Helper()
	if got := reported(t, m); got != want {
		t.Errorf("report %q, want %q in\n%s", got, want, m)
	}
}

// desk is somebody's phone, and the documents that the same person edits.
type desk struct {
	*sipClient
	xcap *xcapClient
	home string // of resource-lists, the way Blink writes it
}

func (v *venue) desk(t *testing.T) *desk {
	t.Helper()
	c := v.phone(t)
	return &desk{c, newXCAPClient(t, v.xcap, c.user, c.password), "resource-lists/users/sip%3A" + c.user + "%40" + domain + "/"}
}

// write stores one list with a display name and returns the bare entity-tag.
func (d *desk) write(status int, name, display string) string {
	d.t.Helper()
	text := `<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list name="a"><display-name>` + display + `</display-name></list></resource-lists>`
	return strings.Trim(d.xcap.put(status, d.home+name, typeLists, text), `"`)
}

func (d *desk) remove(name string) {
	d.t.Helper()
	if resp, text := d.xcap.do("DELETE", d.home+name, ""); resp.StatusCode != 200 {
		d.t.Fatalf("DELETE %s: %d %s", name, resp.StatusCode, text)
	}
}

// A user's second device hears of what the first one changes, with the entity-tag
// that a GET then shows, and so does the first one.
func documentsOnTwoDevices(t *testing.T, v *venue) {
	d := v.desk(t)
	lists, user := d.home+"index", d.user
	etag := d.xcap.put(201, lists, typeLists, blinkLists(v.xcap, user, "bob"), "If-None-Match: *")
	laptop := v.another(t, d.sipClient)
	var dialogs []*dialog
	for _, c := range []*sipClient{d.sipClient, laptop} {
		dialog, first := c.subscribeDocuments(blinkDocuments(user), "")
		wantReport(t, first, lists+"=>"+strings.Trim(etag, `"`))
		if !strings.Contains(string(first.body), `xcap-root="http`) || first.get("Sip-Etag") == "" {
			t.Errorf("first\n%s", first)
		}
		dialogs = append(dialogs, dialog)
	}
	expect := func(previous, next string) {
		t.Helper()
		for _, dialog := range dialogs {
			wantReport(t, dialog.notify(), lists+"="+strings.Trim(previous, `"`)+">"+strings.Trim(next, `"`))
		}
	}
	changed := d.xcap.put(200, lists, typeLists, blinkLists(v.xcap, user, "bob", "carol"), "If-Match: "+etag)
	expect(etag, changed)
	// One that asks for patches gets them.
	patched, _ := v.another(t, d.sipClient).subscribeDocuments(blinkDocuments(user), ";diff-processing=aggregate")
	renamed := strings.Replace(blinkLists(v.xcap, user, "bob", "carol"), ">bob<", ">rob<", 1)
	etag, changed = changed, d.xcap.put(200, lists, typeLists, renamed, "If-Match: "+changed)
	expect(etag, changed)
	if got := string(patched.notify().body); !strings.Contains(got, "rob") || strings.Contains(got, "carol") {
		t.Errorf("want a patch in\n%s", got)
	}
	// The same content again, and a document nobody named, are no news.
	d.xcap.put(200, lists, typeLists, renamed)
	d.write(201, "private", "x")
	d.remove("index")
	expect(changed, "")
}

// An attribute that is not there, is created, and goes with its document.
func missingAttribute(t *testing.T, v *venue) {
	d := v.desk(t)
	sel := d.home + "index/~~/resource-lists/list%5b1%5d/@name"
	dialog, first := d.subscribeDocuments(documentList(sel), "")
	wantReport(t, first, "")
	d.write(201, "index", "x")
	wantReport(t, dialog.notify(), sel+":a")
	d.write(200, "index", "another part")
	d.remove("index")
	wantReport(t, dialog.notify(), sel+":exists=0")
}

// A collection tells of documents that come, change and go.
func watchedCollection(t *testing.T, v *venue) {
	d := v.desk(t)
	kept, gone := d.write(201, "kept", "x"), d.write(201, "gone", "x")
	sel := "resource-lists/users/" + d.aor() + "/"
	dialog, first := d.subscribeDocuments(documentList(d.home), "")
	wantReport(t, first, sel+"gone=>"+gone+" "+sel+"kept=>"+kept)
	d.remove("gone")
	wantReport(t, dialog.notify(), sel+"gone="+gone+">")
	created := d.write(201, "new", "x")
	wantReport(t, dialog.notify(), sel+"new=>"+created)
}

// RFC 5839, RFC 5875 §4.7: what is known is not told again, in whatever order the
// resources are named.
func documentsConditional(t *testing.T, v *venue) {
	d := v.desk(t)
	old := d.write(201, "a", "x")
	dialog, first := d.subscribeDocuments(documentList(d.home+"a", d.home+"b"), "")
	wantReport(t, first, d.home+"a=>"+old)
	known := "Suppress-If-Match: " + first.get("Sip-Etag")
	d.want(204, dialog.again(d.sipClient, 600, known))
	turned := dialog.again(d.sipClient, 600, known)
	turned.body = documentList(d.home+"b", d.home+"a")
	d.want(204, turned)
	d.silent(50 * time.Millisecond)
	next := d.write(200, "a", "y")
	wantReport(t, dialog.notify(), d.home+"a="+old+">"+next)
	dialog.refresh(d.sipClient, 600, known) // no longer the current one
	wantReport(t, dialog.notify(), d.home+"a=>"+next)
}

// RFC 5875 §4.3: nobody gets patches unasked, and every change has its entity-tags.
func diffProcessing(t *testing.T, v *venue) {
	d := v.desk(t)
	etags := []string{d.write(201, "index", "0")}
	subscribe := func(params string) *dialog {
		dialog, first := v.another(t, d.sipClient).subscribeDocuments(documentList(d.home+"index"), params)
		wantReport(t, first, d.home+"index=>"+etags[0])
		return dialog
	}
	modes := map[*dialog]string{subscribe(""): "", subscribe(";diff-processing=no-patching"): "",
		subscribe(";diff-processing=xcap-patching"): "~", subscribe(";diff-processing=aggregate"): "~"}
	for i, display := range []string{"1", "2", "3"} {
		etags = append(etags, d.write(200, "index", display))
		for dialog, patches := range modes {
			wantReport(t, dialog.notify(), d.home+"index="+etags[i]+">"+etags[i+1]+patches)
		}
	}
}

// RFC 5875 §4.7: sel is octet for octet what was sent; what one may not read, or
// is no resource, is left out; what is not there yet is told when it comes.
func selectorsAsSent(t *testing.T, v *venue) {
	d, other := v.desk(t), v.desk(t)
	other.write(201, "index", "x")
	etag := d.write(201, "index", "x")
	plain := "resource-lists/users/" + d.aor() + "/index"
	for _, sel := range []string{d.home + "index", plain, "/xcap-root/" + plain, v.xcap + "/" + d.home + "index"} {
		c := v.another(t, d.sipClient)
		dialog, first := c.subscribeDocuments(documentList(sel, other.home+"index", "no-such-usage/users/x/index", d.home+"later"), "")
		wantReport(t, first, sel+"=>"+etag)
		later := d.write(201, "later", "x")
		wantReport(t, dialog.notify(), d.home+"later=>"+later)
		d.remove("later")
		wantReport(t, dialog.notify(), d.home+"later="+later+">")
	}
}

// RFC 5875 §4.4: a refresh may name other resources, and gets their full state.
func otherDocuments(t *testing.T, v *venue) {
	d := v.desk(t)
	a, b := d.write(201, "a", "x"), d.write(201, "b", "x")
	dialog, first := d.subscribeDocuments(documentList(d.home+"a"), "")
	wantReport(t, first, d.home+"a=>"+a)
	dialog.refresh(d.sipClient, 600)
	wantReport(t, dialog.notify(), d.home+"a=>"+a)
	dialog.r.body = documentList(d.home + "b")
	dialog.refresh(d.sipClient, 600)
	wantReport(t, dialog.notify(), d.home+"b=>"+b)
	d.write(200, "a", "y")
	next := d.write(200, "b", "y")
	wantReport(t, dialog.notify(), d.home+"b="+b+">"+next)
	dialog.refresh(d.sipClient, 0)
	if m := dialog.notify(); m.get("Subscription-State") != "terminated;reason=timeout" {
		t.Errorf("the last\n%s", m)
	}
}

// Never more than one NOTIFY of a dialog at a time; what changes meanwhile is told
// in the order in which it happened.
func oneReportAtATime(t *testing.T, v *venue) {
	d := v.desk(t)
	dialog, _ := d.subscribeDocuments(documentList(d.home+"index"), "")
	first := d.write(201, "index", "0")
	m := d.arriving("NOTIFY")
	wantReport(t, m, d.home+"index=>"+first)
	d.write(200, "index", "1")
	last := d.write(200, "index", "2")
	d.silent(100 * time.Millisecond)
	d.reply(m, "200 OK")
	wantReport(t, dialog.notify(), d.home+"index="+first+">"+last)
}

// A client that no longer knows of the subscription does not have it any more.
func refusedReport(t *testing.T, v *venue) {
	d := v.desk(t)
	dialog, _ := d.subscribeDocuments(documentList(d.home+"index"), "")
	d.write(201, "index", "0")
	d.reply(d.arriving("NOTIFY"), "481 Subscription Does Not Exist")
	d.write(200, "index", "1")
	d.silent(100 * time.Millisecond)
	d.want(481, dialog.again(d.sipClient, 600))
}

// Other bodies, and other people.
func documentsRefused(t *testing.T, v *venue) {
	c, other := v.phone(t), v.phone(t)
	lines := []string{"Event: xcap-diff", "Contact: " + c.contact(), "Content-Type: application/resource-lists+xml"}
	c.want(400, request{method: "SUBSCRIBE", uri: c.aor(), lines: lines})
	c.want(400, request{method: "SUBSCRIBE", uri: c.aor(), lines: lines, body: "<list/>"})
	c.want(415, request{method: "SUBSCRIBE", uri: c.aor(), body: "x", lines: append(lines[:2:2], "Content-Type: text/plain")})
	c.want(403, request{method: "SUBSCRIBE", uri: other.aor(), lines: lines, body: strings.Replace(blinkDocuments(other.user), "org.openmobilealliance.pres-content", "pres-rules", 1)})
	m := c.want(489, request{method: "SUBSCRIBE", uri: c.aor(), lines: append([]string{"Event: nothing"}, lines[1:]...)})
	if !strings.Contains(m.get("Allow-Events"), "xcap-diff") {
		t.Errorf("Allow-Events: %s", m.get("Allow-Events"))
	}
}
