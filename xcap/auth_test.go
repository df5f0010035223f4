package xcap

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/icholy/digest"

	"rollcall/internal/store"
	"rollcall/xcap/usage"
)

func untrusted(c *Config) { c.Trust = nil }

// withDigest sends a request as a client with a password does.
func (ts *testServer) withDigest(user, pass, method, target, body string) answer {
	ts.t.Helper()
	first := ts.do(method, target, body)
	if first.StatusCode != http.StatusUnauthorized {
		return first
	}
	return ts.do(method, target, body, "Authorization", authorization(ts.t, first, user, pass, method, target))
}

func authorization(t testing.TB, refusal answer, user, pass, method, target string) string {
	t.Helper()
	chal, err := digest.ParseChallenge(refusal.Header.Get("WWW-Authenticate"))
	if err != nil {
		t.Fatal(err)
	}
	cred, err := digest.Digest(chal, digest.Options{Method: method, URI: target, Count: 1, Username: user, Password: pass})
	if err != nil {
		t.Fatal(err)
	}
	return cred.String()
}

func TestDigest(t *testing.T) {
	ts := newTestServer(t, untrusted)
	a := ts.get(docURI)
	challenges := a.Header["Www-Authenticate"]
	if a.StatusCode != 401 || len(challenges) != 2 {
		t.Fatalf("%d %v: the asserted identity is for trusted front ends only", a.StatusCode, challenges)
	}
	if !strings.Contains(challenges[0], "algorithm=MD5") || !strings.Contains(challenges[1], "algorithm=SHA-256") ||
		!strings.Contains(challenges[0], `realm="example.test"`) {
		t.Errorf("challenges %v", challenges)
	}
	expect(t, "PUT", ts.withDigest("alice", password, "PUT", docURI, sample), 201, "")
	expect(t, "GET", ts.withDigest("alice", password, "GET", docURI, ""), 200, "")
	target := docURI + `/~~/r/a%5b@k=%221%22%5d`
	expect(t, "node", ts.withDigest("alice", password, "GET", target, ""), 200, "")
	expect(t, "wrong password", ts.withDigest("alice", "x", "GET", docURI, ""), 401, "")
	expect(t, "unknown user", ts.withDigest("carol", password, "GET", docURI, ""), 401, "")
	expect(t, "stranger", ts.withDigest("bob", password, "GET", docURI, ""), 403, "")
	expect(t, "stranger writes", ts.withDigest("bob", password, "PUT", docURI, "<r/>"), 403, "")
	expect(t, "global", ts.withDigest("bob", password, "GET", root+"/xcap-caps/global/index", ""), 200, "")
	other := ts.do("GET", docURI, "", "Authorization", authorization(t, a, "alice", password, "GET", docURI+"x"))
	expect(t, "credentials for another target", other, 400, "")
	if n := ts.counted("rollcall_auth_failures_total"); n != 2 {
		t.Errorf("%v auth failures", n)
	}
}

// Everyone is asked for credentials before anything is told (choice of order:
// 401, 404, 403, 400).
func TestOrderOfChecks(t *testing.T) {
	ts := newTestServer(t, untrusted)
	for _, target := range []string{
		root + "/nope/users/" + alice + "/index", root + "/test-app/users/sip:nobody@example.test/index", root + "/test-app/users/" + bob + "/index",
		root + "/test-app/users/" + alice + "/index/~~/p:x", root + "/test-app", root + "/%zz",
	} {
		if target == root+"/%zz" {
			continue // net/http refuses it itself
		}
		a := ts.get(target)
		if a.StatusCode != 401 || len(a.Header["Www-Authenticate"]) == 0 {
			t.Errorf("%s: %d without credentials", target, a.StatusCode)
		}
	}
	expect(t, "outside the root", ts.get("/"), 404, "")
	expect(t, "outside the root", ts.get("/favicon.ico"), 404, "")
	believed := newTestServer(t)
	believed.fresh(sample)
	strange := root + "/test-app/users/" + bob + "/index"
	for _, c := range []struct {
		rule, method, target, contentType string
		status                            int
	}{
		{"unknown usage", "GET", root + "/nope/users/" + alice + "/index", "", 404},
		{"unknown user", "GET", root + "/test-app/users/sip:nobody@example.test/index", "", 404},
		{"unknown user", "PUT", root + "/test-app/users/sip:nobody@example.test/index", "", 404},
		{"no XUI", "GET", root + "/test-app/users/nonsense%20/index", "", 404},
		{"stranger", "GET", strange, "", 403},
		{"stranger", "PUT", strange, "", 403},
		{"stranger, bad selector", "GET", strange + "/~~/p:x", "", 403},
		{"bad selector, bad method", "POST", docURI + "/~~/p:x", "", 400},
		{"method", "POST", docURI, "", 405},
		{"a part is not patched", "PATCH", node("r/a"), "", 405},
		{"method of other protocols", "PROPFIND", docURI, "", 405},
		{"namespaces are not written", "PUT", node("r/namespace::*"), "", 405},
		{"namespaces are not written", "DELETE", node("r/namespace::*"), "", 405},
		{"nobody writes", "PUT", root + "/xcap-caps/global/index", "", 405},
		{"global tree", "PUT", root + "/resource-lists/global/index", "", 404},
		{"directory", "GET", root + "/test-app/users/" + alice + "/", "", 404},
		{"redirects", "GET", root + "//test-app/users/" + alice + "/index", "", 404},
		{"cleaning", "GET", root + "/test-app/../test-app/users/" + alice + "/index", "", 404},
		{"type before condition", "PUT", docURI, "application/xml", 415},
		{"long target", "GET", docURI + "/~~/" + strings.Repeat("x", 17<<10), "", 414},
	} {
		a := believed.do(c.method, c.target, "", "Content-Type", c.contentType, "If-Match", `"old"`)
		expect(t, c.rule, a, c.status, "")
		if allow := a.Header.Get("Allow"); (c.status == 405) != strings.HasPrefix(allow, "GET") {
			t.Errorf("%s: Allow %q", c.rule, allow)
		}
		if c.status == 403 && a.body != "" {
			t.Errorf("403 with body %q", a.body)
		}
	}
}

func TestXUIForms(t *testing.T) {
	ts := newTestServer(t)
	ts.fresh(sample)
	for _, xui := range []string{alice, "sip%3Aalice%40example.test", "alice@example.test", "sip:%61lice@EXAMPLE.test", "sips:alice@example.test"} {
		expect(t, xui, ts.get(root+"/test-app/users/"+xui+"/index"), 200, "")
	}
	for _, who := range []string{alice, `"` + alice + `"`, "<sip:alice@Example.Test>", "alice@example.test", `"` + alice + `", "tel:+1"`} {
		expect(t, who, ts.get(docURI, assertedIdentity, who), 200, "")
	}
	expect(t, "malformed identity", ts.get(docURI, assertedIdentity, "@@"), 400, "")
	expect(t, "trusted without identity", ts.get(docURI, assertedIdentity, ""), 401, "")
}

// The realm is the domain of the user addressed, or of the host.
func TestRealm(t *testing.T) {
	ts := newTestServer(t, untrusted)
	for _, c := range []struct{ target, host, realm string }{
		{docURI, "", "example.test"},
		{root + "/test-app/users/sip:x@other.test/index", "", "other.test"},
		{root + "/xcap-caps/global/index", "", "example.test"},
		{root + "/xcap-caps/global/index", "xcap.other.test", "other.test"},
	} {
		r := httptest.NewRequest("GET", "http://"+strings.TrimPrefix(ts.URL, "http://")+c.target, nil)
		r.RequestURI = c.target
		if c.host != "" {
			r.Host = c.host
		}
		w := httptest.NewRecorder()
		ts.Config.Handler.ServeHTTP(w, r)
		var head strings.Builder
		if err := w.Header().Write(&head); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(head.String(), `Digest realm="`+c.realm+`"`) {
			t.Errorf("%s %s: %s", c.host, c.target, head.String())
		}
	}
}

func TestThrottle(t *testing.T) {
	ts := newTestServer(t, untrusted)
	refusal := ts.get(docURI)
	var last answer
	for range 100 {
		last = ts.do("GET", docURI, "", "Authorization", authorization(t, refusal, "alice", "wrong", "GET", docURI))
		if last.StatusCode != 401 {
			break
		}
	}
	if last.StatusCode != 429 || last.Header.Get("Retry-After") == "" {
		t.Fatalf("guessing goes on: %d", last.StatusCode)
	}
	right := ts.do("GET", docURI, "", "Authorization", authorization(t, refusal, "alice", password, "GET", docURI))
	if right.StatusCode != 429 {
		t.Errorf("a guesser sees the right password: %d", right.StatusCode)
	}
}

// panicking is a usage whose documents never come.
func panicking(c *Config) {
	c.Usages = append(c.Usages, &usage.Usage{
		AUID: "panic", MIMEType: "text/plain",
		Global: func(context.Context, usage.Env, store.DocumentKey) ([]byte, string, bool, error) { panic("boom") },
	})
}

func TestPanic(t *testing.T) {
	ts := newTestServer(t, panicking)
	expect(t, "panic", ts.get(root+"/panic/global/index"), 500, "")
	if n := ts.counted("rollcall_panics_total"); n != 1 {
		t.Errorf("%v panics", n)
	}
	if n := ts.counted("rollcall_http_requests_total"); n != 1 {
		t.Errorf("%v requests", n)
	}
}

// What Blink's command line tool does: brackets and quotes raw in the request
// line and in the uri parameter.
func TestRawTarget(t *testing.T) {
	ts := newTestServer(t, untrusted)
	expect(t, "PUT", ts.withDigest("alice", password, "PUT", docURI, sample), 201, "")
	target := docURI + `/~~/r/a[@k="1"]`
	first := ts.raw("GET " + target + " HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
	if first.StatusCode != 401 {
		t.Fatalf("%d", first.StatusCode)
	}
	cred := authorization(t, first, "alice", password, "GET", target)
	cred = strings.ReplaceAll(cred, `\"`, `"`) // unescaped, as the client has it
	second := ts.raw("GET " + target + " HTTP/1.1\r\nHost: h\r\nAuthorization: " + cred + "\r\nConnection: close\r\n\r\n")
	expect(t, "raw", second, 200, "")
	if second.body != `<a k="1"/>` {
		t.Errorf("body %q", second.body)
	}
}

// counted is the sum of a counter over its labels.
func (ts *testServer) counted(name string) (sum float64) {
	ts.t.Helper()
	families, err := ts.metrics.Registry.Gather()
	if err != nil {
		ts.t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			for _, m := range f.GetMetric() {
				sum += m.GetCounter().GetValue()
			}
		}
	}
	return sum
}

// raw sends bytes over a connection of their own.
func (ts *testServer) raw(request string) answer {
	ts.t.Helper()
	conn := ts.dial()
	if _, err := fmt.Fprint(conn, request); err != nil {
		ts.t.Fatal(err)
	}
	method, _, _ := strings.Cut(request, " ")
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		ts.t.Fatal(err)
	}
	defer resp.Body.Close()
	var b strings.Builder
	if _, err := bufio.NewReader(resp.Body).WriteTo(&b); err != nil {
		ts.t.Fatal(err)
	}
	return answer{resp, b.String()}
}

// dial opens a connection that lasts as long as the test, for a few seconds.
func (ts *testServer) dial() net.Conn {
	ts.t.Helper()
	conn, err := net.DialTimeout("tcp", ts.Listener.Addr().String(), 5*time.Second)
	if err != nil {
		ts.t.Fatal(err)
	}
	ts.t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	return conn
}
