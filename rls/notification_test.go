package rls

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"rollcall/internal/resourcelist"
	"rollcall/sip/event"
)

// Golden: the bytes of a small notification.
func TestRender(t *testing.T) {
	l := &list{svc: &Service{}, sub: &event.Subscription{ID: "dialog"}, at: place{resource: theirs}}
	l.name = resourcelist.Name{DisplayName: "Team", Lang: "en"}
	n := l.newNotification(true, maxBody, 7)
	n.entitle(l)
	add := func(uri, name string, s state, body string) {
		m := &member{list: l, uri: uri}
		m.rename(resourcelist.Name{DisplayName: name})
		s.name = m.name
		var doc document
		if body != "" {
			doc = document{"application/pidf+xml", []byte(body)}
		}
		if !n.add(m, s, doc, 0) {
			t.Fatal("does not fit")
		}
	}
	add(bo, "Bo <&>", state{known: true, instance: true, state: event.Active}, "<p>--b0.dialog</p>")
	add(cy, "", state{known: true, instance: true, state: event.Pending}, "")
	add(di, "", state{known: true, instance: true, state: event.Terminated, reason: "rejected"}, "")
	add("sip:ed@example.test", "", state{known: true}, "")
	contentType, body := n.render(l, 7)
	if want := `multipart/related;type="application/rlmi+xml";start="<list.dialog.7@example.test>";boundary=b1.dialog`; contentType != want {
		t.Errorf("Content-Type\n%s\nwant\n%s", contentType, want)
	}
	want := strings.ReplaceAll(`--b1.dialog
Content-Transfer-Encoding: binary
Content-ID: <list.dialog.7@example.test>
Content-Type: application/rlmi+xml;charset="UTF-8"

<?xml version="1.0" encoding="UTF-8"?>|<list xmlns="urn:ietf:params:xml:ns:rlmi" uri="sip:amy+presence@example.test" version="7" fullState="true">|<name xml:lang="en">Team</name><resource uri="sip:bo@example.test"><name>Bo &lt;&amp;&gt;</name><instance id="1" state="active" cid="m0.dialog.7@example.test"/></resource>|<resource uri="sip:cy@example.test"><instance id="1" state="pending"/></resource>|<resource uri="sip:di@example.test"><instance id="1" state="terminated" reason="rejected"/></resource>|<resource uri="sip:ed@example.test"/>|</list>|
--b1.dialog
Content-Transfer-Encoding: binary
Content-ID: <m0.dialog.7@example.test>
Content-Type: application/pidf+xml;charset="UTF-8"

<p>--b0.dialog</p>
--b1.dialog--
`, "\n", "\r\n")
	want = strings.ReplaceAll(want, "|", "\n")
	if diff := cmp.Diff(want, string(body)); diff != "" {
		t.Errorf("body (-want +got):\n%s", diff)
	}
	if len(body) > n.size {
		t.Errorf("%d bytes, estimated at most %d", len(body), n.size)
	}
}

// The body is never larger than estimated, nor much smaller.
func TestEstimate(t *testing.T) {
	texts := []string{"Bo", `"<&>'` + "\r\n\t\x00\xff", "é中", strings.Repeat("'", 40), ""}
	rapid.Check(t, func(t *rapid.T) {
		l := &list{svc: &Service{}, sub: &event.Subscription{ID: "30e427d82c12379290"}, at: place{resource: rapid.SampledFrom([]string{theirs, "sip:a@[2001:db8::1]"}).Draw(t, "list")}}
		l.name.DisplayName = rapid.SampledFrom(texts).Draw(t, "title")
		n := l.newNotification(rapid.Bool().Draw(t, "full"), maxBody, rapid.Uint32().Draw(t, "version"))
		n.entitle(l)
		reasons := []string{"", "noresource", `"`}
		for range rapid.IntRange(0, 20).Draw(t, "members") {
			text := rapid.SampledFrom(texts)
			m := &member{list: l, uri: "sip:" + text.Draw(t, "uri")}
			m.rename(resourcelist.Name{DisplayName: text.Draw(t, "name"), Lang: "de"})
			s := state{known: true, name: m.name, instance: rapid.Bool().Draw(t, "instance"), reason: rapid.SampledFrom(reasons).Draw(t, "reason")}
			var doc document
			if s.instance && rapid.Bool().Draw(t, "active") {
				s.state, doc = event.Active, document{"application/pidf+xml", []byte("--b0.30e427d82c12379290")}
			} else {
				s.state = event.Terminated
			}
			n.add(m, s, doc, 0)
		}
		_, body := n.render(l, n.version)
		if spare := n.size - len(body); spare < 0 || spare > 300+300*(len(n.resources)+1) {
			t.Fatalf("%d bytes, estimated at most %d", len(body), n.size)
		}
	})
}
