package main

import (
	"crypto/rand"
	"strings"
	"testing"

	"github.com/icholy/digest"
)

// Digest over a socket: RFC 3261 §22, RFC 7616, RFC 8760.
func TestDigest(t *testing.T) {
	s := start(t, []string{"--data", t.TempDir(), "--domain", domain})
	for _, network := range []string{"udp", "tcp"} {
		alice := dialSIP(t, network, s.sip, "alice", password("alice"))
		query := request{method: "REGISTER", uri: "sip:" + domain, to: alice.aor(), from: alice.aor(), callID: rand.Text()}
		challenges := func() (list []*digest.Challenge) {
			t.Helper()
			alice.send(query)
			for _, v := range alice.answer().header.Values("Www-Authenticate") {
				c, err := digest.ParseChallenge(v)
				if err != nil {
					t.Fatal(err)
				}
				list = append(list, c)
			}
			return list
		}
		var names []string
		for _, c := range challenges() {
			names = append(names, c.Algorithm)
			if strings.Join(c.QOP, ",") != "auth" || c.Realm != domain {
				t.Errorf("%s: challenge %s", network, c)
			}
		}
		if got := strings.Join(names, " "); got != "SHA-256 SHA-512-256 MD5" {
			t.Errorf("%s: offered %s", network, got)
		}
		const sha256, sha512, md5 = 0, 1, 2
		for _, tc := range []struct {
			name      string
			challenge int
			change    func(*digest.Challenge, *digest.Credentials)
			password  string
			count     int // nonce count; 0: once, with 1
			repeat    bool
			want      int
			stale     bool
		}{
			{name: "SHA-256", challenge: sha256, want: 200},
			{name: "SHA-512-256", challenge: sha512, want: 200},
			{name: "MD5 with all offered", challenge: md5, want: 200},
			{name: "the same nonce count again", challenge: sha256, repeat: true, want: 401, stale: true},
			{name: "counts out of order", challenge: sha256, count: 7, want: 200},
			{name: "wrong password", challenge: sha256, password: "guess", want: 401},
			{name: "nonce not ours, right password", challenge: sha256, want: 401, stale: true,
				change: func(c *digest.Challenge, _ *digest.Credentials) { c.Nonce = "made up" }},
			{name: "nonce not ours, wrong password", challenge: sha512, password: "guess", want: 401,
				change: func(c *digest.Challenge, _ *digest.Credentials) { c.Nonce = "made up" }},
			{name: "no qop, RFC 2069", challenge: md5, want: 401,
				change: func(c *digest.Challenge, _ *digest.Credentials) { c.QOP = nil }},
			{name: "another algorithm than that of the response", challenge: md5, want: 401,
				change: func(_ *digest.Challenge, a *digest.Credentials) {
					if a != nil {
						a.Algorithm = "SHA-256"
					}
				}},
			{name: "auth-int", challenge: sha256, want: 401,
				change: func(_ *digest.Challenge, a *digest.Credentials) {
					if a != nil {
						a.QOP = "auth-int"
					}
				}},
			{name: "malformed count", challenge: sha256, want: 400,
				change: func(_ *digest.Challenge, a *digest.Credentials) {
					if a != nil {
						a.Nc = -1
					}
				}},
		} {
			c := challenges()[tc.challenge]
			if tc.change != nil {
				tc.change(c, nil)
			}
			options := digest.Options{Method: query.method, URI: query.uri, Username: "alice", Password: password("alice"), Count: max(tc.count, 1)}
			if tc.password != "" {
				options.Password = tc.password
			}
			cred, err := digest.Digest(c, options)
			if err != nil {
				t.Fatal(err)
			}
			if tc.change != nil {
				tc.change(c, cred)
			}
			line := "Authorization: " + cred.String()
			alice.send(query, line)
			m := alice.answer()
			if tc.repeat {
				alice.send(query, line)
				m = alice.answer()
			}
			offered := m.header.Values("Www-Authenticate")
			stale := len(offered) > 0 && strings.Contains(offered[0], "stale=true")
			if m.status() != tc.want || stale != tc.stale || (tc.want == 401) != (len(offered) == 3) || strings.Contains(m.String(), "auth-int") {
				t.Errorf("%s, %s: want %d, got\n%s", network, tc.name, tc.want, m)
			}
		}
		// RFC 3325 §5: what a client asserts about itself is worth nothing.
		asserted := query
		asserted.lines, asserted.bare = []string{"P-Asserted-Identity: <" + alice.aor() + ">"}, true
		alice.want(401, asserted)
	}
}
