package main

import (
	"crypto/rand"
	"strings"
	"testing"
	"time"
)

// window is the list-window that listRows are played with: wide enough for two
// changes even where the machine has much else to do.
const window = 600 * time.Millisecond

// listRows are what lists of presence have to do, each over every transport.
func listRows() []row {
	return []row{
		{name: "given up", play: listGivenUp},
		{name: "two changes", play: changesCollected},
		{name: "blocked", play: memberBlocks},
		{name: "lists that contain each other", play: listsContainEachOther},
		{name: "recipients", play: recipientsNested},
		{name: "recipients in the dialog", play: recipientsReplaced},
		{name: "list for a list", play: recipientsForService},
		{name: "two owners", play: twoOwners},
		{name: "another document", play: serviceElsewhere},
		{name: "global index", play: globalIndex},
	}
}

const rlsUser = "sip:rls@" + domain

// service is the address of d's list.
func (d *desk) service() string { return "sip:friends-" + d.user + "@" + domain }

// serve stores d's one service: content is what its list is.
func (d *desk) serve(name, content string) {
	d.t.Helper()
	d.xcap.put(201, "rls-services/users/"+d.aor()+"/"+name, typeServices,
		`<rls-services xmlns="urn:ietf:params:xml:ns:rls-services" xmlns:rl="urn:ietf:params:xml:ns:resource-lists">`+
			`<service uri="`+d.service()+`">`+content+`</service></rls-services>`)
}

func (d *desk) serveMembers(members ...*sipClient) {
	d.t.Helper()
	text := "<list>"
	for _, m := range members {
		text += `<rl:entry uri="` + m.aor() + `"/>`
	}
	d.serve("index", text+"</list>")
}

// send subscribes to the list in body.
func (d *desk) send(body string) *dialog {
	d.t.Helper()
	w := &dialog{c: d.sipClient, r: request{method: "SUBSCRIBE", uri: rlsUser, to: rlsUser, callID: rand.Text(), body: body,
		lines: []string{"Event: presence", "Contact: " + d.contact(), "Expires: 600", "Accept: " + blinkAccept, "Supported: eventlist",
			"Require: recipient-list-subscribe", "Content-Type: " + typeLists, "Content-Disposition: recipient-list"}}}
	w.accepted(d.want(200, w.r))
	return w
}

// document is what a list tells of one resource.
func (l *rlmi) document(uri string) string {
	for _, r := range l.Resources {
		for _, i := range r.Instances {
			if r.URI == uri {
				return l.parts[i.CID]
			}
		}
	}
	return ""
}

func (l *rlmi) wantDocument(t *testing.T, uri, part string) {
	t.Helper()
	if doc := l.document(uri); !strings.Contains(doc, part) {
		t.Fatalf("want %q of %s in\n%s", part, uri, doc)
	}
}

// open is somebody who lets everybody see that they are there.
func (v *venue) open(t *testing.T) *sipClient {
	t.Helper()
	c := v.phone(t)
	v.allow(t, c)
	publish(c, tupleOf("t", "open"))
	return c
}

// RFC 4662 §5.2: what follows a SUBSCRIBE is full, the last time as well.
func listGivenUp(t *testing.T, v *venue) {
	d, member, waits := v.desk(t), v.open(t), v.phone(t)
	d.serveMembers(member, waits)
	w := d.subscribe(d.service(), "presence", blinkAccept)
	all := map[string]string{member.aor(): "active ", waits.aor(): "pending "}
	readRLMI(t, w.notify()).wantStates(t, d.service(), 0, "true", all)
	if m := w.refresh(d.sipClient, 0); m.get("Expires") != "0" || m.get("Require") != "eventlist" {
		t.Errorf("given up with\n%s", m)
	}
	m := w.notify()
	if m.get("Subscription-State") != "terminated;reason=timeout" {
		t.Errorf("Subscription-State %q", m.get("Subscription-State"))
	}
	l := readRLMI(t, m)
	l.wantStates(t, d.service(), 1, "true", all)
	l.wantDocument(t, member.aor(), "<basic>open</basic>")
	d.want(481, w.again(d.sipClient, 600))
}

// Changes within the window after a NOTIFY are one NOTIFY.
func changesCollected(t *testing.T, v *venue) {
	d, one, other := v.desk(t), v.open(t), v.open(t)
	d.serveMembers(one, other)
	for end := time.Now().Add(patience); time.Now().Before(end); {
		began := time.Now()
		w := d.subscribe(d.service(), "presence", blinkAccept)
		both := map[string]string{one.aor(): "active ", other.aor(): "active "}
		readRLMI(t, w.notify()).wantStates(t, d.service(), 0, "true", both)
		publish(one, tupleOf("t", "closed"))
		publish(other, tupleOf("t", "closed"))
		if time.Since(began) < window*3/4 {
			l := readRLMI(t, w.notify())
			l.wantStates(t, d.service(), 1, "false", both)
			l.wantDocument(t, one.aor(), "<basic>closed</basic>")
			l.wantDocument(t, other.aor(), "<basic>closed</basic>")
			d.silent(50 * time.Millisecond)
			return
		}
		// Too slow to say how many there are: once more, with somebody else's list.
		d, one, other = v.desk(t), v.open(t), v.open(t)
		d.serveMembers(one, other)
	}
	t.Skip("the machine is too busy for two changes within the window")
}

// A member who blocks the owner of the list refuses no more than itself.
func memberBlocks(t *testing.T, v *venue) {
	d, member, friend := v.desk(t), v.phone(t), v.open(t)
	rules := newXCAPClient(t, v.xcap, member.user, member.password)
	handle := func(status int, handling string) {
		rules.put(status, "org.openmobilealliance.pres-rules/users/"+member.aor()+"/index", typeRules,
			`<ruleset xmlns="urn:ietf:params:xml:ns:common-policy" xmlns:pr="urn:ietf:params:xml:ns:pres-rules">`+ruleFor("r", d.aor(), handling, "")+`</ruleset>`)
	}
	handle(201, "allow")
	publish(member, tupleOf("t", "open"))
	d.serveMembers(member, friend)
	w := d.subscribe(d.service(), "presence", blinkAccept)
	readRLMI(t, w.notify()).wantStates(t, d.service(), 0, "true", map[string]string{member.aor(): "active ", friend.aor(): "active "})
	handle(200, "block")
	readRLMI(t, w.notify()).wantStates(t, d.service(), 1, "false", map[string]string{member.aor(): "terminated rejected"})
	w.refresh(d.sipClient, 600)
	l := readRLMI(t, w.notify())
	l.wantStates(t, d.service(), 2, "true", map[string]string{member.aor(): "terminated rejected", friend.aor(): "active "})
	if doc := l.document(member.aor()); doc != "" {
		t.Errorf("of who blocks\n%s", doc)
	}
}

// RFC 4826 §4.5: two lists that contain each other end, and all else is served.
func listsContainEachOther(t *testing.T, v *venue) {
	d, a, b := v.desk(t), v.open(t), v.open(t)
	anchor := func(name string) string {
		return v.xcap + "/resource-lists/users/" + d.aor() + "/index/~~/resource-lists/list%5b@name=%22" + name + "%22%5d"
	}
	list := func(name, other string, member *sipClient) string {
		return `<list name="` + name + `"><external anchor="` + anchor(other) + `"/><entry uri="` + member.aor() + `"/></list>`
	}
	d.xcap.put(201, d.home+"index", typeLists,
		`<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists">`+list("A", "B", a)+list("B", "A", b)+`</resource-lists>`)
	d.serve("index", "<resource-list>"+anchor("A")+"</resource-list>")
	w := d.subscribe(d.service(), "presence", blinkAccept)
	readRLMI(t, w.notify()).wantStates(t, d.service(), 0, "true", map[string]string{a.aor(): "active ", b.aor(): "active "})
	publish(b, tupleOf("t", "closed"))
	l := readRLMI(t, w.notify())
	l.wantStates(t, d.service(), 1, "false", map[string]string{b.aor(): "active "})
	l.wantDocument(t, b.aor(), "<basic>closed</basic>")
}

// RFC 5367 §4, RFC 5363 §4.1: hierarchy is dropped, duplicates collapse.
func recipientsNested(t *testing.T, v *venue) {
	d, member := v.desk(t), v.open(t)
	host := strings.ToUpper(domain)
	w := d.send(`<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list><entry uri="SIP:` + member.user + `@` + host + `"/>` +
		`<list name="inner"><entry uri="` + member.aor() + `"/></list></list></resource-lists>`)
	readRLMI(t, w.notify()).wantStates(t, rlsUser, 0, "true", map[string]string{member.aor(): "active "})
	publish(member, tupleOf("t", "closed"))
	l := readRLMI(t, w.notify())
	l.wantStates(t, rlsUser, 1, "false", map[string]string{member.aor(): "active "})
	l.wantDocument(t, member.aor(), "<basic>closed</basic>")
}

// The same list again refreshes, another one takes its place, and one that is
// none leaves everything as it is.
func recipientsReplaced(t *testing.T, v *venue) {
	d, one, other := v.desk(t), v.open(t), v.open(t)
	w := d.send(documentList(one.aor()))
	readRLMI(t, w.notify()).wantStates(t, rlsUser, 0, "true", map[string]string{one.aor(): "active "})
	w.refresh(d.sipClient, 600)
	readRLMI(t, w.notify()).wantStates(t, rlsUser, 1, "true", map[string]string{one.aor(): "active "})
	w.r.body = documentList(other.aor())
	w.refresh(d.sipClient, 600)
	readRLMI(t, w.notify()).wantStates(t, rlsUser, 2, "true", map[string]string{other.aor(): "active "})
	broken := w.again(d.sipClient, 600)
	broken.body = "<list/>"
	d.want(400, broken)
	publish(one, tupleOf("t", "closed")) // no longer on the list
	publish(other, tupleOf("t", "closed"))
	readRLMI(t, w.notify()).wantStates(t, rlsUser, 3, "false", map[string]string{other.aor(): "active "})
}

// RFC 5367 §4: where the list is a stored one no SUBSCRIBE brings another.
func recipientsForService(t *testing.T, v *venue) {
	d, member := v.desk(t), v.open(t)
	d.serveMembers(member)
	w := d.subscribe(d.service(), "presence", blinkAccept)
	readRLMI(t, w.notify()).wantStates(t, d.service(), 0, "true", map[string]string{member.aor(): "active "})
	again := w.again(d.sipClient, 600, "Require: recipient-list-subscribe", "Content-Type: "+typeLists, "Content-Disposition: recipient-list")
	again.body = documentList(d.aor())
	d.want(415, again)
	w.refresh(d.sipClient, 600)
	readRLMI(t, w.notify()).wantStates(t, d.service(), 1, "true", map[string]string{member.aor(): "active "})
}

// RFC 4662 §7.2: each owner sees what the member's rules say of that owner.
func twoOwners(t *testing.T, v *venue) {
	trusted, stranger, member := v.desk(t), v.desk(t), v.phone(t)
	rule := func(id, who, transformations string) string {
		return `<rule id="` + id + `"><conditions><identity><one id="` + who + `"/></identity></conditions><actions><pr:sub-handling>allow</pr:sub-handling></actions>` +
			`<transformations><pr:provide-services><pr:all-services/></pr:provide-services>` + transformations + `</transformations></rule>`
	}
	newXCAPClient(t, v.xcap, member.user, member.password).put(201, "pres-rules/users/"+member.aor()+"/index", typeRules,
		`<ruleset xmlns="urn:ietf:params:xml:ns:common-policy" xmlns:pr="urn:ietf:params:xml:ns:pres-rules">`+
			rule("a", trusted.aor(), `<pr:provide-note>true</pr:provide-note>`)+rule("b", stranger.aor(), "")+`</ruleset>`)
	publish(member, `<tuple id="t"><status><basic>open</basic></status><note>at home</note></tuple>`)
	for _, tt := range []struct {
		d     *desk
		noted bool
	}{{trusted, true}, {stranger, false}} {
		tt.d.serveMembers(member)
		w := tt.d.subscribe(tt.d.service(), "presence", blinkAccept)
		l := readRLMI(t, w.notify())
		l.wantStates(t, tt.d.service(), 0, "true", map[string]string{member.aor(): "active "})
		l.wantDocument(t, member.aor(), "<basic>open</basic>")
		if doc := l.document(member.aor()); strings.Contains(doc, "at home") != tt.noted {
			t.Errorf("with the note: want %v in\n%s", tt.noted, doc)
		}
	}
}

// RFC 4826 §4.4.7: only documents named index count.
func serviceElsewhere(t *testing.T, v *venue) {
	d, member := v.desk(t), v.phone(t)
	d.serve("other", `<list><rl:entry uri="`+member.aor()+`"/></list>`)
	d.want(404, request{method: "SUBSCRIBE", uri: d.service(), lines: []string{"Event: presence", "Contact: " + d.contact(),
		"Accept: " + blinkAccept, "Supported: eventlist"}})
	if text := readIndex(t, v); strings.Contains(text, d.service()) {
		t.Errorf("in the index:\n%s", text)
	}
}

// A service is in the index, and can be subscribed to, as soon as it is stored.
func globalIndex(t *testing.T, v *venue) {
	d, member := v.desk(t), v.open(t)
	d.serveMembers(member)
	if text := readIndex(t, v); !strings.Contains(text, `uri="`+d.service()+`"`) || !strings.Contains(text, member.aor()) {
		t.Errorf("not in the index:\n%s", text)
	}
	w := d.subscribe(d.service(), "presence", blinkAccept)
	readRLMI(t, w.notify()).wantStates(t, d.service(), 0, "true", map[string]string{member.aor(): "active "})
	if resp, _ := d.xcap.do("GET", "rls-services/global/index", ""); resp.StatusCode != 404 {
		t.Errorf("the index is there for everybody: %d", resp.StatusCode)
	}
}

// readIndex reads the index of all services as the one user who may, carol.
func readIndex(t *testing.T, v *venue) string {
	t.Helper()
	resp, text := newXCAPClient(t, v.xcap, "carol", password("carol")).do("GET", "rls-services/global/index", "")
	if resp.StatusCode != 200 {
		t.Fatalf("the index: %d %s", resp.StatusCode, text)
	}
	return text
}
