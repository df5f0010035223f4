package main

import (
	"encoding/xml"
	"fmt"
	"strings"
	"testing"
	"time"
)

// quiet is how long nothing has to arrive to count as silence.
const quiet = 200 * time.Millisecond

// Rules that change while somebody watches: RFC 5025 §3.2.1, RFC 3857 §4.7.1.
func TestPolicyRows(t *testing.T) {
	t.Parallel()
	var rows []row
	for _, from := range []string{"confirm", "polite-block", "allow"} {
		for _, to := range []string{"block", "confirm", "polite-block", "allow"} {
			rows = append(rows, row{from + " to " + to, "tcp", func(t *testing.T, v *venue) { ruleChanges(t, v, from, to) }})
		}
	}
	for to, event := range map[string]string{"block": "rejected", "confirm": "", "polite-block": "approved", "allow": "approved"} {
		rows = append(rows, row{"waiting, then " + to, "tcp", func(t *testing.T, v *venue) { waiterIsDecidedAbout(t, v, to, event) }})
	}
	rows = append(rows,
		row{"sphere", "tcp", sphereDecides},
		row{"validity", "tcp", timeDecides},
		row{"MESSAGE", "tcp", messagesFollow},
		row{"no rules any more", "tcp", rulesGo},
		row{"own watcher information", "tcp", ownEntry},
		row{"watchers of dialogs", "tcp", dialogWatchers},
		row{"polite block is offline", "tcp udp", politeBlock},
	)
	playAll(t, venues(t), rows)
}

// scene is an owner who publishes, and somebody else who may always see that.
type scene struct {
	t               *testing.T
	v               *venue
	owner, watcher  *sipClient
	other, watchers *dialog
	docs            *xcapClient
	version         int
	stored          bool
	activity        int
}

func newScene(t *testing.T, v *venue, rules ...string) *scene {
	s := &scene{t: t, v: v, owner: v.phone(t), watcher: v.phone(t)}
	friend := v.phone(t)
	s.docs = newXCAPClient(t, v.xcap, s.owner.user, s.owner.password)
	s.rule(friend.aor(), append(rules, ruleFor("friend", friend.aor(), "allow", ""))...)
	s.publish()
	s.other = friend.watch(s.owner)
	s.other.notify()
	s.watchers = v.another(t, s.owner).subscribe(s.owner.aor(), "presence.winfo", "application/watcherinfo+xml")
	s.told("full")
	return s
}

func ruleFor(id, who, handling, condition string) string {
	return `<rule id="` + id + `"><conditions><identity><one id="` + who + `"/></identity>` + condition + `</conditions>` +
		`<actions><pr:sub-handling>` + handling + `</pr:sub-handling></actions></rule>`
}

// rule stores rules, and but for the first time one that lets the friend in.
func (s *scene) rule(friend string, rules ...string) {
	s.t.Helper()
	if s.other != nil {
		rules = append(rules, ruleFor("friend", friend, "allow", ""))
	}
	status := 200
	if !s.stored {
		s.stored, status = true, 201
	}
	s.docs.put(status, "org.openmobilealliance.pres-rules/users/"+s.owner.aor()+"/index", typeRules,
		`<ruleset xmlns="urn:ietf:params:xml:ns:common-policy" xmlns:pr="urn:ietf:params:xml:ns:pres-rules">`+strings.Join(rules, "")+`</ruleset>`)
}

func (s *scene) handle(handling string) {
	s.t.Helper()
	s.rule(s.other.c.aor(), ruleFor("r", s.watcher.aor(), handling, ""))
}

// publish publishes something new.
func (s *scene) publish() {
	s.t.Helper()
	s.activity++
	publish(s.owner, fmt.Sprintf(`<tuple id="t%d"><status><basic>open</basic></status></tuple>`, s.activity))
}

// told returns what the owner is told of the watcher next, "" in silence.
func (s *scene) told(state string) string {
	s.t.Helper()
	m := s.watchers.notify()
	var w watcherinfo
	if err := xml.Unmarshal(m.body, &w); err != nil || len(w.Lists) != 1 {
		s.t.Fatalf("%v in\n%s", err, m)
	}
	if w.Version != s.version || w.State != state {
		s.t.Fatalf("want version %d %s, got\n%s", s.version, state, m.body)
	}
	s.version++
	for _, x := range w.Lists[0].Watchers {
		if x.URI == s.watcher.aor() {
			return x.Status + " " + x.Event
		}
	}
	return ""
}

func (s *scene) expectTold(want string) {
	s.t.Helper()
	if want == "" {
		s.watchers.c.silent(quiet)
		return
	}
	if got := s.told("partial"); got != want {
		s.t.Fatalf("the owner is told %q, want %q", got, want)
	}
}

// expectShown reads one NOTIFY: its state, and what its document says.
func expectShown(t *testing.T, m *message, state, basic string) {
	t.Helper()
	if got, _, _ := strings.Cut(m.get("Subscription-State"), ";expires"); got != state {
		t.Fatalf("Subscription-State %q, want %q", got, state)
	}
	if basic == "" && len(m.body) > 0 || basic != "" && !strings.Contains(string(m.body), "<basic>"+basic+"</basic>") {
		t.Fatalf("want %q shown, got\n%s", basic, m)
	}
}

// shownFor is Subscription-State and basic status by handling.
var shownFor = map[string][2]string{
	"block": {"terminated;reason=rejected", ""}, "confirm": {"pending", ""},
	"polite-block": {"active", "closed"}, "allow": {"active", "open"},
}

func ruleChanges(t *testing.T, v *venue, from, to string) {
	s := newScene(t, v)
	s.handle(from)
	d := s.watcher.watch(s.owner)
	expectShown(t, d.notify(), shownFor[from][0], shownFor[from][1])
	s.expectTold(map[bool]string{true: "pending subscribe", false: "active subscribe"}[from == "confirm"])

	s.handle(to)
	if to == from {
		s.watcher.silent(quiet)
	} else {
		expectShown(t, d.notify(), shownFor[to][0], shownFor[to][1])
	}
	told := ""
	switch {
	case to == "block":
		told = "terminated rejected"
	case to == "confirm" && from != "confirm":
		told = "pending subscribe"
	case to != "confirm" && from == "confirm":
		told = "active approved"
	}
	s.expectTold(told)
	s.other.c.silent(time.Millisecond) // nothing changed for others

	s.publish()
	s.other.notify()
	if to == "allow" {
		expectShown(t, d.notify(), "active", "open")
	}
	s.watcher.silent(quiet)
	if to == "block" {
		s.watcher.want(403, subscribing(s.watcher, s.owner.aor()))
	}
}

func waiterIsDecidedAbout(t *testing.T, v *venue, to, event string) {
	s := newScene(t, v)
	s.handle("confirm")
	d := s.watcher.watch(s.owner, "Expires: 0")
	expectShown(t, d.notify(), "terminated;reason=timeout", "")
	s.expectTold("waiting timeout")
	s.handle(to)
	if event != "" {
		event = "terminated " + event
	}
	s.expectTold(event)
	s.watcher.silent(time.Millisecond)
}

func sphereDecides(t *testing.T, v *venue) {
	s := newScene(t, v)
	s.rule(s.other.c.aor(), ruleFor("r", s.watcher.aor(), "allow", `<sphere value="work pub"/>`), ruleFor("q", s.watcher.aor(), "confirm", ""))
	d := s.watcher.watch(s.owner)
	expectShown(t, d.notify(), "pending", "")
	at := func(sphere string) {
		publish(s.owner, `<tuple id="s"><status><basic>open</basic></status></tuple><dm:person xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" `+
			`xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid" id="p"><rpid:sphere><rpid:`+sphere+`/></rpid:sphere></dm:person>`)
	}
	at("work")
	expectShown(t, d.notify(), "active", "open")
	at("home") // a second document, and they do not agree
	expectShown(t, d.notify(), "pending", "")
}

// MESSAGE goes by the same rules, spheres included, and tells no more than they do.
func messagesFollow(t *testing.T, v *venue) {
	s := newScene(t, v)
	message := func(want int) {
		t.Helper()
		s.watcher.want(want, request{method: "MESSAGE", uri: s.owner.aor(), body: "hi", lines: []string{"Content-Type: text/plain"}})
	}
	message(200) // no rule speaks of the sender
	s.handle("block")
	message(403)
	s.handle("polite-block")
	message(200)
	s.rule(s.other.c.aor(), ruleFor("r", s.watcher.aor(), "block", `<sphere value="home"/>`))
	message(200) // nobody knows where the owner is
	publish(s.owner, `<tuple id="s"><status><basic>open</basic></status></tuple><dm:person xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" `+
		`xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid" id="p"><rpid:sphere><rpid:home/></rpid:sphere></dm:person>`)
	s.other.notify()
	message(403)
}

// The boundaries are met to the second, without anything else happening.
func timeDecides(t *testing.T, v *venue) {
	s := newScene(t, v)
	from := time.Now().Add(4 * time.Second).Truncate(time.Millisecond)
	until := from.Add(2 * time.Second)
	const layout = "2006-01-02T15:04:05.000Z"
	s.rule(s.other.c.aor(), ruleFor("q", s.watcher.aor(), "confirm", ""), ruleFor("r", s.watcher.aor(), "allow",
		`<validity><from>`+from.UTC().Format(layout)+`</from><until>`+until.UTC().Format(layout)+`</until></validity>`))
	d := s.watcher.watch(s.owner)
	expectShown(t, d.notify(), "pending", "")
	expectShown(t, d.notify(), "active", "open")
	if early := time.Until(from); early > 0 {
		t.Errorf("let in %v early", early)
	}
	expectShown(t, d.notify(), "pending", "")
	if early := time.Until(until); early > 0 {
		t.Errorf("shut out %v early", early)
	}
}

// Without any rule document everybody has to wait (RFC 3857 §4.7.1); with rules of
// which none applies nobody is let in.
func rulesGo(t *testing.T, v *venue) {
	s := newScene(t, v)
	s.handle("allow")
	d := s.watcher.watch(s.owner)
	d.notify()
	s.expectTold("active subscribe")
	s.docs.do("DELETE", "org.openmobilealliance.pres-rules/users/"+s.owner.aor()+"/index", "")
	expectShown(t, d.notify(), "pending", "")
	expectShown(t, s.other.notify(), "pending", "")
	s.expectTold("pending subscribe")
	s.stored = false
	s.rule(s.other.c.aor())
	expectShown(t, d.notify(), "terminated;reason=rejected", "")
	expectShown(t, s.other.notify(), "active", "open")
}

// RFC 3857 §4.6: who is let in may follow its own subscription.
func ownEntry(t *testing.T, v *venue) {
	s := newScene(t, v)
	const accept = "application/watcherinfo+xml"
	s.watcher.want(403, subscribing(s.watcher, s.owner.aor(), "Event: presence.winfo"))
	s.handle("allow")
	own := v.another(t, s.watcher).subscribe(s.owner.aor(), "presence.winfo", accept)
	expectWinfo(t, own.notify(), 0, "full", s.owner.aor())
	d := s.watcher.watch(s.owner)
	d.notify()
	expectWinfo(t, own.notify(), 1, "partial", s.owner.aor(), s.watcher.aor()+" active subscribe")
	s.handle("block")
	if m := own.notify(); m.get("Subscription-State") != "terminated;reason=rejected" {
		t.Errorf("%s", m)
	}
	deep := v.another(t, s.owner).subscribe(s.owner.aor(), "presence.winfo.winfo", accept)
	if m := deep.notify(); !strings.Contains(string(m.body), `package="presence.winfo"`) || !strings.Contains(string(m.body), ">"+s.owner.aor()+"<") {
		t.Errorf("%s", m.body)
	}
}

// Rules for dialogs make watchers wait, and the owner learns of them.
func dialogWatchers(t *testing.T, v *venue) {
	s := newScene(t, v)
	const doc = "org.openxcap.dialog-rules/users/"
	rules := func(status int, handling string) {
		s.docs.put(status, doc+s.owner.aor()+"/index", typeRules,
			`<ruleset xmlns="urn:ietf:params:xml:ns:common-policy" xmlns:dr="http://openxcap.org/ns/dialog-rules"><rule id="r"><conditions><identity><one id="`+
				s.watcher.aor()+`"/></identity></conditions><actions><dr:sub-handling>`+handling+`</dr:sub-handling></actions></rule></ruleset>`)
	}
	rules(201, "confirm")
	info := v.another(t, s.owner).subscribe(s.owner.aor(), "dialog.winfo", "application/watcherinfo+xml")
	info.notify()
	d := s.watcher.subscribe(s.owner.aor(), "dialog", "application/dialog-info+xml")
	expectShown(t, d.notify(), "pending", "")
	if body := string(info.notify().body); !strings.Contains(body, `package="dialog"`) || !strings.Contains(body, `status="pending" event="subscribe"`) {
		t.Errorf("%s", body)
	}
	rules(200, "allow")
	if m := d.notify(); !strings.HasPrefix(m.get("Subscription-State"), "active") || !strings.Contains(string(m.body), `state="full"`) {
		t.Errorf("%s", m)
	}
	if body := string(info.notify().body); !strings.Contains(body, `status="active" event="approved"`) {
		t.Errorf("%s", body)
	}
	rules(200, "block")
	if m := d.notify(); m.get("Subscription-State") != "terminated;reason=rejected" {
		t.Errorf("%s", m)
	}
	if body := string(info.notify().body); !strings.Contains(body, `status="terminated" event="rejected"`) {
		t.Errorf("%s", body)
	}
}
