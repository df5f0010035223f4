package main

import (
	"net/url"
	"strings"
	"testing"

	"rollcall/internal/store/pgtest"
)

// What a client did to a document can be seen and undone while the server runs,
// and the server's clients get the old document byte for byte.
func TestHistory(t *testing.T) {
	for _, tc := range []struct {
		name string
		args func(t *testing.T) []string
	}{
		{"SQLite", func(t *testing.T) []string { return nil }},
		{"PostgreSQL", func(t *testing.T) []string { return []string{"--database", pgtest.URL(t)} }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			undo(t, append(tc.args(t), "--data", t.TempDir(), "--domain", domain))
		})
	}
}

func undo(t *testing.T, args []string) {
	const lists = "resource-lists/users/sip:alice@" + domain + "/index"
	s := start(t, args)
	admin, err := url.Parse(s.admin)
	if err != nil {
		t.Fatal(err)
	}
	args = append(args, "--admin-listen", admin.Host)
	cmd := func(code int, output string, words ...string) string {
		t.Helper()
		return expectCommand(t, code, output, "", append(words, args...)...)
	}
	alice := newXCAPClient(t, s.xcapRoot, "alice", password("alice"))
	first := "<?xml version='1.0'?>\r\n" + `<resource-lists  xmlns="urn:ietf:params:xml:ns:resource-lists"><list name="a"><entry uri='sip:bob@` + domain + `'/></list></resource-lists>` + "\n<!-- mine -->"
	third := strings.Replace(first, "</list>", `<entry uri="sip:carol@`+domain+`"/></list>`, 1)
	one := alice.put(201, lists, typeLists, first, "User-Agent: Blink 6.0.1 (Linux)")
	two := alice.put(200, lists, typeLists, strings.Replace(first, "bob", "dave", 1), "If-Match: "+one)
	alice.put(200, lists, typeLists, third, "If-Match: "+two)

	log := strings.Split(strings.TrimSpace(cmd(0, "Blink 6.0.1 (Linux)", "doc", "log", "alice", "resource-lists")), "\n")
	if len(log) != 4 || !strings.HasPrefix(log[1], "3 ") || !strings.HasPrefix(log[3], "1 ") {
		t.Errorf("log:\n%s", strings.Join(log, "\n"))
	}
	for _, want := range []string{"PUT", one, "alice@" + domain, "127.0.0.1"} {
		if !strings.Contains(log[3], want) {
			t.Errorf("no %s in the line of the first version: %s", want, log[3])
		}
	}
	diff := cmd(0, "version 3", "doc", "diff", "alice", "resource-lists")
	if !strings.Contains(diff, "\n-<entry uri='sip:dave@") || !strings.Contains(diff, "\n+<entry uri=\"sip:carol@") {
		t.Errorf("last change:\n%s", diff)
	}
	diff = cmd(0, "version 1", "doc", "diff", "alice", "resource-lists", "1", "3")
	if strings.Contains(diff, "\n-<") || strings.Count(diff, "\n+<") != 1 {
		t.Errorf("from 1 to 3:\n%s", diff)
	}
	cmd(0, "--- nothing", "doc", "diff", "alice", "resource-lists", "0", "1")
	cmd(exitNotFound, "version 9", "doc", "diff", "alice", "resource-lists", "9")

	if out := cmd(0, "stored", "doc", "restore", "alice", "resource-lists", "1"); strings.Contains(out, "could not be told") {
		t.Errorf("restore:\n%s", out)
	}
	resp, body := alice.do("GET", lists, "")
	if etag := resp.Header.Get("ETag"); body != first || etag == one || etag == two {
		t.Errorf("after restoring, ETag %s:\n%q\nwant\n%q", etag, body, first)
	}
	cmd(0, "(operator)", "doc", "log", "alice", "resource-lists")
	cmd(0, "doc restore 1", "doc", "log", "alice", "resource-lists")
	cmd(0, "unchanged", "doc", "restore", "alice", "resource-lists", "1")

	// A removed document comes back, too.
	if resp, _ := alice.do("DELETE", lists, ""); resp.StatusCode != 200 {
		t.Fatalf("DELETE: %s", resp.Status)
	}
	cmd(0, "5 ", "doc", "log", "alice", "resource-lists")
	cmd(0, "(removed)", "doc", "diff", "alice", "resource-lists")
	cmd(exitRefused, "removal", "doc", "restore", "alice", "resource-lists", "5")
	cmd(0, "stored", "doc", "restore", "alice", "resource-lists", "3")
	if _, body := alice.do("GET", lists, ""); body != third {
		t.Errorf("removed document comes back as\n%q\nwant\n%q", body, third)
	}
	cmd(exitNotFound, "history of", "doc", "log", "bob", "resource-lists")
	cmd(exitNotFound, "nobody", "doc", "log", "nobody", "resource-lists")
	cmd(exitUsage, "", "doc", "restore", "alice", "resource-lists", "x")
}
