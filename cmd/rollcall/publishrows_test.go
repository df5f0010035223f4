package main

import (
	"strings"
	"testing"
	"time"
)

// PUBLISH and what becomes of it: RFC 3903, RFC 5264, RFC 4827, composition.
func TestPublishRows(t *testing.T) {
	t.Parallel()
	playAll(t, venues(t, "--min-expires", "60s", "--pacing", "off"), []row{
		{name: "matrix", play: publishMatrix},
		{name: "refused", play: publishRefusals},
		{name: "lifetimes", play: publishLifetimes},
		{name: "modification", play: publishModification},
		{name: "partial", play: partialPublication},
		{name: "two devices", play: twoDevices},
		{name: "registration alone", play: registrationAlone},
		{name: "hard state", play: hardState},
	})
}

// publishing is a PUBLISH of c; a line without value removes the usual one.
func publishing(c *sipClient, body string, lines ...string) request {
	r := request{method: "PUBLISH", uri: c.aor(), body: body}
	usual := []string{"Event: presence", "Expires: 600"}
	if body != "" {
		usual = append(usual, "Content-Type: "+typePIDF)
	}
	given := strings.Join(lines, "\n") + "\n"
	for _, u := range usual {
		if name, _, _ := strings.Cut(u, ":"); !strings.Contains("\n"+given, "\n"+name+":") {
			r.lines = append(r.lines, u)
		}
	}
	for _, l := range lines {
		if !strings.HasSuffix(l, ":") {
			r.lines = append(r.lines, l)
		}
	}
	return r
}

// publish publishes tuples and returns the entity-tag.
func publish(c *sipClient, tuples string, lines ...string) string {
	c.t.Helper()
	return c.want(200, publishing(c, pidfOf(c, tuples), lines...)).get("Sip-Etag")
}

func pidfOf(c *sipClient, inner string) string {
	return `<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" entity="` + c.aor() + `">` + inner + `</presence>`
}

func tupleOf(id, basic string) string {
	return `<tuple id="` + id + `"><status><basic>` + basic + `</basic></status></tuple>`
}

func publishMatrix(t *testing.T, v *venue) {
	c := v.phone(t)
	body := pidfOf(c, tupleOf("t1", "open"))
	a := c.want(200, publishing(c, body)).get("Sip-Etag")
	m := c.want(200, publishing(c, "", "SIP-If-Match: "+a))
	b := m.get("Sip-Etag")
	if a == "" || b == "" || a == b || m.get("Expires") != "600" || strings.Contains(b, `"`) {
		t.Errorf("tags %q and %q, refreshed with\n%s", a, b, m)
	}
	c.want(412, publishing(c, "", "SIP-If-Match: "+a))
	b = c.want(200, publishing(c, pidfOf(c, tupleOf("t2", "open")), "SIP-If-Match: "+b)).get("Sip-Etag")
	if m = c.want(200, publishing(c, "", "SIP-If-Match: "+b, "Expires: 0")); m.get("Expires") != "0" || m.get("Sip-Etag") == "" {
		t.Errorf("removed with\n%s", m)
	}
	c.want(412, publishing(c, "", "SIP-If-Match: "+b))
	c.want(412, publishing(c, body, "SIP-If-Match: "+b))
	if m = c.want(200, publishing(c, body, "Expires: 0")); m.get("Expires") != "0" {
		t.Errorf("published for no time:\n%s", m)
	}
}

func publishRefusals(t *testing.T, v *venue) {
	c, other := v.phone(t), v.phone(t)
	body := pidfOf(c, tupleOf("t1", "open"))
	for _, tt := range []struct {
		status int
		r      request
		header string
	}{
		{400, publishing(c, ""), ""},
		{489, publishing(c, body, "Event: foo"), "Allow-Events: presence"},
		{489, publishing(c, body, "Event:"), "Allow-Events: presence"},
		{415, publishing(c, "hello", "Content-Type: text/plain"), "Accept: application/pidf+xml"},
		{400, publishing(c, "", "SIP-If-Match: a, b"), ""},
		{400, publishing(c, "", "SIP-If-Match: a", "SIP-If-Match: b"), ""},
		{412, publishing(c, "", "SIP-If-Match: *"), ""},
		{412, publishing(c, "", "SIP-If-Match: unknown"), ""},
		{403, publishing(other, body), ""},
		{420, publishing(c, body, "Require: warp"), "Unsupported: warp"},
		{423, publishing(c, body, "Expires: 30"), "Min-Expires: 60"},
		{400, publishing(c, body[:40]), ""},
		{413, publishing(c, pidfOf(c, "<note>"+strings.Repeat("x", 70_000)+"</note>")), ""},
	} {
		if v.network == "udp" && len(tt.r.body) > 60_000 {
			continue // larger than a datagram
		}
		m := c.want(tt.status, tt.r)
		if name, part, _ := strings.Cut(tt.header, ": "); !strings.Contains(strings.Join(m.header.Values(name), ","), part) {
			t.Errorf("no %s in\n%s", tt.header, m)
		}
	}
}

func publishLifetimes(t *testing.T, v *venue) {
	c := v.phone(t)
	for asked, granted := range map[string]string{"": "3600", " 60": "60", " 999999": "7200"} {
		m := c.want(200, publishing(c, pidfOf(c, tupleOf("t1", "open")), "Expires:"+asked))
		if m.get("Expires") != granted {
			t.Errorf("asked for%s:\n%s", asked, m)
		}
	}
}

// shown waits for the NOTIFY that shows what is wanted and nothing unwanted.
func (d *dialog) shown(wanted, unwanted string) {
	d.c.t.Helper()
	m := d.notify()
	if body := string(m.body); !strings.Contains(body, wanted) || unwanted != "" && strings.Contains(body, unwanted) {
		d.c.t.Fatalf("want %q and not %q in\n%s", wanted, unwanted, m)
	}
	checkPIDF(d.c.t, string(m.body))
}

func publishModification(t *testing.T, v *venue) {
	watched, c := v.phone(t), v.phone(t)
	v.allow(t, watched)
	d := c.watch(watched)
	d.notify()
	tag := publish(watched, tupleOf("t1", "open"))
	d.shown(`"t1"`, "")
	tag = publish(watched, tupleOf("t2", "open"), "SIP-If-Match: "+tag)
	d.shown(`"t2"`, `"t1"`)
	tag = watched.want(200, publishing(watched, "", "SIP-If-Match: "+tag)).get("Sip-Etag")
	c.silent(100 * time.Millisecond) // nothing changed, nothing sent
	watched.want(200, publishing(watched, "", "SIP-If-Match: "+tag, "Expires: 0"))
	d.shown(">closed<", `"t2"`)
}

func partialPublication(t *testing.T, v *venue) {
	watched, c := v.phone(t), v.phone(t)
	v.allow(t, watched)
	d := c.watch(watched)
	d.notify()
	const typed = "Content-Type: application/pidf-diff+xml"
	change := func(sel string) string {
		return `<p:pidf-diff xmlns="urn:ietf:params:xml:ns:pidf" xmlns:p="urn:ietf:params:xml:ns:pidf-diff" entity="` + watched.aor() + `">` +
			`<p:replace sel="` + sel + `">closed</p:replace></p:pidf-diff>`
	}
	const basic = "*/tuple/status/basic/text()"
	watched.want(400, publishing(watched, change(basic), typed))
	tag := publish(watched, tupleOf("t1", "open"))
	d.shown(">open<", "")
	watched.want(400, publishing(watched, change("*/tuple[@id='none']/status/basic/text()"), typed, "SIP-If-Match: "+tag))
	tag = watched.want(200, publishing(watched, change(basic), typed, "SIP-If-Match: "+tag)).get("Sip-Etag")
	d.shown(">closed<", ">open<")
	watched.want(200, publishing(watched, "", "SIP-If-Match: "+tag))
}

func twoDevices(t *testing.T, v *venue) {
	watched, c := v.phone(t), v.phone(t)
	v.allow(t, watched)
	d := c.watch(watched)
	d.notify()
	first := publish(watched, tupleOf("t1", "open"))
	d.notify()
	publish(v.another(t, watched), tupleOf("t1", "closed"))
	m := d.notify()
	checkPIDF(t, string(m.body)) // ids are unique
	if strings.Count(string(m.body), "<tuple") != 2 {
		t.Errorf("two devices are\n%s", m.body)
	}
	first = watched.want(200, publishing(watched, "", "SIP-If-Match: "+first)).get("Sip-Etag")
	d.refresh(c, 600)
	if again := d.notify(); string(again.body) != string(m.body) {
		t.Errorf("ids are not stable:\n%s\n%s", m.body, again.body)
	}
	watched.want(200, publishing(watched, "", "SIP-If-Match: "+first, "Expires: 0"))
	d.shown(">closed<", ">open<")
}

func registrationAlone(t *testing.T, v *venue) {
	watched, c := v.phone(t), v.phone(t)
	v.allow(t, watched)
	d := c.watch(watched)
	d.shown(">closed<", "")
	watched.register(600)
	d.shown(">open<", "")
	watched.register(0)
	d.shown(">closed<", ">open<")
}

func hardState(t *testing.T, v *venue) {
	watched, c := v.phone(t), v.phone(t)
	v.allow(t, watched)
	d := c.watch(watched)
	d.notify()
	newXCAPClient(t, v.xcap, watched.user, watched.password).put(201, "pidf-manipulation/users/"+watched.aor()+"/index",
		"application/pidf+xml", pidfOf(watched, tupleOf("hard", "closed")))
	d.shown(`"hard"`, "")
	tag := publish(watched, tupleOf("soft", "open"))
	d.shown(`"soft"`, `"hard"`)
	watched.want(200, publishing(watched, "", "SIP-If-Match: "+tag, "Expires: 0"))
	d.shown(`"hard"`, `"soft"`)
}
