package main

import (
	"encoding/xml"
	"strconv"
	"strings"
	"testing"
	"time"
)

// SUBSCRIBE and NOTIFY: RFC 6665, RFC 3856, RFC 3857, RFC 5839, RFC 6446.
func TestSubscribeRows(t *testing.T) {
	t.Parallel()
	playAll(t, venues(t, "--min-expires", "300s", "--pacing", "off"), []row{
		{name: "lifetimes", play: lifetimes},
		{name: "refused", play: refusals},
		{name: "dialog", play: dialogs},
		{name: "poll", play: polls},
		{name: "refused NOTIFY", play: refusedNotify},
		{name: "failed NOTIFY", play: failedNotify},
		{name: "retransmission", only: datagrams, play: retransmits},
		{name: "conditional", play: conditional},
		{name: "never again", play: neverAgain},
		{name: "max-rate", play: maxRate},
		{name: "min-rate", play: minRate},
		{name: "waiting and approved", play: waitsAndIsApproved},
		{name: "waiting and back", play: waitsAndComesBack},
		{name: "two devices and a list are one watcher", play: oneWatcher},
		{name: "two of one device", play: oneDevice},
		{name: "the newest state only", play: newestOnly},
	})
}

// remaining returns what Subscription-State says of the lifetime.
func remaining(t *testing.T, m *message, state string) int {
	t.Helper()
	left, ok := strings.CutPrefix(m.get("Subscription-State"), state+";expires=")
	n, err := strconv.Atoi(strings.Split(left, ";")[0])
	if !ok || err != nil {
		t.Fatalf("Subscription-State %q", m.get("Subscription-State"))
	}
	return n
}

func lifetimes(t *testing.T, v *venue) {
	watched, c := v.phone(t), v.phone(t)
	v.allow(t, watched)
	for _, tt := range []struct {
		asked   string
		granted int
	}{{"", 3600}, {" 600", 600}, {" 999999", 7200}, {" 300", 300}} {
		r := subscribing(c, watched.aor(), "Expires:"+tt.asked)
		m := c.want(200, r)
		if m.get("Expires") != strconv.Itoa(tt.granted) {
			t.Errorf("asked for%s, got\n%s", tt.asked, m)
		}
		note := c.incoming("NOTIFY")
		if left := remaining(t, note, "active"); left > tt.granted || left < tt.granted-5 || note.get("Content-Type") != typePIDF {
			t.Errorf("asked for%s, NOTIFY\n%s", tt.asked, note)
		}
	}
	for _, brief := range []string{"1", "100", "299"} {
		if m := c.want(423, subscribing(c, watched.aor(), "Expires: "+brief)); m.get("Min-Expires") != "300" {
			t.Errorf("Min-Expires of\n%s", m)
		}
	}
}

func refusals(t *testing.T, v *venue) {
	watched, c := v.phone(t), v.phone(t)
	v.allow(t, watched)
	for _, tt := range []struct {
		status int
		line   string
	}{
		{489, "Event: Presence"}, {489, "Event:"}, {489, "Event: presence.foo"}, {400, "Event: presence, presence"},
		{406, "Accept: application/foo"}, {400, "Contact:"}, {420, "Require: foo"},
	} {
		m := c.want(tt.status, subscribing(c, watched.aor(), tt.line))
		if tt.status == 489 && !strings.Contains(m.get("Allow-Events"), "presence") {
			t.Errorf("no Allow-Events in\n%s", m)
		}
	}
	c.want(404, subscribing(c, "sip:nobody@"+domain))
	c.silent(50 * time.Millisecond)
}

func dialogs(t *testing.T, v *venue) {
	watched, c := v.phone(t), v.phone(t)
	v.allow(t, watched)
	d := c.watch(watched, "Record-Route: <sip:p1.example;lr>,<sip:p2.example;lr>")
	first := d.notify()
	if first.get("Route") != "<sip:p1.example;lr>, <sip:p2.example;lr>" && first.get("Route") != "<sip:p1.example;lr>,<sip:p2.example;lr>" {
		t.Errorf("Route %q", first.header["Route"])
	}
	d.refresh(c, 900)
	if left := remaining(t, d.notify(), "active"); left <= 600 {
		t.Errorf("refreshed to %d", left)
	}
	c.cseq -= 2
	c.want(500, d.again(c, 600))
	c.cseq += 10
	stranger := d.again(c, 600)
	stranger.toTag = "00aaaaaaaaaaaaaaaa"
	c.want(481, stranger)
	d.refresh(c, 0)
	if m := d.notify(); m.get("Subscription-State") != "terminated;reason=timeout" {
		t.Errorf("unsubscribed:\n%s", m)
	}
	c.want(481, d.again(c, 600))
}

func polls(t *testing.T, v *venue) {
	watched, c := v.phone(t), v.phone(t)
	v.allow(t, watched)
	publish(watched, tupleOf("t1", "open"))
	d := c.watch(watched, "Expires: 0")
	if m := d.notify(); m.get("Subscription-State") != "terminated;reason=timeout" || !strings.Contains(string(m.body), ">open<") {
		t.Errorf("fetched\n%s", m)
	}
	c.silent(50 * time.Millisecond)
	// Who is not decided about learns nothing.
	shy := v.phone(t)
	publish(shy, tupleOf("t1", "open"))
	if m := c.watch(shy, "Expires: 0").notify(); len(m.body) != 0 {
		t.Errorf("fetched without permission\n%s", m)
	}
}

// RFC 6665 §4.2.2: these answers end the subscription, and the owner sees it.
func refusedNotify(t *testing.T, v *venue) {
	for _, status := range []string{"481 No", "489 Bad Event", "404 Not Found", "604 Nowhere"} {
		watched, c := v.phone(t), v.phone(t)
		v.allow(t, watched)
		d := c.watch(watched)
		d.notify()
		own := watched.subscribe(watched.aor(), "presence.winfo", "application/watcherinfo+xml")
		expectWinfo(t, own.notify(), 0, "full", watched.aor(), c.aor()+" active subscribe")
		publish(watched, tupleOf("t1", "open"))
		c.reply(c.arriving("NOTIFY"), status)
		var w watcherinfo
		if err := xml.Unmarshal(own.notify().body, &w); err != nil || w.Lists[0].Watchers[0].Status != "terminated" {
			t.Errorf("%s: %v %+v", status, err, w)
		}
		c.want(481, d.again(c, 600))
	}
}

// RFC 6665 §4.2.2: after these it goes on.
func failedNotify(t *testing.T, v *venue) {
	watched, c := v.phone(t), v.phone(t)
	v.allow(t, watched)
	d := c.watch(watched)
	d.notify()
	publish(watched, tupleOf("t1", "open"))
	c.reply(c.arriving("NOTIFY"), "503 Busy", "Retry-After: 1")
	at := time.Now()
	if m := d.notify(); !strings.Contains(string(m.body), ">open<") || time.Since(at) < 800*time.Millisecond {
		t.Errorf("after %v\n%s", time.Since(at), m)
	}
	publish(watched, tupleOf("t2", "closed"))
	c.reply(c.arriving("NOTIFY"), "500 Oops")
	publish(watched, tupleOf("t3", "closed")) // news need not wait for the retry
	if m := d.notify(); !strings.Contains(string(m.body), `"t2"`) || !strings.Contains(string(m.body), `"t3"`) {
		t.Errorf("then came\n%s", m)
	}
	d.refresh(c, 600)
	d.notify()
}

func retransmits(t *testing.T, v *venue) {
	watched, c := v.phone(t), v.phone(t)
	v.allow(t, watched)
	r := subscribing(c, watched.aor())
	r.from = c.aor()
	c.send(r)
	line := "Authorization: " + authorize(t, c, r, c.answer().header.Values("Www-Authenticate")[0])
	c.send(r, line)
	first := c.answer()
	c.incoming("NOTIFY")
	for range 3 {
		c.cseq, c.branch = c.cseq-1, c.branch-1
		c.send(r, line)
		if m := c.answer(); m.status() != 200 || m.get("To") != first.get("To") {
			t.Errorf("first\n%s\nagain\n%s", first, m)
		}
	}
	c.silent(100 * time.Millisecond)
}

func conditional(t *testing.T, v *venue) {
	watched, c := v.phone(t), v.phone(t)
	v.allow(t, watched)
	d := c.watch(watched)
	tag := d.notify().get("Sip-Etag")
	if m := c.want(204, d.again(c, 600, "Suppress-If-Match: "+tag)); m.get("Expires") != "600" {
		t.Errorf("no Expires in\n%s", m)
	}
	c.silent(50 * time.Millisecond)
	publish(watched, tupleOf("t1", "open"))
	if m := d.notify(); m.get("Sip-Etag") == tag || !strings.Contains(string(m.body), ">open<") {
		t.Errorf("changed:\n%s", m)
	}
	d.refresh(c, 600, "Suppress-If-Match: "+tag) // an old one: the condition is false
	d.notify()
	tag = c.watch(watched).notify().get("Sip-Etag")
	fresh := c.watch(watched, "Suppress-If-Match: "+tag, "Contact: <sip:x@192.0.2.1>")
	if m := fresh.notify(); len(m.body) != 0 || m.get("Content-Type") != "" || m.get("Sip-Etag") != tag {
		t.Errorf("a new subscription to what is known:\n%s", m)
	}
}

func neverAgain(t *testing.T, v *venue) {
	watched, c := v.phone(t), v.phone(t)
	v.allow(t, watched)
	d := c.watch(watched)
	d.notify()
	c.want(204, d.again(c, 600, "Suppress-If-Match: *"))
	publish(watched, tupleOf("t1", "open"))
	c.silent(200 * time.Millisecond)
	c.want(204, d.again(c, 0, "Suppress-If-Match: *"))
	c.silent(50 * time.Millisecond)
	c.want(481, d.again(c, 600))
}

func maxRate(t *testing.T, v *venue) {
	watched, c := v.phone(t), v.phone(t)
	v.allow(t, watched)
	d := c.watch(watched, "Event: presence;max-rate=1")
	m := d.notify()
	if !strings.Contains(m.get("Subscription-State"), ";max-rate=1") {
		t.Errorf("Subscription-State %q", m.get("Subscription-State"))
	}
	at := time.Now()
	tag := publish(watched, tupleOf("t1", "open"))
	for _, id := range []string{"t2", "t3"} {
		tag = publish(watched, tupleOf(id, "open"), "SIP-If-Match: "+tag)
	}
	if m := d.notify(); !strings.Contains(string(m.body), `"t3"`) || time.Since(at) < 800*time.Millisecond {
		t.Errorf("after %v\n%s", time.Since(at), m)
	}
	c.silent(100 * time.Millisecond)
}

func minRate(t *testing.T, v *venue) {
	watched, c := v.phone(t), v.phone(t)
	v.allow(t, watched)
	d := c.watch(watched, "Event: presence;min-rate=1")
	for range 2 {
		if m := d.notify(); !strings.Contains(m.get("Subscription-State"), ";min-rate=1") {
			t.Errorf("NOTIFY\n%s", m)
		}
	}
}

// waiting makes a watcher that asked and left while nothing was decided.
func waiting(t *testing.T, v *venue) (watched, c *sipClient, own *dialog) {
	watched, c = v.phone(t), v.phone(t)
	d := c.watch(watched)
	if m := d.notify(); remaining(t, m, "pending") == 0 || len(m.body) != 0 {
		t.Errorf("pending\n%s", m)
	}
	d.refresh(c, 0)
	d.notify()
	own = watched.subscribe(watched.aor(), "presence.winfo", "application/watcherinfo+xml")
	expectWinfo(t, own.notify(), 0, "full", watched.aor(), c.aor()+" waiting timeout")
	return watched, c, own
}

func waitsAndIsApproved(t *testing.T, v *venue) {
	watched, c, own := waiting(t, v)
	v.allow(t, watched)
	expectWinfo(t, own.notify(), 1, "partial", watched.aor(), c.aor()+" terminated approved")
}

func waitsAndComesBack(t *testing.T, v *venue) {
	watched, c, own := waiting(t, v)
	c.watch(watched).notify()
	seen := map[string]bool{}
	for len(seen) < 2 {
		var w watcherinfo
		if err := xml.Unmarshal(own.notify().body, &w); err != nil {
			t.Fatal(err)
		}
		for _, x := range w.Lists[0].Watchers {
			seen[x.Status+" "+x.Event] = true
		}
	}
	if !seen["terminated giveup"] || !seen["pending subscribe"] {
		t.Errorf("told of %v", seen)
	}
}

// A device that subscribes again has forgotten its first subscription.
func oneDevice(t *testing.T, v *venue) {
	watched, c := v.phone(t), v.phone(t)
	v.allow(t, watched)
	first := c.watch(watched)
	first.notify()
	second := subscribing(c, watched.aor())
	c.want(200, second)
	if m := c.incoming("NOTIFY"); m.get("Call-Id") != second.callID || remaining(t, m, "active") == 0 {
		t.Errorf("got\n%s", m)
	}
	c.silent(50 * time.Millisecond)
	c.want(481, first.again(c, 600))
}

// While a NOTIFY is unanswered there is no other, and then the newest state.
func newestOnly(t *testing.T, v *venue) {
	watched, c := v.phone(t), v.phone(t)
	v.allow(t, watched)
	d := c.watch(watched)
	d.notify()
	tag := publish(watched, tupleOf("t1", "open"))
	unanswered := c.arriving("NOTIFY")
	for _, id := range []string{"t2", "t3", "t4"} {
		tag = publish(watched, tupleOf(id, "open"), "SIP-If-Match: "+tag)
	}
	if v.network != "udp" { // where it is sent again meanwhile
		c.silent(300 * time.Millisecond)
	}
	c.reply(unanswered, "200 OK")
	m := c.arriving("NOTIFY")
	for m.cseq() == unanswered.cseq() {
		m = c.arriving("NOTIFY")
	}
	if c.reply(m, "200 OK"); m.cseq() <= unanswered.cseq() || !strings.Contains(string(m.body), `"t4"`) || strings.Contains(string(m.body), `"t3"`) {
		t.Errorf("then came\n%s", m)
	}
	c.silent(100 * time.Millisecond)
}
