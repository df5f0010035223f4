package auth

import (
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/icholy/digest"

	"rollcall/internal/store"
	"rollcall/internal/store/memory"
)

const realm = "example.com"

func setup(t testing.TB) (*Authenticator, *memory.Store) {
	t.Helper()
	s := memory.New()
	for name, password := range map[string]string{"alice": "wonder land", "bob": "b", "j%C3%BCrgen": "ü"} {
		u, err := NewUser("sip:"+name+"@"+realm, password)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.AddUsers(context.Background(), []store.User{u}, false); err != nil {
			t.Fatal(err)
		}
	}
	return New([]byte("0123456789abcdef0123456789abcdef"), NewUsers(s, 2*time.Second)), s
}

// answer makes an Authorization value for a challenge, by another implementation.
func answer(t testing.TB, challenge, method, uri, user, password string, count int) string {
	t.Helper()
	c, err := digest.ParseChallenge(challenge)
	if err != nil {
		t.Fatalf("challenge %q: %v", challenge, err)
	}
	cred, err := digest.Digest(c, digest.Options{Method: method, URI: uri, Username: user, Password: password, Count: count, Cnonce: "0a4f113b"})
	if err != nil {
		t.Fatal(err)
	}
	return cred.String()
}

func subscribe(lines ...string) Request {
	return Request{Method: "SUBSCRIBE", URI: "sip:bob@example.com", Authorization: lines, Realm: realm, Order: SHA256First}
}

func TestChallenges(t *testing.T) {
	a, _ := setup(t)
	for _, test := range []struct {
		name  string
		order Order
		want  []Algorithm
	}{
		{"RFC 8760 §2.3: the most preferred first", SHA256First, []Algorithm{SHA256, SHA512256, MD5}},
		{"clients that fail on SHA-512-256", SHA256AndMD5, []Algorithm{SHA256, MD5}},
		{"HTTP: MD5 first", MD5First, []Algorithm{MD5, SHA256}},
		{"clients that fail on a second algorithm", MD5Only, []Algorithm{MD5}},
	} {
		res := a.Check(context.Background(), Request{Method: "GET", Realm: realm, Order: test.order})
		if res.Status != 401 || res.OK || res.Stale || len(res.Challenges) != len(test.want) {
			t.Fatalf("%s: %+v", test.name, res)
		}
		for i, alg := range test.want {
			text := res.Challenges[i]
			c, err := digest.ParseChallenge(text)
			if err != nil {
				t.Fatal(err)
			}
			if c.Algorithm != string(alg) || c.Realm != realm || strings.Join(c.QOP, ",") != "auth" || c.Nonce == "" {
				t.Errorf("%s: challenge %d is %s", test.name, i, text)
			}
			// RFC 7616 §3.3: what is quoted and what is not.
			for _, part := range []string{`realm="example.com"`, `qop="auth"`, "algorithm=" + string(alg), `nonce="`} {
				if !strings.Contains(text, part) {
					t.Errorf("%s: no %s in %s", test.name, part, text)
				}
			}
		}
	}
}

func TestRightAndReplayed(t *testing.T) {
	a, _ := setup(t)
	ctx := context.Background()
	for i, alg := range []Algorithm{SHA256, SHA512256, MD5} {
		challenge := a.Challenges(realm, SHA256First, false)[i]
		line := answer(t, challenge, "SUBSCRIBE", "sip:bob@example.com", "alice", "wonder land", 1)
		if res := a.Check(ctx, subscribe(line)); !res.OK || res.Status != 0 || res.AOR != "sip:alice@example.com" {
			t.Errorf("%s: %+v", alg, res)
		}
		res := a.Check(ctx, subscribe(line))
		if res.OK || res.Status != 401 || !res.Stale || !strings.Contains(res.Challenges[0], "stale=true") || res.Attempt != "" {
			t.Errorf("%s: a replay must be refused as stale: %+v", alg, res)
		}
		line = answer(t, challenge, "SUBSCRIBE", "sip:bob@example.com", "alice", "wonder land", 2)
		if res := a.Check(ctx, subscribe(line)); !res.OK {
			t.Errorf("%s: next count: %+v", alg, res)
		}
	}
}

// RFC 2069: no qop, no cnonce; what some clients send beside it does not count.
// Only where the caller lets it, and then again and again.
func TestWithoutQop(t *testing.T) {
	a, _ := setup(t)
	challenge, err := digest.ParseChallenge(a.Challenges(realm, SHA256First, false)[1])
	if err != nil {
		t.Fatal(err)
	}
	line := func(password, rest string) string {
		ha1, ha2 := HA1(MD5, "alice", realm, password), fmt.Sprintf("%x", md5.Sum([]byte("SUBSCRIBE:sip:bob@example.com")))
		response := md5.Sum([]byte(ha1 + ":" + challenge.Nonce + ":" + ha2))
		return fmt.Sprintf(`Digest username="alice", realm="%s", nonce="%s", uri="sip:bob@example.com", nc="00000001", response="%x"%s`,
			realm, challenge.Nonce, response, rest)
	}
	for range 2 {
		r := subscribe(line("wonder land", ""))
		if res := a.Check(context.Background(), r); res.OK || res.Status != 401 {
			t.Errorf("not asked for: %+v", res)
		}
		r.WithoutQop = true
		if res := a.Check(context.Background(), r); !res.OK || res.AOR != "sip:alice@example.com" {
			t.Errorf("asked for: %+v", res)
		}
	}
	for name, wrong := range map[string]string{"password": line("guess", ""), "algorithm": line("wonder land", ", algorithm=SHA-256")} {
		r := subscribe(wrong)
		r.WithoutQop = true
		if res := a.Check(context.Background(), r); res.OK || res.Status != 401 {
			t.Errorf("wrong %s: %+v", name, res)
		}
	}
}

func TestEscapedUserName(t *testing.T) {
	a, _ := setup(t)
	line := answer(t, a.Challenges(realm, SHA256First, false)[0], "SUBSCRIBE", "sip:x", "jürgen", "ü", 1)
	if res := a.Check(context.Background(), subscribe(line)); res.AOR != "sip:j%C3%BCrgen@example.com" {
		t.Errorf("%+v", res)
	}
}

// A client that is refused must not learn whether the user exists.
func TestRefused(t *testing.T) {
	a, _ := setup(t)
	good := func() string {
		return answer(t, a.Challenges(realm, SHA256First, false)[0], "SUBSCRIBE", "sip:bob@example.com", "alice", "wonder land", 1)
	}
	as := func(user, password string) string {
		return answer(t, a.Challenges(realm, SHA256First, false)[0], "SUBSCRIBE", "sip:bob@example.com", user, password, 1)
	}
	replace := func(old, with string) string {
		s := strings.Replace(good(), old, with, 1)
		if s == good() {
			t.Fatalf("%s is not in %s", old, s)
		}
		return s
	}
	for _, test := range []struct {
		name   string
		lines  []string
		status int
		tried  string
	}{
		{"no credentials", nil, 401, ""},
		{"wrong password", []string{as("alice", "wonderland")}, 401, "sip:alice@example.com"},
		{"unknown user", []string{as("mallory", "x")}, 401, "sip:mallory@example.com"},
		{"user name with domain", []string{as("alice@example.com", "wonder land")}, 401, "sip:alice%40example.com@example.com"},
		{"user name as URI", []string{as("sip:alice@example.com", "wonder land")}, 401, "sip:sip%3Aalice%40example.com@example.com"},
		{"empty user name", []string{as("", "")}, 401, "sip:@example.com"},
		{"very long user name", []string{as(strings.Repeat("a", 4000), "")}, 401, ""},
		{"wrong realm", []string{replace(`realm="example.com"`, `realm="example.org"`)}, 401, ""},
		{"Basic", []string{"Basic YWxpY2U6d29uZGVyIGxhbmQ="}, 401, ""},
		{"unknown scheme, RFC 4475 §3.3.7", []string{`NoOneKnowsThisScheme opaque-data=here`}, 401, ""},
		{"unknown algorithm", []string{replace("SHA-256", "SHA-512")}, 401, ""},
		{"session algorithm, not offered", []string{replace("SHA-256", "SHA-256-sess")}, 401, ""},
		{"qop missing, RFC 2069", []string{replace("qop=auth,", "")}, 401, ""},
		{"qop not offered", []string{replace("qop=auth,", "qop=auth-int,")}, 401, ""},
		{"nonce of someone else", []string{answer(t, `Digest realm="example.com", nonce="xyz", qop="auth", algorithm=MD5`, "SUBSCRIBE", "sip:x", "alice", "bad", 1)}, 401, "sip:alice@example.com"},
		{"no nc", []string{replace("nc=00000001,", "")}, 400, ""},
		{"nc of seven digits", []string{replace("nc=00000001", "nc=0000001")}, 400, ""},
		{"nc zero", []string{replace("nc=00000001", "nc=00000000")}, 400, ""},
		{"no cnonce", []string{replace(`cnonce="0a4f113b",`, "")}, 400, ""},
		{"no uri", []string{replace(`uri="sip:bob@example.com",`, "")}, 400, ""},
		{"no user name", []string{replace(`username="alice",`, "")}, 400, ""},
		{"parameter twice", []string{good() + `, realm="example.com"`}, 400, ""},
		{"nothing", []string{"Digest"}, 400, ""},
		{"open quote", []string{`Digest username="alice`}, 400, ""},
		{"not parameters", []string{`Digest alice:secret`}, 400, ""},
		{"too long", []string{good() + `, x="` + strings.Repeat("y", maxCredentials) + `"`}, 400, ""},
	} {
		res := a.Check(context.Background(), subscribe(test.lines...))
		if res.OK || res.AOR != "" || res.Status != test.status || res.Stale || res.Attempt != test.tried || res.Reason == "" {
			t.Errorf("%s: %+v", test.name, res)
		}
		if (res.Status == 401) != (len(res.Challenges) == 3) {
			t.Errorf("%s: every 401, and only that, carries challenges: %v", test.name, res.Challenges)
		}
	}
}

// An account without a hash for an algorithm cannot be entered with it, not even
// with a response computed from nothing.
func TestMissingHash(t *testing.T) {
	for _, test := range []struct {
		alg  Algorithm
		lose func(*store.User)
	}{
		{MD5, func(u *store.User) { u.HA1MD5 = "" }},
		{SHA256, func(u *store.User) { u.HA1SHA256 = "" }},
		{SHA512256, func(u *store.User) { u.HA1SHA512 = "" }},
	} {
		a, s := setup(t)
		ctx := context.Background()
		user, _ := NewUser("sip:alice@example.com", "wonder land")
		test.lose(&user)
		if err := s.SetUser(ctx, user); err != nil {
			t.Fatal(err)
		}
		for i, alg := range []Algorithm{SHA256, SHA512256, MD5} {
			challenge := a.Challenges(realm, SHA256First, false)[i]
			line := answer(t, challenge, "SUBSCRIBE", "sip:x", "alice", "wonder land", 1)
			if res := a.Check(ctx, subscribe(line)); res.OK != (alg != test.alg) {
				t.Errorf("without %s, credentials with %s: %+v", test.alg, alg, res)
			}
			c, err := parseCredentials(line)
			if err != nil {
				t.Fatal(err)
			}
			empty := string(c.expect(nil, a.room, alg, store.User{}, "SUBSCRIBE"))
			forged := strings.Replace(strings.Replace(line, c.response, empty, 1), "nc=00000001", "nc=00000002", 1)
			c.nc = "00000002"
			forged = strings.Replace(forged, empty, string(c.expect(nil, a.room, alg, store.User{}, "SUBSCRIBE")), 1)
			if res := a.Check(ctx, subscribe(forged)); res.OK || res.Status != 401 {
				t.Errorf("without %s, forged with %s: %+v", test.alg, alg, res)
			}
		}
	}
}

// A client that answered the first challenge of an account that has a hash for
// MD5 only is asked again, for that.
func TestMD5Account(t *testing.T) {
	a, s := setup(t)
	user, _ := NewUser("sip:alice@example.com", "wonder land")
	user.HA1SHA256, user.HA1SHA512 = "", ""
	if err := s.SetUser(t.Context(), user); err != nil {
		t.Fatal(err)
	}
	for _, password := range []string{"wonder land", "wrong"} {
		first := a.Check(t.Context(), subscribe())
		res := a.Check(t.Context(), subscribe(answer(t, first.Challenges[0], "SUBSCRIBE", "sip:x", "alice", password, 1)))
		if res.OK || res.Status != 401 || !res.Stale || len(res.Challenges) != 1 || !strings.Contains(res.Challenges[0], "algorithm=MD5") || res.Attempt != "" {
			t.Fatalf("credentials with SHA-256: %+v", res)
		}
		res = a.Check(t.Context(), subscribe(answer(t, res.Challenges[0], "SUBSCRIBE", "sip:x", "alice", password, 1)))
		if right := password != "wrong"; res.OK != right || (res.Attempt == "") != right {
			t.Errorf("credentials with MD5, password %q: %+v", password, res)
		}
	}
}

// RFC 3261 §22.1: the line of our realm is picked among several.
func TestSeveralLines(t *testing.T) {
	a, _ := setup(t)
	ours := answer(t, a.Challenges(realm, SHA256First, false)[2], "SUBSCRIBE", "sip:x", "alice", "wonder land", 1)
	foreign := answer(t, `Digest realm="example.org", nonce="n", qop="auth"`, "SUBSCRIBE", "sip:x", "alice", "p", 1)
	res := a.Check(context.Background(), subscribe("Basic abc", foreign, "Digest broken", ours))
	if !res.OK {
		t.Errorf("%+v", res)
	}
}

// RFC 7616 §3.3: stale says that the password was right and the nonce was not.
func TestStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, s := setup(t)
		ctx := context.Background()
		challenge := a.Challenges(realm, SHA256First, false)[0]
		right := answer(t, challenge, "SUBSCRIBE", "sip:x", "alice", "wonder land", 1)
		wrong := answer(t, challenge, "SUBSCRIBE", "sip:x", "alice", "guess", 1)
		time.Sleep(nonceLifetime - time.Second)
		if res := a.Check(ctx, subscribe(right)); !res.OK {
			t.Errorf("a nonce within its lifetime: %+v", res)
		}
		time.Sleep(time.Second)
		if res := a.Check(ctx, subscribe(right)); !res.Stale || res.Status != 401 {
			t.Errorf("expired nonce, right password: %+v", res)
		}
		if res := a.Check(ctx, subscribe(wrong)); res.Stale || res.Status != 401 {
			t.Errorf("expired nonce, wrong password: %+v", res)
		}
		foreign := `Digest realm="example.com", nonce="made up", qop="auth", algorithm=MD5`
		if res := a.Check(ctx, subscribe(answer(t, foreign, "SUBSCRIBE", "sip:x", "alice", "wonder land", 1))); !res.Stale {
			t.Errorf("unknown nonce, right password: %+v", res)
		}
		// Signed by the same secret on another node or before a restart: as good.
		other := New([]byte("0123456789abcdef0123456789abcdef"), NewUsers(s, time.Second))
		line := answer(t, other.Challenges(realm, SHA256First, false)[0], "SUBSCRIBE", "sip:x", "alice", "wonder land", 1)
		if res := a.Check(ctx, subscribe(line)); !res.OK {
			t.Errorf("nonce of another node: %+v", res)
		}
		// A nonce is good for its realm only.
		elsewhere := strings.Replace(a.Challenges("example.org", SHA256First, false)[0], "example.org", realm, 1)
		if res := a.Check(ctx, subscribe(answer(t, elsewhere, "SUBSCRIBE", "sip:x", "alice", "wonder land", 1))); !res.Stale {
			t.Errorf("nonce of another realm: %+v", res)
		}
	})
}

// RFC 7616 §3.4.6: over HTTP the uri parameter is the request target.
func TestMatchURI(t *testing.T) {
	const selector = `/xcap-root/resource-lists/users/sip:alice@example.com/index/~~/resource-lists/list[@name="a, b"]/entry[@uri="sip:x@y"]`
	for _, test := range []struct {
		target, uri string
		status      int
	}{
		{"/xcap-root/a", "/xcap-root/a", 0},
		{"/xcap-root/a", "/xcap-root/b", 400},
		{"/xcap-root/a?x=1", "/xcap-root/a", 400},
		{"/xcap-root/a", "http://host:8080/xcap-root/a", 0},
		{"/xcap-root/a", "http://host:8080/xcap-root/b", 400},
		{"/xcap-root/a", "http:///xcap-root/a", 400},
		{selector, selector, 0},
	} {
		a, _ := setup(t)
		line := answer(t, a.Challenges(realm, MD5First, false)[0], http.MethodGet, test.uri, "alice", "wonder land", 1)
		for _, form := range []string{line, strings.ReplaceAll(line, `\"`, `"`)} {
			res := a.Check(context.Background(), Request{Method: http.MethodGet, URI: test.target,
				Authorization: []string{form}, Realm: realm, MatchURI: true})
			if res.Status != test.status && !res.Stale { // the second form is a replay
				t.Errorf("target %s, uri %s: %+v", test.target, test.uri, res)
			}
		}
	}
}

// Clients leave the quotes of a node selector in the uri as they are.
func TestUnescapedQuotes(t *testing.T) {
	a, _ := setup(t)
	const target = `/xcap-root/x/~~/resource-lists/list[@name="l"]/entry[@uri="sip:x@y"]`
	line := answer(t, a.Challenges(realm, MD5First, false)[0], "GET", strings.ReplaceAll(target, `"`, "QUOTE"), "alice", "wonder land", 1)
	c, err := parseCredentials(line)
	if err != nil {
		t.Fatal(err)
	}
	c.uri = target
	user, _ := NewUser("sip:alice@example.com", "wonder land")
	response := string(c.expect(nil, a.room, MD5, user, "GET"))
	line = strings.Replace(strings.ReplaceAll(line, "QUOTE", `"`), c.response, response, 1)
	res := a.Check(context.Background(), Request{Method: "GET", URI: target, Authorization: []string{line}, Realm: realm, MatchURI: true})
	if !res.OK {
		t.Errorf("%s: %+v", line, res)
	}
}

func TestStoreAway(t *testing.T) {
	a, s := setup(t)
	s.Fail(store.ErrUnavailable)
	line := answer(t, a.Challenges(realm, SHA256First, false)[0], "SUBSCRIBE", "sip:x", "alice", "wonder land", 1)
	if res := a.Check(context.Background(), subscribe(line)); res.Status != 503 || res.OK {
		t.Errorf("%+v", res)
	}
}

func TestNewUser(t *testing.T) {
	u, err := NewUser("sip:alice@example.com", "secret")
	if err != nil || u.HA1MD5 != HA1(MD5, "alice", "example.com", "secret") || u.HA1SHA256 != HA1(SHA256, "alice", "example.com", "secret") ||
		u.HA1SHA512 != HA1(SHA512256, "alice", "example.com", "secret") {
		t.Errorf("%+v, %v", u, err)
	}
	// RFC 7616 §3.9.1: the first part of the example.
	if got := HA1(MD5, "Mufasa", "http-auth@example.org", "Circle of Life"); got != "3d78807defe7de2157e2b0b6573a855f" {
		t.Errorf("HA1 MD5 %s", got)
	}
	for _, aor := range []string{"", "alice", "sip:alice", "sip:@example.com", "sip:alice@", "sips:a@b", "sip:a%3Ab@c", "sip:%zz@c"} {
		if _, err := NewUser(aor, "x"); err == nil {
			t.Errorf("%q was accepted", aor)
		}
	}
	if _, err := NewUser("sip:alice@example.com", ""); err == nil {
		t.Error("an empty password was accepted")
	}
}

// RFC 7616 §3.9.1: the worked example, both algorithms.
func TestExampleOfRFC7616(t *testing.T) {
	for alg, want := range map[Algorithm]string{
		MD5:    "8ca523f5e9506fed4657c9700eebdbec",
		SHA256: "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
	} {
		user := store.User{HA1MD5: HA1(MD5, "Mufasa", "http-auth@example.org", "Circle of Life"),
			HA1SHA256: HA1(SHA256, "Mufasa", "http-auth@example.org", "Circle of Life")}
		c, err := parseCredentials(`Digest username="Mufasa", realm="http-auth@example.org", uri="/dir/index.html", algorithm=` + string(alg) +
			`, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", nc=00000001, cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",` +
			` qop=auth, response="` + want + `", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"`)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(c.expect(nil, newScratch(), alg, user, "GET")); got != want || c.response != want {
			t.Errorf("%s: %s, want %s", alg, got, want)
		}
	}
}

type failing struct{ store.Users }

func (failing) User(context.Context, string) (store.User, error) {
	return store.User{}, errors.New("must not be asked")
}

func TestUsers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		s := memory.New()
		users := NewUsers(s, 2*time.Second)
		const aor = "sip:carol@example.com"
		if _, err := users.Get(ctx, aor); !errors.Is(err, store.ErrNotFound) {
			t.Error(err)
		}
		carol, _ := NewUser(aor, "1")
		if err := s.AddUsers(ctx, []store.User{carol}, false); err != nil {
			t.Fatal(err)
		}
		if _, err := users.Get(ctx, aor); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("absence is not remembered: %v", err)
		}
		users.Forget(aor)
		if u, err := users.Get(ctx, aor); err != nil || u.AOR != aor {
			t.Errorf("after Forget: %v", err)
		}
		carol.DisplayName = "Carol"
		_ = s.SetUser(ctx, carol)
		time.Sleep(2 * time.Second)
		if u, _ := users.Get(ctx, aor); u.DisplayName != "Carol" {
			t.Error("not looked up again after its time")
		}
		s.Fail(store.ErrUnavailable)
		if _, err := users.Get(ctx, aor); err != nil {
			t.Errorf("what is remembered does not need the store: %v", err)
		}
		time.Sleep(2 * time.Second)
		if u, err := users.Get(ctx, aor); err != nil || u.DisplayName != "Carol" {
			t.Errorf("store away, who was there lately: %v", err)
		}
		if _, err := users.Get(ctx, "sip:dave@example.com"); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("store away, never heard of: %v", err)
		}
		s.Fail(nil)
		time.Sleep(probeEvery)
		if _, err := users.Get(ctx, "sip:dave@example.com"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("store back: %v", err)
		}
		s.Fail(store.ErrUnavailable)
		time.Sleep(2*staleFor + time.Second)
		if _, err := users.Get(ctx, aor); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("store away for long: %v", err)
		}
		strange := NewUsers(failing{}, time.Second)
		for _, aor := range []string{"sip:a\x00@b", "\xff", strings.Repeat("a", maxAOR+1)} {
			if _, err := strange.Get(ctx, aor); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%.10q: %v", aor, err)
			}
		}
	})
}

// racing forgets a user while its row is on the way from the store.
type racing struct {
	store.Users
	users *Users
}

func (r *racing) User(_ context.Context, aor string) (store.User, error) {
	r.users.Forget(aor)
	return store.User{AOR: aor, HA1MD5: "old"}, nil
}

func TestForgetWhileLoading(t *testing.T) {
	r := &racing{}
	r.users = NewUsers(r, time.Hour)
	_, _ = r.users.Get(context.Background(), "sip:a@b")
	s := r.users.shard("sip:a@b")
	if s.entries.Len() != 0 {
		t.Error("a row that was read before Forget was remembered")
	}
}

func BenchmarkCheck(b *testing.B) {
	for i, alg := range []Algorithm{SHA256, SHA512256, MD5} {
		b.Run(string(alg), func(b *testing.B) {
			a, _ := setup(b)
			ctx := context.Background()
			challenge := a.Challenges(realm, SHA256First, false)[i]
			c, err := parseCredentials(answer(b, challenge, "PUBLISH", "sip:alice@example.com", "alice", "wonder land", 1))
			if err != nil {
				b.Fatal(err)
			}
			user, _ := NewUser("sip:alice@example.com", "wonder land")
			lines := make([]string, 1024)
			next := func(base int) {
				for j := range lines {
					c.nc = fmt.Sprintf("%08x", base+j+1)
					response := c.expect(nil, a.room, alg, user, "PUBLISH")
					lines[j] = fmt.Sprintf(`Digest username="alice", realm="example.com", nonce="%s", uri="sip:alice@example.com", algorithm=%s, cnonce="%s", qop=auth, nc=%s, response="%s"`,
						c.nonce, alg, c.cnonce, c.nc, response)
				}
			}
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				if n%len(lines) == 0 {
					b.StopTimer()
					next(n)
					b.StartTimer()
				}
				res := a.Check(ctx, Request{Method: "PUBLISH", Authorization: lines[n%len(lines) : n%len(lines)+1], Realm: realm})
				if !res.OK {
					b.Fatal(res)
				}
			}
		})
	}
}

func BenchmarkChallenge(b *testing.B) {
	a, _ := setup(b)
	b.ReportAllocs()
	for b.Loop() {
		a.Check(context.Background(), Request{Method: "PUBLISH", Realm: realm})
	}
}
