package main

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// An account that is removed takes its rules and its list subscriptions with it,
// also out of the memory of a running server.
func TestRemovedAccount(t *testing.T) {
	data := t.TempDir()
	args := []string{"--data", data, "--domain", domain}
	s := start(t, args)
	where := append(args, "--admin-listen", strings.TrimPrefix(s.admin, "http://"))
	told := func(stdin string, args ...string) {
		t.Helper()
		expectCommand(t, 0, "has been told", stdin, append(args, where...)...)
	}
	// account changes an account, of which the server hears nothing but the address,
	// as from another node.
	account := func(stdin, what, user string, args ...string) {
		t.Helper()
		mustCommand(t, stdin, append(append([]string{"user", what, user}, args...), "--data", data, "--domain", domain, "--admin-listen", "127.0.0.1:1")...)
		resp, err := http.Post(s.admin+"/admin/changed", "application/json", strings.NewReader(`{"users":["sip:`+user+`@`+domain+`"]}`))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusNoContent {
			t.Fatal(resp.Status)
		}
	}
	alice := dialSIP(t, "tcp", s.sip, "alice", password("alice"))
	bob := dialSIP(t, "tcp", s.sip, "bob", password("bob"))
	alice.register(600)
	bob.register(600)
	told(blinkLists(s.xcapRoot, "alice", "bob"), "doc", "put", "alice", "resource-lists", "-")
	told(blinkServices(s.xcapRoot, "alice"), "doc", "put", "alice", "rls-services", "-")
	told(blinkLists(s.xcapRoot, "bob", "alice"), "doc", "put", "bob", "resource-lists", "-")
	told(blinkRules(s.xcapRoot, "bob"), "doc", "put", "bob", "org.openmobilealliance.pres-rules", "-")

	// The rules allow alice, and are in memory by now.
	plain := alice.subscribe(bob.aor(), "presence", typePIDF)
	if got := plain.notify().get("Subscription-State"); !strings.HasPrefix(got, "active") {
		t.Fatalf("before: %q", got)
	}
	account("", "rm", "bob")
	if got := plain.notify().get("Subscription-State"); got != "terminated;reason=noresource" {
		t.Errorf("subscription to a removed account: %q", got)
	}
	account("", "add", "bob", "--password", "another")
	again := alice.subscribe(bob.aor(), "presence", typePIDF)
	if got := again.notify().get("Subscription-State"); !strings.HasPrefix(got, "pending") {
		t.Errorf("a new account without rules, judged by those of the old one: %q", got)
	}

	// The owner of a list goes.
	alice.requests = nil
	buddies := alice.subscribe("sip:alice+presence@"+domain, "presence", blinkAccept)
	buddies.notify()
	account("", "rm", "alice")
	for deadline := time.Now().Add(patience); ; {
		if got := buddies.notify().get("Subscription-State"); strings.HasPrefix(got, "terminated") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the list of a removed account lives on")
		}
	}
}

// A watcher that does not answer must not use up the time there is for stopping:
// what comes after it would be cut off, with a warning.
func TestStopWithUnansweredNotify(t *testing.T) {
	data := t.TempDir()
	mustCommand(t, "", "user", "add", "alice@"+domain, "--password", password("alice"), "--domain", domain, "--data", data)
	s := serve(t, "--domain", domain, "--data", data, "--sip-listen", anyPort, "--http-listen", anyPort, "--admin-listen", anyPort,
		"--shutdown-timeout", "10s")
	alice := dialSIP(t, "udp", s.sip, "alice", password("alice"))
	alice.want(200, request{method: "SUBSCRIBE", uri: alice.aor(), lines: []string{"Event: presence", "Expires: 600",
		"Contact: " + alice.contact(), "Accept: " + typePIDF}, to: alice.aor(), callID: "unanswered"})
	s.terminate()
	if strings.Contains(s.log.String(), "level=WARN") {
		t.Errorf("not a clean end:\n%s", s.log)
	}
}
