package wire

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// RFC 4475: the status each request is owed by this layer; 0: accepted (what the
// method logic makes of it comes later), -1: a response that is dropped, 1: one
// that is taken.
var torture = map[string]int{
	"wsinv":      0,   // §3.1.1.1
	"intmeth":    400, // §3.1.1.2: has NUL and DEL in a quoted pair, which we never echo
	"esc01":      0,
	"escnull":    0,
	"esc02":      0,
	"lwsdisp":    0,
	"longreq":    0,
	"dblreq":     0, // §3.1.1.8: what follows the body is ignored
	"semiuri":    0,
	"transports": 0,
	"mpart01":    0,
	"unreason":   1, // §3.1.1.12
	"noreason":   1,
	"badinv01":   400,
	"clerr":      400,
	"ncl":        400,
	"scalar02":   400,
	"scalarlg":   -1, // §3.1.2.5
	"quotbal":    400,
	"ltgtruri":   400,
	"lwsruri":    400,
	"lwsstart":   400,
	"trws":       400,
	"escruri":    400,
	"baddate":    0, // §3.1.2.12
	"regbadct":   400,
	"badaspec":   400,
	"baddn":      400,
	"badvers":    505,
	"mismatch01": 400,
	"mismatch02": 501,
	"bigcode":    -1, // §3.1.2.19
	"badbranch":  0,  // §3.2.1: RFC 2543 matching
	"insuf":      400,
	"unkscm":     416,
	"novelsc":    416,
	"unksm2":     0, // §3.3.4: To is the registrar's to judge
	"bext01":     0,
	"invut":      0,
	"regaut01":   0,
	"multi01":    400,
	"mcl01":      400,
	"bcast":      1, // §3.3.10: a second Via never directs us
	"zeromf":     0,
	"cparam01":   0,
	"cparam02":   0,
	"regescrt":   0,
	"sdp01":      0,
	"inv2543":    0, // §3.4.1
}

func tortureMessage(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "rfc4475", name+".txt"))
	if err != nil {
		t.Fatal(err)
	}
	return crlf(string(b))
}

func TestTorture(t *testing.T) {
	for name, want := range torture {
		data := tortureMessage(t, name)
		if want == 1 || want == -1 {
			_, err := parseResponse(data, false)
			if (err == nil) != (want == 1) {
				t.Errorf("%s: response: %v", name, err)
			}
			continue
		}
		f := newTestFlow("UDP")
		r, owed, err := ParseRequest(data, f.Flow)
		switch {
		case r == nil:
			t.Errorf("%s: nothing to answer: %v", name, err)
		case want == 0 && err != nil:
			t.Errorf("%s: %v", name, err)
		case want == 0:
		case owed == nil || owed.Status != want:
			t.Errorf("%s: owed %+v (%v), want %d", name, owed, err, want)
		default:
			checkOwed(t, name, r, *owed, f)
		}
	}
}

// checkOwed: the answer to a broken request is itself a sound message.
func checkOwed(t *testing.T, name string, r *Request, owed Response, f *testFlow) {
	t.Helper()
	if err := r.Respond(owed); err != nil || len(f.sent) != 1 {
		t.Fatalf("%s: respond: %v, sent %q", name, err, f.sent)
	}
	head, _, _ := strings.Cut(f.sent[0], "\r\n\r\n")
	for line := range strings.SplitSeq(head, "\r\n") {
		if !cleanLine(line) {
			t.Errorf("%s: controls in the answer: %q", name, line)
		}
	}
	if strings.Count(head, "\r\nContent-Length: 0") != 1 || !strings.Contains(head, "\r\nVia: ") {
		t.Errorf("%s: answer %q", name, f.sent[0])
	}
}

// §3.1.1.3 and §3.1.1.9: escapes are undone once, and ";" may be in a user part.
func TestTortureValues(t *testing.T) {
	get := func(name string) *Request {
		r, _, err := ParseRequest(tortureMessage(t, name), newTestFlow("UDP").Flow)
		if err != nil {
			t.Fatal(name, err)
		}
		return r
	}
	if r := get("semiuri"); r.URI.User != "user;par=u%40example.net" || r.URI.Host != "example.com" {
		t.Errorf("semiuri: %+v", r.URI)
	}
	if r := get("escnull"); len(r.Contacts) != 2 || r.Contacts[0].URI == r.Contacts[1].URI {
		t.Errorf("escnull: %+v", r.Contacts)
	}
	if r := get("dblreq"); r.Method != "REGISTER" || len(r.Body) != 0 {
		t.Errorf("dblreq: %s with body %q", r.Method, r.Body)
	}
	if r := get("bext01"); len(r.Unsupported("eventlist")) != 2 {
		t.Errorf("bext01: Require %v", r.Unsupported("eventlist"))
	}
	if r := get("wsinv"); r.To.Tag() != "1918181833n" || r.CSeq != 9 || r.MaxForwards != 68 || len(r.Values("Via")) != 3 {
		t.Errorf("wsinv: %+v", r)
	}
	if r := get("mpart01"); len(r.Body) != 553 || strings.Count(string(r.Body), "\x00") == 0 { // §3.1.1.11
		t.Errorf("mpart01: %d bytes of body, %q", len(r.Body), r.Body)
	}
	if r := get("zeromf"); r.MaxForwards != 0 {
		t.Errorf("zeromf: Max-Forwards %d", r.MaxForwards)
	}
	if r := get("cparam01"); r.Contacts[0].Params[0].Name != "unknownparam" {
		t.Errorf("cparam01: %+v", r.Contacts)
	}
}

// Each rule of the filter and the validation on an otherwise good request.
func TestRefusals(t *testing.T) {
	const good = "OPTIONS sip:h SIP/2.0\nVia: SIP/2.0/UDP h;branch=z9hG4bKa\nFrom: <sip:a@b>;tag=1\nTo: <sip:c@d>\nCall-ID: x\nCSeq: 1 OPTIONS\nExpires: 60\nEvent: presence\nContent-Length: 2\n\nab"
	for _, tc := range []struct {
		name, old, new string
		status         int // 0: accepted, -1: dropped
	}{
		{"as it is", "", "", 0},
		{"no Via", "Via", "Vio", -1},
		{"garbage", "OPTIONS sip:h SIP/2.0\n", "hello\n", -1},
		{"HTTP", "OPTIONS sip:h SIP/2.0\n", "GET / HTTP/1.1\n", -1},
		{"NUL in the start line", "sip:h", "sip:\x00h", -1},
		{"an ACK is never answered", "OPTIONS sip:h", "ACK sip:h", -1},
		{"version", "SIP/2.0\n", "SIP/3.0\n", 505},
		{"version in lower case", "SIP/2.0\n", "sip/2.0\n", 0},
		{"nonsense version", "SIP/2.0\n", "SIP/x\n", 400},
		{"NUL in a header", "Call-ID: x", "Call-ID: x\x00", 400},
		{"bare CR", "Call-ID: x", "Call-ID: x\ry", 400},
		{"DEL", "Call-ID: x", "Call-ID: x\x7f", 400},
		{"line without a colon", "Call-ID: x", "Call-ID: x\nwhat", 400},
		{"bad header name", "Call-ID: x", "Call-ID: x\nb ad: 1", 400},
		{"no blank line", "\n\nab", "\n", 400},
		{"long line", "Call-ID: x", "Call-ID: x\nX: " + strings.Repeat("y", maxLine), 400},
		{"many parameters", "Call-ID: x", "Call-ID: x\nX: " + strings.Repeat(";y", maxSemicolons+1), 400},
		{"many headers", "Call-ID: x", "Call-ID: x" + strings.Repeat("\nX: y", maxLines), 400},
		{"long header section", "Call-ID: x", "Call-ID: x" + strings.Repeat("\nX: "+strings.Repeat("y", 1000), 9), 400},
		{"no Call-ID", "Call-ID: x", "X: x", 400},
		{"empty Call-ID", "Call-ID: x", "Call-ID:", 400},
		{"two Call-IDs", "Call-ID: x", "Call-ID: x\ni: x", 400},
		{"two Froms", "Call-ID: x", "Call-ID: x\nf: <sip:a@b>", 400},
		{"two Expires", "Call-ID: x", "Call-ID: x\nExpires: 60", 400},
		{"Call-ID with a blank", "Call-ID: x", "Call-ID: x y", 400},
		{"CSeq too large", "CSeq: 1 ", "CSeq: 4294967296 ", 400},
		{"CSeq at its end", "CSeq: 1 ", "CSeq: 4294967295 ", 0},
		{"signed CSeq", "CSeq: 1 ", "CSeq: +1 ", 400},
		{"CSeq without a method", "CSeq: 1 OPTIONS", "CSeq: 1", 400},
		{"CSeq of another method", "CSeq: 1 OPTIONS", "CSeq: 1 options", 400},
		{"unknown method", "OPTIONS sip:h", "DANCE sip:h", 501},
		{"Max-Forwards", "Call-ID: x", "Call-ID: x\nMax-Forwards: 256", 400},
		{"Max-Forwards 0", "Call-ID: x", "Call-ID: x\nMax-Forwards: 0", 0},
		{"length too large", "Content-Length: 2", "Content-Length: 3", 400},
		{"length smaller", "Content-Length: 2", "Content-Length: 1", 0},
		{"length negative", "Content-Length: 2", "Content-Length: -2", 400},
		{"length twice", "Content-Length: 2", "Content-Length: 2\nl: 2", 400},
		{"length absent", "Content-Length: 2\n", "", 0},
		{"tel Request-URI", "sip:h", "tel:+1", 416},
		{"pres Request-URI", "sip:h", "pres:a@h", 0},
		{"headers in Request-URI", "sip:h", "sip:h?a=b", 400},
		{"empty sent-by", "SIP/2.0/UDP h;", "SIP/2.0/UDP ;", 400},
		{"empty Via before a good one", "Via: ", "Via:\nVia: ", 400},
		{"Event without a type", "Event: presence", "Event: ;id=1", 400},
		{"Event with rubbish", "Event: presence", "Event: presence rubbish", 400},
		{"Contact that is none", "Call-ID: x", "Call-ID: x\nContact: <sip:a@b", 400},
		{"Contact *", "Call-ID: x", "Call-ID: x\nContact: *", 0},
		{"Content-Type without a subtype", "Call-ID: x", "Call-ID: x\nContent-Type: text", 400},
	} {
		text := strings.Replace(good, tc.old, tc.new, 1)
		if tc.name == "an ACK is never answered" {
			text = strings.Replace(text, "Call-ID: x", "Call-ID: x y", 1)
		}
		r, owed, err := ParseRequest(crlfKeepCR(text), newTestFlow("UDP").Flow)
		got := -1
		switch {
		case err == nil && r != nil:
			got = 0
		case owed != nil:
			got = owed.Status
		}
		if got != tc.status {
			t.Errorf("%s: %d (%v), want %d", tc.name, got, err, tc.status)
		}
	}
}

// crlfKeepCR leaves a CR of the text alone, so that it is a bare one.
func crlfKeepCR(s string) []byte { return []byte(strings.ReplaceAll(s, "\n", "\r\n")) }

// RFC 3261 §10.3 step 6, RFC 4475 §3.1.2.4: a malformed Expires counts as 3600.
func TestExpires(t *testing.T) {
	for in, want := range map[string]int64{"0": 0, "600": 600, "4294967295": 4294967295, "4294967296": 3600, "x": 3600, "-1": 3600, "+5": 3600, "": 3600} {
		if got := parseExpires(in); got != want {
			t.Errorf("Expires %q = %d, want %d", in, got, want)
		}
	}
}

func FuzzMessage(f *testing.F) {
	for name := range torture {
		f.Add(tortureMessage(f, name), true)
	}
	for _, messages := range recorded(f) {
		f.Add(crlf(messages[0]), false)
	}
	f.Fuzz(func(t *testing.T, data []byte, stream bool) {
		transport := "UDP"
		if stream {
			transport = "TCP"
		}
		// No panic, and whatever is parsed can be answered with a sound message that
		// a client accepts.
		_, _ = parseResponse(data, stream)
		flow := newTestFlow(transport)
		r, owed, err := ParseRequest(data, flow.Flow)
		if err == nil && (r == nil || owed != nil) || owed != nil && r == nil {
			t.Fatalf("%v %v %v", r, owed, err)
		}
		if r == nil {
			return
		}
		resp := Response{Status: 200, Headers: []Header{{"X", "y"}}, Body: []byte("b"), ContentType: "text/plain"}
		if owed != nil {
			resp = *owed
		}
		if r.Respond(resp) != nil || len(flow.sent) > 1 {
			t.Fatal("not answered")
		}
		for _, text := range flow.sent {
			m, err := split([]byte(text))
			if err != nil || m.problem != nil {
				t.Fatalf("answer %q: %v %v", text, err, m)
			}
		}
		if err == nil {
			again, _, err := ParseRequest(data, flow.Flow)
			if err != nil || again.CallID != r.CallID {
				t.Fatal("parsed once only:", err)
			}
		}
	})
}

func FuzzNameAddr(f *testing.F) {
	for _, s := range []string{`"a\"b" <sip:a@b;c>;tag=1;x="y"`, "sip:a@b;tag=1", "A B <tel:+1>", "<sip:a@[::1]:5?x=y>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if n, err := ParseNameAddr(s); err == nil && n.URI == "" {
			t.Errorf("%q: no URI", s)
		}
		_, _ = parseVia(s)
		for _, v := range splitList(nil, s) {
			if v == "" {
				t.Errorf("%q: empty element", s)
			}
		}
	})
}
