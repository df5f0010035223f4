package main

import (
	"crypto/rand"
	"fmt"
	"maps"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// farDomain is another domain, whose server a test plays.
const farDomain = "far.test"

// notifier is that server. What it does for a user is in act, by user part.
type notifier struct {
	t       *testing.T
	network string
	listen  net.Listener // nil over UDP
	addr    string
	act     map[string]func(*visit)

	mu     sync.Mutex
	conn   net.Conn
	seen   map[string]bool // branches
	answer map[string]chan *message
	visits chan *visit // those without an act
}

// visit is a SUBSCRIBE, and the dialog it is for.
type visit struct {
	n    *notifier
	m    *message
	tag  string
	cseq int
}

// newNotifier makes one for a server that has sip as its address.
func newNotifier(t *testing.T, network, sip string) *notifier {
	n := &notifier{t: t, network: network, act: map[string]func(*visit){}, seen: map[string]bool{},
		answer: map[string]chan *message{}, visits: make(chan *visit, 100)}
	if network == "udp" {
		to, err := net.ResolveUDPAddr("udp", sip)
		if err != nil {
			t.Fatal(err)
		}
		conn, err := net.DialUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}, to)
		if err != nil {
			t.Fatal(err)
		}
		n.addr = conn.LocalAddr().String()
		n.serve(conn)
		return n
	}
	var err error
	if n.listen, err = net.Listen("tcp", anyPort); err != nil {
		t.Fatal(err)
	}
	n.addr = n.listen.Addr().String()
	t.Cleanup(func() { n.listen.Close() })
	go func() {
		for {
			conn, err := n.listen.Accept()
			if err != nil {
				return
			}
			n.serve(conn)
		}
	}()
	return n
}

func (n *notifier) route() string {
	return farDomain + "=sip:" + n.addr + ";transport=" + n.network
}

func (n *notifier) serve(conn net.Conn) {
	n.mu.Lock()
	n.conn = conn
	n.mu.Unlock()
	c := newSIPClient(n.t, n.network, conn, "", "")
	go func() {
		for m := range c.in {
			n.receive(m)
		}
	}()
}

func (n *notifier) receive(m *message) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if strings.HasPrefix(m.start, "SIP/2.0 ") {
		if got := n.answer[m.get("Call-Id")+m.get("Cseq")+m.get("From")]; got != nil {
			got <- m
		}
		return
	}
	if branch := m.get("Via"); n.seen[branch] {
		return // sent again
	} else {
		n.seen[branch] = true
	}
	v := &visit{n: n, m: m, tag: rand.Text()}
	user, _, _ := strings.Cut(strings.TrimPrefix(strings.Fields(m.start)[1], "sip:"), "@")
	if act := n.act[user]; act != nil && !strings.Contains(m.get("To"), "tag=") {
		go act(v)
		return
	}
	n.visits <- v
}

// visited returns the next SUBSCRIBE there is no act for.
func (n *notifier) visited() *visit {
	n.t.Helper()
	select {
	case v := <-n.visits:
		return v
	case <-time.After(patience):
		n.t.Fatal("no SUBSCRIBE")
		return nil
	}
}

func (n *notifier) raw(text string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, err := n.conn.Write([]byte(text)); err != nil {
		n.t.Log(err)
	}
}

// reply answers the SUBSCRIBE.
func (v *visit) reply(status string, lines ...string) {
	var b strings.Builder
	b.WriteString("SIP/2.0 " + status + "\r\n")
	for _, name := range []string{"Via", "From", "To", "Call-Id", "Cseq"} {
		value := v.m.get(name)
		if name == "To" && !strings.Contains(value, "tag=") {
			value += ";tag=" + v.tag
		}
		b.WriteString(name + ": " + value + "\r\n")
	}
	for _, l := range lines {
		b.WriteString(l + "\r\n")
	}
	v.n.raw(b.String() + "Content-Length: 0\r\n\r\n")
}

func (v *visit) accept() {
	v.reply("200 OK", "Expires: "+v.m.get("Expires"), "Contact: <sip:far@"+v.n.addr+";transport="+v.n.network+">")
}

// notify sends the next NOTIFY and wants a status for it.
func (v *visit) notify(want int, state, body string, lines ...string) {
	v.cseq++
	v.notifyAs(want, v.tag, v.cseq, state, body, lines...)
}

func (v *visit) notifyAs(want int, tag string, cseq int, state, body string, lines ...string) {
	n := v.n
	to, _, _ := strings.Cut(v.m.get("To"), ";tag=")
	from := to + ";tag=" + tag
	call, number := v.m.get("Call-Id"), fmt.Sprintf("%d NOTIFY", cseq)
	got := make(chan *message, 10)
	n.mu.Lock()
	n.answer[call+number+from] = got
	n.mu.Unlock()
	text := "NOTIFY " + strings.Trim(v.m.get("Contact"), "<>") + " SIP/2.0\r\nVia: SIP/2.0/" + strings.ToUpper(n.network) + " " + n.addr + ";branch=z9hG4bK" + rand.Text() +
		"\r\nMax-Forwards: 70\r\nFrom: " + from + "\r\nTo: " + v.m.get("From") + "\r\nCall-ID: " + call + "\r\nCSeq: " + number +
		"\r\nContact: <sip:far@" + n.addr + ";transport=" + n.network + ">\r\nEvent: presence\r\nSubscription-State: " + state + "\r\n"
	for _, l := range lines {
		text += l + "\r\n"
	}
	if body != "" {
		text += "Content-Type: " + typePIDF + "\r\n"
	}
	text += fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body)
	for range 3 {
		n.raw(text)
		select {
		case m := <-got:
			if m.status() != want {
				n.t.Errorf("%s: NOTIFY %s: want %d, got\n%s", to, state, want, m)
			}
			return
		case <-time.After(patience / 3):
		}
	}
	n.t.Errorf("%s: no answer to NOTIFY %s", to, state)
}

func farPresence(user, note string) string {
	return `<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="sip:` + user + `@` + farDomain + `"><tuple id="t"><status><basic>open</basic></status><note>` + note + `</note></tuple></presence>`
}

// listView follows a list subscription by RFC 4662 §5.6.
type listView struct {
	d       *dialog
	version int
	states  map[string]string
	docs    map[string]string
}

// follow subscribes c to a list of members.
func follow(c *sipClient, aor string, members ...string) *listView {
	c.t.Helper()
	_, host, _ := strings.Cut(aor, "@")
	rls := "sip:rls@" + host
	d := &dialog{c: c, r: request{method: "SUBSCRIBE", uri: rls, to: rls, from: aor, callID: rand.Text(), body: linphoneList(members...),
		lines: []string{"Event: presence", "Expires: 600", "Contact: " + c.contact(), "Supported: eventlist", "Require: recipient-list-subscribe",
			"Accept: multipart/related, application/rlmi+xml, " + typePIDF, "Content-Type: application/resource-lists+xml", "Content-Disposition: recipient-list"}}}
	d.accepted(c.want(200, d.r))
	return &listView{d: d, version: -1, states: map[string]string{}, docs: map[string]string{}}
}

// until takes NOTIFYs until the states are those wanted and all documents have what
// is wanted in them.
func (v *listView) until(states, docs map[string]string) {
	t := v.d.c.t
	t.Helper()
	fits := func() bool {
		for uri, text := range docs {
			if !strings.Contains(v.docs[uri], text) {
				return false
			}
		}
		return maps.Equal(v.states, states)
	}
	deadline := time.Now().Add(patience)
	for !fits() {
		if time.Now().After(deadline) {
			t.Fatalf("states %v\ndocuments %v\nwant %v\n%v", v.states, v.docs, states, docs)
		}
		select {
		case m, ok := <-v.d.c.in:
			if !ok {
				t.Fatal("connection closed")
			}
			v.d.c.reply(m, "200 OK")
			v.take(readRLMI(t, m))
		case <-time.After(time.Second):
		}
	}
}

func (v *listView) take(l *rlmi) {
	v.version = l.Version
	if l.FullState == "true" {
		clear(v.states)
		clear(v.docs)
	}
	maps.Copy(v.states, l.states())
	for _, r := range l.Resources {
		for _, i := range r.Instances {
			v.docs[r.URI] = l.parts[i.CID]
		}
	}
}

// nearFlags are those of a server with alice that knows the way to n.
func nearFlags(t *testing.T, sip string, n *notifier) []string {
	t.Helper()
	place := []string{"--data", t.TempDir(), "--domain", domain}
	mustCommand(t, "alice@"+domain+","+password("alice")+"\n", append([]string{"user", "import", "-"}, place...)...)
	return append(place, "--sip-listen", sip, "--http-listen", anyPort, "--admin-listen", anyPort, "--min-expires", "1s", "--route", n.route())
}

// A list with members in a domain whose server does everything that servers do.
func TestForeignMembers(t *testing.T) {
	t.Parallel()
	for _, network := range []string{"udp", "tcp"} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			foreignMembers(t, network)
		})
	}
}

func foreignMembers(t *testing.T, network string) {
	sip := freePort(t)
	n := newNotifier(t, network, sip)
	released := make(chan struct{})
	far := func(user string) string { return "sip:" + user + "@" + farDomain }
	n.act = map[string]func(*visit){
		"early": func(v *visit) {
			v.notify(200, "active;expires=600", farPresence("early", "bird"))
			v.accept()
		},
		"slow": func(v *visit) {
			v.accept()
			v.notify(200, "pending;expires=600", "")
			<-released
			v.notify(200, "active;expires=600", farPresence("slow", "coach"))
		},
		"fork": func(v *visit) {
			v.accept()
			v.notify(200, "active;expires=600", farPresence("fork", "first"))
			v.notifyAs(481, "other", 1, "active;expires=600", farPresence("fork", "second"))
		},
		"disorder": func(v *visit) {
			v.accept()
			v.notifyAs(200, v.tag, 5, "active;expires=600", farPresence("disorder", "newer"))
			v.notifyAs(500, v.tag, 4, "active;expires=600", farPresence("disorder", "older"))
		},
		"large": func(v *visit) {
			v.accept()
			v.notify(200, "active;expires=600", farPresence("large", "small"))
			if network == "tcp" {
				v.notify(413, "active;expires=600", farPresence("large", strings.Repeat("x", 70_000)))
			} else {
				v.notify(400, "active;expires=600", "<presence>")
			}
		},
		"mute": func(v *visit) { v.accept() },
		"deaf": func(*visit) {},
	}
	want := map[string]string{
		far("early"): "active ", far("slow"): "pending ", far("fork"): "active ", far("disorder"): "active ", far("large"): "none",
		far("mute"): "none", far("deaf"): "none", "sip:x@elsewhere.test": "terminated giveup",
	}
	for _, reason := range []string{"probation", "rejected", "giveup", "noresource", "invariant"} {
		n.act[reason] = func(v *visit) {
			v.accept()
			v.notify(200, "terminated;reason="+reason+";retry-after=600", "")
			v.notify(481, "active;expires=600", farPresence(reason, "again"))
		}
		want[far(reason)] = "terminated " + reason
	}
	for user, r := range map[string]struct{ status, reason string }{
		"forbidden": {"403 Forbidden", "rejected"}, "password": {"401 Unauthorized", "rejected"}, "unknown": {"404 Not Found", "noresource"},
		"event": {"489 Bad Event", "noresource"}, "busy": {"503 Service Unavailable\r\nRetry-After: 100", "probation"},
	} {
		n.act[user] = func(v *visit) {
			v.reply(r.status)
			v.notify(481, "active;expires=600", farPresence(user, "late"))
		}
		want[far(user)] = "terminated " + r.reason
	}
	s := serve(t, nearFlags(t, sip, n)...)
	alice := dialSIP(t, "tcp", s.sip, "alice", password("alice"))
	var members []string
	for uri := range want {
		members = append(members, uri)
	}
	v := follow(alice, alice.aor(), members...)
	v.until(want, map[string]string{far("early"): "bird", far("fork"): "first", far("disorder"): "newer"})
	close(released)
	want[far("slow")] = "active "
	v.until(want, map[string]string{far("slow"): "coach"})
}

// What the two sides forget is found again.
func TestForeignRestarts(t *testing.T) {
	t.Parallel()
	sip := freePort(t)
	n := newNotifier(t, "tcp", sip)
	flags := nearFlags(t, sip, n)
	s := serve(t, flags...)
	bob := "sip:bob@" + farDomain
	alice := dialSIP(t, "udp", s.sip, "alice", password("alice"))
	v := follow(alice, alice.aor(), bob)
	first := n.visited()
	if from := first.m.get("From"); !strings.HasPrefix(from, "<"+alice.aor()+">;tag=") || first.m.get("P-Asserted-Identity") != "" {
		t.Errorf("SUBSCRIBE is\n%s", first.m)
	}
	first.reply("200 OK", "Expires: 11", "Contact: <sip:far@"+n.addr+";transport=tcp>")
	first.notify(200, "active;expires=11", farPresence("bob", "one"))
	active := map[string]string{bob: "active "}
	v.until(active, map[string]string{bob: "one"})

	// Their server has forgotten the subscription.
	refresh := n.visited()
	if refresh.m.get("Call-Id") != first.m.get("Call-Id") || !strings.HasSuffix(refresh.m.get("To"), ";tag="+first.tag) {
		t.Errorf("no refresh:\n%s", refresh.m)
	}
	refresh.reply("481 Subscription does not exist")
	second := n.visited()
	if strings.Contains(second.m.get("To"), "tag=") {
		t.Errorf("no new dialog:\n%s", second.m)
	}
	second.accept()
	second.notify(200, "active;expires=600", farPresence("bob", "two"))
	v.until(active, map[string]string{bob: "two"})

	// The power fails at ours.
	s.kill()
	serve(t, flags...)
	third := n.visited()
	second.notify(481, "active;expires=600", farPresence("bob", "stale"))
	third.accept()
	third.notify(200, "active;expires=600", farPresence("bob", "three"))
	v.until(active, map[string]string{bob: "three"})

	// Nobody looks any more.
	end := v.d.again(alice, 0)
	end.body, end.lines = "", []string{"Event: presence", "Expires: 0", "Contact: " + alice.contact(), "Supported: eventlist"}
	alice.want(200, end)
	last := n.visited()
	if last.m.get("Expires") != "0" || !strings.HasSuffix(last.m.get("To"), ";tag="+third.tag) {
		t.Errorf("no end:\n%s", last.m)
	}
	last.reply("200 OK", "Expires: 0")
	third.notify(200, "terminated;reason=timeout", "")
	third.notify(481, "active;expires=600", "")
}

// Two Rollcalls: alice's list has bob, who is with the other one.
func TestForeignRollcall(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{false, true} {
		t.Run(map[bool]string{false: "TCP", true: "MutualTLS"}[secure], func(t *testing.T) {
			t.Parallel()
			foreignRollcall(t, secure)
		})
	}
}

func foreignRollcall(t *testing.T, secure bool) {
	a, b := parties(t, secure)
	v := follow(a.c, a.aor(), b.aor(), "sip:nobody@b.test", "sip:x@denied.test")
	want := map[string]string{b.aor(): "pending ", "sip:nobody@b.test": "terminated noresource", "sip:x@denied.test": "terminated giveup"}
	v.until(want, nil)
	xcap := newXCAPClient(t, b.s.xcapRoot, "bob", password("bob"))
	xcap.put(201, "pres-rules/users/"+b.aor()+"/index", typeRules, `<ruleset xmlns="urn:ietf:params:xml:ns:common-policy" xmlns:pr="urn:ietf:params:xml:ns:pres-rules">
 <rule id="alice"><conditions><identity><one id="`+a.aor()+`"/></identity></conditions><actions><pr:sub-handling>allow</pr:sub-handling></actions>
 <transformations><pr:provide-services><pr:all-services/></pr:provide-services><pr:provide-all-attributes/></transformations></rule></ruleset>`)
	want[b.aor()] = "active "
	v.until(want, nil)
	b.publish("at lunch")
	v.until(want, map[string]string{b.aor(): "at lunch"})

	// The power fails at bob's: the dialog goes on.
	b.s.kill()
	b.run()
	b.publish("back again")
	v.until(want, map[string]string{b.aor(): "back again"})
}
