package xcap

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
)

// Basic only where it is enabled, and only over TLS: with us, or with a front
// end that is trusted.
func TestBasicOverTLSOnly(t *testing.T) {
	basic := func(c *Config) { c.Basic = true }
	strange := func(c *Config) { c.Trust = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")} }
	for _, c := range []struct {
		rule   string
		change []func(*Config)
		tls    bool
		proto  string
		want   bool
	}{
		{"over TLS", []func(*Config){basic, untrusted}, true, "", true},
		{"not enabled", []func(*Config){untrusted}, true, "", false},
		{"in the clear", []func(*Config){basic, untrusted}, false, "", false},
		{"front end with TLS", []func(*Config){basic}, false, "https", true},
		{"front end without TLS", []func(*Config){basic}, false, "http", false},
		{"stranger who says so", []func(*Config){basic, strange}, false, "https", false},
	} {
		ts := newTestServer(t, c.change...)
		server := ts.Server
		if c.tls {
			server = httptest.NewTLSServer(ts.Config.Handler)
			defer server.Close()
		}
		do := func(password string) *http.Response {
			t.Helper()
			req, err := http.NewRequest("GET", server.URL+docURI, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.SetBasicAuth("alice", password)
			if c.proto != "" {
				req.Header.Set("X-Forwarded-Proto", c.proto)
			}
			resp, err := server.Client().Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			_, _ = io.Copy(io.Discard, resp.Body)
			return resp
		}
		want := 401
		if c.want {
			want = 404 // there is no document, but that is told to its owner only
		}
		if resp := do(password); resp.StatusCode != want {
			t.Errorf("%s: %d", c.rule, resp.StatusCode)
		}
		challenges := do("wrong").Header.Values("WWW-Authenticate")
		if len(challenges) < 2 || !strings.HasPrefix(challenges[0], "Digest ") {
			t.Fatalf("%s: %q", c.rule, challenges)
		}
		if offered := strings.HasPrefix(challenges[len(challenges)-1], "Basic "); offered != c.want {
			t.Errorf("%s: %q", c.rule, challenges)
		}
	}
}
