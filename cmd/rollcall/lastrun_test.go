package main

import (
	"strings"
	"testing"
)

// After an orderly end a watcher who has seen everything hears nothing from the next
// process; after a crash, where nobody knows, the state once more.
func TestHowTheLastRunEnded(t *testing.T) {
	args := []string{"--data", t.TempDir(), "--domain", domain}
	s := start(t, args, "--trust", "127.0.0.0/8")
	alice, bob := dialSIP(t, "udp", s.sip, "alice", ""), dialSIP(t, "udp", s.sip, "bob", "")
	newXCAPClient(t, s.xcapRoot, "bob", password("bob")).put(201, "pres-rules/users/sip:bob@"+domain+"/index", typeRules,
		`<ruleset xmlns="urn:ietf:params:xml:ns:common-policy" xmlns:pr="urn:ietf:params:xml:ns:pres-rules"><rule id="all"><conditions/>`+
			`<actions><pr:sub-handling>allow</pr:sub-handling></actions></rule></ruleset>`)
	d := alice.watch(bob)
	d.notify()

	again := append(args, "--sip-listen", s.sip, "--http-listen", anyPort, "--admin-listen", anyPort, "--trust", "127.0.0.0/8")
	s.terminate()
	s = serve(t, again...)
	alice.silent(quiet)
	s.kill()
	s = serve(t, again...)
	if m := d.notify(); !strings.HasPrefix(m.get("Subscription-State"), "active") || !strings.Contains(string(m.body), "<presence") {
		t.Errorf("after a crash:\n%s", m)
	}
	s.terminate()
}
