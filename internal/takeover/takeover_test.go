package takeover

import (
	"compress/gzip"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"rollcall/internal/auth"
	"rollcall/internal/store/pgtest"
)

// contents reads everything of a database into lines.
func contents(t *testing.T, server Server, db string) (accounts, documents []string) {
	t.Helper()
	ctx := t.Context()
	s, err := Open(ctx, server, db)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Accounts(ctx, func(a Account) error {
		accounts = append(accounts, fmt.Sprintf("%s@%s %q md5:%d sha256:%d %s", a.User, a.Domain, a.Password, len(a.MD5), len(a.SHA256), a.Problem))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Documents(ctx, func(d Document) error {
		documents = append(documents, fmt.Sprintf("%s@%s %s %s %d %s", d.User, d.Domain, d.AUID, d.Path, len(d.Body), d.Problem))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return accounts, documents
}

func expect(t *testing.T, what string, got []string, want string) {
	t.Helper()
	var lines []string
	for _, line := range got {
		lines = append(lines, strings.TrimRight(line, " "))
	}
	if text := strings.Join(lines, "\n"); text != strings.TrimSpace(want) {
		t.Errorf("%s:\n%s\nwant\n%s", what, text, want)
	}
}

const openxcapAccounts = `
alice@example.org "alice secret" md5:32 sha256:0
bob@example.org "" md5:32 sha256:0
carol@example.org "" md5:0 sha256:0
dave@elsewhere.example "x" md5:0 sha256:0
eve@example.org "eve secret" md5:0 sha256:0`

const openxcapDocuments = `
alice@example.org resource-lists index 235
alice@example.org rls-services index 275
alice@example.org org.openmobilealliance.pres-rules index.xml 161
bob@example.org resource-lists index 15
bob@example.org rls-services index 275
carol@example.org resource-lists index 235
bob@example.org  index 235 unknown doc_type "99"`

func TestDumps(t *testing.T) {
	accounts, documents := contents(t, OpenXCAP, "testdata/openxcap.sql")
	expect(t, "accounts of OpenXCAP", accounts, openxcapAccounts)
	expect(t, "documents of OpenXCAP", documents, openxcapDocuments)

	zipped := filepath.Join(t.TempDir(), "dump.sql.gz")
	compress(t, "testdata/openxcap.sql", zipped)
	accounts, documents = contents(t, OpenXCAP, "file://"+zipped)
	expect(t, "accounts of a compressed dump", accounts, openxcapAccounts)
	expect(t, "documents of a compressed dump", documents, openxcapDocuments)

	accounts, documents = contents(t, Kamailio, "testdata/kamailio.sql")
	expect(t, "accounts of Kamailio", accounts, kamailioAccounts)
	expect(t, "documents of Kamailio", documents, kamailioDocuments)
}

const kamailioAccounts = `
alice@example.org "alice secret" md5:32 sha256:0
bob@example.org "" md5:32 sha256:0
carol@example.org "" md5:0 sha256:0
frank@example.org "" md5:0 sha256:64`

const kamailioDocuments = `
alice@example.org resource-lists index 235
alice@example.org org.openmobilealliance.pres-rules pres-rules 161
alice@example.org pres-rules index 161
bob@example.org resource-lists index 3
bob@example.org xcap-caps index 12`

func compress(t *testing.T, from, to string) {
	t.Helper()
	in, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(to)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z := gzip.NewWriter(f)
	if _, err := z.Write(in); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
}

const tablesOfTest = `CREATE TABLE subscriber (id INTEGER PRIMARY KEY, username VARCHAR(64), domain VARCHAR(64), password VARCHAR(255), ha1 VARCHAR(64));
	INSERT INTO subscriber VALUES (1, 'alice', 'example.org', 'alice secret', NULL), (2, NULL, 'example.org', 'x', '');
	CREATE TABLE xcap (id INTEGER, username VARCHAR(64), domain VARCHAR(64), doc %s, doc_type %s, etag VARCHAR(64), doc_uri VARCHAR(255));
	INSERT INTO xcap VALUES (1, 'alice', 'example.org', '<a/>', 4, 'x', 'friends');`

const contentOfTest = "alice@example.org \"alice secret\" md5:0 sha256:0\n@example.org \"x\" md5:0 sha256:0 there is no username"

func TestSQLite(t *testing.T) {
	name := filepath.Join(t.TempDir(), "openxcap?.sqlite")
	db, err := sql.Open("sqlite", "file:"+strings.ReplaceAll(name, "?", "%3f"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(fmt.Sprintf(tablesOfTest, "BLOB", "INTEGER")); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	accounts, documents := contents(t, OpenXCAP, "sqlite://"+name)
	expect(t, "accounts", accounts, contentOfTest)
	expect(t, "documents", documents, "alice@example.org resource-lists friends 4")
}

func TestPostgres(t *testing.T) {
	url := pgtest.URL(t)
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), fmt.Sprintf(tablesOfTest, "BYTEA", "NUMERIC(12)")); err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	accounts, documents := contents(t, Kamailio, url)
	expect(t, "accounts", accounts, contentOfTest)
	expect(t, "documents", documents, "alice@example.org resource-lists friends 4")
}

func TestOpenFails(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, db := range []string{"/nonexistent", empty, "postgres://user:geheim@127.0.0.1:1/x", "mysql://user:geheim@127.0.0.1/x"} {
		s, err := Open(t.Context(), OpenXCAP, db)
		if err == nil {
			t.Errorf("%s was opened", db)
			_ = s.Close()
		} else if strings.Contains(err.Error(), "geheim") {
			t.Errorf("%v: tells the password", err)
		}
	}
	if _, err := Open(t.Context(), OpenXCAP, "mysql://x"); !errors.Is(err, ErrMySQL) {
		t.Errorf("mysql: %v", err)
	}
}

// The first problem of the reader ends the reading; so does one of the caller.
func TestBadDump(t *testing.T) {
	stop := errors.New("enough")
	for _, test := range []struct{ dump, want string }{
		{"INSERT INTO xcap VALUES (1,'a');", "columns of table xcap are not known"},
		{"INSERT INTO xcap (a) VALUES (1);", "no column username"},
		{"INSERT INTO xcap (username) VALUES ('a", "line 1"},
		{"INSERT INTO xcap (username) VALUES ('a');", "enough"},
	} {
		name := filepath.Join(t.TempDir(), "x.sql")
		if err := os.WriteFile(name, []byte(test.dump), 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := Open(t.Context(), Kamailio, name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Documents(context.Background(), func(Document) error { return stop }); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", test.dump, err, test.want)
		}
		if found, err := s.Accounts(context.Background(), func(Account) error { return io.EOF }); err == nil && found {
			t.Errorf("%s: a table of accounts was found", test.dump)
		}
	}
}

func TestCredentials(t *testing.T) {
	const aor = "sip:alice@example.org"
	md5, sha := auth.HA1(auth.MD5, "alice", "example.org", "pw"), auth.HA1(auth.SHA256, "alice", "example.org", "pw")
	other := strings.Repeat("ab", 16)
	for _, test := range []struct {
		name             string
		account          Account
		md5, sha256      string
		note, wantsError bool
	}{
		{"a password gives all", Account{Password: "pw"}, md5, sha, false, false},
		{"with its HA1", Account{Password: "pw", MD5: md5}, md5, sha, false, false},
		{"HA1 of another password or realm", Account{Password: "pw", MD5: other}, other, "", true, false},
		{"HA1 only", Account{MD5: md5}, md5, "", true, false},
		{"HA1 of OpenSIPS", Account{MD5: md5, SHA256: sha}, md5, sha, false, false},
		{"SHA-256 only", Account{SHA256: sha}, "", sha, false, false},
		{"nothing", Account{}, "", "", false, true},
	} {
		u, note, err := test.account.Credentials(aor)
		if u.HA1MD5 != test.md5 || u.HA1SHA256 != test.sha256 || note != "" != test.note || err != nil != test.wantsError {
			t.Errorf("%s: %+v, %q, %v", test.name, u, note, err)
		}
	}
}
