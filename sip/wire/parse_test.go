package wire

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"rollcall/internal/sipuri"
)

var (
	serverAddr = netip.MustParseAddrPort("192.0.2.1:5060")
	clientAddr = netip.MustParseAddrPort("198.51.100.7:4000")
)

// testFlow records what is sent on it.
type testFlow struct {
	*Flow
	mu   sync.Mutex
	sent []string
}

func newTestFlow(transport string) *testFlow {
	f := &testFlow{}
	f.Flow = NewFlow(transport, serverAddr, clientAddr, func(b []byte) error {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.sent = append(f.sent, string(b))
		return nil
	})
	return f
}

// all returns what was sent so far.
func (f *testFlow) all() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.sent)
}

// crlf turns the line ends of a test's text into those of SIP.
func crlf(s string) []byte {
	return []byte(strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\n", "\r\n"))
}

// recorded returns the requests of all recorded clients by file name.
func recorded(t testing.TB) map[string][]string {
	t.Helper()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no recorded messages", err)
	}
	out := make(map[string][]string)
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for m := range strings.SplitSeq(string(b), "======\n") {
			head, body, _ := strings.Cut(m, "\n\n")
			out[name] = append(out[name], head+"\n\n"+strings.TrimSuffix(body, "\n"))
		}
	}
	return out
}

// What real clients send is accepted.
func TestRecordedClients(t *testing.T) {
	for name, messages := range recorded(t) {
		for _, text := range messages {
			transport := "UDP"
			if strings.Contains(text, "SIP/2.0/TCP") {
				transport = "TCP"
			}
			r, owed, err := ParseRequest(crlf(text), newTestFlow(transport).Flow)
			if err != nil || owed != nil {
				t.Errorf("%s over %s: %v\n%s", name, transport, err, text)
				continue
			}
			if r.CallID == "" || r.From.Tag() == "" || r.top.branch == "" || r.CSeq == 0 {
				t.Errorf("%s: incomplete: %+v", name, r)
			}
			for _, addr := range []string{r.RequestURI, r.From.URI, r.To.URI} {
				if _, err := sipuri.AOR(addr); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
		}
	}
}

const subscribe = `SUBSCRIBE sip:bob@example.com SIP/2.0
Via: SIP/2.0/UDP 10.0.0.1:5060;rport;branch=z9hG4bKnashds7
v: SIP/2.0/UDP proxy.example.com;branch=z9hG4bKabc , SIP / 2.0 / TCP first.example.com: 4000;ttl=16
Max-Forwards: 69
Record-Route: <sip:p2.example.com;lr>
Record-Route: <sip:p1.example.com;lr>
From: "Alice \"A\" <x>, y" <sip:alice@example.com;transport=tcp>;tag=1928;x="a;b,c"
t:  <sip:bob@example.com>
i: a84b4c76e66710@pc33
CSeq: 314 SUBSCRIBE
m: <sip:alice@10.0.0.1;ob>;+sip.instance="<urn:uuid:1>";q=0.5, sip:second@example.com;expires=3
o: presence ; ID=7 ; x = "y;z"
k: gruu, outbound
Supported:
 eventlist
Require: path, EventList
Accept: application/pidf+xml;q=1, multipart/related;type="a,b"
Authorization: Digest realm="a", nonce="b"
Authorization: Digest realm="c", nonce="d"
Expires: 600
c: Text/Plain ; charset=utf-8
l: 4

bodysurplus`

func TestRequestFields(t *testing.T) {
	r, owed, err := ParseRequest(crlf(subscribe), newTestFlow("UDP").Flow)
	if err != nil || owed != nil {
		t.Fatal(owed, err)
	}
	check := func(what string, got, want any) {
		t.Helper()
		if got != want {
			t.Errorf("%s = %#v, want %#v", what, got, want)
		}
	}
	check("Method", r.Method, "SUBSCRIBE")
	check("URI.User", r.URI.User, "bob")
	check("From.Display", r.From.Display, `Alice "A" <x>, y`)
	check("From.URI", r.From.URI, "sip:alice@example.com;transport=tcp")
	check("From.Tag", r.From.Tag(), "1928")
	x, _ := r.From.Param("x")
	check("From;x", x, "a;b,c")
	check("To.Tag", r.To.Tag(), "")
	check("CallID", r.CallID, "a84b4c76e66710@pc33")
	check("CSeq", r.CSeq, uint32(314))
	check("MaxForwards", r.MaxForwards, 69)
	check("Expires", r.Expires, int64(600))
	check("contacts", len(r.Contacts), 2)
	instance, _ := r.Contacts[0].Param("+sip.instance")
	check("instance", instance, "<urn:uuid:1>")
	check("Contacts[1].URI", r.Contacts[1].URI, "sip:second@example.com")
	check("Event", r.Event, "presence")
	check("EventID", r.EventID(), "7")
	check("eventlist in a second, folded Supported line", r.HasOption("Supported", "eventlist"), true)
	check("Supported", r.Header("supported"), "gruu, outbound, eventlist")
	check("HasOption of what is absent", r.HasOption("Supported", "event"), false)
	check("Unsupported", strings.Join(r.Unsupported("eventlist"), " "), "path")
	check("Accept", strings.Join(r.Values("Accept"), "|"), `application/pidf+xml;q=1|multipart/related;type="a,b"`)
	check("Authorization", len(r.Each("Authorization")), 2)
	check("ContentType", r.ContentType, "text/plain")
	check("Body", string(r.Body), "body")
	check("top sent-by", r.top.sentBy, "10.0.0.1:5060")
	check("absent header", r.Header("Subject"), "")
}

func TestParseNameAddr(t *testing.T) {
	for in, want := range map[string][3]string{
		`sip:a@b`:                          {"", "sip:a@b", ""},
		`sip:a@b;tag=1`:                    {"", "sip:a@b", "1"}, // belongs to the header
		`<sip:a@b;tag=2>;tag=1`:            {"", "sip:a@b;tag=2", "1"},
		`Bob Smith <sip:a@b>`:              {"Bob Smith", "sip:a@b", ""},
		`"caller"<sip:a@b>;tag=323`:        {"caller", "sip:a@b", "323"}, // RFC 4475 §3.1.1.6
		`"B\\ob" <sip:a@b> ; TAG = "q\"x"`: {`B\ob`, "sip:a@b", `q"x`},
		`"" <tel:+1-2>;x`:                  {"", "tel:+1-2", ""},
		"\"\xff\" <sip:a@b>":               {"\uFFFD", "sip:a@b", ""},
		`<sip:a@b?Route=x>;y=[::1]:5`:      {"", "sip:a@b?Route=x", ""},
		`sip:a@b ; tag = 1918181833n`:      {"", "sip:a@b", "1918181833n"},
	} {
		n, err := ParseNameAddr(in)
		if err != nil || n.Display != want[0] || n.URI != want[1] || n.Tag() != want[2] || n.Raw != in {
			t.Errorf("ParseNameAddr(%q) = %+v, %v; want %q", in, n, err, want)
		}
	}
	for _, in := range []string{
		"", "<>", "<sip:a@b", "sip:a@b>", `"a <sip:a@b>`, `"a" sip:a@b`, "a@b <sip:a@b>", "Bell, Alexander <sip:a@b>",
		"< sip:a@b>", "<sip:a@b >", "sip: a@b", "sip:a@b?x=y", "sip:a,b@c", "<sip:a@b> x", "<sip:a@b>;", "<sip:a@b>;;x", "<sip:a@b>;=x",
		"<sip:a@b>;x=", `<sip:a@b>;x="`, "*", "bob",
	} {
		if n, err := ParseNameAddr(in); err == nil {
			t.Errorf("ParseNameAddr(%q) = %+v", in, n)
		}
	}
}

func TestParseVia(t *testing.T) {
	for in, want := range map[string]struct {
		sentBy, branch string
		rport          bool
	}{
		"SIP/2.0/UDP 192.0.2.2;branch=390skdjuw":                                       {"192.0.2.2", "390skdjuw", false},
		"SIP  / 2.0  / TCP     spindle.example.com   ;   branch  =   z9hG4bK9ikj8  , ": {},
		"SIP / 2.0 / UDP host : 5061 ;RPORT; Branch=z9hG4bKa":                          {"host : 5061", "z9hG4bKa", true},
		"SIP/2.0/TLS [2001:db8::1]:5061;received=[::1];x=\"a;b\"":                      {"[2001:db8::1]:5061", "", false},
		"SIP/2.0/UNKNOWN t1.example.org;rport=5;branch=z9hG4bKb":                       {"t1.example.org", "z9hG4bKb", true},
	} {
		v, err := parseVia(in)
		if want.sentBy == "" {
			if err == nil {
				t.Errorf("parseVia(%q) accepted", in)
			}
			continue
		}
		if err != nil || v.sentBy != want.sentBy || v.branch != want.branch || v.rport != want.rport {
			t.Errorf("parseVia(%q) = %+v, %v", in, v, err)
		}
	}
	for _, in := range []string{
		"", "SIP/2.0/UDP", "SIP/2.0/UDP ", "SIP/2.0 h", "SIP/7.0/UDP h", "SIP/2.0/UDP h:", "SIP/2.0/UDP h:x", "SIP/2.0/UDP h:0",
		"SIP/2.0/UDP ;branch=x", "SIP/2.0/UDP h;", "SIP/2.0/UDP h;;", "SIP/2.0/UDP h;branch", "SIP/2.0/UDP h x", "SIP/2.0/UDP h;rport;rport;received=1",
		"SIP/2.0/UDP [::1", "SIP/2.0/UDP [1.2]:3",
	} {
		if v, err := parseVia(in); err == nil && in != "SIP/2.0/UDP h;branch" {
			t.Errorf("parseVia(%q) = %+v", in, v)
		}
	}
}

// RFC 3261 §18.2.1 and RFC 3581 §4: what is added to the top Via, and nothing else changed.
func TestResponseVia(t *testing.T) {
	source := netip.MustParseAddrPort("203.0.113.9:4000")
	for in, want := range map[string]string{
		"SIP/2.0/UDP 10.0.0.1:5060;rport;branch=z9hG4bK1":      "SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bK1;rport=4000;received=203.0.113.9",
		"SIP/2.0/UDP 203.0.113.9:4000;rport;branch=z9hG4bK1":   "SIP/2.0/UDP 203.0.113.9:4000;branch=z9hG4bK1;rport=4000;received=203.0.113.9",
		"SIP/2.0/UDP 203.0.113.9;branch=z9hG4bK1":              "SIP/2.0/UDP 203.0.113.9;branch=z9hG4bK1",
		"SIP/2.0/UDP pc.example.com;branch=z9hG4bK1":           "SIP/2.0/UDP pc.example.com;branch=z9hG4bK1;received=203.0.113.9",
		"SIP / 2.0 /UDP h ; received=9.9.9.9 ; Branch = z ; y": "SIP / 2.0 /UDP h ; Branch = z ; y;received=203.0.113.9",
		"SIP/2.0/UDP h;rport=1;received=1.1.1.1;branch=z":      "SIP/2.0/UDP h;branch=z;rport=4000;received=203.0.113.9",
		"SIP/2.0/UDP [2001:db8::1];branch=z":                   "SIP/2.0/UDP [2001:db8::1];branch=z;received=203.0.113.9",
	} {
		v, err := parseVia(in)
		if err != nil {
			t.Fatal(in, err)
		}
		if got := string(v.appendTo(nil, source, "30")); got != want {
			t.Errorf("Via %q\n got %q\nwant %q", in, got, want)
		}
	}
}

// RFC 6223 §4.4: an offer of keep-alives is taken up with a value.
func TestKeepAliveOffer(t *testing.T) {
	source := netip.MustParseAddrPort("203.0.113.9:4000")
	for _, tc := range []struct{ in, granted, want string }{
		{"SIP/2.0/UDP h;rport;keep;branch=z", "30", "SIP/2.0/UDP h;branch=z;keep=30;rport=4000;received=203.0.113.9"},
		{"SIP/2.0/UDP h;Keep;branch=z;rport;received=1.1.1.1", "0", "SIP/2.0/UDP h;branch=z;keep=0;rport=4000;received=203.0.113.9"},
		{"SIP/2.0/UDP 203.0.113.9;branch=z;keep", "", "SIP/2.0/UDP 203.0.113.9;branch=z;keep"},
		{"SIP/2.0/UDP 203.0.113.9;branch=z;keep=7", "30", "SIP/2.0/UDP 203.0.113.9;branch=z;keep=7"},
		{"SIP/2.0/UDP h;keep;keep", "30", ""},
		{"SIP/2.0/UDP h;rport;received=1.1.1.1;rport;keep", "30", ""},
	} {
		v, err := parseVia(tc.in)
		if (err == nil) != (tc.want != "") {
			t.Fatal(tc.in, err)
		}
		if err != nil {
			continue
		}
		if got := string(v.appendTo(nil, source, tc.granted)); got != tc.want {
			t.Errorf("Via %q\n got %q\nwant %q", tc.in, got, tc.want)
		}
	}
}
