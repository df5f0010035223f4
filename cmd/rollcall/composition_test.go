package main

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"rollcall/internal/pidf"
)

// What several devices, calls and documents make of one user, as watchers are told.
func TestCompositionRows(t *testing.T) {
	t.Parallel()
	all := venues(t, "--settle-window", "0s")
	playAll(t, all[1:2], []row{
		{name: "a call shows and hides nothing", play: callInPresence},
		{name: "what the user has stored counts before devices", play: overrideLive},
		{name: "busy until", play: busyUntil},
		{name: "timed status", play: timedStatus},
		{name: "simple phones", play: simplePhone},
		{name: "a registration lasts as long as it is refreshed", play: refreshedRegistration},
		{name: "two devices, the registrar and hard state", play: everySource},
	})
}

func personOf(activities string) string {
	return `<dm:person id="p"><r:activities xmlns:r="` + pidf.RPID + `"` + activities + `</r:activities></dm:person>`
}

func dialogInfo(c *sipClient, state string) request {
	return request{method: "PUBLISH", uri: c.aor(), lines: []string{"Event: dialog", "Expires: 600", "Content-Type: application/dialog-info+xml"},
		body: `<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="0" state="full" entity="` + c.aor() +
			`"><dialog id="1" call-id="x" local-tag="a" remote-tag="b"><state>` + state + `</state></dialog></dialog-info>`}
}

func callInPresence(t *testing.T, v *venue) {
	watched, c := v.phone(t), v.phone(t)
	v.allow(t, watched)
	publish(watched, tupleOf("t1", "open")+personOf("><r:working/>"))
	d := c.watch(watched)
	d.shown("working", "on-the-phone")
	tag := watched.want(200, dialogInfo(watched, "early")).get("Sip-Etag")
	c.silent(100 * time.Millisecond)
	r := dialogInfo(watched, "confirmed")
	r.lines = append(r.lines, "SIP-If-Match: "+tag)
	tag = watched.want(200, r).get("Sip-Etag")
	d.shown("<r:working/><r:on-the-phone/>", "")
	r = request{method: "PUBLISH", uri: watched.aor(), lines: []string{"Event: dialog", "Expires: 0", "SIP-If-Match: " + tag}}
	watched.want(200, r)
	d.shown("working", "on-the-phone")
}

func overrideLive(t *testing.T, v *venue) {
	watched, c := v.phone(t), v.phone(t)
	v.allow(t, watched)
	publish(watched, tupleOf("t1", "open")+personOf("><r:working/>"))
	d := c.watch(watched)
	d.shown("working", "")
	documents := newXCAPClient(t, v.xcap, watched.user, watched.password)
	target := "pidf-manipulation/users/" + watched.aor() + "/override"
	documents.put(409, target, typePIDF, pidfOf(watched, `<tuple id="t1"/>`)) // not valid
	documents.put(201, target, typePIDF, pidfOf(watched, tupleOf("gone", "closed")))
	d.shown(`"gone"`, `"t1"`)
	documents.put(200, target, typePIDF, pidfOf(watched, personOf("><r:vacation/>")))
	d.shown("vacation", "working")
	if resp, body := documents.do(http.MethodDelete, target, ""); resp.StatusCode != 200 {
		t.Fatalf("%s %s", resp.Status, body)
	}
	d.shown("working", "vacation")
}

func soon(after time.Duration) string { return time.Now().Add(after).UTC().Format(time.RFC3339Nano) }

func busyUntil(t *testing.T, v *venue) {
	watched, c := v.phone(t), v.phone(t)
	v.allow(t, watched)
	publish(watched, personOf(` until="`+soon(4*time.Second)+`"><r:busy/>`)+tupleOf("t1", "open"))
	d := c.watch(watched)
	d.shown("busy", "")
	d.shown(">open<", "busy")
}

func timedStatus(t *testing.T, v *venue) {
	watched, c := v.phone(t), v.phone(t)
	v.allow(t, watched)
	publish(watched, `<tuple id="t1"><status><basic>open</basic></status><s:timed-status xmlns:s="`+pidf.TimedStatus+`" from="`+
		soon(4*time.Second)+`" until="`+soon(6*time.Second)+`"><s:basic>closed</s:basic></s:timed-status></tuple>`)
	d := c.watch(watched)
	d.shown("timed-status", "")
	d.shown(">closed<", "timed-status")
	d.shown(">open<", "timed-status")
}

func simplePhone(t *testing.T, v *venue) {
	watched := v.phone(t)
	v.allow(t, watched)
	publish(watched, tupleOf("t1", "closed")+personOf("><r:busy/>"))
	publish(v.another(t, watched), tupleOf("t2", "open"))
	simple, rich := v.phone(t), v.phone(t)
	one, both := simple.watch(watched, "User-Agent: baresip v3.0.0 (x86_64/Linux)"), rich.watch(watched)
	a, b := one.notify(), both.notify()
	if n, m := strings.Count(string(a.body), "<tuple"), strings.Count(string(b.body), "<tuple"); n != 1 || m != 2 {
		t.Errorf("%d and %d tuples:\n%s\n%s", n, m, a, b)
	}
	if !strings.Contains(string(a.body), ">open<") || !strings.Contains(string(a.body), "<rpid:busy/>") {
		t.Errorf("%s", a)
	}
	if x, y := a.get("Sip-Etag"), b.get("Sip-Etag"); x == "" || x == y {
		t.Errorf("tags %q and %q", x, y)
	}
}

func refreshedRegistration(t *testing.T, v *venue) {
	watched, c := v.phone(t), v.phone(t)
	v.allow(t, watched)
	watched.register(2)
	d := c.watch(watched)
	d.shown(">open<", "")
	time.Sleep(time.Second)
	watched.register(600)
	c.silent(2 * time.Second) // longer than the first lifetime
	d.refresh(c, 600)
	d.shown(">open<", "")
}

func everySource(t *testing.T, v *venue) {
	watched, c := v.phone(t), v.phone(t)
	v.allow(t, watched)
	d := c.watch(watched)
	d.shown(">closed<", "")
	watched.register(600)
	d.shown(">open<", "")
	newXCAPClient(t, v.xcap, watched.user, watched.password).put(201, "pidf-manipulation/users/"+watched.aor()+"/index",
		typePIDF, pidfOf(watched, tupleOf("hard", "closed")))
	d.shown(`"hard"`, ">open<") // what is published is not overridden
	first := publish(watched, tupleOf("t1", "open")+personOf("><r:away/>"))
	d.shown(`"t1"`, `"hard"`)
	second := publish(v.another(t, watched), tupleOf("t2", "closed")+`<dm:person id="p"><dm:note>note</dm:note></dm:person>`)
	d.shown("note", `"hard"`)
	watched.want(200, publishing(watched, "", "SIP-If-Match: "+second, "Expires: 0"))
	d.shown("away", "note")
	watched.want(200, publishing(watched, "", "SIP-If-Match: "+first, "Expires: 0"))
	d.shown(`"hard"`, `"t1"`)
}
