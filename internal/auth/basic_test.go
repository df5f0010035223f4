package auth

import (
	"context"
	"encoding/base64"
	"slices"
	"strings"
	"testing"

	"rollcall/internal/store"
)

func basic(text string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(text))
}

func TestBasic(t *testing.T) {
	a, s := setup(t)
	md5Only := store.User{AOR: "sip:old@" + realm, HA1MD5: HA1(MD5, "old", realm, "pw")}
	if err := s.AddUsers(context.Background(), []store.User{md5Only, {AOR: "sip:none@" + realm}}, false); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		rule, line string
		status     int
		aor        string
	}{
		{"right", basic("alice:wonder land"), 0, "sip:alice@" + realm},
		{"scheme in any case", "bAsIc  " + basic("alice:wonder land")[6:], 0, "sip:alice@" + realm},
		{"with domain", basic("alice@EXAMPLE.com:wonder land"), 0, "sip:alice@" + realm},
		{"the first colon ends the name", basic("sip:alice@example.com:wonder land"), 401, ""},
		{"not ASCII", basic("jürgen:ü"), 0, "sip:j%C3%BCrgen@" + realm},
		{"hash of MD5 only", basic("old:pw"), 0, "sip:old@" + realm},
		{"no hash at all", basic("none:"), 401, ""},
		{"wrong", basic("alice:wonder"), 401, ""},
		{"empty", basic("alice:"), 401, ""},
		{"hash instead of password", basic("alice:" + HA1(SHA256, "alice", realm, "wonder land")), 401, ""},
		{"another domain", basic("alice@example.net:wonder land"), 401, ""},
		{"unknown", basic("carol:wonder land"), 401, ""},
		{"decoy", basic("decoy:0123456789abcdef0123456789abcdef"), 401, ""},
		{"long name", basic(strings.Repeat("a", 200) + ":x"), 401, ""},
		{"no colon", basic("alice"), 400, ""},
		{"control character", basic("alice:wonder\x00land"), 400, ""},
		{"not UTF-8", basic("alice:\xff"), 400, ""},
		{"not base64", "Basic *", 400, ""},
		{"nothing", "Basic", 400, ""},
		{"huge", basic("alice:" + strings.Repeat("x", 20<<10)), 400, ""},
	} {
		r := Request{Method: "GET", URI: "/", Authorization: []string{c.line}, Realm: realm, Basic: true}
		res := a.Check(context.Background(), r)
		if res.Status != c.status || res.AOR != c.aor || res.OK != (c.status == 0) {
			t.Errorf("%s: %+v", c.rule, res)
		}
		if c.status == 401 && (len(res.Challenges) != 3 || !strings.HasPrefix(res.Challenges[2], `Basic realm="example.com"`)) {
			t.Errorf("%s: challenges %q", c.rule, res.Challenges)
		}
		r.Basic = false
		res = a.Check(context.Background(), r)
		if res.Status != 401 || slices.ContainsFunc(res.Challenges, func(c string) bool { return strings.HasPrefix(c, "Basic") }) {
			t.Errorf("%s, not allowed: %+v", c.rule, res)
		}
	}
	// Digest goes on working where Basic is allowed.
	r := Request{Method: "GET", URI: "/", Realm: realm, Basic: true}
	r.Authorization = []string{answer(t, a.Check(context.Background(), r).Challenges[0], "GET", "/", "alice", "wonder land", 1)}
	if res := a.Check(context.Background(), r); !res.OK {
		t.Errorf("digest: %+v", res)
	}
}

func FuzzBasic(f *testing.F) {
	f.Add(basic("alice:wonder land")[6:])
	f.Add("====")
	f.Fuzz(func(t *testing.T, value string) {
		if name, _, ok := parseBasic(value); ok && strings.ContainsAny(name, ":\x00\r\n") {
			t.Errorf("name %q", name)
		}
	})
}
