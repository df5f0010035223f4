package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rollcall/internal/store/pgtest"
)

// Media types of the documents.
const (
	typeLists    = "application/resource-lists+xml"
	typeServices = "application/rls-services+xml"
	typeRules    = "application/auth-policy+xml"
	typePIDF     = "application/pidf+xml"
)

func TestEndToEnd(t *testing.T) {
	for _, tc := range []struct {
		name string
		args func(t *testing.T) []string
	}{
		{"SQLite", func(t *testing.T) []string { return nil }},
		{"PostgreSQL", func(t *testing.T) []string { return []string{"--database", pgtest.URL(t)} }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			args := append(tc.args(t), "--data", t.TempDir(), "--domain", domain)
			t.Run("Story", func(t *testing.T) { story(t, args) })
			t.Run("BadInput", func(t *testing.T) { badInput(t, args) })
		})
	}
}

const anyPort = "127.0.0.1:0"

// start adds the users, if need be, and serves.
func start(t *testing.T, args []string, flags ...string) *server {
	t.Helper()
	for _, user := range []string{"alice", "bob", "carol"} {
		mustCommand(t, user+"@"+domain+","+password(user)+"\n", append([]string{"user", "import", "-", "--replace"}, args...)...)
	}
	args = append(args[:len(args):len(args)], "--sip-listen", anyPort, "--http-listen", anyPort, "--admin-listen", anyPort, "--min-expires", "1s")
	return serve(t, append(args, flags...)...)
}

func password(user string) string { return user + "'s, secret" }

// story is one day in the life of two Blink users, with a power failure.
func story(t *testing.T, args []string) {
	const list = "sip:alice+presence@" + domain
	const alicesLists, bobsLists = "resource-lists/users/sip:alice@" + domain + "/index", "resource-lists/users/sip:bob@" + domain + "/index"
	s := start(t, args)
	alice := dialSIP(t, "tcp", s.sip, "alice", password("alice"))
	bob := dialSIP(t, "tcp", s.sip, "bob", password("bob"))
	phone := dialSIP(t, "udp", s.sip, "alice", password("alice"))
	alice.register(600)
	bob.register(600)
	if m := phone.register(600); len(m.header.Values("Contact")) != 2 {
		t.Errorf("both of alice's contacts are to be listed:\n%s", m)
	}

	// Both clients write their documents.
	alicesXCAP := newXCAPClient(t, s.xcapRoot, "alice", password("alice"))
	bobsXCAP := newXCAPClient(t, s.xcapRoot, "bob", password("bob"))
	etag := alicesXCAP.put(201, alicesLists, typeLists, blinkLists(s.xcapRoot, "alice", "bob"), "If-None-Match: *")
	alicesXCAP.put(201, "rls-services/users/sip:alice@"+domain+"/index", typeServices, blinkServices(s.xcapRoot, "alice"), "If-None-Match: *")
	alicesXCAP.put(201, "org.openmobilealliance.pres-rules/users/sip:alice@"+domain+"/index", typeRules, blinkRules(s.xcapRoot, "alice"), "If-None-Match: *")
	bobsETag := bobsXCAP.put(201, bobsLists, typeLists, blinkLists(s.xcapRoot, "bob"), "If-None-Match: *")
	bobsXCAP.put(201, "org.openmobilealliance.pres-rules/users/sip:bob@"+domain+"/index", typeRules, blinkRules(s.xcapRoot, "bob"), "If-None-Match: *")
	if again := alicesXCAP.put(200, alicesLists, typeLists, blinkLists(s.xcapRoot, "alice", "bob"), "If-Match: "+etag); again != etag {
		t.Errorf("an identical PUT changed the ETag from %s to %s", etag, again)
	}

	// Bob watches his watchers; alice subscribes to her list and waits for him.
	winfo := bob.subscribe(bob.aor(), "presence.winfo", "application/watcherinfo+xml")
	expectWinfo(t, winfo.notify(), 0, "full", bob.aor())
	buddies := alice.subscribe(list, "presence", blinkAccept)
	m := buddies.notify()
	if got := m.get("Subscription-State"); !strings.HasPrefix(got, "active;expires=") {
		t.Errorf("Subscription-State %q", got)
	}
	readRLMI(t, m).expect(t, list, 0, "true", bob.aor(), "pending")
	expectWinfo(t, winfo.notify(), 1, "partial", bob.aor(), alice.aor()+" pending subscribe")

	// Bob accepts her: a PUT to his list, and nothing else.
	bobsXCAP.put(200, bobsLists, typeLists, blinkLists(s.xcapRoot, "bob", "alice"), "If-Match: "+bobsETag)
	doc := readRLMI(t, buddies.notify()).expect(t, list, 1, "false", bob.aor(), "active")
	if !strings.Contains(doc, ">open<") {
		t.Errorf("bob is registered, alice sees\n%s", doc)
	}
	expectWinfo(t, winfo.notify(), 2, "partial", bob.aor(), alice.aor()+" active approved")

	// Bob says that he is away.
	pub := request{method: "PUBLISH", uri: bob.aor(), lines: []string{"Event: presence", "Expires: 600", "Content-Type: " + typePIDF},
		body: blinkPIDF("bob", "open", "away", "away", "gone fishing")}
	tag := bob.want(200, pub).get("Sip-Etag")
	doc = readRLMI(t, buddies.notify()).expect(t, list, 2, "false", bob.aor(), "active")
	expectAway(t, doc)
	// Had there been more than one NOTIFY, this would not be version 3.
	buddies.accepted(buddies.refresh(alice, 600))
	expectAway(t, readRLMI(t, buddies.notify()).expect(t, list, 3, "true", bob.aor(), "active"))

	// They talk.
	text := make(chan *message, 1)
	go func() {
		text <- alice.do(request{method: "MESSAGE", uri: bob.aor(), lines: []string{"Content-Type: text/plain"}, body: "hello"})
	}()
	if m := bob.incoming("MESSAGE"); string(m.body) != "hello" || !strings.Contains(m.get("From"), alice.aor()) {
		t.Errorf("bob got\n%s", m)
	}
	if m := <-text; m.status() != 200 {
		t.Errorf("alice got\n%s", m)
	}

	// The power fails.
	s.kill()
	s = serve(t, append(args, "--sip-listen", s.sip, "--http-listen", strings.TrimSuffix(strings.TrimPrefix(s.xcapRoot, "http://"), "/xcap-root"),
		"--admin-listen", anyPort, "--min-expires", "1s")...)

	// Everything is as it was answered.
	alice = dialSIP(t, "tcp", s.sip, "alice", password("alice"))
	bob = dialSIP(t, "tcp", s.sip, "bob", password("bob"))
	if resp, body := alicesXCAP.do("GET", alicesLists, ""); resp.Header.Get("ETag") != etag || body != blinkLists(s.xcapRoot, "alice", "bob") {
		t.Errorf("alice's lists came back as %s\n%s", resp.Header.Get("ETag"), body)
	}
	if m := bob.want(200, request{method: "REGISTER", uri: "sip:" + domain, to: bob.aor()}); len(m.header.Values("Contact")) != 1 {
		t.Errorf("bob's binding is lost:\n%s", m)
	}
	buddies.accepted(buddies.refresh(alice, 600))
	m = buddies.notify()
	l := readRLMI(t, m)
	if l.Version <= 3 {
		t.Errorf("version %d after 3", l.Version)
	}
	expectAway(t, l.expect(t, list, l.Version, "true", bob.aor(), "active"))

	// Bob leaves: his binding is removed, his publication not refreshed.
	m = bob.want(200, request{method: "PUBLISH", uri: bob.aor(), lines: []string{"Event: presence", "Expires: 2", "SIP-If-Match: " + tag}})
	if m.get("Sip-Etag") == tag || m.get("Expires") != "2" {
		t.Errorf("refresh of the publication:\n%s", m)
	}
	bob.want(412, request{method: "PUBLISH", uri: bob.aor(), lines: []string{"Event: presence", "Expires: 600", "SIP-If-Match: " + tag}})
	bob.want(200, request{method: "REGISTER", uri: "sip:" + domain, to: bob.aor(), lines: []string{"Contact: *", "Expires: 0"}})
	version := l.Version
	for closed := false; !closed; {
		version++
		doc = readRLMI(t, buddies.notify()).expect(t, list, version, "false", bob.aor(), "active")
		closed = strings.Contains(doc, ">closed<")
	}
	if strings.Contains(doc, ">open<") || strings.Contains(doc, "fishing") {
		t.Errorf("bob is gone, alice sees\n%s", doc)
	}

	// Alice unsubscribes.
	alice.requests = nil
	buddies.accepted(buddies.refresh(alice, 0))
	if m := buddies.notify(); m.get("Subscription-State") != "terminated;reason=timeout" {
		t.Errorf("the last NOTIFY:\n%s", m)
	}
	s.terminate()
}

func expectAway(t *testing.T, doc string) {
	t.Helper()
	for _, want := range []string{">away<", "gone fishing", "sipsimple 5.5.0", "servcaps", "rpid:away"} {
		if !strings.Contains(doc, want) {
			t.Errorf("no %q in what alice sees of bob:\n%s", want, doc)
		}
	}
}

// badInput is what a server meets that listens to the world.
func badInput(t *testing.T, args []string) {
	s := start(t, args)
	t.Run("XCAP", func(t *testing.T) { badXCAP(t, s) })
	t.Run("SIP", func(t *testing.T) { badSIP(t, s) })
	// It still works.
	c := dialSIP(t, "tcp", s.sip, "bob", password("bob"))
	c.register(600)
	s.terminate()
}

func badXCAP(t *testing.T, s *server) {
	const own = "resource-lists/users/sip:bob@" + domain + "/bad"
	x := newXCAPClient(t, s.xcapRoot, "bob", password("bob"))
	list := func(inner string) string {
		return `<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists">` + inner + `</resource-lists>`
	}
	for _, tc := range []struct {
		name, method, target, contentType, body string
		status                                  int
		contains                                string
	}{
		{"not well-formed", "PUT", own, typeLists, "<a><b></a>", 409, "not-well-formed"},
		{"not UTF-8", "PUT", own, typeLists, list("<!-- \xff -->"), 409, "not-utf-8"},
		{"wrong schema", "PUT", own, typeLists, list("<entry uri='sip:a@b'/>"), 409, "schema-validation-error"},
		{"not unique", "PUT", own, typeLists, list("<list name='a'/><list name='a'/>"), 409, "uniqueness-failure"},
		{"DTD", "PUT", own, typeLists, `<!DOCTYPE a [<!ENTITY b "c">]>` + list(""), 409, ""},
		{"oversize", "PUT", own, typeLists, list("<!--" + strings.Repeat("x", 300<<10) + "-->"), 413, ""},
		{"deep", "PUT", own, typeLists, list(strings.Repeat("<list>", 100) + strings.Repeat("</list>", 100)), 409, ""},
		{"wrong type", "PUT", own, "text/plain", list(""), 415, ""},
		{"unknown AUID", "PUT", "no-such-usage/users/sip:bob@" + domain + "/index", typeLists, list(""), 404, ""},
		{"unknown user", "GET", "resource-lists/users/sip:nobody@" + domain + "/index", "", "", 404, ""},
		{"foreign document", "GET", "resource-lists/users/sip:alice@" + domain + "/index", "", "", 403, ""},
		{"foreign document, PUT", "PUT", "resource-lists/users/sip:alice@" + domain + "/index", typeLists, list(""), 403, ""},
		{"no such document", "GET", own, "", "", 404, ""},
		{"no parent", "PUT", own + "/~~/resource-lists/list%5b@name=%22x%22%5d", "application/xcap-el+xml", "<list name='x'/>", 409, "no-parent"},
		{"broken selector", "GET", own + "/~~/resource-lists/list%5b", "", "", 400, ""},
		{"POST", "POST", own, typeLists, list(""), 405, ""},
		{"outside the root", "GET", "../etc/passwd", "", "", 404, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var headers []string
			if tc.contentType != "" {
				headers = []string{"Content-Type: " + tc.contentType}
			}
			resp, body := x.do(tc.method, tc.target, tc.body, headers...)
			if resp.StatusCode != tc.status || !strings.Contains(body, tc.contains) {
				t.Errorf("%d, want %d and %q\n%s", resp.StatusCode, tc.status, tc.contains, body)
			}
		})
	}
	wrong := newXCAPClient(t, s.xcapRoot, "bob", "guess")
	resp, _ := wrong.do("GET", own, "")
	first := ""
	if v := resp.Header.Values("WWW-Authenticate"); len(v) > 0 {
		first = v[0]
	}
	if resp.StatusCode != 401 || !strings.Contains(first, "algorithm=MD5") || !strings.Contains(first, `realm="`+domain+`"`) {
		t.Errorf("wrong password: %d %q", resp.StatusCode, first)
	}
	conn, err := net.Dial("tcp", strings.Split(s.xcapRoot, "/")[2])
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nX-Long: "+strings.Repeat("x", 24<<10)+"\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "HTTP/1.1 431 ") {
		t.Errorf("24 kB of headers: %q, %v", line, err)
	}
}

func badSIP(t *testing.T, s *server) {
	bob, alice := "sip:bob@"+domain, "sip:alice@"+domain
	event := func(name string) []string {
		return []string{"Event: " + name, "Contact: <sip:bob@127.0.0.1:1>", "Expires: 600"}
	}
	pidf := []string{"Event: presence", "Content-Type: " + typePIDF}
	for _, tc := range []struct {
		name   string
		r      request
		status int
		header string // name: part of its value
	}{
		{"no credentials", request{method: "REGISTER", uri: "sip:" + domain, to: bob, bare: true}, 401, "Www-Authenticate: SHA-256"},
		{"foreign registration", request{method: "REGISTER", uri: "sip:" + domain, to: alice}, 403, ""},
		{"too brief", request{method: "REGISTER", uri: "sip:" + domain, to: bob, lines: []string{"Contact: <sip:b@h>", "Expires: 0", "Contact: *"}}, 400, ""},
		{"unknown event", request{method: "SUBSCRIBE", uri: bob, lines: event("no-such-event")}, 489, "Allow-Events: presence"},
		{"no event", request{method: "SUBSCRIBE", uri: bob, lines: event("presence")[1:]}, 489, ""},
		{"case of the event", request{method: "SUBSCRIBE", uri: bob, lines: event("Presence")}, 489, ""},
		{"unusable Accept", request{method: "SUBSCRIBE", uri: bob, lines: append(event("presence"), "Accept: application/foo")}, 406, ""},
		{"unknown dialog", request{method: "SUBSCRIBE", uri: bob, toTag: "00aaaaaaaaaaaaaaaa", lines: event("presence")}, 481, ""},
		{"malformed tag", request{method: "SUBSCRIBE", uri: bob, toTag: "x", lines: event("presence")}, 481, ""},
		{"unknown resource", request{method: "SUBSCRIBE", uri: "sip:nobody@" + domain, lines: event("presence")}, 404, ""},
		{"list without eventlist", request{method: "SUBSCRIBE", uri: "sip:bob+presence@" + domain, lines: event("presence")}, 421, "Require: eventlist"},
		{"foreign domain", request{method: "SUBSCRIBE", uri: "sip:a@other.example", lines: event("presence")}, 403, ""},
		{"somebody else's name", request{method: "SUBSCRIBE", uri: bob, from: alice, lines: event("presence")}, 403, ""},
		{"somebody else's watchers", request{method: "SUBSCRIBE", uri: "sip:carol@" + domain, lines: event("presence.winfo")}, 403, ""},
		{"one's own entry among them", request{method: "SUBSCRIBE", uri: alice, lines: event("presence.winfo")}, 200, ""},
		{"the watchers of watchers", request{method: "SUBSCRIBE", uri: bob, lines: event("presence.winfo.winfo")}, 200, ""},
		{"those of another", request{method: "SUBSCRIBE", uri: alice, lines: event("presence.winfo.winfo")}, 403, ""},
		{"deeper recursion", request{method: "SUBSCRIBE", uri: bob, lines: event("presence.winfo.winfo.winfo")}, 489, "Allow-Events: presence"},
		{"unknown extension", request{method: "SUBSCRIBE", uri: bob, lines: append(event("presence"), "Require: warp")}, 420, "Unsupported: warp"},
		{"publication of another", request{method: "PUBLISH", uri: alice, lines: pidf, body: blinkPIDF("alice", "open", "x", "away", "")}, 403, ""},
		{"wrong body type", request{method: "PUBLISH", uri: bob, lines: []string{"Event: presence", "Content-Type: text/plain"}, body: "hi"}, 415, "Accept: application/pidf+xml"},
		{"body that is no PIDF", request{method: "PUBLISH", uri: bob, lines: pidf, body: "<presence"}, 400, ""},
		{"PUBLISH of nothing", request{method: "PUBLISH", uri: bob, lines: []string{"Event: presence"}}, 400, ""},
		{"unknown entity-tag", request{method: "PUBLISH", uri: bob, lines: []string{"Event: presence", "SIP-If-Match: x"}}, 412, ""},
		{"unknown package", request{method: "PUBLISH", uri: bob, lines: []string{"Event: x"}, body: "x"}, 489, ""},
		{"message to nobody", request{method: "MESSAGE", uri: "sip:nobody@" + domain, body: "x", lines: []string{"Content-Type: text/plain"}}, 404, ""},
		{"message to someone away", request{method: "MESSAGE", uri: "sip:carol@" + domain, body: "x", lines: []string{"Content-Type: text/plain"}}, 200, ""},
		{"large message", request{method: "MESSAGE", uri: alice, body: strings.Repeat("x", 20<<10), lines: []string{"Content-Type: text/plain"}}, 413, ""},
		{"call", request{method: "INVITE", uri: alice}, 405, "Allow: SUBSCRIBE"},
		{"unknown method", request{method: "DANCE", uri: alice}, 501, ""},
		{"foreign scheme", request{method: "OPTIONS", uri: "tel:+123", to: bob}, 416, ""},
		{"capabilities", request{method: "OPTIONS", uri: "sip:" + domain}, 200, "Allow-Events: presence"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := dialSIP(t, "tcp", s.sip, "bob", password("bob"))
			m := c.want(tc.status, tc.r)
			if name, part, ok := strings.Cut(tc.header, ": "); ok && !strings.Contains(strings.Join(m.header.Values(name), ","), part) {
				t.Errorf("no %s in\n%s", tc.header, m)
			}
		})
	}
	t.Run("wrong password", func(t *testing.T) {
		dialSIP(t, "tcp", s.sip, "bob", "guess").want(401, request{method: "REGISTER", uri: "sip:" + domain, to: bob})
	})
	malformedSIP(t, s)
}

// malformedSIP sends what is no valid message; RFC 4475.
func malformedSIP(t *testing.T, s *server) {
	head := "Via: SIP/2.0/UDP 127.0.0.1:9;rport;branch=z9hG4bK%d\r\nFrom: <sip:bob@localhost>;tag=1\r\nTo: <sip:bob@localhost>\r\nCall-ID: m%d\r\n"
	for i, tc := range []struct {
		name, start, rest string
		status            int
	}{
		{"version", "OPTIONS sip:localhost SIP/7.0", "CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n", 505},
		{"CSeq method", "OPTIONS sip:localhost SIP/2.0", "CSeq: 1 INVITE\r\nContent-Length: 0\r\n", 400},
		{"CSeq range", "OPTIONS sip:localhost SIP/2.0", "CSeq: 36893488147419103232 OPTIONS\r\nContent-Length: 0\r\n", 400},
		{"no CSeq", "OPTIONS sip:localhost SIP/2.0", "Content-Length: 0\r\n", 400},
		{"repeated header", "OPTIONS sip:localhost SIP/2.0", "CSeq: 1 OPTIONS\r\nExpires: 1\r\nExpires: 1\r\n", 400},
		{"Content-Length", "OPTIONS sip:localhost SIP/2.0", "CSeq: 1 OPTIONS\r\nContent-Length: 999\r\n", 400},
		{"headers in the Request-URI", "OPTIONS sip:localhost?a=b SIP/2.0", "CSeq: 1 OPTIONS\r\n", 400},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := dialSIP(t, "udp", s.sip, "bob", "")
			c.raw(tc.start + "\r\n" + fmt.Sprintf(head, i, i) + tc.rest + "\r\n")
			if m := c.answer(); m.status() != tc.status {
				t.Errorf("want %d, got\n%s", tc.status, m)
			}
		})
	}
	t.Run("noise", func(t *testing.T) {
		c := dialSIP(t, "udp", s.sip, "bob", password("bob"))
		for _, noise := range []string{"\x00", "SIP/2.0", "GET / HTTP/1.1\r\n\r\n", strings.Repeat("x", 60000), "OPTIONS sip:localhost SIP/2.0\r\n\r\n"} {
			c.raw(noise)
		}
		c.want(200, request{method: "OPTIONS", uri: "sip:" + domain})
	})
	t.Run("stream without length", func(t *testing.T) {
		c := dialSIP(t, "tcp", s.sip, "bob", "")
		c.raw("OPTIONS sip:localhost SIP/2.0\r\n" + strings.ReplaceAll(fmt.Sprintf(head, 99, 99), "UDP", "TCP") + "CSeq: 1 OPTIONS\r\n\r\n")
		if m := c.answer(); m.status() != 400 {
			t.Errorf("got\n%s", m)
		}
		for m := range c.in { // RFC 3261 §18.3: the connection is closed
			t.Errorf("then\n%s", m)
		}
	})
}

// The demo is what a person sees first.
func TestDemo(t *testing.T) {
	dir := t.TempDir()
	args := []string{"--demo", "--data", dir, "--sip-listen", anyPort, "--http-listen", anyPort, "--admin-listen", anyPort}
	s := serve(t, args...)
	passwords, err := os.ReadFile(filepath.Join(dir, demoFile))
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, demoFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	for line := range strings.Lines(string(passwords)) {
		user, secret, _ := strings.Cut(strings.TrimSpace(line), " ")
		if !strings.Contains(s.printed, secret) {
			t.Errorf("the password of %s is not printed:\n%s", user, s.printed)
		}
		dialSIP(t, "tcp", s.sip, user, secret).register(600)
	}
	for _, want := range []string{s.sip, s.xcapRoot, "alice@localhost", "bob@localhost"} {
		if !strings.Contains(s.printed, want) {
			t.Errorf("no %q in\n%s", want, s.printed)
		}
	}
	s.terminate()
	again := serve(t, args...)
	after, err := os.ReadFile(filepath.Join(dir, demoFile))
	if err != nil || string(after) != string(passwords) {
		t.Errorf("passwords changed at the restart: %v", err)
	}
	again.terminate()
}
