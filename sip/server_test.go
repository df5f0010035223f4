package sip

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/icholy/digest"
	"go.uber.org/goleak"

	"rollcall/internal/auth"
	"rollcall/internal/metrics"
	"rollcall/internal/route"
	"rollcall/internal/shard"
	"rollcall/internal/sipuri"
	"rollcall/internal/store"
	"rollcall/internal/store/memory"
	"rollcall/sip/relay"
	"rollcall/sip/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// services records what reaches the packages behind the face.
type services struct {
	calls []string
	panic bool
	block chan struct{}
}

func (s *services) call(name string, req *wire.Request, about string, who auth.Identity) {
	if s.block != nil {
		<-s.block
	}
	if s.panic {
		panic("test")
	}
	s.calls = append(s.calls, fmt.Sprintf("%s %s by %s trusted=%v", name, about, who.AOR, who.Trusted))
	_ = req.Respond(wire.Response{Status: 200})
}

func (s *services) Register(_ context.Context, req *wire.Request, aor string, who auth.Identity) {
	s.call("register", req, aor, who)
}

func (s *services) Publish(_ context.Context, req *wire.Request, aor string, who auth.Identity) {
	s.call("publish", req, aor, who)
}

func (s *services) Subscribe(_ context.Context, req *wire.Request, aor string, who auth.Identity) {
	s.call("subscribe", req, aor, who)
}

func (s *services) Message(_ context.Context, req *wire.Request, aor string, who auth.Identity) {
	s.call("message", req, aor, who)
}

func (s *services) MessageInstance(_ context.Context, req *wire.Request, aor, instance string, who auth.Identity) {
	s.call("message", req, aor+" at "+instance, who)
}

func (s *services) MessageAway(req *wire.Request, hop wire.Hop, who auth.Identity) {
	s.call("message away", req, fmt.Sprintf("to %s TLS=%v strange=%v", hop.URI.String(), hop.TLS, hop.Like != nil), who)
}

// The services send, too: what is relayed to other domains.
func (s *services) Forward(out wire.Outgoing, hop wire.Hop, done func(wire.Result)) {
	s.calls = append(s.calls, fmt.Sprintf("%s %s to %s TLS=%v strange=%v", out.Method, out.RequestURI, hop.URI.String(), hop.TLS, hop.Like != nil))
	done(wire.Result{Status: 200})
}
func (s *services) Do(_ wire.Outgoing, done func(wire.Result)) { done(wire.Result{Status: 200}) }
func (s *services) Flow(string) *wire.Flow                     { return nil }
func (s *services) ContactURI(*wire.Flow) string               { return "sip:192.0.2.9" }
func (s *services) Bindings(string) []store.Binding            { return nil }

// GRUU knows one temporary GRUU, and public ones of everything.
func (s *services) GRUU(uri sipuri.URI) (aor, instance string, temporary, ok bool) {
	value, _ := uri.Param("gr")
	if value == "" {
		return bob, "urn:x:1", true, uri.User == "tgruu.1" && uri.Host == "example.org"
	}
	return "sip:" + uri.User + "@" + uri.Host, value, false, strings.HasPrefix(value, "urn:")
}

func (s *services) Reachable(_, instance string) bool { return instance == "urn:x:1" }

func (s *services) Events() []string { return []string{"presence", "presence.winfo"} }

type face struct {
	t    *testing.T
	srv  *Server
	svc  *services
	pool *shard.Pool
	m    *metrics.Metrics
	flow *wire.Flow
	out  chan string
}

func newFace(t *testing.T, limit int) *face {
	t.Helper()
	st := memory.New()
	for _, aor := range []string{"sip:alice@example.org", "sip:bob@example.org", "sip:carol@example.net"} {
		u, err := auth.NewUser(aor, "secret")
		if err != nil {
			t.Fatal(err)
		}
		if err := st.AddUsers(t.Context(), []store.User{u}, false); err != nil {
			t.Fatal(err)
		}
	}
	users := auth.NewUsers(st, time.Second)
	f := &face{t: t, svc: &services{}, m: metrics.New(), pool: shard.New(limit, nil), out: make(chan string, 64)}
	routes, err := route.Parse([]string{"away.example=sip:gw.example;transport=tcp", "tls.example=dns-tls", "dns.example=dns", "no.example=deny"})
	if err != nil {
		t.Fatal(err)
	}
	f.srv = New(Config{
		Domains: []string{"example.org", "example.net"}, Auth: auth.New([]byte("0123456789abcdef"), users), Users: users,
		Trust: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, Throttle: auth.NewThrottle(), Pool: f.pool, Metrics: f.m,
		LocalPort: func(port int) bool { return port == 15060 }, GRUUs: f.svc, Routes: routes,
		Relay:     relay.New(relay.Config{Sender: f.svc, Bindings: f.svc, Secret: []byte("secret"), Realms: []string{"example.org"}}),
		Registrar: f.svc, Presence: f.svc, Notifier: f.svc, IM: f.svc,
	})
	f.from("192.0.2.1:4000")
	t.Cleanup(func() {
		if err := f.pool.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return f
}

func (f *face) from(addr string) {
	f.flow = wire.NewFlow("TCP", netip.MustParseAddrPort("127.0.0.1:5060"), netip.MustParseAddrPort(addr),
		func(b []byte) error { f.out <- string(b); return nil })
}

// send hands one request in. from and to are URIs.
func (f *face) send(method, uri, from, to string, lines ...string) {
	f.t.Helper()
	text := method + " " + uri + " SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.1:4000;branch=z9hG4bKx\r\nFrom: <" + from + ">;tag=1\r\nTo: " + to +
		"\r\nCall-ID: c\r\nCSeq: 1 " + method + "\r\n"
	for _, l := range lines {
		text += l + "\r\n"
	}
	req, owed, err := wire.ParseRequest([]byte(text+"Content-Length: 0\r\n\r\n"), f.flow)
	if err != nil {
		f.t.Fatalf("%+v %v", owed, err)
	}
	f.srv.ServeSIP(req)
}

func (f *face) answer() string {
	f.t.Helper()
	select {
	case a := <-f.out:
		return a
	case <-time.After(20 * time.Second):
		f.t.Fatal("no answer")
		return ""
	}
}

func status(answer string) string { return strings.SplitN(answer, " ", 3)[1] }

// credentials answers the first challenge of a 401.
func credentials(t *testing.T, answer, method, uri, user, password string) string {
	t.Helper()
	_, rest, ok := strings.Cut(answer, "WWW-Authenticate: ")
	if !ok {
		t.Fatalf("no challenge in\n%s", answer)
	}
	line, _, _ := strings.Cut(rest, "\r\n")
	chal, err := digest.ParseChallenge(line)
	if err != nil {
		t.Fatal(err)
	}
	cred, err := digest.Digest(chal, digest.Options{Method: method, URI: uri, Username: user, Password: password, Count: 1})
	if err != nil {
		t.Fatal(err)
	}
	return "Authorization: " + cred.String()
}

const (
	alice = "sip:alice@example.org"
	bob   = "sip:bob@example.org"
)

func TestMethods(t *testing.T) {
	f := newFace(t, 16)
	for _, tc := range []struct {
		method, uri string
		to          string
		want        string
		parts       []string
	}{
		{"OPTIONS", "sip:example.org", "<sip:example.org>", "200", []string{"Allow: REGISTER", "Accept: ", "Supported: eventlist, recipient-list-subscribe, path, outbound, gruu", "Allow-Events: presence, presence.winfo"}},
		{"OPTIONS", "sip:nobody@example.org", "<sip:nobody@example.org>", "200", nil},
		{"INVITE", bob, "<" + bob + ">", "405", []string{"Allow: REGISTER"}},
		{"BYE", bob, "<" + bob + ">;tag=x", "405", nil},
		{"REFER", bob, "<" + bob + ">", "405", nil},
		{"NOTIFY", bob, "<" + bob + ">;tag=x", "481", nil},
		{"RE%47IST%45R", bob, "<" + bob + ">", "501", []string{"Allow: REGISTER"}}, // RFC 4475 §3.1.1.5
		{"register", "sip:example.org", "<" + alice + ">", "501", nil},             // method names are case-sensitive
	} {
		f.send(tc.method, tc.uri, alice, tc.to)
		a := f.answer()
		if status(a) != tc.want {
			t.Errorf("%s: %s, want %s", tc.method, status(a), tc.want)
		}
		for _, p := range tc.parts {
			if !strings.Contains(a, p) {
				t.Errorf("%s: no %q in\n%s", tc.method, p, a)
			}
		}
	}
	if len(f.svc.calls) != 0 {
		t.Errorf("served: %v", f.svc.calls)
	}
}

func TestTargets(t *testing.T) {
	f := newFace(t, 16)
	f.from("10.1.2.3:5060")
	for _, tc := range []struct {
		method, uri, to string
		want            string
		call            string
	}{
		{"REGISTER", "sip:example.org", "<" + alice + ">", "200", "register " + alice},
		{"REGISTER", "sip:example.org", "<sip:%61lice@EXAMPLE.org;user=x>", "200", "register " + alice},
		{"REGISTER", "sip:other.example", "<" + alice + ">", "403", ""},
		{"REGISTER", "sip:example.org", "<sip:alice@other.example>", "404", ""},
		{"REGISTER", "sip:example.org", "<sip:example.org>", "404", ""},
		{"REGISTER", "sip:example.org", "<tel:+1234>", "400", ""}, // RFC 4475 §3.3.4
		{"REGISTER", "sip:example.org", "<" + bob + ">", "403", ""},
		{"PUBLISH", "sips:alice@example.org", "<" + alice + ">", "200", "publish " + alice},
		{"PUBLISH", "pres:alice@example.org", "<" + alice + ">", "200", "publish " + alice},
		{"PUBLISH", bob, "<" + bob + ">", "403", ""},
		{"PUBLISH", "sip:alice@other.example", "<" + alice + ">", "403", ""},
		{"SUBSCRIBE", "sip:bob%2Bpresence@example.org", "<" + bob + ">", "200", "subscribe sip:bob+presence@example.org"},
		{"SUBSCRIBE", "pres:bob@example.org", "<" + bob + ">", "200", "subscribe " + bob},
		{"SUBSCRIBE", "sip:x@other.example", "<sip:x@other.example>", "403", ""},
		{"SUBSCRIBE", "sip:example.org", "<sip:example.org>", "404", ""},
		{"SUBSCRIBE", "sip:127.0.0.1:5060", "<" + bob + ">;tag=7f0123456789abcdef", "200", "subscribe  "},
		{"SUBSCRIBE", "sip:127.0.0.1:5060", "<" + bob + ">;tag=800123456789abcdef", "481", ""},
		{"SUBSCRIBE", "sip:127.0.0.1:5060", "<" + bob + ">;tag=zz0123456789abcdef", "481", ""},
		{"SUBSCRIBE", "sip:127.0.0.1:5060", "<" + bob + ">;tag=7", "481", ""},
		{"MESSAGE", bob, "<" + bob + ">", "200", "message " + bob},
		// Ports of ours mean nothing, others are other addresses.
		{"REGISTER", "sip:example.org:5060", "<sip:alice@example.org:15060>", "200", "register " + alice},
		{"REGISTER", "sip:example.org:5070", "<" + alice + ">", "403", ""},
		{"REGISTER", "sip:example.org", "<sip:alice@example.org:5070>", "404", ""},
		{"SUBSCRIBE", "sip:bob@example.org:5061", "<" + bob + ">", "200", "subscribe " + bob},
		{"SUBSCRIBE", "sip:bob@example.org:5070", "<" + bob + ">", "403", ""},
		{"SUBSCRIBE", "sip:bob@other.example:5060", "<" + bob + ">", "403", ""},
		// RFC 5627 §6.1
		{"MESSAGE", bob + ";gr=urn:x:1", "<" + bob + ">", "200", "message " + bob + " at urn:x:1 by"},
		{"MESSAGE", "sip:bob@example.org:5060;gr=urn:x:1", "<" + bob + ">", "200", "message " + bob + " at urn:x:1 by"},
		{"MESSAGE", bob + ";gr=urn:x:2", "<" + bob + ">", "200", "message " + bob + " at urn:x:2 by"}, // IM knows
		{"MESSAGE", bob + ";gr=unknown", "<" + bob + ">", "404", ""},
		{"MESSAGE", "sip:tgruu.1@example.org;gr", "<sip:tgruu.1@example.org;gr>", "200", "message " + bob + " at urn:x:1 by"},
		{"MESSAGE", "sip:tgruu.2@example.org;gr", "<sip:tgruu.2@example.org;gr>", "404", ""},
		{"MESSAGE", "sip:bob@other.example;gr=urn:x:1", "<" + bob + ">", "403", ""},
		{"SUBSCRIBE", bob + ";gr=urn:x:1", "<" + bob + ">", "200", "subscribe " + bob},
		{"SUBSCRIBE", bob + ";gr=urn:x:2", "<" + bob + ">", "480", ""},
		{"SUBSCRIBE", "sip:nobody@example.org;gr=urn:x:2", "<" + bob + ">", "404", ""},
		{"SUBSCRIBE", "sip:tgruu.1@example.org;gr", "<" + bob + ">", "403", ""},
		{"PUBLISH", alice + ";gr=urn:x:1", "<" + alice + ">", "200", "publish " + alice},
	} {
		f.svc.calls = nil
		f.send(tc.method, tc.uri, alice, tc.to)
		if got := status(f.answer()); got != tc.want {
			t.Errorf("%s %s To %s: %s, want %s", tc.method, tc.uri, tc.to, got, tc.want)
		}
		if called := strings.Join(f.svc.calls, ""); (tc.call == "") != (called == "") || !strings.HasPrefix(called, tc.call) {
			t.Errorf("%s %s: served %q, want %q", tc.method, tc.uri, called, tc.call)
		}
	}
}

// Other domains are reached by the table, and by nobody but our users and trusted
// hops.
func TestAway(t *testing.T) {
	f := newFace(t, 16)
	for _, tc := range []struct{ method, uri, from, want, call string }{
		{"MESSAGE", "sip:x@away.example", alice, "200", "message away to sip:gw.example;transport=tcp TLS=false strange=false by " + alice},
		{"MESSAGE", "sip:x@tls.example", alice, "200", "message away to sip:x@tls.example TLS=true strange=true by " + alice},
		{"MESSAGE", "sips:x@dns.example", alice, "200", "message away to sips:x@dns.example TLS=true strange=true by " + alice},
		{"MESSAGE", "sip:x@away.example", bob, "403", ""}, // not who she says
		{"MESSAGE", "sip:x@no.example", alice, "403 Domain Denied", ""},
		{"MESSAGE", "sip:x@other.example", alice, "403 Domain Not Served", ""},
		{"MESSAGE", "sip:x@away.example", "sip:y@other.example", "403", ""}, // an open relay otherwise
		{"SUBSCRIBE", "sip:x@away.example", alice, "200", "SUBSCRIBE sip:x@away.example to sip:gw.example;transport=tcp TLS=false strange=false"},
		{"SUBSCRIBE", "sips:x@dns.example", alice, "200", "SUBSCRIBE sips:x@dns.example to sips:x@dns.example TLS=true strange=true"},
		{"PUBLISH", "sip:x@away.example", alice, "200", "PUBLISH sip:x@away.example to sip:gw.example;transport=tcp"},
		{"SUBSCRIBE", "sip:x@away.example", bob, "403", ""}, // not who she says
		{"PUBLISH", "sip:x@away.example", bob, "403", ""},
		{"SUBSCRIBE", "sip:x@no.example", alice, "403 Domain Denied", ""},
		{"SUBSCRIBE", "sip:x@away.example", "sip:y@other.example", "403", ""},
	} {
		f.svc.calls = nil
		f.send(tc.method, tc.uri, tc.from, "<"+tc.uri+">")
		a := f.answer()
		switch status(a) {
		case "407": // RFC 3261 §22.3: we are but a proxy
			given := credentials(t, strings.Replace(a, "Proxy-Authenticate", "WWW-Authenticate", 1), tc.method, tc.uri, "alice", "secret")
			f.send(tc.method, tc.uri, tc.from, "<"+tc.uri+">", "Proxy-"+given)
			a = f.answer()
		case "401":
			f.send(tc.method, tc.uri, tc.from, "<"+tc.uri+">", credentials(t, a, tc.method, tc.uri, "alice", "secret"))
			a = f.answer()
		}
		if !strings.HasPrefix(a, "SIP/2.0 "+tc.want) {
			t.Errorf("%s %s from %s: want %s, got\n%s", tc.method, tc.uri, tc.from, tc.want, a)
		}
		if called := strings.Join(f.svc.calls, ""); (tc.call == "") != (called == "") || !strings.HasPrefix(called, tc.call) {
			t.Errorf("%s %s: served %q, want %q", tc.method, tc.uri, called, tc.call)
		}
	}
	f.from("10.1.2.3:5060")
	f.send("MESSAGE", "sip:x@away.example", "sip:y@other.example", "<sip:x@away.example>")
	if got := status(f.answer()); got != "200" {
		t.Errorf("a trusted hop: %s", got)
	}
}

// RFC 8760 §2.3: SHA-256 first; the realm is the domain of the account.
func TestAuthentication(t *testing.T) {
	f := newFace(t, 16)
	for _, tc := range []struct {
		method, uri, from, to string
		user, password        string
		realm                 string
		want                  string
	}{
		{"REGISTER", "sip:example.org", alice, "<" + alice + ">", "alice", "secret", "example.org", "200"},
		{"REGISTER", "sip:example.org", alice, "<" + alice + ">", "alice", "wrong", "example.org", "401"},
		{"REGISTER", "sip:example.org", alice, "<" + alice + ">", "bob", "secret", "example.org", "403"},
		{"REGISTER", "sip:example.net", "sip:carol@example.net", "<sip:carol@example.net>", "carol", "secret", "example.net", "200"},
		{"PUBLISH", alice, bob, "<" + alice + ">", "alice", "secret", "example.org", "200"},
		{"SUBSCRIBE", bob, alice, "<" + bob + ">", "alice", "secret", "example.org", "200"},
		{"SUBSCRIBE", bob, "sip:carol@example.net", "<" + bob + ">", "carol", "secret", "example.net", "200"},
		{"SUBSCRIBE", bob, bob, "<" + bob + ">", "alice", "secret", "example.org", "403"},
		{"SUBSCRIBE", bob, "sip:x@other.example", "<" + bob + ">", "alice", "secret", "example.org", "403"},
		{"MESSAGE", bob, alice, "<" + bob + ">", "alice", "secret", "example.org", "200"},
		{"MESSAGE", bob, "sip:alice@example.org:15060", "<" + bob + ">", "alice", "secret", "example.org", "200"},
		{"MESSAGE", bob + ";gr=unknown", alice, "<" + bob + ">", "alice", "secret", "example.org", "404"},
		{"MESSAGE", bob + ";gr=unknown", bob, "<" + bob + ">", "alice", "secret", "example.org", "403"},
		{"MESSAGE", bob, "sip:anonymous@anonymous.invalid", "<" + bob + ">", "alice", "secret", "example.org", "403"},
	} {
		f.send(tc.method, tc.uri, tc.from, tc.to)
		a := f.answer()
		if status(a) != "401" || strings.Count(a, "WWW-Authenticate: Digest realm=\""+tc.realm+"\"") != 3 ||
			strings.Index(a, "algorithm=SHA-256") > strings.Index(a, "algorithm=MD5") {
			t.Errorf("%s: challenge\n%s", tc.method, a)
			continue
		}
		f.send(tc.method, tc.uri, tc.from, tc.to, credentials(t, a, tc.method, tc.uri, tc.user, tc.password))
		if got := status(f.answer()); got != tc.want {
			t.Errorf("%s %s from %s as %s: %s, want %s", tc.method, tc.uri, tc.from, tc.user, got, tc.want)
		}
	}
}

// RFC 3325: an asserted identity counts from trusted hops only.
func TestAssertedIdentity(t *testing.T) {
	f := newFace(t, 16)
	f.send("SUBSCRIBE", bob, alice, "<"+bob+">", "P-Asserted-Identity: <"+alice+">")
	if got := status(f.answer()); got != "401" {
		t.Errorf("untrusted: %s", got)
	}
	f.from("10.9.9.9:5060")
	for _, tc := range []struct{ from, pai, want string }{
		{"sip:alice@example.org:5060", "", "by sip:alice@example.org trusted=true"},
		{alice, "", "by sip:alice@example.org trusted=true"},
		{"sip:anonymous@anonymous.invalid", "", "by  trusted=true"},
		{"sip:anonymous@anonymous.invalid", `"A" <sip:alice@example.org>, <tel:+1>`, "by sip:alice@example.org trusted=true"},
		{alice, "<tel:+1>, <sip:bob@example.org>", "by sip:bob@example.org trusted=true"},
	} {
		f.svc.calls = nil
		var lines []string
		if tc.pai != "" {
			lines = append(lines, "P-Asserted-Identity: "+tc.pai)
		}
		f.send("SUBSCRIBE", bob, tc.from, "<"+bob+">", lines...)
		f.answer()
		if len(f.svc.calls) != 1 || !strings.HasSuffix(f.svc.calls[0], tc.want) {
			t.Errorf("%+v: %v", tc, f.svc.calls)
		}
	}
}

// RFC 3325 §7: with Privacy: id and no asserted identity nobody vouches for From.
// An identity that is asserted all the same counts.
func TestPrivacy(t *testing.T) {
	f := newFace(t, 16)
	f.from("10.9.9.9:5060")
	for _, tc := range []struct{ privacy, pai, want string }{
		{"none", "", "by sip:alice@example.org trusted=true"},
		{"header", "", "by sip:alice@example.org trusted=true"},
		{"id", "", "by  trusted=true"},
		{"header; ID;critical", "", "by  trusted=true"},
		{"id", "<sip:carol@example.net>", "by sip:carol@example.net trusted=true"},
	} {
		f.svc.calls = nil
		lines := []string{"Privacy: " + tc.privacy}
		if tc.pai != "" {
			lines = append(lines, "P-Asserted-Identity: "+tc.pai)
		}
		f.send("SUBSCRIBE", bob, alice, "<"+bob+">", lines...)
		f.answer()
		if len(f.svc.calls) != 1 || !strings.HasSuffix(f.svc.calls[0], tc.want) {
			t.Errorf("%+v: %v", tc, f.svc.calls)
		}
	}
}

// Guessing is slowed down and counted.
func TestThrottle(t *testing.T) {
	f := newFace(t, 16)
	refused := ""
	for range 60 {
		f.send("PUBLISH", alice, alice, "<"+alice+">")
		f.send("PUBLISH", alice, alice, "<"+alice+">", credentials(t, f.answer(), "PUBLISH", alice, "alice", "guess"))
		if a := f.answer(); status(a) == "403" {
			refused = a
			break
		}
	}
	if !strings.Contains(refused, "Retry-After: ") {
		t.Fatalf("never refused: %q", refused)
	}
	f.send("PUBLISH", alice, alice, "<"+alice+">")
	f.send("PUBLISH", alice, alice, "<"+alice+">", credentials(t, f.answer(), "PUBLISH", alice, "alice", "secret"))
	if got := status(f.answer()); got != "403" {
		t.Errorf("the right guess got %s", got)
	}
}

func TestOverload(t *testing.T) {
	f := newFace(t, 1)
	f.from("10.0.0.1:5060")
	f.svc.block = make(chan struct{})
	for range 8 { // one is served, one waits
		f.send("MESSAGE", bob, alice, "<"+bob+">")
	}
	for range 6 {
		if a := f.answer(); status(a) != "503" || !strings.Contains(a, "Retry-After: ") {
			t.Fatalf("answer\n%s", a)
		}
	}
	close(f.svc.block)
	f.answer()
}

func TestPanic(t *testing.T) {
	f := newFace(t, 16)
	f.from("10.0.0.1:5060")
	f.svc.panic = true
	f.send("MESSAGE", bob, alice, "<"+bob+">")
	if got := status(f.answer()); got != "500" {
		t.Errorf("status %s", got)
	}
	f.svc.panic = false
	f.send("MESSAGE", bob, alice, "<"+bob+">")
	if got := status(f.answer()); got != "200" {
		t.Errorf("afterwards: %s", got)
	}
}

// A request whose sender has given up is not worked on.
func TestTooLate(t *testing.T) {
	f := newFace(t, 16)
	f.from("10.0.0.1:5060")
	req, _, err := wire.ParseRequest([]byte("MESSAGE "+bob+" SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bKx\r\nFrom: <"+alice+">;tag=1\r\nTo: <"+bob+">\r\nCall-ID: c\r\nCSeq: 1 MESSAGE\r\nContent-Length: 0\r\n\r\n"), f.flow)
	if err != nil {
		t.Fatal(err)
	}
	req.Received = req.Received.Add(-time.Minute)
	f.srv.ServeSIP(req)
	if got := status(f.answer()); got != "503" || len(f.svc.calls) != 0 {
		t.Errorf("status %s, served %v", got, f.svc.calls)
	}
}

func BenchmarkChallenge(b *testing.B) {
	pool := shard.New(16, nil)
	defer pool.Stop(context.Background())
	svc := &services{}
	users := auth.NewUsers(memory.New(), time.Second)
	srv := New(Config{Domains: []string{"example.org"}, Auth: auth.New([]byte("0123456789abcdef"), users), Users: users,
		Throttle: auth.NewThrottle(), Pool: pool, Metrics: metrics.New(), GRUUs: svc, Registrar: svc, Presence: svc, Notifier: svc, IM: svc})
	done := make(chan struct{}, 1)
	flow := wire.NewFlow("TCP", netip.MustParseAddrPort("127.0.0.1:5060"), netip.MustParseAddrPort("192.0.2.1:4000"),
		func([]byte) error { done <- struct{}{}; return nil })
	data := []byte("SUBSCRIBE " + bob + " SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bKx\r\nFrom: <" + alice + ">;tag=1\r\nTo: <" + bob + ">\r\nCall-ID: c\r\nCSeq: 1 SUBSCRIBE\r\nContent-Length: 0\r\n\r\n")
	b.ReportAllocs()
	for b.Loop() {
		req, _, err := wire.ParseRequest(data, flow)
		if err != nil {
			b.Fatal(err)
		}
		srv.ServeSIP(req)
		<-done
	}
}
