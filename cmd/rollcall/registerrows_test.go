package main

import (
	"crypto/rand"
	"fmt"
	"strings"
	"testing"
)

// REGISTER, digest, outbound and GRUU: RFC 3261 §10 and §22, RFC 5626, RFC 5627.
func TestRegisterRows(t *testing.T) {
	t.Parallel()
	playAll(t, venues(t, "--min-expires", "300s"), []row{
		{name: "one of two contacts is removed", play: removesOneContact},
		{name: "star", play: star},
		{name: "query", play: queries},
		{name: "old CSeq", play: oldCSeq},
		{name: "too brief", play: tooBrief},
		{name: "equal contacts", play: equalContacts},
		{name: "instance and reg-id", play: movesFlow},
		{name: "second flow", only: "tcp tls wss", play: secondFlow},
		{name: "NOTIFY over the new flow", only: "tcp tls wss", play: notifiedOverNewFlow},
		{name: "Path", play: path},
		{name: "credentials", play: credentials},
		{name: "GRUU", play: gruus},
		{name: "unknown user", play: unknownAOR},
	})
}

// binding is a REGISTER of c with the given header lines.
func binding(c *sipClient, lines ...string) request {
	return request{method: "REGISTER", uri: "sip:" + domain, to: c.aor(), callID: "reg" + c.tag, lines: lines}
}

// contacts are the Contact values of an answer, without what the test did not set.
func contacts(m *message) string { return strings.Join(m.header.Values("Contact"), ", ") }

func removesOneContact(t *testing.T, v *venue) {
	c := v.phone(t)
	c.want(200, binding(c, "Contact: <sip:a@192.0.2.1>, <sip:b@192.0.2.1>", "Expires: 600"))
	m := c.want(200, binding(c, "Contact: <sip:a@192.0.2.1>, <sip:b@192.0.2.1>;expires=0", "Expires: 600"))
	if got := contacts(m); !strings.Contains(got, "<sip:a@192.0.2.1>;expires=600") || strings.Contains(got, "sip:b@") {
		t.Errorf("contacts %s", got)
	}
}

func star(t *testing.T, v *venue) {
	c := v.phone(t)
	c.want(200, binding(c, "Contact: <sip:a@192.0.2.1>", "Expires: 600"))
	c.want(400, binding(c, "Contact: *", "Expires: 10"))
	c.want(400, binding(c, "Contact: *", "Contact: <sip:b@192.0.2.1>", "Expires: 0"))
	if got := contacts(c.want(200, binding(c))); strings.Count(got, "sip:") != 1 {
		t.Errorf("a refused request changed the bindings: %s", got)
	}
	if got := contacts(c.want(200, binding(c, "Contact: *", "Expires: 0"))); got != "" {
		t.Errorf("left: %s", got)
	}
}

func queries(t *testing.T, v *venue) {
	c := v.phone(t)
	c.want(200, binding(c, "Contact: <sip:a@192.0.2.1>;q=0.5", "Expires: 600"))
	for range 2 {
		if got := contacts(c.want(200, binding(c))); !strings.HasPrefix(got, "<sip:a@192.0.2.1>;q=0.5;expires=") &&
			!strings.HasPrefix(got, "<sip:a@192.0.2.1>;expires=") {
			t.Errorf("contacts %s", got)
		}
	}
}

func oldCSeq(t *testing.T, v *venue) {
	c := v.phone(t)
	c.cseq = 100
	c.want(200, binding(c, "Contact: <sip:a@192.0.2.1>", "Expires: 600"))
	c.cseq = 50
	c.want(500, binding(c, "Contact: <sip:a@192.0.2.1>;expires=0, <sip:b@192.0.2.1>", "Expires: 600"))
	c.cseq = 200
	if got := contacts(c.want(200, binding(c))); !strings.Contains(got, "sip:a@") || strings.Contains(got, "sip:b@") {
		t.Errorf("contacts %s", got)
	}
}

func tooBrief(t *testing.T, v *venue) {
	c := v.phone(t)
	if m := c.want(423, binding(c, "Contact: <sip:a@192.0.2.1>", "Expires: 30")); m.get("Min-Expires") != "300" {
		t.Errorf("Min-Expires of\n%s", m)
	}
	c.want(200, binding(c, "Contact: <sip:a@192.0.2.1>", "Expires: 4000"))
	if got := contacts(c.want(200, binding(c, "Contact: <sip:a@192.0.2.1>", "Expires: 999999"))); !strings.Contains(got, ";expires=7200") {
		t.Errorf("contacts %s", got)
	}
	// RFC 3261 §10.3 item 6: what is malformed is an hour.
	if got := contacts(c.want(200, binding(c, "Contact: <sip:a@192.0.2.1>;expires=soon"))); !strings.Contains(got, ";expires=3600") {
		t.Errorf("contacts %s", got)
	}
}

func equalContacts(t *testing.T, v *venue) {
	c := v.phone(t)
	for _, step := range []struct {
		contact string
		count   int
	}{{"<sip:a@h.example>", 1}, {"<sip:a@h.example;x=1>", 1}, {"<sip:%61@H.EXAMPLE;x=1>", 1}, {"<sip:a@h.example:5060>", 2}, {"<sip:A@h.example>", 3}} {
		if got := contacts(c.want(200, binding(c, "Contact: "+step.contact, "Expires: 600"))); strings.Count(got, "expires=") != step.count {
			t.Errorf("after %s: %s", step.contact, got)
		}
	}
}

// outbound registers the flow of c under a reg-id.
func outbound(c *sipClient, id int) *message {
	c.t.Helper()
	return c.want(200, binding(c, fmt.Sprintf(`Contact: %s;+sip.instance="<urn:uuid:%s>";reg-id=%d`, c.contact(), c.user, id),
		"Expires: 600", "Supported: path, outbound"))
}

func movesFlow(t *testing.T, v *venue) {
	before := v.phone(t)
	if m := outbound(before, 1); m.get("Require") != "outbound" {
		t.Errorf("outbound was not processed:\n%s", m)
	}
	after, friend := v.another(t, before), v.phone(t)
	if m := outbound(after, 1); strings.Count(contacts(m), "expires=") != 1 {
		t.Errorf("bindings: %s", contacts(m))
	}
	text(t, friend, after.aor(), after)
	if len(before.in) != 0 {
		t.Error("the flow before got something, too")
	}
}

// text sends a MESSAGE from c that is to arrive at one user agent.
func text(t *testing.T, c *sipClient, uri string, at *sipClient) *message {
	t.Helper()
	done := make(chan *message, 1)
	go func() {
		done <- c.do(request{method: "MESSAGE", uri: uri, lines: []string{"Content-Type: text/plain"}, body: "hello"})
	}()
	m := at.incoming("MESSAGE")
	if answer := <-done; answer.status() != 200 {
		t.Errorf("the sender got\n%s", answer)
	}
	return m
}

func secondFlow(t *testing.T, v *venue) {
	first := v.phone(t)
	outbound(first, 1)
	second, friend := v.another(t, first), v.phone(t)
	outbound(second, 2)
	text(t, friend, first.aor(), second) // the newest
	second.conn.Close()
	text(t, friend, first.aor(), first)
}

// A device that registers over another connection gets what it has missed, and all
// that follows, without a SUBSCRIBE (RFC 5626 §7).
func notifiedOverNewFlow(t *testing.T, v *venue) {
	watched, before := v.phone(t), v.phone(t)
	v.allow(t, watched)
	outbound(before, 1)
	d := before.watch(watched, fmt.Sprintf(`Contact: %s;+sip.instance="<urn:uuid:%s>"`, before.contact(), before.user))
	d.notify()
	before.conn.Close()
	tag := publish(watched, tupleOf("missed", "open"))
	after := v.another(t, before)
	outbound(after, 1)
	d.c = after
	for _, id := range []string{"missed", "next"} {
		if m := d.notify(); !strings.Contains(string(m.body), `"`+id+`"`) {
			t.Errorf("%s:\n%s", id, m)
		}
		if id == "missed" {
			publish(watched, tupleOf("next", "open"), "SIP-If-Match: "+tag)
		}
	}
}

func path(t *testing.T, v *venue) {
	c := v.phone(t)
	lines := []string{"Contact: " + c.contact() + `;+sip.instance="<urn:uuid:1>";reg-id=1`, "Path: <sip:edge.example;lr>"}
	if m := c.want(420, binding(c, lines[0], lines[1])); m.get("Unsupported") != "path" {
		t.Errorf("Unsupported of\n%s", m)
	}
	c.want(439, binding(c, lines[0], lines[1], "Supported: path, outbound"))
	if m := c.want(200, binding(c, lines[0], lines[1], "Supported: path")); m.get("Path") != "<sip:edge.example;lr>" || m.get("Require") != "" {
		t.Errorf("without outbound:\n%s", m)
	}
	if m := c.want(200, binding(c, lines[0], "Path: <sip:edge.example;lr;ob>", "Supported: path, outbound")); m.get("Require") != "outbound" {
		t.Errorf("with ob:\n%s", m)
	}
}

func gruus(t *testing.T, v *venue) {
	c, friend := v.phone(t), v.phone(t)
	c.want(403, binding(c, "Contact: <"+c.aor()+`>;+sip.instance="<urn:uuid:1>"`, "Expires: 600"))
	public, temporary := ownGRUUs(t, c, c.register(600))
	text(t, friend, public, c)
	text(t, friend, temporary, c)
	say := func(uri string) request {
		return request{method: "MESSAGE", uri: uri, lines: []string{"Content-Type: text/plain"}, body: "x"}
	}
	friend.want(404, say(c.aor()+";gr=unknown"))
	c.register(0)
	friend.want(480, say(public))
	friend.want(404, say(temporary))
}

func unknownAOR(t *testing.T, v *venue) {
	c := v.phone(t)
	c.want(403, request{method: "REGISTER", uri: "sip:" + domain, to: "sip:nobody@" + domain, lines: []string{"Contact: <sip:a@h>"}})
	c.want(400, request{method: "REGISTER", uri: "sip:" + domain, to: "isbn:2983792873", lines: []string{"Contact: <sip:a@h>"}})
}

// Replay and choice of algorithm; TestDigest has the rest.
func credentials(t *testing.T, v *venue) {
	c := v.phone(t)
	query := request{method: "REGISTER", uri: "sip:" + domain, to: c.aor(), from: c.aor(), callID: rand.Text()}
	for i := range 3 {
		c.send(query)
		offered := c.answer().header.Values("Www-Authenticate")
		if len(offered) != 3 {
			t.Fatalf("offered %q", offered)
		}
		line := "Authorization: " + authorize(t, c, query, offered[i])
		c.send(query, line)
		if m := c.answer(); m.status() != 200 {
			t.Errorf("%s:\n%s", offered[i], m)
		}
		for range 3 {
			c.send(query, line)
			if m := c.answer(); m.status() != 401 || !strings.Contains(m.get("Www-Authenticate"), "stale=true") {
				t.Errorf("replayed:\n%s", m)
			}
		}
	}
}
