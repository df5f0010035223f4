package xcap

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"rollcall/internal/auth"
	"rollcall/internal/bus"
	"rollcall/internal/httpauth"
	"rollcall/internal/metrics"
	"rollcall/internal/store"
	"rollcall/internal/store/memory"
	"rollcall/xcap/usage"
)

const (
	alice    = "sip:alice@example.test"
	bob      = "sip:bob@example.test"
	password = "wonderland"
	root     = "/xcap-root"
	docURI   = root + "/test-app/users/" + alice + "/index"
)

const assertedIdentity = httpauth.AssertedIdentity

// testServer is a server on a real socket whose client is believed to be who
// it says, so that tests need digest only where they are about it.
type testServer struct {
	*httptest.Server
	t       testing.TB
	store   store.Store
	metrics *metrics.Metrics

	mu     sync.Mutex
	events []bus.DocumentChanged
}

func newTestServer(t testing.TB, change ...func(*Config)) *testServer {
	return newTestServerOn(t, memory.New(), change...)
}

func newTestServerOn(t testing.TB, st store.Store, change ...func(*Config)) *testServer {
	t.Helper()
	ts := &testServer{t: t, store: st, metrics: metrics.New()}
	var users []store.User
	for _, aor := range []string{alice, bob} {
		u, err := auth.NewUser(aor, password)
		if err != nil {
			t.Fatal(err)
		}
		users = append(users, u)
	}
	if err := st.AddUsers(context.Background(), users, true); err != nil {
		t.Fatal(err)
	}
	cached := auth.NewUsers(st, time.Minute)
	events := &bus.Bus{}
	events.Subscribe(func(e bus.Event) {
		ts.mu.Lock()
		defer ts.mu.Unlock()
		ts.events = append(ts.events, e.(bus.DocumentChanged))
	})
	cfg := Config{
		Store: st, Users: cached, Auth: auth.New([]byte("0123456789abcdef0123456789abcdef"), cached), Bus: events,
		Roots: []string{root}, Domains: []string{"example.test", "other.test"},
		Usages:  usage.All(usage.Options{TestUsages: true, GlobalReaders: []string{bob}}),
		Trust:   []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
		Metrics: ts.metrics,
	}
	for _, f := range change {
		f(&cfg)
	}
	ts.Server = httptest.NewServer(New(cfg))
	ts.Client().Transport.(*http.Transport).DisableCompression = true
	t.Cleanup(ts.Close)
	return ts
}

func (ts *testServer) seen() []bus.DocumentChanged {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	return append([]bus.DocumentChanged(nil), ts.events...)
}

// answer is a response with its body read.
type answer struct {
	*http.Response
	body string
}

func (a answer) etag() string { return a.Header.Get("ETag") }

// conflict is the child of xcap-error, empty for other answers.
func (a answer) conflict() string {
	if a.Header.Get("Content-Type") != errorType {
		return ""
	}
	_, rest, _ := strings.Cut(a.body, `xcap-error"><`)
	return rest[:strings.IndexAny(rest, " >/")]
}

// do sends a request with the target exactly as given. Headers are pairs of
// name and value; without one about identity it comes from alice.
func (ts *testServer) do(method, target, body string, headers ...string) answer {
	ts.t.Helper()
	req, err := http.NewRequest(method, ts.URL, strings.NewReader(body))
	if err != nil {
		ts.t.Fatal(err)
	}
	req.URL.Opaque = target // net/url leaves it as it is
	req.Header.Set(assertedIdentity, alice)
	for i := 0; i < len(headers); i += 2 {
		if headers[i+1] == "" {
			req.Header.Del(headers[i])
			continue
		}
		req.Header.Add(headers[i], headers[i+1])
		if strings.EqualFold(headers[i], assertedIdentity) {
			req.Header.Set(headers[i], headers[i+1])
		}
	}
	resp, err := ts.Client().Do(req)
	if err != nil {
		ts.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		ts.t.Fatal(err)
	}
	if len(resp.TransferEncoding) > 0 || resp.StatusCode != http.StatusNotModified && resp.StatusCode != http.StatusNoContent && resp.Header.Get("Content-Length") == "" {
		ts.t.Errorf("%s %s: answer without Content-Length", method, target)
	}
	return answer{resp, string(b)}
}

func (ts *testServer) get(target string, headers ...string) answer {
	ts.t.Helper()
	return ts.do(http.MethodGet, target, "", headers...)
}

// put sends the content type that the target wants.
func (ts *testServer) put(target, body string, headers ...string) answer {
	ts.t.Helper()
	contentType := ""
	if _, node, ok := strings.Cut(target, "/~~/"); ok {
		contentType = elementType
		if i := strings.LastIndex(node, "/"); i >= 0 && strings.HasPrefix(node[i:], "/@") {
			contentType = attributeType
		}
	}
	return ts.do(http.MethodPut, target, body, append([]string{"Content-Type", contentType}, headers...)...)
}

func (ts *testServer) mustPut(target, body string, headers ...string) answer {
	ts.t.Helper()
	a := ts.put(target, body, headers...)
	if a.StatusCode != http.StatusCreated && a.StatusCode != http.StatusOK {
		ts.t.Fatalf("PUT %s: %d %s", target, a.StatusCode, a.body)
	}
	return a
}

// fresh stores the document, whatever was there before.
func (ts *testServer) fresh(body string) {
	ts.t.Helper()
	ts.do(http.MethodDelete, docURI, "")
	ts.mustPut(docURI, body)
}

// escape encodes what must not be raw in a URI that net/http sends.
func escape(selector string) string {
	return strings.NewReplacer("[", "%5b", "]", "%5D", `"`, "%22", " ", "%20").Replace(selector)
}

func node(selector string) string { return docURI + "/~~/" + escape(selector) }

func expect(t testing.TB, what string, a answer, status int, conflict string) {
	t.Helper()
	if a.StatusCode != status || a.conflict() != conflict {
		t.Errorf("%s: got %d %s %q, want %d %s", what, a.StatusCode, a.conflict(), a.body, status, conflict)
	}
}
