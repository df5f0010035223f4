package main

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// explained is what a program reads of an explanation.
type explained struct {
	Live    bool
	Account bool
	Summary []string
	Policy  struct {
		Handling string
		Rules    []struct {
			ID      string
			Matched bool
			Why     string
		}
	}
	View          struct{ State, Body string }
	Registrations []struct{ UserAgent string }
	Publications  []struct{ UserAgent, Says string }
	Subscriptions []struct {
		List, State string
		Notify      *struct {
			CSeq     int
			Answered bool
			Status   int
		}
	}
	WatcherInfo []struct{ Status string }
}

func getExplained(t *testing.T, url string) explained {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var e explained
	if err := json.NewDecoder(resp.Body).Decode(&e); err != nil || resp.Header.Get("Content-Type") != "application/json" {
		t.Fatalf("%s: %v", resp.Status, err)
	}
	return e
}

// expectText checks that a text has all parts.
func expectText(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("%q is missing in\n%s", p, text)
		}
	}
}

// Why does alice not see bob? Asked before and after bob accepts her, of the server
// and of what it leaves behind.
func TestExplain(t *testing.T) {
	args := []string{"--data", t.TempDir(), "--domain", domain}
	s := start(t, args)
	admin := strings.TrimPrefix(s.admin, "http://")
	asking := append(args, "--admin-listen", admin)
	cmd := func(code int, words ...string) string {
		t.Helper()
		return expectCommand(t, code, "", "", append(words, asking...)...)
	}
	alice := dialSIP(t, "tcp", s.sip, "alice", password("alice"))
	bob := dialSIP(t, "tcp", s.sip, "bob", password("bob"))
	expectText(t, cmd(0, "explain", "alice", "bob"),
		"has no rules, so everybody has to wait", "alice@localhost does not ask", "from the running server")

	alicesXCAP := newXCAPClient(t, s.xcapRoot, "alice", password("alice"))
	bobsXCAP := newXCAPClient(t, s.xcapRoot, "bob", password("bob"))
	alicesXCAP.put(201, "resource-lists/users/sip:alice@"+domain+"/index", typeLists, blinkLists(s.xcapRoot, "alice", "bob"))
	alicesXCAP.put(201, "rls-services/users/sip:alice@"+domain+"/index", typeServices, blinkServices(s.xcapRoot, "alice"))
	bobsLists := "resource-lists/users/sip:bob@" + domain + "/index"
	bobsXCAP.put(201, bobsLists, typeLists, blinkLists(s.xcapRoot, "bob"))
	bobsXCAP.put(201, "org.openmobilealliance.pres-rules/users/sip:bob@"+domain+"/index", typeRules, blinkRules(s.xcapRoot, "bob"))
	bob.register(600)
	bob.want(200, request{method: "PUBLISH", uri: bob.aor(), lines: []string{"Event: presence", "Expires: 600", "Content-Type: " + typePIDF,
		"User-Agent: Blink 6.0.1"}, body: blinkPIDF("bob", "open", "away", "away", "gone fishing")})
	const list = "sip:alice+presence@" + domain
	buddies := alice.subscribe(list, "presence", blinkAccept)
	readRLMI(t, buddies.notify()).expect(t, list, 0, "true", bob.aor(), "pending")
	url := s.admin + "/admin/explain?watcher=alice&presentity=bob"
	waiting := getExplained(t, url)
	if waiting.Policy.Handling != "confirm" || waiting.View.State != "pending" || len(waiting.Subscriptions) != 1 || waiting.Subscriptions[0].List != list ||
		len(waiting.WatcherInfo) != 1 || waiting.WatcherInfo[0].Status != "pending" || waiting.View.Body != "" {
		t.Errorf("waiting: %+v", waiting)
	}
	bobsXCAP.put(200, bobsLists, typeLists, blinkLists(s.xcapRoot, "bob", "alice"))
	doc := readRLMI(t, buddies.notify()).expect(t, list, 1, "false", bob.aor(), "active")

	// The answer to the NOTIFY may still be on its way.
	var seen explained
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		seen = getExplained(t, url)
		if len(seen.Subscriptions) == 1 && seen.Subscriptions[0].Notify != nil && seen.Subscriptions[0].Notify.Answered || time.Now().After(deadline) {
			break
		}
	}
	if len(seen.Subscriptions) != 1 || seen.Subscriptions[0].Notify == nil || seen.Subscriptions[0].Notify.Status != 200 ||
		len(seen.Registrations) != 1 || len(seen.Publications) != 1 || seen.Publications[0].UserAgent != "Blink 6.0.1" ||
		seen.Policy.Handling != "allow" || seen.WatcherInfo[0].Status != "active" || !seen.Live || !seen.Account {
		t.Errorf("accepted: %+v", seen)
	}
	if strings.TrimSpace(seen.View.Body) != strings.TrimSpace(doc) {
		t.Errorf("explained with the document\n%s\nbut alice got\n%s", seen.View.Body, doc)
	}
	expectText(t, cmd(0, "explain", "alice@"+domain, "sip:bob@"+domain),
		`has the entry alice@localhost`, `rule "wp_prs_unlisted" (confirm) does not apply`, "to the list alice+presence@localhost, which has bob@localhost: active",
		": answered 200", "active (approved)", "gone fishing", "by Blink 6.0.1")
	var parsed explained
	if err := json.Unmarshal([]byte(cmd(0, "explain", "anonymous", "bob", "--json")), &parsed); err != nil || parsed.Policy.Handling != "block" {
		t.Errorf("%v, %+v", err, parsed)
	}
	expectText(t, cmd(exitNotFound, "explain", "alice", "nobody"), "There is no account nobody@localhost here")
	cmd(exitUsage, "explain", "alice", "bob@elsewhere.example")
	cmd(exitUsage, "explain", "alice")
	badExplanations(t, s)

	// Without a server: what the database tells.
	s.terminate()
	code, out, errOut := command(t, "", append([]string{"explain", "alice", "bob"}, asking...)...)
	if code != exitFailure || !strings.Contains(errOut, "No server answers on "+admin) {
		t.Errorf("exit code %d\n%s", code, errOut)
	}
	expectText(t, out, "from what is stored", "alice@localhost may see bob@localhost", "gone fishing",
		"to the list alice+presence@localhost, which has bob@localhost: active")
	expectText(t, cmd(exitNotFound, "explain", "alice", "nobody"), "There is no account nobody@localhost here")
	tryDraft(t, asking)
}

func badExplanations(t *testing.T, s *server) {
	for query, status := range map[string]int{
		"": 400, "?watcher=alice": 400, "?presentity=bob": 400, "?watcher=a%00b@x&presentity=bob": 400,
		"?watcher=alice&presentity=bob@elsewhere.example": 400, "?watcher=alice&presentity=nobody": 404,
		"?watcher=someone@elsewhere.example&presentity=bob": 200,
	} {
		req, err := http.NewRequest("GET", s.admin+"/admin/explain"+query, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept", "text/plain")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != status || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain") {
			t.Errorf("%q: %s\n%s", query, resp.Status, body)
		}
	}
}

// tryDraft has bob think of letting alice down gently: she watches through her list.
func tryDraft(t *testing.T, args []string) {
	draft := filepath.Join(t.TempDir(), "rules.xml")
	write := func(body string) {
		t.Helper()
		if err := os.WriteFile(draft, []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	try := func(code int, words ...string) string {
		t.Helper()
		return expectCommand(t, code, "", "", append(append([]string{"policy", "try", "--user", "bob", "--file", draft}, words...), args...)...)
	}
	const oma = "org.openmobilealliance.pres-rules"
	rules := expectCommand(t, 0, "", "", append([]string{"doc", "get", "bob", oma}, args...)...)
	write(rules)
	expectText(t, try(0, "--auid", oma), "0 of 1 watchers of bob@localhost would see something else")
	write(strings.Replace(rules, ">allow<", ">polite-block<", 1))
	expectText(t, try(0, "--auid", oma), "alice@localhost: allow -> polite-block", "made to believe", "1 of 1 watchers", "Nothing was stored",
		`by rule "wp_prs_grantedcontacts"`)
	if now := expectCommand(t, 0, "", "", append([]string{"doc", "get", "bob", oma}, args...)...); now != rules {
		t.Errorf("the draft was stored:\n%s", now)
	}
	write("<ruleset/>")
	try(exitRefused)
	expectCommand(t, exitNotFound, "", "", append([]string{"policy", "try", "--user", "nobody", "--file", draft}, args...)...)
	expectCommand(t, exitUsage, "", "", append([]string{"policy", "try", "--user", "bob", "--file", draft + ".gone"}, args...)...)
	try(exitUsage, "--auid", "resource-lists")
}

func TestPolicyLint(t *testing.T) {
	where := offline(t)
	lint := func(code int, output string, words ...string) string {
		t.Helper()
		return expectCommand(t, code, output, "", append(append([]string{"policy", "lint"}, words...), where...)...)
	}
	for _, user := range []string{"alice", "bob"} {
		mustCommand(t, "secret\n", append([]string{"user", "add", user}, where...)...)
	}
	if out := lint(0, ""); out != "" {
		t.Errorf("without rules:\n%s", out)
	}
	const open = `<ruleset xmlns="urn:ietf:params:xml:ns:common-policy" xmlns:pr="urn:ietf:params:xml:ns:pres-rules">` +
		`<rule id="all"><actions><pr:sub-handling>allow</pr:sub-handling></actions></rule></ruleset>`
	mustCommand(t, open, append([]string{"doc", "put", "alice", "pres-rules", "-"}, where...)...)
	lint(exitRefused, `alice@localhost: warning: rule "all" in pres-rules/users/sip:alice@localhost/index is open to all`)
	lint(exitRefused, "warnings: 1", "--user", "alice")
	lint(0, "", "--user", "bob")
	mustCommand(t, open, append([]string{"doc", "put", "bob", "org.openxcap.dialog-rules", "-"}, where...)...)
	lint(exitRefused, `bob@localhost: warning: rule "all" in org.openxcap.dialog-rules/users/sip:bob@localhost/index is open to all`, "--user", "bob")
	lint(exitNotFound, "", "--user", "nobody")
}
