package xcap

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"rollcall/xcap/usage"
)

// What is no XML, or more of it than anyone needs, is refused by name.
func TestHostileDocuments(t *testing.T) {
	ts := newTestServer(t)
	ts.fresh(sample)
	var laughs strings.Builder
	laughs.WriteString(`<!DOCTYPE r [<!ENTITY l0 "lol">`)
	for i := range 9 {
		fmt.Fprintf(&laughs, `<!ENTITY l%d "%s">`, i+1, strings.Repeat(fmt.Sprintf("&l%d;", i), 10))
	}
	laughs.WriteString(`]><r>&l9;</r>`)
	for _, c := range []struct{ rule, body, conflict string }{
		{"entities of entities", laughs.String(), notWellFormed},
		{"external entity", `<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]><r>&x;</r>`, notWellFormed},
		{"external subset", `<!DOCTYPE r SYSTEM "http://127.0.0.1/x.dtd"><r/>`, notWellFormed},
		{"undeclared entity", `<r>&x;</r>`, notWellFormed},
		{"NUL", "<r>\x00</r>", notWellFormed},
		{"NUL by reference", "<r>&#0;</r>", notWellFormed},
		{"escape", "<r>\x1b</r>", notWellFormed},
		{"no character", "<r>\uFFFF</r>", notWellFormed},
		{"half a surrogate", "<r>&#xD800;</r>", notWellFormed},
		{"UTF-16", "\xff\xfe<\x00r\x00/\x00>\x00", notUTF8},
		{"UTF-16 declared", `<?xml version="1.0" encoding="UTF-16"?><r/>`, notUTF8},
		{"UTF-7 declared", `<?xml version="1.0" encoding="UTF-7"?><r/>`, notUTF8},
		{"Latin-1", "<r>\xe9</r>", notUTF8},
		{"overlong", "<r>\xc0\xbc</r>", notUTF8},
		{"unbound prefix", "<p:r/>", notWellFormed},
		{"unbound prefix of attribute", "<r p:a='1'/>", notWellFormed},
		{"prefix unbound", "<p:r xmlns:p=''/>", notWellFormed},
		{"xmlns as prefix", "<xmlns:r/>", notWellFormed},
		{"attribute twice", "<r a='1' a='2'/>", notWellFormed},
		{"attribute twice by namespace", "<r xmlns:p='u' xmlns:q='u' p:a='1' q:a='2'/>", notWellFormed},
		{"XML 1.1", `<?xml version="1.1"?><r/>`, notWellFormed},
		{"two roots", "<r/><r/>", notWellFormed},
		{"many attributes", "<r" + numbered(65, " a%d='x'") + "/>", usage.ConstraintFailure},
		{"many declarations", "<r" + numbered(65, " xmlns:p%d='u'") + "/>", usage.ConstraintFailure},
		{"many elements", "<r>" + strings.Repeat("<a/>", 20000) + "</r>", usage.ConstraintFailure},
		{"depth", strings.Repeat("<a>", 65) + strings.Repeat("</a>", 65), usage.ConstraintFailure},
		{"depth without end", strings.Repeat("<a>", 60000), usage.ConstraintFailure},
	} {
		expect(t, c.rule, ts.put(docURI, c.body), 409, c.conflict)
	}
	for _, c := range []struct{ rule, body, conflict string }{
		{"entity in a part", `<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>`, notXMLFrag},
		{"NUL in a part", "<a>\x00</a>", notXMLFrag},
		{"charset of a part", "<a>\xe9</a>", notUTF8},
		{"unbound prefix in a part", "<p:a/>", usage.SchemaValidationError},
		{"attributes of a part", "<a" + numbered(65, " a%d='x'") + "/>", usage.ConstraintFailure},
		{"depth with a part", strings.Repeat("<a>", 64) + strings.Repeat("</a>", 64), usage.ConstraintFailure},
		{"end of the parent in a part", "<a/></r><r>", notXMLFrag},
	} {
		expect(t, c.rule, ts.put(node("r/new"), c.body), 409, c.conflict)
	}
	for _, value := range []string{`"><x/><r a="`, `"&x;"`, "\"\x00\"", `"`, `"a"b"`} {
		expect(t, value, ts.put(node("r/@v"), value), 409, notAttValue)
	}
	if got := ts.get(docURI).body; got != sample {
		t.Errorf("document changed: %q", got)
	}
}

func numbered(n int, format string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

// No spelling of a path leads out of the own tree.
func TestHostileTargets(t *testing.T) {
	ts := newTestServer(t)
	ts.fresh(sample)
	ts.mustPut(root+"/test-app/users/"+bob+"/index", "<secret/>", assertedIdentity, bob)
	base := root + "/test-app/users/" + alice
	for _, c := range []struct {
		target string
		status int
	}{
		{base + "/../" + bob + "/index", 404},
		{base + "/%2e%2e/" + bob + "/index", 404},
		{base + "/%2E%2e%2f" + bob + "%2findex", 404},
		{base + "/..%2f" + bob + "/index", 404},
		{base + "%2f..%2f" + bob + "/index", 404},
		{root + "/test-app/users/" + bob + "%2f../" + alice + "/index", 404},
		{root + "/test-app/users/../users/" + bob + "/index", 404},
		{root + "/test-app%2fusers%2f" + alice + "/index", 404},
		{base + "//index", 404},
		{base + "/index/", 404},
		{base + "/./index", 404},
		{base + "/%2e/index", 404},
		{base + "/index%2f", 404},
		{base + "\\index", 404},
		{base + "/in%00dex", 400},
		{base + "/in%0adex", 404},
		{base + "/%ff%fe", 400},
		{base + "/index/~~/r/%00", 400},
		{base + "/index/~~/r%ff", 400},
		{base + "/index/~~", 400},
		{base + "/index/~~/", 400},
		{base + "/index/~~//r", 400},
		{base + "/index/~~/r?xmlns(p=urn:x", 400},
		{base + "/index/~~/r?%00", 400},
		{base + "/index/~~/r/" + strings.Repeat("a/", 7000) + "a", 404},
		{base + "/index/~~/" + strings.Repeat("%5b", 5000), 400},
		{base + "/index/~~/r?" + strings.Repeat("xmlns(p=urn:x)", 1000), 200},
		{base + "/" + strings.Repeat("d/", 100) + "index", 404},
		{base + "/index/~~/" + strings.Repeat("x", 17<<10), 414},
		{base + strings.Repeat("/x", 9<<10), 414},
	} {
		for _, method := range []string{"GET", "DELETE"} {
			a := ts.do(method, c.target, "")
			if method == "DELETE" && c.status == 200 {
				continue
			}
			if a.StatusCode != c.status || strings.Contains(a.body, "secret") {
				t.Errorf("%s %.100s: %d %.100q, want %d", method, c.target, a.StatusCode, a.body, c.status)
			}
		}
	}
}

// A body that is too long is refused as soon as that is known, with or without
// a length in front, and is not kept.
func TestHugeBody(t *testing.T) {
	ts := newTestServer(t)
	head := "PUT " + docURI + " HTTP/1.1\r\nHost: h\r\n" + assertedIdentity + ": " + alice + "\r\n"
	if a := ts.raw(head + "Content-Length: 41943040\r\n\r\n<r>"); a.StatusCode != 413 {
		t.Errorf("announced: %d", a.StatusCode)
	}
	conn := ts.dial()
	go func() {
		_, _ = io.WriteString(conn, head+"Transfer-Encoding: chunked\r\n\r\n")
		chunk := "10000\r\n" + strings.Repeat("x", 0x10000) + "\r\n"
		for range 640 { // 40 MB, if anyone listens
			if _, err := io.WriteString(conn, chunk); err != nil {
				return
			}
		}
	}()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || resp.StatusCode != 413 {
		t.Fatalf("chunked: %v %v", resp, err)
	}
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 8<<20 {
		t.Errorf("%d bytes allocated for a body that is refused", grown)
	}
	expect(t, "others", ts.get(docURI), 404, "")
}

// Who sends slowly loses patience, not the others.
func TestSlowBody(t *testing.T) {
	ts := newTestServer(t, func(c *Config) { c.Timeout = 300 * time.Millisecond })
	ts.fresh(sample)
	head := "PUT " + docURI + " HTTP/1.1\r\nHost: h\r\n" + assertedIdentity + ": " + alice + "\r\n"
	var slow []net.Conn
	for range 20 {
		conn := ts.dial()
		if _, err := io.WriteString(conn, head+"Content-Length: 1000\r\n\r\n<r>"); err != nil {
			t.Fatal(err)
		}
		slow = append(slow, conn)
	}
	expect(t, "PUT meanwhile", ts.put(node("r/c"), "<c/>"), 201, "")
	expect(t, "GET meanwhile", ts.get(docURI), 200, "")
	for _, conn := range slow {
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil || resp.StatusCode != http.StatusRequestTimeout {
			t.Fatalf("slow: %v %v", resp, err)
		}
	}
	torn := ts.dial()
	_, _ = io.WriteString(torn, head+"Content-Length: 1000\r\n\r\n<r/>")
	_ = torn.(*net.TCPConn).CloseWrite()
	if resp, err := http.ReadResponse(bufio.NewReader(torn), nil); err != nil || resp.StatusCode != 400 {
		t.Errorf("torn: %v %v", resp, err)
	}
	if got := ts.get(docURI).body; !strings.Contains(got, "<c/>") {
		t.Errorf("document %s", got)
	}
}

// Requests that are none do not disturb those on other connections.
func TestGarbageRequests(t *testing.T) {
	ts := newTestServer(t)
	ts.fresh(sample)
	for _, garbage := range []string{
		"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "REGISTER sip:example.test SIP/2.0\r\n\r\n",
		"GET " + docURI + " HTTP/1.1\r\n\r\n", "PUT " + docURI + " HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n",
		"PUT " + docURI + " HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "\x00\x00\x00\x00\r\n\r\n",
		"GET " + docURI + " HTTP/1.1\r\nHost: h\r\nX: " + strings.Repeat("x", 2<<20) + "\r\n\r\n",
	} {
		conn := ts.dial()
		_, _ = io.WriteString(conn, garbage)
		_ = conn.(*net.TCPConn).CloseWrite()
		if resp, err := http.ReadResponse(bufio.NewReader(conn), nil); err == nil && (resp.StatusCode < 400 || resp.StatusCode >= 500 && resp.StatusCode != 505) {
			t.Errorf("%.40q: %d", garbage, resp.StatusCode)
		}
	}
	if got := ts.get(docURI).body; got != sample {
		t.Errorf("document changed: %q", got)
	}
}
