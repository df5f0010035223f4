package main

import (
	"encoding/xml"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"strings"
	"testing"
)

// Documents in the shape in which Blink writes them: everything in an anyURI
// place percent-encoded, contacts without a scheme, anchors as absolute URLs.

// blinkAnchor is the URL of one of a user's lists.
func blinkAnchor(root, user, list string) string {
	return "http%3A//" + strings.ReplaceAll(strings.TrimPrefix(root, "http://"), ":", "%3A") +
		"/resource-lists/users/sip%3A" + user + "%40" + domain + "/index/~~/resource-lists/list%5B%40name%3D%22" + list + "%22%5D"
}

// blinkLists has the contacts in the lists that Blink derives from them.
func blinkLists(root, user string, contacts ...string) string {
	var entries, book strings.Builder
	for i, c := range contacts {
		fmt.Fprintf(&entries, `<rl:entry uri="%s%%40%s"/>`, c, domain)
		fmt.Fprintf(&book, `<addressbook:contact id="id17952513%d"><addressbook:name>%s</addressbook:name><addressbook:uris>`+
			`<addressbook:uri id="id1795%d" uri="%s%%40%s" type="SIP"><blink:attributes/></addressbook:uri></addressbook:uris>`+
			`<addressbook:presence><addressbook:policy>allow</addressbook:policy><addressbook:subscribe>true</addressbook:subscribe></addressbook:presence>`+
			`</addressbook:contact>`, i, c, i, c, domain)
	}
	var all strings.Builder
	for _, l := range []string{"oma_buddylist", "oma_grantedcontacts", "oma_blockedcontacts"} {
		fmt.Fprintf(&all, `<rl:external anchor="%s"/>`, blinkAnchor(root, user, l))
	}
	return `<?xml version='1.0' encoding='UTF-8'?>` + "\n" +
		`<rl:resource-lists xmlns:rl="urn:ietf:params:xml:ns:resource-lists" xmlns:addressbook="urn:ag-projects:xml:ns:addressbook" xmlns:blink="urn:ag-projects:blink:xml:ns:addressbook">` +
		`<rl:list name="oma_buddylist"/><rl:list name="oma_grantedcontacts">` + entries.String() + `</rl:list><rl:list name="oma_blockedcontacts"/>` +
		`<rl:list name="oma_allcontacts">` + all.String() + `</rl:list><rl:list name="dialog_grantedcontacts"/><rl:list name="dialog_blockedcontacts"/>` +
		`<rl:list name="sipsimple_presence_rls">` + entries.String() + `</rl:list><rl:list name="sipsimple_dialog_rls"/>` +
		`<rl:list name="sipsimple_addressbook">` + book.String() + `</rl:list></rl:resource-lists>`
}

func blinkServices(root, user string) string {
	var b strings.Builder
	b.WriteString(`<?xml version='1.0' encoding='UTF-8'?>` + "\n" + `<rls-services xmlns="urn:ietf:params:xml:ns:rls-services">`)
	for _, pkg := range []string{"presence", "dialog"} {
		fmt.Fprintf(&b, `<service uri="sip%%3A%s%%2B%s%%40%s"><resource-list>%s</resource-list><packages><package>%s</package></packages></service>`,
			user, pkg, domain, blinkAnchor(root, user, "sipsimple_"+pkg+"_rls"), pkg)
	}
	return b.String() + `</rls-services>`
}

func blinkRules(root, user string) string {
	rule := func(id, condition, handling string) string {
		return `<cp:rule id="` + id + `"><cp:conditions>` + condition + `</cp:conditions><cp:actions><pr:sub-handling>` + handling +
			`</pr:sub-handling></cp:actions></cp:rule>`
	}
	list := func(name string) string {
		return `<ocp:external-list><ocp:entry anc="` + blinkAnchor(root, user, name) + `"/></ocp:external-list>`
	}
	return `<?xml version='1.0' encoding='UTF-8'?>` + "\n" +
		`<cp:ruleset xmlns:cp="urn:ietf:params:xml:ns:common-policy" xmlns:pr="urn:ietf:params:xml:ns:pres-rules" xmlns:ocp="urn:oma:xml:xdm:common-policy">` +
		rule("wp_prs_grantedcontacts", list("oma_grantedcontacts"), "allow") +
		rule("wp_prs_blockedcontacts", list("oma_blockedcontacts"), "polite-block") +
		rule("wp_prs_unlisted", `<ocp:other-identity/>`, "confirm") +
		rule("wp_prs_block_anonymous", `<ocp:anonymous-request/>`, "block") +
		rule("wp_prs_allow_own", `<cp:identity><cp:one id="sip%3A`+user+`%40`+domain+`"/></cp:identity>`, "allow") +
		`</cp:ruleset>`
}

// blinkPIDF is what Blink publishes, with its extensions.
func blinkPIDF(user, basic, extended, activity, note string) string {
	return `<?xml version='1.0' encoding='UTF-8'?>` + "\n" +
		`<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:agp-pidf="urn:ag-projects:xml:ns:pidf" xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid" xmlns:caps="urn:ietf:params:xml:ns:pidf:caps" entity="sip%3A` + user + `%40` + domain + `">` +
		`<tuple id="SID-534815d2"><status><basic>` + basic + `</basic><agp-pidf:extended>` + extended + `</agp-pidf:extended></status>` +
		`<agp-pidf:device-info id="534815d2"><agp-pidf:description>desk</agp-pidf:description><agp-pidf:user-agent>sipsimple 5.5.0</agp-pidf:user-agent></agp-pidf:device-info>` +
		`<rpid:user-input>active</rpid:user-input><dm:deviceID>urn:uuid:534815d2</dm:deviceID><caps:servcaps><caps:audio>true</caps:audio></caps:servcaps>` +
		`<contact>sip%3A` + user + `%40` + domain + `</contact><note xml:lang="en">` + note + `</note><timestamp>2026-01-02T03:04:05Z</timestamp></tuple>` +
		`<dm:person id="PID-65a8e27d"><rpid:activities><rpid:` + activity + `/></rpid:activities><dm:timestamp>2026-01-02T03:04:05Z</dm:timestamp></dm:person>` +
		`<dm:device id="DID-534815d2"><dm:deviceID>urn:uuid:534815d2</dm:deviceID></dm:device></presence>`
}

const blinkAccept = "multipart/related, application/rlmi+xml, application/pidf+xml"

// rlmi is a list notification as a client reads it.
type rlmi struct {
	URI       string `xml:"uri,attr"`
	Version   int    `xml:"version,attr"`
	FullState string `xml:"fullState,attr"`
	Resources []struct {
		URI       string `xml:"uri,attr"`
		Instances []struct {
			ID     string `xml:"id,attr"`
			State  string `xml:"state,attr"`
			Reason string `xml:"reason,attr"`
			CID    string `xml:"cid,attr"`
		} `xml:"urn:ietf:params:xml:ns:rlmi instance"`
	} `xml:"urn:ietf:params:xml:ns:rlmi resource"`
	XMLName xml.Name `xml:"urn:ietf:params:xml:ns:rlmi list"`

	parts map[string]string // by Content-ID
}

// readRLMI takes a NOTIFY apart with Blink's strictness.
func readRLMI(t *testing.T, m *message) *rlmi {
	t.Helper()
	if m.get("Require") != "eventlist" {
		t.Errorf("Require of a list NOTIFY is %q", m.get("Require"))
	}
	mediaType, params, err := mime.ParseMediaType(m.get("Content-Type"))
	if err != nil || mediaType != "multipart/related" || params["type"] != "application/rlmi+xml" {
		t.Fatalf("Content-Type %q, %v", m.get("Content-Type"), err)
	}
	l := &rlmi{parts: map[string]string{}}
	r := multipart.NewReader(strings.NewReader(string(m.body)), params["boundary"])
	for i := 0; ; i++ {
		part, err := r.NextRawPart()
		if err == io.EOF {
			return l
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(part)
		if err != nil {
			t.Fatal(err)
		}
		id := part.Header.Get("Content-Id")
		if !strings.HasPrefix(id, "<") || !strings.HasSuffix(id, ">") {
			t.Errorf("Content-ID %q", id)
		}
		if i > 0 {
			l.parts[strings.Trim(id, "<>")] = string(body)
			continue
		}
		if start := params["start"]; start != id {
			t.Errorf("start %q, Content-ID of the first part %q", start, id)
		}
		if err := xml.Unmarshal(body, l); err != nil {
			t.Fatalf("%v\n%s", err, body)
		}
	}
}

// expect checks version, fullness and the one member of the list, and returns
// that member's document.
func (l *rlmi) expect(t *testing.T, list string, version int, full, member, state string) string {
	t.Helper()
	if l.URI != list || l.Version != version || l.FullState != full {
		t.Fatalf("uri=%q version=%d fullState=%s, want %q %d %s", l.URI, l.Version, l.FullState, list, version, full)
	}
	if len(l.Resources) != 1 || l.Resources[0].URI != member || len(l.Resources[0].Instances) != 1 {
		t.Fatalf("resources %+v", l.Resources)
	}
	in := l.Resources[0].Instances[0]
	if in.State != state {
		t.Fatalf("state %q, want %q", in.State, state)
	}
	if (in.CID != "") != (state == "active") {
		t.Fatalf("state %s with cid %q", state, in.CID)
	}
	if in.CID == "" {
		return ""
	}
	doc, ok := l.parts[in.CID]
	if !ok {
		t.Fatalf("no part %q", in.CID)
	}
	checkPIDF(t, doc)
	return doc
}

// checkPIDF refuses what Blink drops silently: ids that are not unique, parts out
// of order.
func checkPIDF(t *testing.T, doc string) {
	t.Helper()
	seen := map[string]bool{}
	dec := xml.NewDecoder(strings.NewReader(doc))
	depth, rank := 0, 0
	for {
		tok, err := dec.Token()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatalf("%v\n%s", err, doc)
		}
		switch e := tok.(type) {
		case xml.StartElement:
			depth++
			for _, a := range e.Attr {
				if a.Name.Local == "id" && e.Name.Space != "urn:ag-projects:xml:ns:pidf" {
					if seen[a.Value] || a.Value == "" || strings.ContainsAny(a.Value[:1], "0123456789") {
						t.Errorf("id %q in\n%s", a.Value, doc)
					}
					seen[a.Value] = true
				}
			}
			if depth == 2 {
				r := map[string]int{"tuple": 1, "note": 2, "person": 3, "device": 4}[e.Name.Local]
				if r < rank {
					t.Errorf("%s comes too late in\n%s", e.Name.Local, doc)
				}
				rank = r
			}
		case xml.EndElement:
			depth--
		}
	}
}

// watcherinfo is a watcher information document.
type watcherinfo struct {
	Version int    `xml:"version,attr"`
	State   string `xml:"state,attr"`
	Lists   []struct {
		Resource string `xml:"resource,attr"`
		Package  string `xml:"package,attr"`
		Watchers []struct {
			ID     string `xml:"id,attr"`
			Status string `xml:"status,attr"`
			Event  string `xml:"event,attr"`
			URI    string `xml:",chardata"`
		} `xml:"watcher"`
	} `xml:"watcher-list"`
	XMLName xml.Name `xml:"urn:ietf:params:xml:ns:watcherinfo watcherinfo"`
}

// expectWinfo checks a watcher information NOTIFY: watchers are "uri status event".
func expectWinfo(t *testing.T, m *message, version int, state, resource string, watchers ...string) {
	t.Helper()
	var w watcherinfo
	if err := xml.Unmarshal(m.body, &w); err != nil {
		t.Fatalf("%v in\n%s", err, m)
	}
	if w.Version != version || w.State != state || len(w.Lists) != 1 || w.Lists[0].Resource != resource || w.Lists[0].Package != "presence" {
		t.Fatalf("want version %d %s, got\n%s", version, state, m.body)
	}
	var got []string
	for _, x := range w.Lists[0].Watchers {
		got = append(got, strings.TrimSpace(x.URI)+" "+x.Status+" "+x.Event)
	}
	if strings.Join(got, "; ") != strings.Join(watchers, "; ") {
		t.Fatalf("watchers %q, want %q", got, watchers)
	}
}
