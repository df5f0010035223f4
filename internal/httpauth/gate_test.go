package httpauth

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/icholy/digest"

	"rollcall/internal/auth"
	"rollcall/internal/metrics"
	"rollcall/internal/store"
	"rollcall/internal/store/memory"
)

const alice = "sip:alice@example.org"

func newGate(t *testing.T) (*Gate, *memory.Store) {
	t.Helper()
	st := memory.New()
	u, err := auth.NewUser(alice, "secret")
	if err != nil {
		t.Fatal(err)
	}
	if err := st.AddUsers(t.Context(), []store.User{u}, false); err != nil {
		t.Fatal(err)
	}
	return &Gate{
		Auth: auth.New([]byte("0123456789abcdef0123456789abcdef"), auth.NewUsers(st, time.Second)), Throttle: auth.NewThrottle(),
		Metrics: metrics.New(), Domains: []string{"example.net", "example.org"}, Trust: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
	}, st
}

func request(peer string, headers ...string) *http.Request {
	r := httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/events", nil)
	r.RemoteAddr, r.Host = peer+":5000", "xcap.example.org:8080"
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return r
}

func TestAssertedIdentity(t *testing.T) {
	g, _ := newGate(t)
	for _, c := range []struct {
		peer, asserted string
		aor            string
		status         int
	}{
		{"10.1.1.1", alice, alice, 0},
		{"10.1.1.1", `"sip:alice%40example.org", "tel:1"`, alice, 0},
		{"10.1.1.1", `"alice@example.org", "tel:1"`, alice, 0},
		{"10.1.1.1", "@", "", 400},
		{"192.0.2.1", alice, "", 401},
	} {
		who, no := g.Check(request(c.peer, AssertedIdentity, c.asserted), "")
		if who.AOR != c.aor || no.Status != c.status || (c.status == 0) != who.Trusted {
			t.Errorf("%s says %s: %+v, %+v", c.peer, c.asserted, who, no)
		}
	}
}

// The realm is that of whom the request is about, else of the host addressed.
func TestRealm(t *testing.T) {
	g, _ := newGate(t)
	for about, want := range map[string]string{"": "example.org", "sip:x@example.net": "example.net", "sip:x@elsewhere": "example.org"} {
		_, no := g.Check(request("192.0.2.1"), about)
		if no.Status != 401 || len(no.Challenges) != 2 || !strings.Contains(no.Challenges[0], `realm="`+want+`"`) {
			t.Errorf("about %q: %+v", about, no)
		}
	}
}

func TestPasswords(t *testing.T) {
	g, _ := newGate(t)
	with := func(password string) *http.Request {
		_, no := g.Check(request("192.0.2.1"), "")
		c, err := digest.ParseChallenge(no.Challenges[0])
		if err != nil {
			t.Fatal(err)
		}
		cred, err := digest.Digest(c, digest.Options{Method: "GET", URI: "/events", Username: "alice", Password: password, Count: 1})
		if err != nil {
			t.Fatal(err)
		}
		return request("192.0.2.1", "Authorization", cred.String())
	}
	if who, no := g.Check(with("secret"), ""); who.AOR != alice || no.Status != 0 || who.Trusted {
		t.Errorf("%+v, %+v", who, no)
	}
	slowed := false
	for range 100 {
		if _, no := g.Check(with("guess"), ""); no.Status == 429 && no.RetryAfter > 0 && no.Text != "" {
			slowed = true
			break
		}
	}
	if !slowed {
		t.Error("guessing is not slowed down")
	}
	another, st := newGate(t)
	g = another
	line := with("secret")
	st.Fail(store.ErrUnavailable)
	if _, no := g.Check(line, ""); no.Status != 503 || no.RetryAfter == 0 || no.Text == "" {
		t.Errorf("store away: %+v", no)
	}
}
