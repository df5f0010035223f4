package main

import (
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"rollcall/internal/certs/certstest"
)

// party is a domain with its server and one user.
type party struct {
	t      *testing.T
	domain string
	user   string
	flags  []string
	tls    *tls.Config // as which its server connects
	sips   string      // where its server listens
	s      *server
	c      *sipClient
}

// outside is where the users are; the servers know each other by 127.0.0.1.
const outside = "127.0.0.2"

func (p *party) aor() string { return "sip:" + p.user + "@" + p.domain }

// contact is that of the device.
func (p *party) contact() string {
	return p.c.contact() + `;+sip.instance="<urn:uuid:` + p.user + `>"`
}

// run starts the server, again with what it stored.
func (p *party) run() {
	p.t.Helper()
	p.s = serve(p.t, p.flags...)
	p.dial()
}

// dial connects and registers the user.
func (p *party) dial() {
	p.t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(outside)}}
	conn, err := dialer.DialContext(p.t.Context(), "tcp", p.s.sip)
	if err != nil {
		p.t.Fatal(err)
	}
	p.c = newSIPClient(p.t, "tcp", conn, p.user, password(p.user))
	p.c.want(200, request{method: "REGISTER", uri: "sip:" + p.domain, from: p.aor(), to: p.aor(),
		lines: []string{"Contact: " + p.contact(), "Expires: 600"}})
}

func (p *party) publish(note string) {
	p.t.Helper()
	p.c.want(200, request{method: "PUBLISH", uri: p.aor(), from: p.aor(),
		lines: []string{"Event: presence", "Expires: 600", "Content-Type: " + typePIDF},
		body:  `<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="` + p.aor() + `"><tuple id="t1"><status><basic>open</basic></status><note>` + note + `</note></tuple></presence>`})
}

// write sends a MESSAGE to the user of another party, who is to get it.
func (p *party) write(to *party, text string) {
	p.t.Helper()
	got := make(chan string, 1)
	go func() {
		m := to.c.incoming("MESSAGE")
		got <- string(m.body) + " from " + m.get("From")
	}()
	p.c.want(200, request{method: "MESSAGE", uri: to.aor(), from: p.aor(), lines: []string{"Content-Type: text/plain"}, body: text})
	if m := <-got; !strings.HasPrefix(m, text+" from <"+p.aor()+">") {
		p.t.Errorf("%s got %q", to.user, m)
	}
}

// portsTaken counts what freePort gave out.
var portsTaken atomic.Int32

// freePort returns a port that is free for UDP and TCP, and that nobody takes while
// its server is down: it is none of those that the system gives out by itself.
func freePort(t *testing.T) string {
	t.Helper()
	const first, count, perProcess = 10_000, 22_000, 50
	var lc net.ListenConfig
	for range perProcess {
		port := first + (os.Getpid()*perProcess+int(portsTaken.Add(1)))%count
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		udp, err := lc.ListenPacket(t.Context(), "udp", addr)
		if err != nil {
			continue
		}
		tcp, err := lc.Listen(t.Context(), "tcp", addr)
		udp.Close()
		if err == nil {
			tcp.Close()
			return addr
		}
	}
	t.Fatal("no free port")
	return ""
}

// parties returns two domains that reach each other over TCP, by network, or over
// mutual TLS.
func parties(t *testing.T, secure bool) (a, b *party) {
	a, b = &party{t: t, domain: "a.test", user: "alice"}, &party{t: t, domain: "b.test", user: "bob"}
	authority := certstest.NewAuthority(t)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	authority.WriteRoot(ca)
	var server [2]string
	for i, p := range []*party{a, b} {
		data, sip := t.TempDir(), freePort(t)
		server[i] = "sip:" + sip + ";transport=tcp"
		p.flags = []string{"--data", data, "--domain", p.domain, "--sip-listen", sip, "--http-listen", anyPort, "--admin-listen", anyPort, "--min-expires", "1s", "--pacing", "off"}
		if secure {
			p.sips = freePort(t)
			server[i] = "sips:" + p.sips
			cert, key := filepath.Join(data, "cert.pem"), filepath.Join(data, "key.pem")
			authority.Write(cert, key, p.domain, "127.0.0.1")
			pair, err := tls.LoadX509KeyPair(cert, key)
			if err != nil {
				t.Fatal(err)
			}
			p.tls = &tls.Config{RootCAs: authority.Pool(), ServerName: "127.0.0.1", Certificates: []tls.Certificate{pair}}
			p.flags = append(p.flags, "--sips-listen", p.sips, "--tls-cert", cert, "--tls-key", key, "--tls-root-ca", ca, "--tls-client-ca", ca)
		} else {
			p.flags = append(p.flags, "--trust", "127.0.0.1/32")
		}
		mustCommand(t, p.user+"@"+p.domain+","+password(p.user)+"\n", "user", "import", "-", "--data", data, "--domain", p.domain)
	}
	a.flags = append(a.flags, "--route", "b.test="+server[1], "--route", "denied.test=deny", "--route", "nowhere.test=sip:127.0.0.1:1;transport=tcp", "--route", "*=dns")
	b.flags = append(b.flags, "--route", "a.test="+server[0])
	b.run()
	a.run()
	return a, b
}

// foreignDialog is a subscription in another domain, from the watcher's side.
type foreignDialog struct {
	*party
	r      request
	routes []string
	target string
	tag    string // of hers
	cseq   int    // where she went on
}

func (p *party) watch(resource string) *foreignDialog {
	p.t.Helper()
	d := &foreignDialog{party: p, r: request{method: "SUBSCRIBE", uri: resource, to: resource, from: p.aor(), callID: "call-" + p.c.tag}, tag: p.c.tag}
	d.send(600)
	return d
}

// send sends a SUBSCRIBE as RFC 3261 §12.2.1.1 says.
func (d *foreignDialog) send(expires int) {
	d.t.Helper()
	r := d.r
	if d.target != "" {
		r.uri = d.target
	}
	r.lines = []string{"Event: presence", "Contact: " + d.contact(), "Expires: " + strconv.Itoa(expires), "Accept: " + typePIDF}
	for _, route := range d.routes {
		r.lines = append(r.lines, "Route: "+route)
	}
	m := d.c.want(200, r)
	if d.target == "" {
		d.routes = slices.Clone(m.header.Values("Record-Route"))
		slices.Reverse(d.routes)
		_, d.r.toTag, _ = strings.Cut(m.get("To"), "tag=")
	}
	d.target = strings.Trim(m.get("Contact"), "<>")
	if len(d.routes) == 0 || d.target == "" {
		d.t.Fatalf("no way to refresh by\n%s", m)
	}
}

// expect awaits a NOTIFY with a state and, in its body, a text.
func (d *foreignDialog) expect(state, text string) {
	d.t.Helper()
	d.check(d.c.incoming("NOTIFY"), state, text)
}

// learn is expect behind a crash, after which what was known may come once more.
func (d *foreignDialog) learn(state, text string) {
	d.t.Helper()
	m := d.c.incoming("NOTIFY")
	if !strings.Contains(string(m.body), text) {
		m = d.c.incoming("NOTIFY")
	}
	d.check(m, state, text)
}

func (d *foreignDialog) check(m *message, state, text string) {
	d.t.Helper()
	if m.get("Call-Id") != d.r.callID || !strings.HasPrefix(m.get("Subscription-State"), state) || !strings.Contains(string(m.body), text) {
		d.t.Fatalf("want %s and %q, got\n%s", state, text, m)
	}
	if len(m.header.Values("Record-Route")) != len(d.routes) {
		d.t.Errorf("RFC 6665 §4.3: Record-Route in\n%s", m)
	}
}

// resume goes on over the connection that there is now.
func (d *foreignDialog) resume() {
	d.cseq += 100
	d.c.tag, d.c.cseq = d.tag, d.cseq
}

func TestFederation(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{false, true} {
		t.Run(map[bool]string{false: "TCP", true: "MutualTLS"}[secure], func(t *testing.T) {
			t.Parallel()
			federation(t, secure)
		})
	}
}

// federation is the story of alice, who watches bob in another domain.
func federation(t *testing.T, secure bool) {
	a, b := parties(t, secure)
	d := a.watch(b.aor())
	d.expect("pending;", "")
	if want := map[bool]int{false: 1, true: 2}[secure]; len(d.routes) != want {
		t.Errorf("RFC 5658 §6: %d URIs of ours in %q", want, d.routes)
	}

	// Bob lets her see him.
	xcap := newXCAPClient(t, b.s.xcapRoot, "bob", password("bob"))
	xcap.put(201, "pres-rules/users/"+b.aor()+"/index", typeRules, `<ruleset xmlns="urn:ietf:params:xml:ns:common-policy" xmlns:pr="urn:ietf:params:xml:ns:pres-rules">
 <rule id="alice"><conditions><identity><one id="`+a.aor()+`"/></identity></conditions><actions><pr:sub-handling>allow</pr:sub-handling></actions>
 <transformations><pr:provide-services><pr:all-services/></pr:provide-services><pr:provide-all-attributes/></transformations></rule></ruleset>`)
	d.expect("active;", "<basic>open</basic>") // he is registered
	b.publish("at lunch")
	d.expect("active;", "at lunch")
	a.write(b, "hello")
	refused := make(chan struct{})
	go func() {
		b.c.reply(b.c.arriving("MESSAGE"), "488 Not In The Mood", "Warning: 399 b.test \"later\"")
		close(refused)
	}()
	m := a.c.do(request{method: "MESSAGE", uri: b.aor(), from: a.aor(), lines: []string{"Content-Type: text/plain"}, body: "now?"})
	if <-refused; m.start != "SIP/2.0 488 Not In The Mood" || m.get("Warning") == "" {
		t.Errorf("bob's refusal came back as\n%s", m)
	}
	b.write(a, "hi")
	d.send(600)
	d.expect("active;", "at lunch")

	// The power fails at alice's.
	a.s.kill()
	a.run()
	d.resume()
	b.publish("back again")
	d.expect("active;", "back again") // the way is known from her registration
	d.send(600)
	d.expect("active;", "back again")

	// And at bob's.
	b.s.kill()
	b.run()
	b.publish("after the storm")
	d.learn("active;", "after the storm")

	// Her connection breaks, and she refreshes over another one.
	d.dial()
	d.resume()
	d.send(600)
	d.expect("active;", "after the storm")
	d.send(0)
	d.expect("terminated;", "")
	noWay(t, a, b)
	if secure {
		impostors(t, a, b)
	}
}

// noWay is what alice is told when there is no way.
func noWay(t *testing.T, a, b *party) {
	for _, tc := range []struct {
		uri    string
		status int
		reason string
		lines  []string
	}{
		{uri: "sip:x@denied.test", status: 403, reason: "Domain Denied"},
		{uri: "sip:x@nowhere.test", status: 480, reason: "Domain Not Reached"},
		{uri: "sip:x@127.0.0.9", status: 403, reason: "Domain Not Served"},
		{uri: "sip:nobody@b.test", status: 404},
		{uri: b.aor(), status: 420, lines: []string{"Proxy-Require: x"}},
		{uri: b.aor(), status: 403, reason: "Domain Denied", lines: []string{"Route: <sip:denied.test;lr>"}},
	} {
		m := a.c.do(request{method: "SUBSCRIBE", uri: tc.uri, from: a.aor(), lines: append([]string{"Event: presence", "Contact: " + a.c.contact()}, tc.lines...)})
		if m.status() != tc.status || tc.reason != "" && !strings.HasSuffix(m.start, tc.reason) {
			t.Errorf("%s %q: want %d %s, got\n%s", tc.uri, tc.lines, tc.status, tc.reason, m)
		}
	}
}

// impostors do not get through: RFC 5922 §7.
func impostors(t *testing.T, a, b *party) {
	m := b.c.do(request{method: "SUBSCRIBE", uri: b.aor(), from: a.aor(), bare: true, lines: []string{"Event: presence", "Contact: " + b.c.contact()}})
	if m.status() != 401 {
		t.Errorf("alice's name without her server's certificate: %s", m)
	}
	// With it her server speaks for its own users, and for nobody else's.
	for _, tc := range []struct {
		from   string
		config *tls.Config
		status int
	}{
		{a.aor(), a.tls, 200},
		{"sip:mallory@c.test", a.tls, 401},
		{b.aor(), a.tls, 401},
		{a.aor(), b.tls, 401},
		{a.aor(), &tls.Config{RootCAs: a.tls.RootCAs, ServerName: "127.0.0.1"}, 401},
	} {
		dialer := tls.Dialer{NetDialer: &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(outside)}}, Config: tc.config}
		conn, err := dialer.DialContext(t.Context(), "tcp", b.sips)
		if err != nil {
			t.Fatal(err)
		}
		c := newSIPClient(t, "tls", conn, "alice", "")
		m := c.do(request{method: "SUBSCRIBE", uri: b.aor(), from: tc.from, bare: true, lines: []string{"Event: presence", "Expires: 0", "Contact: " + c.contact()}})
		if m.status() != tc.status {
			t.Errorf("%s by the certificates %v: want %d, got\n%s", tc.from, len(tc.config.Certificates), tc.status, m)
		}
	}
	// A token of somebody's own making.
	m = b.c.do(request{method: "NOTIFY", uri: a.aor(), from: b.aor(), toTag: "x", bare: true,
		lines: []string{fmt.Sprintf("Route: <sip:rc-%s@%s;lr>", strings.Repeat("A", 80), b.s.sip), "Event: presence", "Subscription-State: active", "Contact: " + b.c.contact()}})
	if m.status() != 403 {
		t.Errorf("a forged flow token: %s", m)
	}
}
