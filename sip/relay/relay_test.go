package relay

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"rollcall/internal/auth"
	"rollcall/internal/store"
)

// opened makes a dialog between alice and a server; routes is the route set of the server.
func opened(t *testing.T, p *proxy) (alice, bob *peer, routes []string) {
	t.Helper()
	ln := server(t)
	alice = p.dial()
	alice.subscribe("sip:bob@"+ln.Addr().String()+";transport=tcp", 1)
	bob = accept(t, ln)
	m := bob.next()
	bob.answer(m, "200 OK", "Contact: <sip:bob@"+ln.Addr().String()+";transport=tcp>", "Expires: 600")
	if m := alice.next(); m.status() != "200" {
		t.Fatalf("alice got %+v", m)
	}
	return alice, bob, m.Values("Record-Route")
}

func aliceAt(alice *peer) string {
	return "sip:alice@" + alice.conn.LocalAddr().String() + ";transport=tcp"
}

// RFC 3261 §16.6 and §16.7: what is added, what is taken away, what comes back.
func TestThereAndBack(t *testing.T) {
	p := newProxy(t, Config{})
	ln := server(t)
	alice := p.dial()
	uri := "sip:bob@" + ln.Addr().String() + ";transport=tcp"
	alice.subscribe(uri, 1, "Max-Forwards: 10", "Record-Route: <sip:edge.a.example;lr>", "P-Asserted-Identity: <sip:boss@a.example>",
		"P-Preferred-Identity: <sip:boss@a.example>", `Proxy-Authorization: Digest realm="A.example", username="alice"`,
		`Authorization: Digest realm="b.example", username="alice"`, "X-Unknown: stays", "Route: <sip:"+p.tcp.String()+";lr>")
	bob := accept(t, ln)
	m := bob.next()
	if m.start != "SUBSCRIBE "+uri+" SIP/2.0" || m.Get("Max-Forwards") != "9" || len(m.Values("Via")) != 2 || m.Get("X-Unknown") != "stays" {
		t.Errorf("bob got %+v", m)
	}
	for _, name := range []string{"Route", "Proxy-Authorization", "P-Asserted-Identity", "P-Preferred-Identity"} {
		if m.Get(name) != "" {
			t.Errorf("%s: %q went on", name, m.Get(name))
		}
	}
	if !strings.Contains(m.Get("Authorization"), "b.example") {
		t.Error("credentials for bob's domain did not go on")
	}
	if rr := m.Values("Record-Route"); len(rr) != 2 || !strings.HasSuffix(rr[0], "@"+p.tcp.String()+";transport=tcp;lr>") || rr[1] != "<sip:edge.a.example;lr>" {
		t.Errorf("Record-Route %q", rr)
	}
	bob.answer(m, "200 Fine", "Contact: <sip:bob@host.example>", "Expires: 600", "P-Asserted-Identity: <sip:x@b.example>")
	got := alice.next()
	if got.start != "SIP/2.0 200 Fine" || len(got.Values("Via")) != 1 || !strings.Contains(got.Get("Via"), "client.invalid") ||
		got.Get("Contact") != "<sip:bob@host.example>" || !strings.HasSuffix(got.Get("To"), ";tag=bob") || got.Get("P-Asserted-Identity") != "" {
		t.Errorf("alice got %+v", got)
	}
	if !slices.Equal(got.Values("Record-Route"), m.Values("Record-Route")) {
		t.Errorf("Record-Route of the answer: %q", got.Values("Record-Route"))
	}

	// A NOTIFY comes back over alice's connection, whoever brings it.
	stranger := p.dial()
	stranger.notify(1, aliceAt(alice), m.Values("Record-Route")[0])
	n := alice.next()
	if !strings.HasPrefix(n.start, "NOTIFY "+aliceAt(alice)) || n.Get("Route") != "" || len(n.Values("Record-Route")) != 1 {
		t.Errorf("alice got %+v", n)
	}
	alice.answer(n, "200 OK")
	if a := stranger.next(); a.status() != "200" || len(a.Values("Via")) != 1 {
		t.Errorf("the notifier got %+v", a)
	}
}

// RFC 3325 §5, §7: who gets to know the identity.
func TestIdentity(t *testing.T) {
	network := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	given := []string{"P-Asserted-Identity: <sip:carol@c.example>", "P-Asserted-Identity: <tel:+1>"}
	for _, tc := range []struct {
		name  string
		trust []netip.Prefix
		who   auth.Identity
		lines []string
		want  []string
	}{
		{"a user, to a trusted hop", network, auth.Identity{AOR: "sip:alice@a.example"}, given, []string{"<sip:alice@a.example>"}},
		{"a user, to others", nil, auth.Identity{AOR: "sip:alice@a.example"}, given, nil},
		{"a trusted hop, to a trusted hop", network, auth.Identity{AOR: "sip:carol@c.example", Trusted: true}, append(given, "Privacy: id"), []string{"<sip:carol@c.example>", "<tel:+1>"}},
		{"a trusted hop, to others", nil, auth.Identity{AOR: "sip:carol@c.example", Trusted: true}, given, []string{"<sip:carol@c.example>", "<tel:+1>"}},
		{"Privacy", nil, auth.Identity{AOR: "sip:carol@c.example", Trusted: true}, append(given, "Privacy: id"), nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := newProxy(t, Config{Trust: tc.trust})
			p.alice = tc.who
			ln := server(t)
			p.dial().subscribe("sip:bob@"+ln.Addr().String()+";transport=tcp", 1, tc.lines...)
			if got := accept(t, ln).next().Values("P-Asserted-Identity"); !slices.Equal(got, tc.want) {
				t.Errorf("%q, want %q", got, tc.want)
			}
		})
	}
}

// RFC 3261 §16.3, §16.4 and §16.7, RFC 4320 §4.
func TestRefusals(t *testing.T) {
	p := newProxy(t, Config{MaxPerUser: 1})
	alice, bob, routes := opened(t, p)
	sealed, _, _ := strings.Cut(strings.TrimPrefix(routes[0], "<sip:"), "@")
	target := "sip:bob@" + bob.conn.LocalAddr().String() + ";transport=tcp"
	for _, tc := range []struct {
		name, want string
		send       func(c *peer)
	}{
		{"no hops left", "483", func(c *peer) { c.subscribe(target, 2, "Max-Forwards: 0") }},
		{"an extension of proxies", "420", func(c *peer) { c.subscribe(target, 3, "Proxy-Require: warp") }},
		{"no Route of ours", "481", func(c *peer) { c.notify(2, aliceAt(alice)) }},
		{"a forged token", "403", func(c *peer) {
			c.notify(3, aliceAt(alice), strings.Replace(routes[0], sealed, sealed[:len(sealed)-6]+"AAAAAA", 1))
		}},
		{"nobody listens", "480", func(c *peer) { c.subscribe("sip:bob@127.0.0.1:1;transport=tcp", 4) }},
		{"no such transport", "404", func(c *peer) { c.subscribe("sip:bob@127.0.0.1;transport=sctp", 5) }},
		{"multicast", "480", func(c *peer) { c.subscribe("sip:bob@224.0.1.75;transport=tcp", 6) }},
	} {
		c := p.dial()
		tc.send(c)
		if m := c.next(); m.status() != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, m.start, tc.want)
		}
	}
	// One of a user at a time, here.
	alice.subscribe(target, 7)
	m := bob.next()
	alice.subscribe(target, 8)
	if a := alice.next(); a.status() != "503" || a.Get("Retry-After") == "" {
		t.Errorf("above the quota: %+v", a)
	}
	bob.answer(m, "408 Request Timeout")
	if a := alice.next(); a.status() != "480" {
		t.Errorf("RFC 4320 §4.2: %+v", a)
	}
	alice.subscribe(target, 9)
	bob.answer(bob.next(), "503 Service Unavailable", "Retry-After: 100")
	if a := alice.next(); a.status() != "500" || a.Get("Retry-After") != "" {
		t.Errorf("RFC 3261 §16.7 step 6: %+v", a)
	}
	alice.subscribe(target, 10)
	bob.answer(bob.next(), "401 Unauthorized", `WWW-Authenticate: Digest realm="b.example"`)
	if a := alice.next(); a.status() != "401" || a.Get("WWW-Authenticate") == "" {
		t.Errorf("a challenge of the other domain: %+v", a)
	}
}

// RFC 3261 §16.3 step 4: a loop is found, a spiral goes on.
func TestLoops(t *testing.T) {
	p := newProxy(t, Config{})
	ln := server(t)
	alice := p.dial()
	uri := "sip:bob@" + ln.Addr().String() + ";transport=tcp"
	alice.subscribe(uri, 1)
	m := accept(t, ln).next()
	vias := "Via: SIP/2.0/TCP elsewhere.invalid;branch=z9hG4bKe\r\nVia: " + strings.Join(m.Values("Via"), "\r\nVia: ")
	back := p.dial()
	again := func(uri string) {
		back.send("SUBSCRIBE "+uri+" SIP/2.0", vias, "From: <sip:alice@a.example>;tag=alice", "To: <sip:bob@b.example>",
			"Call-ID: call", "CSeq: 1 SUBSCRIBE", "Contact: <sip:alice@h>", "Event: presence")
	}
	again(uri)
	if got := back.next(); got.status() != "482" {
		t.Errorf("a loop: %+v", got)
	}
	other := server(t)
	again("sip:bob@" + other.Addr().String() + ";transport=tcp")
	if got := accept(t, other).next(); len(got.Values("Via")) != 4 {
		t.Errorf("a spiral: %+v", got)
	}
}

// RFC 3261 §16.4 and §16.6 step 6: strict routers before and behind us.
func TestStrictRouters(t *testing.T) {
	p := newProxy(t, Config{})
	alice, bob, routes := opened(t, p)
	ours := strings.Trim(routes[0], "<>")

	// The one before us put our Record-Route into the Request-URI.
	bob.notify(1, ours, "<"+aliceAt(alice)+">")
	n := alice.next()
	if !strings.HasPrefix(n.start, "NOTIFY "+aliceAt(alice)+" ") || n.Get("Route") != "" {
		t.Errorf("alice got %+v", n)
	}
	alice.answer(n, "200 OK")
	if a := bob.next(); a.status() != "200" {
		t.Errorf("bob got %+v", a)
	}

	// The one behind us wants to find itself there.
	strict := server(t)
	alice.subscribe("sip:bob@host.example", 2, "Route: "+routes[0]+", <sip:"+strict.Addr().String()+";transport=tcp>, <sip:last.example;lr>")
	m := accept(t, strict).next()
	if m.start != "SUBSCRIBE sip:"+strict.Addr().String()+";transport=tcp SIP/2.0" || m.Get("Route") != "<sip:last.example;lr>, <sip:bob@host.example>" {
		t.Errorf("the strict router got %q, Route %q", m.start, m.Get("Route"))
	}
}

// The route set of a dialog stays; the connection of the subscriber does not.
func TestSubscriberMoves(t *testing.T) {
	p := newProxy(t, Config{})
	alice, bob, routes := opened(t, p)
	target := "sip:bob@" + bob.conn.LocalAddr().String() + ";transport=tcp"
	contact := aliceAt(alice)
	alice.conn.Close()
	eventually(t, func() bool { return gone(p, routes[0]) })
	bob.notify(1, contact, routes[0])
	if a := bob.next(); a.status() != "430" {
		t.Errorf("RFC 5626 §5.3.1: %+v", a)
	}

	// She refreshes over another one.
	alice = p.dial()
	alice.subscribe(target, 2, "Route: "+routes[0])
	bob.answer(bob.next(), "200 OK", "Contact: <"+target+">")
	if a := alice.next(); a.status() != "200" {
		t.Fatalf("refresh: %+v", a)
	}
	bob.notify(2, contact, routes[0])
	if n := alice.next(); !strings.HasPrefix(n.start, "NOTIFY ") {
		t.Errorf("alice got %+v", n)
	}

	// After a restart her registration leads to her.
	p.r.moved.flows = nil
	alice = p.dial()
	alice.send("SUBSCRIBE sip:x@127.0.0.1:1;transport=tcp SIP/2.0", "Via: SIP/2.0/TCP h;branch=z9hG4bKr", "From: <sip:alice@a.example>;tag=r", "To: <sip:x@h>",
		"Call-ID: r", "CSeq: 1 SUBSCRIBE", "Max-Forwards: 0", "Event: presence", "Contact: <sip:a@h>")
	alice.next() // by now the connection is there
	p.mu.Lock()
	p.bindings = []store.Binding{{Contact: "sip:alice@new.invalid", Flow: p.newest}}
	p.mu.Unlock()
	bob.notify(3, contact, routes[0])
	if n := alice.next(); !strings.HasPrefix(n.start, "NOTIFY ") {
		t.Errorf("alice got %+v", n)
	}
}

// Somebody else cannot go on with her dialog.
func TestNotYourSubscription(t *testing.T) {
	p := newProxy(t, Config{})
	_, bob, routes := opened(t, p)
	p.alice.AOR = "sip:mallory@a.example"
	mallory := p.dial()
	mallory.subscribe("sip:bob@"+bob.conn.LocalAddr().String()+";transport=tcp", 2, "Route: "+routes[0])
	if a := mallory.next(); a.status() != "403" {
		t.Errorf("mallory got %+v", a)
	}
}
