package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// expectCommand runs a command line and checks its exit code and what it prints.
func expectCommand(t *testing.T, code int, output, stdin string, args ...string) string {
	t.Helper()
	got, out, errOut := command(t, stdin, args...)
	if got != code || !strings.Contains(out+errOut, output) {
		t.Errorf("rollcall %s: exit code %d, want %d and %q\n%s%s", strings.Join(args, " "), got, code, output, out, errOut)
	}
	if strings.Contains(errOut, "goroutine") || strings.Contains(errOut, ".go:") {
		t.Errorf("rollcall %s prints a stack trace:\n%s", strings.Join(args, " "), errOut)
	}
	return out
}

// offline are flags for commands that no server is to hear of.
func offline(t *testing.T) []string {
	return []string{"--data", t.TempDir(), "--domain", domain, "--admin-listen", "127.0.0.1:9"}
}

func TestUsers(t *testing.T) {
	where := offline(t)
	cmd := func(code int, output, stdin string, args ...string) string {
		t.Helper()
		return expectCommand(t, code, output, stdin, append(args, where...)...)
	}
	cmd(0, "added alice@localhost", "secret\n", "user", "add", "alice", "--name", "Alice A.")
	cmd(0, "added bob@localhost", "", "user", "add", "sip:bob@LOCALHOST", "--password", "x y")
	if out := cmd(0, "password ", "", "user", "add", "carol@localhost", "--generate"); len(strings.Fields(out)[1]) < 20 {
		t.Errorf("generated password in %q", out)
	}
	cmd(exitRefused, "already exists", "x\n", "user", "add", "alice")
	cmd(exitUsage, "no password", "", "user", "add", "dave")
	cmd(exitUsage, "not a domain of this server", "x\n", "user", "add", "dave@elsewhere.example")
	cmd(exitUsage, "not an address", "x\n", "user", "add", "@localhost")
	cmd(exitUsage, "", "", "user", "add", "dave", "--password", "a", "--generate")
	cmd(0, "changed the password of bob@localhost", "new\n", "user", "passwd", "bob")
	cmd(exitNotFound, "dave@localhost: not found", "new\n", "user", "passwd", "dave")
	if out := cmd(0, "Alice A.", "", "user", "list"); strings.Count(out, "\n") != 3 {
		t.Errorf("list:\n%s", out)
	}
	cmd(0, "removed carol@localhost", "", "user", "rm", "carol")
	cmd(exitNotFound, "", "", "user", "rm", "carol")
}

func TestUserImport(t *testing.T) {
	where := offline(t)
	cmd := func(code int, output, stdin string, args ...string) string {
		t.Helper()
		return expectCommand(t, code, output, stdin, append(args, where...)...)
	}
	cmd(0, "2 accounts imported, 0 lines refused", "\ufeff# comment\n\nalice@localhost,a,b\r\nsip:bob@localhost, x\n", "user", "import", "-")
	bad := "alice@localhost,again\nno-comma\ncarol@localhost,c\n@localhost,x\ncarol@localhost,twice\ndave@other,x\neve@localhost,\nf\xff@localhost,x\n"
	got, out, errOut := command(t, bad, append([]string{"user", "import", "-"}, where...)...)
	if got != exitRefused || !strings.Contains(out, "1 accounts imported, 7 lines refused") {
		t.Errorf("exit code %d\n%s%s", got, out, errOut)
	}
	for _, line := range []string{"line 1: alice@localhost exists", "line 2: no comma", "line 4: ", "line 5: carol@localhost is on line 3", "line 6: other is not a domain", "line 7: ", "line 8: not UTF-8"} {
		if !strings.Contains(errOut, line) {
			t.Errorf("no %q in\n%s", line, errOut)
		}
	}
	cmd(0, "1 accounts imported", "alice@localhost,again\n", "user", "import", "-", "--replace")
	cmd(exitRefused, "line 2: longer than", "x@localhost,1\ny@localhost,"+strings.Repeat("x", 5000)+"\n", "user", "import", "-")
	cmd(exitUsage, "no such file", "", "user", "import", "/nonexistent")

	file := filepath.Join(t.TempDir(), "users")
	var many strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&many, "user%d@localhost,password%d\n", i, i)
	}
	if err := os.WriteFile(file, []byte(many.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd(0, "5000 accounts imported", "", "user", "import", file)
	cmd(exitRefused, "0 accounts imported, 5000 lines refused", "", "user", "import", file)
}

func TestDocuments(t *testing.T) {
	where := offline(t)
	cmd := func(code int, output, stdin string, args ...string) string {
		t.Helper()
		return expectCommand(t, code, output, stdin, append(args, where...)...)
	}
	const root = "http://127.0.0.1:8080/xcap-root"
	lists := blinkLists(root, "alice", "bob")
	cmd(exitNotFound, "alice@localhost: not found", lists, "doc", "put", "alice", "resource-lists", "-")
	cmd(0, "", "x\n", "user", "add", "alice")
	cmd(0, "", "x\n", "user", "add", "bob")
	cmd(0, "stored resource-lists/users/sip:alice@localhost/index", lists, "doc", "put", "alice", "resource-lists", "-")
	cmd(0, "unchanged", lists, "doc", "put", "alice", "resource-lists", "-")
	if out := cmd(0, "", "", "doc", "get", "alice", "resource-lists"); out != lists {
		t.Errorf("came back as\n%s", out)
	}
	cmd(0, "stored", blinkServices(root, "alice"), "doc", "put", "alice", "rls-services", "-")
	cmd(exitRefused, "uniqueness-failure", blinkServices(root, "alice"), "doc", "put", "alice", "rls-services", "-", "--path", "second")
	cmd(exitRefused, "constraint-failure", strings.ReplaceAll(blinkServices(root, "alice"), "uri=\"sip%3Aalice", "uri=\"sip%3Ax"), "doc", "put", "bob", "rls-services", "-")
	cmd(exitRefused, "", "<a>", "doc", "put", "alice", "resource-lists", "-")
	cmd(exitRefused, "schema-validation-error", "<a/>", "doc", "put", "alice", "resource-lists", "-")
	cmd(exitRefused, "no application usage", "<a/>", "doc", "put", "alice", "no-such-usage", "-")
	for limit, problem := range map[string]string{
		"--max-document-bytes=100": "larger than 100 bytes", "--max-total-bytes=100": "may have 100 bytes",
		"--max-documents=1": "may have 1 documents", "--max-entries=1": "may have 1 entries",
	} {
		cmd(exitRefused, problem, lists, "doc", "put", "alice", "resource-lists", "-", "--path", "another", limit)
	}
	cmd(exitUsage, "max-documents", lists, "doc", "put", "alice", "resource-lists", "-", "--max-documents=0")
	cmd(exitRefused, "larger than", strings.Repeat(" ", 300<<10), "doc", "put", "alice", "resource-lists", "-")
	if out := cmd(0, "rls-services", "", "doc", "ls", "alice"); strings.Count(out, "\n") != 2 {
		t.Errorf("ls:\n%s", out)
	}
	cmd(exitNotFound, "", "", "doc", "ls", "nobody")
	cmd(0, "removed", "", "doc", "rm", "alice", "resource-lists")
	cmd(exitNotFound, "", "", "doc", "rm", "alice", "resource-lists")
	cmd(exitNotFound, "", "", "doc", "get", "alice", "resource-lists", "--path", "other")
}

func TestExitCodes(t *testing.T) {
	taken, err := net.Listen("tcp", anyPort)
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	file := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(file, []byte("domian: x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	notADir := filepath.Join(file, "sub")
	data := t.TempDir()
	for _, tc := range []struct {
		code   int
		output string
		args   []string
	}{
		{0, "serve", []string{"help"}},
		{0, "--sip-listen", []string{"help", "serve"}},
		{0, "serve", nil},
		{0, "rollcall ", []string{"version"}},
		{exitUsage, "Try", []string{"dance"}},
		{exitUsage, "--sip-lisen", []string{"serve", "--sip-lisen", "x"}},
		{exitUsage, `c.yaml:1: unknown setting "domian"`, []string{"serve", "--config", file}},
		{exitUsage, "min-expires", []string{"serve", "--min-expires", "0s"}},
		{exitListen, "in use by another program", []string{"serve", "--data", data, "--sip-listen", anyPort, "--admin-listen", anyPort, "--http-listen", taken.Addr().String()}},
		{exitListen, "in use by another program", []string{"serve", "--data", data, "--sip-listen", taken.Addr().String()}},
		{exitListen, "not an address of this machine", []string{"serve", "--data", data, "--sip-listen", "192.0.2.1:5060"}},
		{exitUnavailable, "database", []string{"serve", "--database", "postgres://u:topsecret@127.0.0.1:1/x?connect_timeout=2"}},
		{exitUnavailable, "", []string{"user", "list", "--data", notADir}},
		{exitFailure, "no answer", []string{"health", "--admin-listen", "127.0.0.1:1"}},
	} {
		out := expectCommand(t, tc.code, tc.output, "", tc.args...)
		if strings.Contains(out, "topsecret") {
			t.Errorf("the password is shown: %s", out)
		}
	}
}

// What a command changes is in force in a running server at once.
func TestAnnounce(t *testing.T) {
	args := []string{"--data", t.TempDir(), "--domain", domain}
	s := start(t, args)
	where := append(args, "--admin-listen", strings.TrimPrefix(s.admin, "http://"))
	cmd := func(output, stdin string, args ...string) {
		t.Helper()
		expectCommand(t, 0, output, stdin, append(args, where...)...)
	}
	alice := dialSIP(t, "tcp", s.sip, "alice", password("alice"))
	alice.register(600)
	cmd("has been told", "changed\n", "user", "passwd", "alice")
	alice.want(401, request{method: "REGISTER", uri: "sip:" + domain, to: alice.aor()})
	alice.password = "changed"
	alice.register(600)

	cmd("has been told", blinkLists(s.xcapRoot, "alice"), "doc", "put", "alice", "resource-lists", "-")
	cmd("has been told", blinkServices(s.xcapRoot, "alice"), "doc", "put", "alice", "rls-services", "-")
	const list = "sip:alice+presence@" + domain
	buddies := alice.subscribe(list, "presence", blinkAccept)
	if l := readRLMI(t, buddies.notify()); len(l.Resources) != 0 {
		t.Errorf("resources %+v", l.Resources)
	}
	cmd("has been told", blinkLists(s.xcapRoot, "alice", "bob"), "doc", "put", "alice", "resource-lists", "-")
	for {
		l := readRLMI(t, buddies.notify())
		if len(l.Resources) == 1 && len(l.Resources[0].Instances) == 1 {
			break
		}
	}
	cmd("has been told", "", "user", "rm", "bob")
	for {
		l := readRLMI(t, buddies.notify())
		if len(l.Resources) == 1 && l.Resources[0].Instances[0].State == "terminated" {
			break
		}
	}
	cmd("ready", "", "health")
	for path, want := range map[string]string{"/healthz": "ok", "/metrics": "rollcall_sip_requests_total", "/debug/pprof/cmdline": "serve"} {
		resp, err := http.Get(s.admin + path)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != 200 || !strings.Contains(string(text), want) {
			t.Errorf("%s: %d, no %q", path, resp.StatusCode, want)
		}
	}
	for _, body := range []string{"{", `{"what":1}`, strings.Repeat("x", 2<<20)} {
		resp, err := http.Post(s.admin+"/admin/changed", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 400 {
			t.Errorf("bad notice: %d", resp.StatusCode)
		}
	}
	s.terminate()
}
