package xcap

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"rollcall/internal/auth"
	"rollcall/internal/store"
)

const (
	assistant = "sip:assistant@example.test"
	operator  = "sip:operator@example.test"
)

// logged collects what is logged during a test.
type logged struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func captureLog(t *testing.T) *logged {
	l := &logged{}
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug})))
	t.Cleanup(func() { slog.SetDefault(before) })
	return l
}

// Write implements io.Writer.
func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

// take returns the lines with text in them and forgets all.
func (l *logged) take(text string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var lines []string
	for line := range strings.Lines(l.buf.String()) {
		if strings.Contains(line, text) {
			lines = append(lines, line)
		}
	}
	l.buf.Reset()
	return lines
}

// RFC 4825 §5.7: a user's tree is for its owner; everyone else is let in by
// configuration, and that leaves a trace.
func TestAccess(t *testing.T) {
	ts := newTestServer(t, func(c *Config) {
		c.SuperUsers = []string{operator}
		c.Delegates = []Delegate{
			{User: assistant, For: []string{alice}, AUIDs: []string{"resource-lists"}, Write: true},
			{User: assistant, For: []string{alice}, AUIDs: []string{"test-app"}},
			{User: bob, For: []string{alice, assistant}},
		}
	})
	addUsers(t, ts.store, assistant, operator)
	log := captureLog(t)
	uri := func(auid, xui string) string { return root + "/" + auid + "/users/" + xui + "/index" }
	const lists = `<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"/>`
	ts.fresh(sample)
	ts.mustPut(uri("resource-lists", alice), lists)
	log.take("")
	for _, c := range []struct {
		rule, who, method, target, body string
		status                          int
		audited                         bool
	}{
		{"the owner", alice, "GET", docURI, "", 200, false},
		{"granted for writing", assistant, "GET", uri("resource-lists", alice), "", 200, true},
		{"granted for writing", assistant, "PUT", uri("resource-lists", alice), lists + "\n", 200, true},
		{"granted for reading", assistant, "GET", docURI, "", 200, true},
		{"granted for reading", assistant, "HEAD", docURI, "", 200, true},
		{"granted for reading", assistant, "OPTIONS", docURI, "", 204, true},
		{"granted for reading", assistant, "PUT", docURI, "<r/>", 403, false},
		{"granted for reading", assistant, "DELETE", docURI, "", 403, false},
		{"granted for reading", assistant, "POST", docURI, "", 403, false},
		{"another usage", assistant, "GET", uri("pres-rules", alice), "", 403, false},
		{"another owner", assistant, "GET", uri("resource-lists", bob), "", 403, false},
		{"not the other way round", alice, "GET", uri("resource-lists", assistant), "", 403, false},
		{"all usages", bob, "GET", uri("pres-rules", alice), "", 404, true},
		{"all usages", bob, "GET", docURI, "", 200, true},
		{"all usages, for reading", bob, "PUT", docURI, "<r/>", 403, false},
		{"several owners", bob, "GET", uri("test-app", assistant), "", 404, true},
		{"super-user", operator, "PUT", uri("test-app", bob), "<r/>", 201, true},
		{"super-user", operator, "DELETE", uri("test-app", bob), "", 200, true},
		{"super-user, nobody's tree", operator, "GET", uri("test-app", "sip:nobody@example.test"), "", 404, false},
		{"super-user, what nobody writes", operator, "PUT", root + "/xcap-caps/global/index", "", 405, false},
		{"super-user, the index of all services", operator, "GET", root + "/rls-services/global/index", "", 200, true},
		{"delegate, the index of all services", assistant, "GET", root + "/rls-services/global/index", "", 404, false},
	} {
		a := ts.do(c.method, c.target, c.body, assertedIdentity, c.who)
		expect(t, c.rule+" "+c.method+" "+c.target, a, c.status, "")
		lines := log.take("documents of another used")
		if len(lines) > 1 || (len(lines) == 1) != c.audited {
			t.Errorf("%s %s: audited %q", c.rule, c.method, lines)
		}
		if !c.audited {
			continue
		}
		_, owner, _ := strings.Cut(c.target, "/users/")
		owner, _, _ = strings.Cut(owner, "/")
		auid := strings.Split(c.target, "/")[2]
		for _, want := range []string{"by=" + c.who, "owner=" + owner, "auid=" + auid, "path=index", "method=" + c.method, "address=127.0.0.1"} {
			if !strings.Contains(lines[0], want) {
				t.Errorf("%s is not in %s", want, lines[0])
			}
		}
	}
}

// Only a front end that is trusted may say who has authenticated. From anyone
// else the header means nothing, and the debug log tells.
func TestAssertedIdentityOfStrangers(t *testing.T) {
	ts := newTestServer(t, untrusted)
	log := captureLog(t)
	for _, who := range []string{alice, operator, "", "@@"} {
		a := ts.get(docURI, assertedIdentity, who)
		if a.StatusCode != 401 {
			t.Errorf("%q: %d", who, a.StatusCode)
		}
		lines := log.take("asserted identity ignored")
		if (len(lines) == 1) != (who != "") || len(lines) == 1 && (!strings.Contains(lines[0], "level=DEBUG") || !strings.Contains(lines[0], "127.0.0.1")) {
			t.Errorf("%q: logged %q", who, lines)
		}
	}
	expect(t, "the password counts", ts.withDigest("bob", password, "GET", docURI, ""), 403, "")
}

// A guesser is slowed down, the owner from where it is known is not.
func TestThrottleLeavesTheOwnerAlone(t *testing.T) {
	ts := newTestServer(t)
	const home, office, elsewhere = "192.0.2.1", "198.51.100.7", "203.0.113.9"
	from := func(addr, user, pass string) answer {
		t.Helper()
		refusal := ts.get(docURI, assertedIdentity, "", "X-Forwarded-For", addr)
		return ts.do("GET", docURI, "", assertedIdentity, "", "X-Forwarded-For", addr,
			"Authorization", authorization(t, refusal, user, pass, "GET", docURI))
	}
	expect(t, "the owner at home", from(home, "alice", password), 404, "")
	var last answer
	for range 100 {
		if last = from(elsewhere, "alice", "guess"); last.StatusCode != 401 {
			break
		}
	}
	if last.StatusCode != 429 || last.Header.Get("Retry-After") == "" {
		t.Fatalf("guessing goes on: %d", last.StatusCode)
	}
	expect(t, "the guesser with the right password", from(elsewhere, "alice", password), 429, "")
	expect(t, "the owner at home meanwhile", from(home, "alice", password), 404, "")
	expect(t, "another user from where the guesser is", from(elsewhere, "bob", password), 403, "")
	expect(t, "another user from another place", from(office, "bob", password), 403, "")
}

// addUsers makes further accounts.
func addUsers(t testing.TB, st store.Store, aors ...string) {
	t.Helper()
	var users []store.User
	for _, aor := range aors {
		u, err := auth.NewUser(aor, password)
		if err != nil {
			t.Fatal(err)
		}
		users = append(users, u)
	}
	if err := st.AddUsers(t.Context(), users, true); err != nil {
		t.Fatal(err)
	}
}
