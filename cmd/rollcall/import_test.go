package main

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"rollcall/internal/store/pgtest"
)

const takeoverData = "../../internal/takeover/testdata/"

func TestImportOpenXCAP(t *testing.T) {
	report := filepath.Join(t.TempDir(), "report")
	where := []string{"--data", t.TempDir(), "--domain", "example.org", "--admin-listen", "127.0.0.1:9"}
	imp := func(code int, output string, args ...string) (out string) {
		t.Helper()
		return expectCommand(t, code, output, "", append(append([]string{"import", "openxcap", "--db", takeoverData + "openxcap.sql"}, args...), where...)...)
	}
	cmd := func(code int, output string, args ...string) string {
		t.Helper()
		return expectCommand(t, code, output, "", append(args, where...)...)
	}
	const accounts = "accounts: %d %swritten, %d there already, %d kept as they are here, 2 refused\n"
	const documents = "documents: %d %swritten, %d there already, %d kept as they are here, 4 refused\n"
	summary := func(would string, a, b, c, d, e, f int) string {
		return fmt.Sprintf(accounts+documents, a, would, b, c, d, would, e, f)
	}
	expected := []string{
		"refused\tcarol@example.org\t-\t-\tneither a password nor a usable HA1",
		"refused\tdave@elsewhere.example\t-\t-\telsewhere.example is not a domain of this server",
		"note\tbob@example.org\t-\t-\tonly an HA1 for MD5",
		"refused\tbob@example.org\tresource-lists\tindex\tline 1",
		"refused\tbob@example.org\trls-services\tindex\t", // taken by alice
		"refused\tcarol@example.org\tresource-lists\tindex\tthere is no such account",
		"refused\tbob@example.org\t-\tindex\tunknown doc_type \"99\"",
	}
	check := func() {
		t.Helper()
		text, err := os.ReadFile(report)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range expected {
			if !strings.Contains(string(text), line) && !strings.Contains(line, "rls-services") {
				t.Errorf("no %q in the report\n%s", line, text)
			}
		}
		// Which of the two who claim one address comes first is not decided.
		if n := strings.Count(string(text), "\trls-services\t"); n != 1 {
			t.Errorf("%d documents with the same service address were refused, want one\n%s", n, text)
		}
	}
	imp(exitRefused, summary("would be ", 3, 0, 0, 3, 0, 0), "--dry-run", "--report", report)
	check()
	if out := cmd(0, "", "user", "list"); out != "" {
		t.Errorf("accounts after a dry run:\n%s", out)
	}
	imp(exitRefused, summary("", 3, 0, 0, 3, 0, 0), "--report", report)
	check()
	// What is there stays: a second run changes nothing.
	log := cmd(0, "import", "doc", "log", "alice", "resource-lists")
	imp(exitRefused, summary("", 0, 3, 0, 0, 3, 0))
	if again := cmd(0, "", "doc", "log", "alice", "resource-lists"); again != log {
		t.Errorf("the second run wrote:\n%s", again)
	}
	if out := cmd(0, "", "doc", "get", "alice", "resource-lists"); !strings.Contains(out, `<list name="it's \ mine">`) || !strings.HasSuffix(out, "</resource-lists>\n") {
		t.Errorf("document came over as\n%q", out)
	}
	cmd(0, "<ruleset", "doc", "get", "alice", "org.openmobilealliance.pres-rules", "--path", "index.xml")

	// What was changed here stays, too, unless the operator says otherwise.
	cmd(0, "changed", "user", "passwd", "alice", "--password", "new")
	cmd(0, "removed", "doc", "rm", "alice", "resource-lists")
	expectCommand(t, 0, "stored", `<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"/>`, append([]string{"doc", "put", "alice", "resource-lists", "-"}, where...)...)
	imp(exitRefused, summary("", 0, 2, 1, 0, 2, 1))
	imp(exitRefused, summary("", 1, 2, 0, 1, 2, 0), "--replace")
	imp(exitRefused, "documents: 1 written, 2 there already", "--rename", "index.xml=index")
	cmd(0, "<ruleset", "doc", "get", "alice", "org.openmobilealliance.pres-rules")
}

func TestImportKamailio(t *testing.T) {
	where := []string{"--data", t.TempDir(), "--domain", "example.org", "--admin-listen", "127.0.0.1:9"}
	imp := func(code int, output, db string) string {
		t.Helper()
		return expectCommand(t, code, output, "", append([]string{"import", "kamailio", "--db", db}, where...)...)
	}
	imp(exitRefused, "accounts: 3 written, 0 there already, 0 kept as they are here, 1 refused\ndocuments: 3 written, 0 there already, 0 kept as they are here, 2 refused", takeoverData+"kamailio.sql")
	expectCommand(t, 0, "<ruleset", "", append([]string{"doc", "get", "alice", "org.openmobilealliance.pres-rules", "--path", "pres-rules"}, where...)...)

	db := pgtest.URL(t)
	conn, err := pgx.Connect(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), `CREATE TABLE subscriber (username varchar(64), domain varchar(64), password varchar(64), ha1 varchar(128));
		INSERT INTO subscriber VALUES ('grace', '', 'x', ''), ('alice', '', 'alice secret', '')`); err != nil {
		t.Fatal(err)
	}
	imp(0, "accounts: 1 written, 1 there already, 0 kept as they are here, 0 refused", db)
	imp(0, "accounts: 0 written, 2 there already", db)
}

func TestImportFails(t *testing.T) {
	where := []string{"--data", t.TempDir(), "--admin-listen", "127.0.0.1:9"}
	empty := filepath.Join(t.TempDir(), "dump.sql")
	if err := os.WriteFile(empty, []byte("-- nothing\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		code   int
		output string
		args   []string
	}{
		{exitUsage, "missing flags: --db", nil},
		{exitUsage, "mysqldump", []string{"--db", "mysql://root:geheim@localhost/opensips"}},
		{exitUsage, "no such file", []string{"--db", "/nonexistent"}},
		{exitUsage, "--report", []string{"--db", empty, "--report", "/nonexistent/x"}},
		{exitRefused, "neither a table subscriber nor a table xcap", []string{"--db", empty}},
	} {
		expectCommand(t, tc.code, tc.output, "", append(append([]string{"import", "openxcap"}, tc.args...), where...)...)
	}
}

// Who is taken over while the server runs can log in at once, with MD5, and
// finds the documents.
func TestImportIntoRunningServer(t *testing.T) {
	args := []string{"--data", t.TempDir(), "--domain", "example.org"}
	s := serve(t, append(args, "--sip-listen", anyPort, "--http-listen", anyPort, "--admin-listen", anyPort)...)
	const target = "resource-lists/users/sip:alice@example.org/index"
	alice := newXCAPClient(t, s.xcapRoot, "alice", "alice secret")
	if resp, _ := alice.do("GET", target, ""); resp.StatusCode != 401 {
		t.Errorf("before: %s", resp.Status)
	}
	admin, err := url.Parse(s.admin)
	if err != nil {
		t.Fatal(err)
	}
	expectCommand(t, exitRefused, "", "", append([]string{"import", "openxcap", "--db", takeoverData + "openxcap.sql", "--admin-listen", admin.Host}, args...)...)
	if resp, body := alice.do("GET", target, ""); resp.StatusCode != 200 || !strings.Contains(body, "it's") {
		t.Errorf("after: %s %s", resp.Status, body)
	}
	bob := newXCAPClient(t, s.xcapRoot, "bob", "bob secret")
	if resp, _ := bob.do("GET", "resource-lists/users/sip:bob@example.org/index", ""); resp.StatusCode != 404 {
		t.Errorf("bob, of whom only the HA1 is known: %s", resp.Status)
	}
}
