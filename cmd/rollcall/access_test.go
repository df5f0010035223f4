package main

import (
	"encoding/base64"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Delegates, super-users and quotas as configured in a file; icons for anybody;
// watchers as presence knows them.
func TestAccess(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "rollcall.yaml")
	settings := "data: " + dir + "\ndomain: " + domain + `
delegates:
  - {user: bob, for: [alice], auid: [resource-lists], write: true}
super-users: carol
max-entries: 2
write-rate: 0.001
write-burst: 4
`
	if err := os.WriteFile(file, []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, []string{"--config", file})
	alice := newXCAPClient(t, s.xcapRoot, "alice", password("alice"))
	bob := newXCAPClient(t, s.xcapRoot, "bob", password("bob"))
	carol := newXCAPClient(t, s.xcapRoot, "carol", password("carol"))
	anyone := &xcapClient{t: t, root: s.xcapRoot, http: &http.Client{Timeout: patience}}
	of := func(user, auid, path string) string { return auid + "/users/sip:" + user + "@" + domain + "/" + path }
	expect := func(c *xcapClient, method, target, body string, status int, contains string) {
		t.Helper()
		resp, text := c.do(method, target, body)
		if resp.StatusCode != status || !strings.Contains(text, contains) {
			t.Errorf("%s %s: %d %s; want %d with %q", method, target, resp.StatusCode, text, status, contains)
		}
	}
	lists := func(entries string) string {
		return `<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list>` + entries + `</list></resource-lists>`
	}

	expect(bob, "PUT", of("alice", "resource-lists", "index"), lists(""), 201, "")
	expect(bob, "GET", of("alice", "pres-rules", "index"), "", 403, "")
	expect(carol, "GET", of("alice", "resource-lists", "index"), "", 200, "<list>")

	icon := `<content xmlns="urn:oma:xml:prs:pres-content"><mime-type>image/gif</mime-type><encoding>base64</encoding><data>` +
		base64.StdEncoding.EncodeToString([]byte("GIF89a...")) + `</data></content>`
	expect(alice, "PUT", of("alice", "org.openmobilealliance.pres-content", "oma_status-icon/index"), icon, 201, "")
	expect(anyone, "GET", of("alice", "org.openmobilealliance.pres-content", "oma_status-icon/index"), "", 200, "image/gif")
	expect(anyone, "GET", of("nobody", "org.openmobilealliance.pres-content", "oma_status-icon/index"), "", 404, "")
	expect(anyone, "GET", of("alice", "resource-lists", "index"), "", 401, "")
	expect(alice, "GET", of("alice", "org.openmobilealliance.xcap-directory", "directory.xml"), "", 200, `/oma_status-icon/index"`)

	phone := dialSIP(t, "tcp", s.sip, "bob", password("bob"))
	phone.register(600)
	phone.subscribe("sip:alice@"+domain, "presence", typePIDF).notify()
	expect(alice, "GET", of("alice", "org.openxcap.watchers", "index")+"/~~/watchers/watcher/status", "", 200, "<status>confirm</status>")

	expect(alice, "PUT", of("alice", "resource-lists", "index"), lists(`<entry uri="sip:1@x"/><entry uri="sip:2@x"/><entry uri="sip:3@x"/>`), 409, "may have 2 entries")
	expect(alice, "DELETE", of("alice", "resource-lists", "none"), "", 404, "")
	expect(alice, "DELETE", of("alice", "resource-lists", "none"), "", 404, "")
	expect(alice, "DELETE", of("alice", "resource-lists", "none"), "", 429, "too many changes")

	s.terminate() // the log is complete then
	for _, who := range []string{"bob", "carol"} {
		if !strings.Contains(s.log.String(), "by=sip:"+who+"@"+domain+" owner=sip:alice@"+domain+" auid=resource-lists path=index") {
			t.Errorf("no trace of what %s did", who)
		}
	}
}
