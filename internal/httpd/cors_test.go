package httpd

import (
	"testing"
)

// The CORS protocol of the Fetch standard, §3.2.
func TestCORS(t *testing.T) {
	const mine, other = "https://mail.example.test", "https://evil.example"
	listed, all, both := start(t, Config{Origins: []string{mine}}), start(t, Config{Origins: []string{"*"}}), start(t, Config{Origins: []string{mine, "*"}})
	none := start(t, Config{})
	for _, c := range []struct {
		rule, origin        string
		r                   *rig
		allowed, credential string
	}{
		{"listed", mine, listed, mine, "true"},
		{"not listed", other, listed, "", ""},
		{"sandboxed page", "null", listed, "", ""},
		{"prefix of the origin", mine + ".evil.example", listed, "", ""},
		{"no origin", "", listed, "", ""},
		{"anyone", other, all, "*", ""},
		{"listed among anyone", mine, both, mine, "true"},
		{"switched off", mine, none, "", ""},
	} {
		resp, text := c.r.do("GET", "http://"+c.r.plain+"/x", "Origin", c.origin)
		h := resp.Header
		if h.Get("Access-Control-Allow-Origin") != c.allowed || h.Get("Access-Control-Allow-Credentials") != c.credential {
			t.Errorf("%s: %v", c.rule, h)
		}
		if (c.allowed != "") != (h.Get("Access-Control-Expose-Headers") != "") {
			t.Errorf("%s: exposed %q", c.rule, h.Get("Access-Control-Expose-Headers"))
		}
		if (h.Get("Vary") == "Origin") != (c.r != none) {
			t.Errorf("%s: Vary %q", c.rule, h.Get("Vary"))
		}
		if text == "" {
			t.Errorf("%s: no answer", c.rule)
		}
		resp, text = c.r.do("OPTIONS", "http://"+c.r.plain+"/x", "Origin", c.origin, "Access-Control-Request-Method", "PUT")
		if preflight := resp.StatusCode == 204 && text == ""; preflight != (c.allowed != "") {
			t.Errorf("%s: preflight %d", c.rule, resp.StatusCode)
		}
		if c.allowed != "" && (resp.Header.Get("Access-Control-Allow-Methods") != corsMethods || resp.Header.Get("Access-Control-Allow-Headers") != corsHeaders) {
			t.Errorf("%s: preflight %v", c.rule, resp.Header)
		}
	}
	if resp, text := listed.do("OPTIONS", "http://"+listed.plain+"/x", "Origin", mine); resp.StatusCode != 200 || text == "" {
		t.Error("an OPTIONS request that is no preflight is not for the handler")
	}
}
