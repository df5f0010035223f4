package main

import (
	"strings"
	"testing"
)

// What is sent to someone who is away is kept over a power failure and delivered
// in order when they come; calls and voice mail that a PBX publishes light lamps.
func TestOffice(t *testing.T) {
	args := []string{"--data", t.TempDir(), "--domain", domain}
	flags := []string{"--publishers", "sip:carol@" + domain, "--pacing", "off"}
	s := start(t, args, flags...)
	bob := dialSIP(t, "tcp", s.sip, "bob", password("bob"))
	for _, text := range []string{"one", "two"} {
		bob.want(200, request{method: "MESSAGE", uri: "sip:alice@" + domain, lines: []string{"Content-Type: text/plain"}, body: text})
	}
	bob.want(480, request{method: "MESSAGE", uri: "sip:alice@" + domain, lines: []string{"Content-Type: application/im-iscomposing+xml"}, body: "<isComposing/>"})

	pbx := dialSIP(t, "udp", s.sip, "carol", password("carol"))
	call := func(state string) request {
		return request{method: "PUBLISH", uri: "sip:alice@" + domain, lines: []string{"Event: dialog", "Content-Type: application/dialog-info+xml"},
			body: `<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="0" state="full" entity="sip:alice@` + domain + `">` +
				`<dialog id="1" call-id="c1" local-tag="a" remote-tag="b"><state>` + state + `</state></dialog></dialog-info>`}
	}
	tag := pbx.want(200, call("early")).get("Sip-Etag")
	pbx.want(200, request{method: "PUBLISH", uri: "sip:alice@" + domain,
		lines: []string{"Event: message-summary", "Content-Type: application/simple-message-summary"}, body: "Messages-Waiting: yes\r\nVoice-Message: 1/0\r\n"})
	bob.want(403, call("early"))
	s.kill()

	s = serve(t, append(append(args, "--sip-listen", anyPort, "--http-listen", anyPort, "--admin-listen", anyPort), flags...)...)
	alice := dialSIP(t, "tcp", s.sip, "alice", password("alice"))
	alice.register(600)
	for _, text := range []string{"one", "two"} {
		m := alice.incoming("MESSAGE")
		if string(m.body) != text || !strings.Contains(m.get("From"), bob.aor()) || m.get("Date") == "" {
			t.Errorf("alice got\n%s", m)
		}
	}
	voicemail := alice.subscribe(alice.aor(), "message-summary", "application/simple-message-summary")
	if m := voicemail.notify(); !strings.Contains(string(m.body), "Voice-Message: 1/0") {
		t.Errorf("voice mail:\n%s", m)
	}
	bob = dialSIP(t, "tcp", s.sip, "bob", password("bob"))
	bob.want(403, request{method: "SUBSCRIBE", uri: alice.aor(), lines: []string{"Event: message-summary", "Contact: " + bob.contact()}})
	lamp := bob.subscribe(alice.aor(), "dialog", "application/dialog-info+xml")
	if m := lamp.notify(); !strings.Contains(string(m.body), ">early</state>") {
		t.Errorf("lamp:\n%s", m)
	}
	pbx = dialSIP(t, "udp", s.sip, "carol", password("carol"))
	over := call("terminated")
	over.lines = append(over.lines, "SIP-If-Match: "+tag)
	pbx.want(200, over)
	if m := lamp.notify(); !strings.Contains(string(m.body), ">terminated</state>") || !strings.Contains(string(m.body), `state="partial"`) {
		t.Errorf("lamp after the call:\n%s", m)
	}
}
