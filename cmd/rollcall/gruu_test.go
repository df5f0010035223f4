package main

import (
	"net"
	"regexp"
	"strings"
	"testing"
)

var gruuParam = regexp.MustCompile(`;(pub|temp)-gruu="([^"]+)"`)

// ownGRUUs returns the GRUUs of the contact of c in the answer to a REGISTER.
func ownGRUUs(t *testing.T, c *sipClient, m *message) (public, temporary string) {
	t.Helper()
	for _, contact := range m.header.Values("Contact") {
		if !strings.HasPrefix(contact, c.contact()) {
			continue
		}
		for _, g := range gruuParam.FindAllStringSubmatch(contact, -1) {
			if g[1] == "pub" {
				public = g[2]
			} else {
				temporary = g[2]
			}
		}
	}
	if public == "" || temporary == "" {
		t.Fatalf("no GRUUs in\n%s", m)
	}
	return public, temporary
}

// A device has an address of its own: while it is there it gets what is sent to
// it and nobody else does; when its connection ends the owner hears of it and the
// binding goes.
func TestDevices(t *testing.T) {
	s := start(t, []string{"--data", t.TempDir(), "--domain", domain}, "--flow-grace", "1s", "--pacing", "off", "--super-users", "carol")
	desk := dialSIP(t, "tcp", s.sip, "alice", password("alice"))
	bob := dialSIP(t, "tcp", s.sip, "bob", password("bob"))
	desk.register(600)
	bob.register(600)
	own := desk.subscribe(desk.aor(), "reg", "application/reginfo+xml")
	if body := string(own.notify().body); !strings.Contains(body, `state="full"`) || strings.Count(body, "<contact ") != 1 {
		t.Errorf("reg of one contact:\n%s", body)
	}
	if m := bob.do(request{method: "SUBSCRIBE", uri: desk.aor(), lines: []string{"Event: reg", "Contact: " + bob.contact()}}); m.status() != 403 {
		t.Errorf("reg of someone else:\n%s", m)
	}

	carol := dialSIP(t, "tcp", s.sip, "carol", password("carol"))
	if body := string(carol.subscribe(desk.aor(), "reg", "application/reginfo+xml").notify().body); strings.Count(body, "<contact ") != 1 {
		t.Errorf("reg of someone else for a super-user:\n%s", body)
	}

	mobile := dialSIP(t, "tcp", s.sip, "alice", password("alice"))
	m := mobile.want(200, request{
		method: "REGISTER", uri: "sip:" + domain, to: mobile.aor(), callID: "mobile",
		lines: []string{"Contact: " + mobile.contact() + `;+sip.instance="<urn:uuid:mobile>";reg-id=1`, "Expires: 600", "Supported: gruu, outbound"},
	})
	if m.get("Require") != "outbound" {
		t.Errorf("outbound was not processed:\n%s", m)
	}
	public, temporary := ownGRUUs(t, mobile, m)
	if body := string(own.notify().body); !strings.Contains(body, `event="registered"`) || !strings.Contains(body, `<gr:pub-gruu uri="`+public+`"/>`) ||
		!strings.Contains(body, `<gr:temp-gruu uri="`+temporary+`" first-cseq="`) {
		t.Errorf("reg of the second contact:\n%s", body)
	}

	_, port, err := net.SplitHostPort(s.sip)
	if err != nil {
		t.Fatal(err)
	}
	for _, uri := range []string{public, temporary, strings.Replace(public, "@"+domain, "@"+domain+":"+port, 1)} {
		text := make(chan *message, 1)
		go func() {
			text <- bob.do(request{method: "MESSAGE", uri: uri, lines: []string{"Content-Type: text/plain"}, body: uri})
		}()
		if m := mobile.incoming("MESSAGE"); string(m.body) != uri || !strings.Contains(m.start, mobile.conn.LocalAddr().String()) {
			t.Errorf("the mobile got\n%s", m)
		}
		if m := <-text; m.status() != 200 {
			t.Errorf("%s: bob got\n%s", uri, m)
		}
	}
	if len(desk.requests)+len(desk.in) != 0 {
		t.Error("the desk phone got something, too")
	}

	mobile.conn.Close()
	for _, want := range []string{`event="shortened"`, `event="deactivated"`} {
		if body := string(own.notify().body); !strings.Contains(body, want) {
			t.Errorf("no %s in\n%s", want, body)
		}
	}
	bob.want(480, request{method: "MESSAGE", uri: public, lines: []string{"Content-Type: text/plain"}, body: "gone"})
	bob.want(404, request{method: "MESSAGE", uri: temporary, lines: []string{"Content-Type: text/plain"}, body: "gone"})
	bob.want(404, request{method: "MESSAGE", uri: "sip:alice@" + domain + ";gr=unknown", lines: []string{"Content-Type: text/plain"}, body: "gone"})
}
