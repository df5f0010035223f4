package xcap

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"rollcall/internal/store"
	"rollcall/internal/xmlscan"
	"rollcall/xcap/usage"
)

// in is the URI of a document of alice.
func in(auid, path string) string { return root + "/" + auid + "/users/" + alice + "/" + path }

const iconPath = "oma_status-icon/index"

func icon(data string) string {
	return `<?xml version='1.0' encoding='UTF-8'?>` + "\n" + `<content xmlns="urn:oma:xml:prs:pres-content"><mime-type>image/png</mime-type><encoding>base64</encoding><data>` +
		base64.StdEncoding.EncodeToString([]byte(data)) + `</data></content>`
}

const png = "\x89PNG\r\n\x1a\n...."

// Watchers fetch icons without credentials, and nothing else.
func TestPublicIcon(t *testing.T) {
	ts := newTestServer(t, untrusted)
	uri := in("org.openmobilealliance.pres-content", iconPath)
	nobody := strings.Replace(uri, alice, "sip:nobody@example.test", 1)
	missing := ts.get(uri)
	expect(t, "before there is one", missing, 404, "")
	expect(t, "PUT without credentials", ts.put(uri, icon(png)), 401, "")
	expect(t, "PUT by another user", ts.withDigest("bob", password, "PUT", uri, icon(png)), 403, "")
	expect(t, "PUT", ts.withDigest("alice", password, "PUT", uri, icon(png)), 201, "")

	a := ts.get(uri)
	expect(t, "GET without credentials", a, 200, "")
	if a.body != icon(png) || a.Header.Get("Content-Type") != "application/vnd.oma.pres-content+xml" || a.etag() == "" {
		t.Errorf("%v %q", a.Header, a.body)
	}
	expect(t, "HEAD", ts.do(http.MethodHead, uri, ""), 200, "")
	expect(t, "conditional", ts.get(uri, "If-None-Match", a.etag()), 304, "")
	expect(t, "part", ts.get(uri+"/~~/content/mime-type"), 200, "")
	expect(t, "bad credentials do not hurt", ts.get(uri, "Authorization", "Digest nonsense"), 200, "")
	for _, method := range []string{http.MethodPut, http.MethodDelete, http.MethodOptions, http.MethodPost} {
		expect(t, method, ts.do(method, uri, icon(png)), 401, "")
	}
	expect(t, "other usage", ts.get(in("test-app", iconPath)), 401, "")
	expect(t, "global tree", ts.get(root+"/org.openmobilealliance.pres-content/global/"+iconPath), 401, "")

	// Who has an account does not show: every header of the answers is the same.
	for what, target := range map[string]string{
		"no such user": nobody, "no such document": strings.TrimSuffix(uri, "index") + "other", "no such part": uri + "/~~/content/x",
		"no folder": in("org.openmobilealliance.pres-content", "index"),
		"no XUI":    root + "/org.openmobilealliance.pres-content/users/nonsense%20/" + iconPath,
	} {
		got := ts.get(target)
		expect(t, what, got, 404, "")
		if got.body != missing.body || len(got.Header) != len(missing.Header) || got.Header.Get("Content-Length") != "0" {
			t.Errorf("%s: %v instead of %v", what, got.Header, missing.Header)
		}
	}
	for _, target := range []string{uri, nobody} {
		expect(t, "malformed selector", ts.get(target+"/~~/p:x"), 400, "")
	}
}

func TestIconRules(t *testing.T) {
	ts := newTestServer(t, func(c *Config) { c.Usages = usage.All(usage.Options{MaxIconBytes: 100}) })
	uri := in("org.openmobilealliance.pres-content", iconPath)
	expect(t, "an image of another type", ts.put(uri, icon("GIF89a")), 409, "constraint-failure")
	expect(t, "no image", ts.put(uri, icon("<html>")), 409, "constraint-failure")
	expect(t, "too large", ts.put(uri, icon(png+strings.Repeat("x", 100))), 409, "constraint-failure")
	expect(t, "other type of document", ts.put(uri, icon(png), "Content-Type", "image/png"), 415, "")
	expect(t, "another folder", ts.put(in("org.openmobilealliance.pres-content", "other/index"), icon(png)), 409, noParent)
	expect(t, "no folder", ts.put(in("org.openmobilealliance.pres-content", "index"), icon(png)), 409, "constraint-failure")
	expect(t, "image", ts.put(uri, icon(png)), 201, "")
	expect(t, "an edit is checked as well", ts.put(uri+"/~~/content/mime-type", "<mime-type>image/gif</mime-type>"), 409, "constraint-failure")
}

// Documents that are made go the way of those that are stored.
func TestDirectory(t *testing.T) {
	ts := newTestServer(t)
	uri := in("org.openmobilealliance.xcap-directory", "directory.xml")
	folder := uri + "/~~/" + escape(`xcap-directory/folder[@auid="resource-lists"]`)
	empty := ts.get(uri)
	expect(t, "empty", empty, 200, "")
	if got := empty.Header.Get("Content-Type"); got != "application/vnd.oma.xcap-directory+xml" {
		t.Errorf("Content-Type %s", got)
	}
	tag := ts.mustPut(listsURI, listsOf(2)).etag()
	part := ts.get(folder)
	expect(t, "folder", part, 200, "")
	entry := `<entry uri="` + listsURI + `" etag="` + strings.Trim(tag, `"`) + `" last-modified="`
	if !strings.Contains(part.body, entry) || !strings.HasPrefix(part.body, `<folder auid="resource-lists">`) {
		t.Errorf("%s has no %s", part.body, entry)
	}
	d, err := xmlscan.Scan([]byte(ts.get(uri).body), xmlscan.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range d.Elements {
		if target, ok := d.Attr(i, "", "uri"); ok {
			expect(t, "what is listed is there", ts.get(target), 200, "")
		}
	}
	full := ts.get(uri)
	if full.etag() == empty.etag() {
		t.Error("the entity-tag stayed although the listing changed")
	}
	expect(t, "unchanged", ts.get(uri, "If-None-Match", full.etag()), 304, "")
	expect(t, "attribute", ts.get(folder+"/entry/@size"), 200, "")
	expect(t, "namespaces", ts.get(uri+"/~~/xcap-directory/namespace::*"), 200, "")
	expect(t, "other name", ts.get(in("org.openmobilealliance.xcap-directory", "index")), 404, "")
	expect(t, "another user's", ts.get(uri, assertedIdentity, bob), 403, "")
	for _, method := range []string{http.MethodPut, http.MethodDelete, http.MethodPost} {
		for _, target := range []string{uri, folder, in("org.openxcap.watchers", "index")} {
			a := ts.do(method, target, "<x/>")
			expect(t, method, a, 405, "")
			if allow := a.Header.Get("Allow"); !strings.HasPrefix(allow, "GET, HEAD") || strings.Contains(allow, "PUT") {
				t.Errorf("Allow %q", allow)
			}
		}
	}
}

func TestWatchers(t *testing.T) {
	status := "pending"
	ts := newTestServer(t, func(c *Config) {
		c.Watchers = func(presentity string) []usage.Watcher {
			if presentity != alice {
				return nil
			}
			return []usage.Watcher{{Watcher: store.Watcher{Presentity: alice, Watcher: bob, Status: status}}}
		}
	})
	uri := in("org.openxcap.watchers", "index")
	pending := ts.get(uri)
	expect(t, "GET", pending, 200, "")
	if pending.Header.Get("Content-Type") != "application/xml" || !strings.Contains(pending.body, "<id>bob@example.test</id>") {
		t.Errorf("%v %s", pending.Header, pending.body)
	}
	part := uri + "/~~/watchers/watcher/status"
	if a := ts.get(part); a.body != "<status>confirm</status>" {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	status = "active"
	if a := ts.get(part, "If-None-Match", pending.etag()); a.body != "<status>allow</status>" {
		t.Errorf("%d %s: what is made is always current", a.StatusCode, a.body)
	}
	expect(t, "another user's", ts.get(uri, assertedIdentity, bob), 403, "")
	expect(t, "global tree", ts.get(root+"/org.openxcap.watchers/global/index"), 404, "")
}

// What OMA asks of rule documents besides their schemas.
func TestOMARules(t *testing.T) {
	ts := newTestServer(t)
	rules := func(rule string) string {
		return `<cp:ruleset xmlns:cp="urn:ietf:params:xml:ns:common-policy" xmlns:pr="urn:ietf:params:xml:ns:pres-rules" xmlns:ocp="urn:oma:xml:xdm:common-policy"><cp:rule id="r">` + rule + `</cp:rule></cp:ruleset>`
	}
	actions := func(handling string) string {
		return `<cp:actions><pr:sub-handling>` + handling + `</pr:sub-handling></cp:actions>`
	}
	one := `<cp:identity><cp:one id="sip:b@x"/></cp:identity>`
	show := `<cp:transformations><pr:provide-note>true</pr:provide-note></cp:transformations>`
	for _, c := range []struct {
		rule, body string
		ok         bool
	}{
		{"conditions of all kinds", `<cp:conditions>` + one + `<ocp:external-list><ocp:entry anc="http://other/x"/></ocp:external-list><ocp:other-identity/><ocp:anonymous-request/></cp:conditions>` + actions("allow") + show, true},
		{"two of a kind", `<cp:conditions>` + one + one + `</cp:conditions>` + actions("allow"), false},
		{"two of a kind", `<cp:conditions><ocp:other-identity/><ocp:other-identity/></cp:conditions>` + actions("allow"), false},
		{"transformations without allow", `<cp:conditions>` + one + `</cp:conditions>` + actions("polite-block") + show, false},
		{"empty transformations", `<cp:conditions>` + one + `</cp:conditions>` + actions("block") + `<cp:transformations/>`, true},
	} {
		status, conflict := 201, ""
		if !c.ok {
			status, conflict = 409, usage.ConstraintFailure
		}
		oma := in("org.openmobilealliance.pres-rules", "index")
		expect(t, c.rule, ts.put(oma, rules(c.body)), status, conflict)
		expect(t, c.rule+" in an IETF document", ts.put(in("pres-rules", "index"), rules(c.body)), 201, "")
		ts.do(http.MethodDelete, oma, "")
		ts.do(http.MethodDelete, in("pres-rules", "index"), "")
	}
	uri := in("org.openmobilealliance.pres-rules", "index")
	ts.mustPut(uri, rules(`<cp:conditions>`+one+`</cp:conditions>`+actions("allow")+show))
	query := "?xmlns(pr=urn:ietf:params:xml:ns:pres-rules)"
	handling := uri + "/~~/ruleset/rule/actions/pr:sub-handling" + query
	a := ts.put(handling, "<pr:sub-handling>block</pr:sub-handling>", "Content-Type", elementType)
	expect(t, "an edit is checked as well", a, 409, usage.ConstraintFailure)
}

func TestOtherUsages(t *testing.T) {
	ts := newTestServer(t)
	for _, c := range []struct{ rule, auid, path, body, conflict string }{
		{"group list", "org.openmobilealliance.group-usage-list", "index", list(`<entry uri="sip:g@x"/>`), ""},
		{"group list with a reference", "org.openmobilealliance.group-usage-list", "index", list(`<external anchor="http://h/x"/>`), usage.ConstraintFailure},
		{"group list of another name", "org.openmobilealliance.group-usage-list", "x", list(""), usage.ConstraintFailure},
		{"profile", "org.openmobilealliance.user-profile", "user-profile", `<user-profiles xmlns="urn:oma:xml:xdm:user-profile"><user-profile uri="` + alice + `"><hobbies><hobby>chess</hobby></hobbies></user-profile></user-profiles>`, ""},
		{"profile of another", "org.openmobilealliance.user-profile", "user-profile", `<user-profiles xmlns="urn:oma:xml:xdm:user-profile"><user-profile uri="` + bob + `"/></user-profiles>`, usage.ConstraintFailure},
		{"dialog rules", "org.openxcap.dialog-rules", "index", `<ruleset xmlns="urn:ietf:params:xml:ns:common-policy"><rule id="r"><actions><s:sub-handling xmlns:s="urn:ag-projects:xml:ns:dialog-rules">allow</s:sub-handling></actions></rule></ruleset>`, ""},
		{"dialog rules with an unknown action", "org.openxcap.dialog-rules", "index", `<ruleset xmlns="urn:ietf:params:xml:ns:common-policy"><rule id="r"><actions><s:handling xmlns:s="urn:ag-projects:xml:ns:dialog-rules"/></actions></rule></ruleset>`, usage.SchemaValidationError},
	} {
		status := 201
		if c.conflict != "" {
			status = 409
		}
		expect(t, c.rule, ts.put(in(c.auid, c.path), c.body), status, c.conflict)
		ts.do(http.MethodDelete, in(c.auid, c.path), "")
	}
}

// RFC 4825 §12: what is listed is what is served.
func TestCapabilities(t *testing.T) {
	for _, test := range []bool{true, false} {
		ts := newTestServer(t, func(c *Config) { c.Usages = usage.All(usage.Options{TestUsages: test}) })
		d, err := xmlscan.Scan([]byte(ts.get(root+"/xcap-caps/global/index").body), xmlscan.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		listed := map[string]bool{}
		for i := range d.Elements {
			if d.Elements[i].Local == "auid" {
				listed[d.Text(i)] = true
			}
		}
		if len(listed) < 12 || listed["test-app"] != test {
			t.Errorf("%v", listed)
		}
		for auid := range listed {
			a := ts.do(http.MethodOptions, in(auid, "index"), "")
			expect(t, auid, a, 204, "")
		}
		expect(t, "not listed", ts.do(http.MethodOptions, in("org.openmobilealliance.search", "index"), ""), 404, "")
	}
}

// RFC 4826 §4.4.7 to §4.4.9: restricted, current, and meaning what the services
// meant where they came from; documents that are larger than usual count, too.
func TestGlobalIndex(t *testing.T) {
	ts := newTestServer(t, func(c *Config) { c.Limits.Bytes = 1 << 20 })
	index := root + "/rls-services/global/index"
	for _, who := range []string{alice, "sip:nobody@example.test"} {
		expect(t, who, ts.get(index, assertedIdentity, who), 404, "")
		expect(t, who, ts.put(index, "<x/>", assertedIdentity, who), 404, "")
	}
	expect(t, "nobody", ts.get(index, assertedIdentity, ""), 401, "")
	expect(t, "a reader does not write", ts.put(index, "<x/>", assertedIdentity, bob), 403, "")

	expect(t, "default namespace", ts.put(in("rls-services", "index"), `<rls-services xmlns="urn:ietf:params:xml:ns:rls-services"><service uri="sip:one@example.test"><list xmlns:l="urn:ietf:params:xml:ns:resource-lists"><l:entry uri="sip:x@x"><l:display-name>`+
		strings.Repeat("x", 300<<10)+`</l:display-name></l:entry></list></service></rls-services>`), 201, "")
	theirs := strings.Replace(in("rls-services", "index"), alice, bob, 1)
	expect(t, "prefixes", ts.put(theirs, `<l:rls-services xmlns:l="urn:ietf:params:xml:ns:rls-services" xmlns:r="urn:ietf:params:xml:ns:resource-lists"><l:service uri="sip:two@example.test"><l:list><r:entry uri="sip:y@x"/></l:list></l:service></l:rls-services>`, assertedIdentity, bob), 201, "")
	a := ts.get(index, assertedIdentity, bob)
	d, err := xmlscan.Scan([]byte(a.body), xmlscan.Limits{Bytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	services, members := 0, 0
	for i := range d.Elements {
		switch {
		case d.Is(i, "urn:ietf:params:xml:ns:rls-services", "service"):
			services++
		case d.Is(i, listsNS, "entry"):
			members++
		}
	}
	if services != 2 || members != 2 {
		t.Errorf("%d services with %d members", services, members)
	}
	one := ts.get(index+"/~~/"+escape(`rls-services/service[@uri="sip:two@example.test"]`), assertedIdentity, bob)
	expect(t, "one service", one, 200, "")
	expect(t, "PUT by element", ts.put(theirs+"/~~/"+escape(`rls-services/service[1]/@uri`), "sip:three@example.test", assertedIdentity, bob), 200, "")
	now := ts.get(index, assertedIdentity, bob, "If-None-Match", a.etag())
	expect(t, "changed", now, 200, "")
	if strings.Contains(now.body, "sip:two@") || !strings.Contains(now.body, "sip:three@") {
		t.Error("the index is out of date")
	}
}
