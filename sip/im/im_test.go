package im

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"rollcall/internal/auth"
	"rollcall/internal/sipuri"
	"rollcall/internal/store"
	"rollcall/internal/wheel"
	"rollcall/sip/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const bob = "sip:bob@example.org"

// network stands for bindings, accounts and the contacts' answers.
type network struct {
	bindings []store.Binding
	users    map[string]error // what Get fails with; absent: no such user
	dead     map[string]bool  // flow references that lead nowhere
	answers  map[string]wire.Result
	silent   map[string]bool // contacts that never answer
	sent     []wire.Outgoing
	pending  map[string]func(wire.Result)
}

func (n *network) Bindings(string) []store.Binding { return n.bindings }

func (n *network) Get(_ context.Context, aor string) (store.User, error) {
	if err, ok := n.users[aor]; ok {
		return store.User{AOR: aor}, err
	}
	return store.User{}, store.ErrNotFound
}

func (n *network) Flow(ref string) *wire.Flow {
	if ref == "" || n.dead[ref] {
		return nil
	}
	return flowTo(ref, nil)
}

func (n *network) FlowTo(uri sipuri.URI, _ *wire.Flow) (*wire.Flow, error) {
	if uri.Host == "unresolvable.example" {
		return nil, errors.New("no such host")
	}
	if uri.Host == "named.example" {
		return nil, wire.ErrName
	}
	return flowTo("UDP", nil), nil
}

func (n *network) Do(out wire.Outgoing, done func(wire.Result)) {
	n.sent = append(n.sent, out)
	if n.silent[out.RequestURI] {
		n.pending[out.RequestURI] = done
		return
	}
	result, ok := n.answers[out.RequestURI]
	if !ok {
		result = wire.Result{Status: 200}
	}
	done(result)
}

// Forward stands for the servers of other domains.
func (n *network) Forward(out wire.Outgoing, hop wire.Hop, done func(wire.Result)) {
	n.sent = append(n.sent, out)
	done(n.answers[hop.URI.String()])
}

func flowTo(transport string, send func([]byte) error) *wire.Flow {
	if !strings.HasPrefix(transport, "TCP") {
		transport = "UDP"
	}
	return wire.NewFlow(transport, netip.MustParseAddrPort("127.0.0.1:5060"), netip.MustParseAddrPort("192.0.2.1:4000"), send)
}

// message relays one MESSAGE to bob in a bubble of fake time; what is left to
// happen happens within wait. It returns the answers the sender got.
func message(t *testing.T, n *network, who auth.Identity, wait time.Duration, lines ...string) (answers []string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := wheel.New(50 * time.Millisecond)
		defer w.Stop()
		n.pending = map[string]func(wire.Result){}
		if n.users == nil {
			n.users = map[string]error{bob: nil}
		}
		r := New(Config{Bindings: n, Users: n, Sender: n, Wheel: w, MaxBody: 100})
		flow := flowTo("TCP", func(b []byte) error { answers = append(answers, string(b)); return nil })
		body, instance := "hello", ""
		var away *wire.Hop
		head := "MESSAGE sip:bob@example.org SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.1:4000;branch=z9hG4bKx\r\n" +
			"From: <sip:alice@example.org>;tag=1\r\nTo: <sip:bob@example.org>\r\nCall-ID: c\r\nCSeq: 7 MESSAGE\r\nContent-Type: text/plain\r\n"
		for _, l := range lines {
			if b, ok := strings.CutPrefix(l, "body "); ok {
				body = b
				continue
			}
			if uri, ok := strings.CutPrefix(l, "away "); ok {
				next, err := sipuri.Parse(uri)
				if err != nil {
					t.Fatal(err)
				}
				away = &wire.Hop{URI: next}
				continue
			}
			if urn, ok := strings.CutPrefix(l, "instance "); ok {
				instance = urn
				continue
			}
			head += l + "\r\n"
		}
		req, owed, err := wire.ParseRequest([]byte(fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", head, len(body), body)), flow)
		if err != nil {
			t.Fatal(owed, err)
		}
		switch {
		case away != nil:
			r.MessageAway(req, *away, who)
		case instance != "":
			r.MessageInstance(t.Context(), req, bob, instance, who)
		default:
			r.Message(t.Context(), req, bob, who)
		}
		time.Sleep(wait)
		synctest.Wait()
		if wait > 0 && r.inFlight.Load() != 0 {
			t.Errorf("%d in flight", r.inFlight.Load())
		}
	})
	return answers
}

var alice = auth.Identity{AOR: "sip:alice@example.org"}

func one(t *testing.T, answers []string) (status string) {
	t.Helper()
	if len(answers) != 1 {
		t.Fatalf("%d answers: %q", len(answers), answers)
	}
	return strings.SplitN(answers[0], " ", 3)[1]
}

func TestRefusals(t *testing.T) {
	reachable := []store.Binding{{Contact: "sip:b@h", Flow: "TCP 1"}}
	for _, tc := range []struct {
		name  string
		net   network
		who   auth.Identity
		lines []string
		want  string
	}{
		{"unknown user", network{users: map[string]error{"sip:x@y": nil}}, alice, nil, "404"},
		{"store down", network{users: map[string]error{bob: store.ErrUnavailable}}, alice, nil, "503"},
		{"no binding", network{}, alice, nil, "480"},
		{"stream gone", network{bindings: reachable, dead: map[string]bool{"TCP 1": true}}, alice, nil, "200"},
		{"stream gone, TCP contact", network{bindings: []store.Binding{{Contact: "sip:b@h;transport=tcp", Flow: "TCP 1"}}, dead: map[string]bool{"TCP 1": true}}, alice, nil, "480"},
		{"unresolvable", network{bindings: []store.Binding{{Contact: "sip:b@unresolvable.example"}}}, alice, nil, "480"},
		{"contact with a name", network{bindings: []store.Binding{{Contact: "sip:b@named.example"}}, answers: map[string]wire.Result{"sip:b@named.example": {Status: 486}}}, alice, nil, "486"},
		{"Max-Forwards 0", network{bindings: reachable}, alice, []string{"Max-Forwards: 0"}, "483"},
		{"Proxy-Require", network{bindings: reachable}, alice, []string{"Proxy-Require: warp"}, "420"},
		{"too large", network{bindings: reachable}, alice, []string{"body " + strings.Repeat("x", 101)}, "413"},
		{"anonymous", network{bindings: reachable}, auth.Identity{Trusted: true}, nil, "403"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := one(t, message(t, &tc.net, tc.who, 0, tc.lines...)); got != tc.want {
				t.Errorf("status %s, want %s", got, tc.want)
			}
		})
	}
}

// RFC 3261 §16.7 step 6 and RFC 4320 §4.2
func TestBestResponse(t *testing.T) {
	result := func(status int) wire.Result { return wire.Result{Status: status} }
	lost := wire.Result{Err: wire.ErrTimeout}
	for _, tc := range []struct {
		results []wire.Result
		want    string
	}{
		{[]wire.Result{result(200)}, "200"},
		{[]wire.Result{result(404), result(200)}, "200"},
		{[]wire.Result{result(486), result(404)}, "486"},
		{[]wire.Result{result(486), result(415)}, "415"},
		{[]wire.Result{result(500), result(486)}, "486"},
		{[]wire.Result{result(486), result(603)}, "603"},
		{[]wire.Result{result(503)}, "500"},
		{[]wire.Result{result(302), result(486)}, "302"},
		{[]wire.Result{lost, result(486)}, "486"},
		{[]wire.Result{lost}, "480"},
		{[]wire.Result{result(408), result(408)}, "480"},
	} {
		n := &network{answers: map[string]wire.Result{}}
		for i, r := range tc.results {
			contact := fmt.Sprintf("sip:b%d@h", i)
			n.bindings = append(n.bindings, store.Binding{Contact: contact, Flow: "UDP"})
			n.answers[contact] = r
		}
		if got := one(t, message(t, n, alice, 0)); got != tc.want {
			t.Errorf("%v: %s, want %s", tc.results, got, tc.want)
		}
	}
}

// RFC 3261 §16.6
func TestForwarded(t *testing.T) {
	n := &network{bindings: []store.Binding{{Contact: "sip:b@h;x=y", Flow: "TCP 1", Path: []string{"<sip:p;lr>", "<sip:q;lr>"}}}}
	n.answers = map[string]wire.Result{"sip:b@h;x=y": {Status: 200, Reason: "Fine", Headers: []wire.Header{
		{Name: "Via", Value: "x"}, {Name: "User-Agent", Value: "b"}, {Name: "Contact", Value: "<sip:b@h>"}}}}
	answers := message(t, n, alice, 0, "Max-Forwards: 10", "P-Asserted-Identity: <sip:boss@example.org>", "P-Preferred-Identity: <sip:boss@example.org>",
		"Route: <sip:127.0.0.1;lr>", `Authorization: Digest username="alice"`, "X-Note: a,b")
	out := n.sent[0]
	if out.Method != "MESSAGE" || out.CSeq != 7 || out.MaxForwards != 9 || string(out.Body) != "hello" {
		t.Errorf("%+v", out)
	}
	head := string(out.Head)
	for _, want := range []string{"Via: SIP/2.0/TCP 192.0.2.1:4000;branch=z9hG4bKx\r\n", "From: <sip:alice@example.org>;tag=1\r\n", "Call-ID: c\r\n",
		"Content-Type: text/plain\r\n", "X-Note: a,b\r\n", "Route: <sip:p;lr>\r\nRoute: <sip:q;lr>\r\n"} {
		if !strings.Contains(head, want) {
			t.Errorf("no %q in\n%s", want, head)
		}
	}
	for _, not := range []string{"P-Asserted", "P-Preferred", "127.0.0.1;lr", "Authorization", "Max-Forwards", "CSeq", "Content-Length"} {
		if strings.Contains(head, not) {
			t.Errorf("%q in\n%s", not, head)
		}
	}
	if one(t, answers) != "200" || !strings.Contains(answers[0], "User-Agent: b\r\n") || strings.Contains(answers[0], "Contact:") {
		t.Errorf("answer %s", answers[0])
	}
}

// RFC 3325 §5 and §7
func TestAssertedIdentity(t *testing.T) {
	trusted := auth.Identity{AOR: alice.AOR, Trusted: true}
	for _, tc := range []struct {
		who   auth.Identity
		lines []string
		kept  bool
	}{
		{alice, nil, false},
		{trusted, nil, true},
		{trusted, []string{"Privacy: session; id"}, false},
		{trusted, []string{"Privacy: none"}, true},
	} {
		n := &network{bindings: []store.Binding{{Contact: "sip:b@h", Flow: "UDP"}}}
		message(t, n, tc.who, 0, append(tc.lines, "p-asserted-identity: <sip:alice@example.org>")...)
		if kept := strings.Contains(string(n.sent[0].Head), "p-asserted-identity"); kept != tc.kept {
			t.Errorf("%+v %v: kept %v", tc.who, tc.lines, kept)
		}
	}
}

// RFC 5626 §7: one flow of an instance at a time, the next only after 408, 430 or silence.
func TestFlowsOfOneInstance(t *testing.T) {
	for _, tc := range []struct {
		first wire.Result
		sends int
		want  string
	}{
		{wire.Result{Status: 430}, 2, "200"},
		{wire.Result{Status: 408}, 2, "200"},
		{wire.Result{Err: wire.ErrFlowClosed}, 2, "200"},
		{wire.Result{Status: 486}, 1, "486"},
	} {
		n := &network{
			bindings: []store.Binding{
				{Contact: "sip:b1@h", Flow: "TCP 1", Instance: "urn:uuid:1", RegID: 1},
				{Contact: "sip:b2@h", Flow: "TCP 2", Instance: "urn:uuid:1", RegID: 2},
			},
			answers: map[string]wire.Result{"sip:b1@h": tc.first},
		}
		if got := one(t, message(t, n, alice, 0)); got != tc.want || len(n.sent) != tc.sends {
			t.Errorf("after %+v: %s with %d sent", tc.first, got, len(n.sent))
		}
	}
}

// Silence ends before the sender gives up, with what is known by then.
// RFC 5627 §6.1: only the instance, its newest contact first, the next after 408
// and 430 only.
func TestInstance(t *testing.T) {
	bindings := []store.Binding{
		{Contact: "sip:new@h", Flow: "TCP 1", Instance: "urn:uuid:a"}, {Contact: "sip:old@h", Flow: "TCP 2", Instance: "urn:uuid:A"},
		{Contact: "sip:other@h", Flow: "TCP 3", Instance: "urn:uuid:b"}, {Contact: "sip:none@h", Flow: "TCP 4"},
	}
	for _, tc := range []struct {
		instance, want string
		answer         int
		sent           []string
	}{
		{"urn:uuid:a", "200", 200, []string{"sip:new@h"}},
		{"urn:uuid:a", "200", 430, []string{"sip:new@h", "sip:old@h"}},
		{"urn:uuid:a", "486", 486, []string{"sip:new@h"}},
		{"urn:uuid:c", "480", 0, nil},
	} {
		n := &network{bindings: bindings, answers: map[string]wire.Result{"sip:new@h": {Status: tc.answer}}}
		if got := one(t, message(t, n, alice, 0, "instance "+tc.instance)); got != tc.want {
			t.Errorf("%+v: %s", tc, got)
		}
		var sent []string
		for _, out := range n.sent {
			sent = append(sent, out.RequestURI)
		}
		if !slices.Equal(sent, tc.sent) {
			t.Errorf("%+v: sent to %q", tc, sent)
		}
	}
	if got := one(t, message(t, &network{users: map[string]error{}}, alice, 0, "instance urn:uuid:a")); got != "404" {
		t.Errorf("unknown user: %s", got)
	}
}

// RFC 3261 §16.6 and §16.7 for the way to another domain.
func TestAway(t *testing.T) {
	for _, tc := range []struct {
		name   string
		who    auth.Identity
		answer wire.Result
		lines  []string
		want   string
		sent   int
	}{
		{"taken", alice, wire.Result{Status: 200}, nil, "200", 1},
		{"refused", alice, wire.Result{Status: 404}, nil, "404", 1},
		{"nobody answers", alice, wire.Result{Err: wire.ErrTimeout}, nil, "480", 1},
		{"408 goes no further", alice, wire.Result{Status: 408}, nil, "480", 1},
		{"anonymous", auth.Identity{Trusted: true}, wire.Result{Status: 200}, nil, "403", 0},
		{"too long", alice, wire.Result{Status: 200}, []string{"body " + strings.Repeat("x", 101)}, "413", 0},
		{"no hops left", alice, wire.Result{Status: 200}, []string{"Max-Forwards: 0"}, "483", 0},
		{"last hop", alice, wire.Result{Status: 200}, []string{"Max-Forwards: 1"}, "200", 1},
	} {
		n := &network{answers: map[string]wire.Result{"sip:gw.example": tc.answer}}
		got := one(t, message(t, n, tc.who, 0, append(tc.lines, "away sip:gw.example", "P-Asserted-Identity: <sip:x@y>", "Authorization: Digest x")...))
		if got != tc.want || len(n.sent) != tc.sent {
			t.Errorf("%s: %s, %d sent", tc.name, got, len(n.sent))
		}
		if tc.sent == 0 {
			continue
		}
		out := n.sent[0]
		if out.RequestURI != "sip:bob@example.org" || string(out.Body) != "hello" || out.MaxForwards == 0 || (tc.name == "last hop") != (out.MaxForwards < 0) ||
			!strings.HasPrefix(string(out.Head), "Via: ") || strings.Contains(string(out.Head), "Authorization") || strings.Contains(string(out.Head), "P-Asserted") {
			t.Errorf("%s: sent %+v\n%s", tc.name, out, out.Head)
		}
	}
}

// RFC 5626 §7: a contact with outbound is reached over its flow or not at all.
func TestOutboundOverItsFlowOnly(t *testing.T) {
	n := &network{dead: map[string]bool{"udp": true}, bindings: []store.Binding{{Contact: "sip:b@h", Flow: "udp", Instance: "urn:uuid:a", RegID: 1}}}
	if got := one(t, message(t, n, alice, 0)); got != "480" || len(n.sent) != 0 {
		t.Errorf("%s, %d sent", got, len(n.sent))
	}
}

// RFC 3323 §5.
func TestPrivacy(t *testing.T) {
	for _, tc := range []struct {
		privacy, want string
		via, pai      bool
	}{
		{"none", "200", true, true},
		{"id", "200", true, false},
		{"header", "200", false, true},
		{"header;id;critical", "200", false, false},
		{"user", "200", true, true},
		{"user;critical", "500", false, false},
	} {
		n := &network{bindings: []store.Binding{{Contact: "sip:b@h", Flow: "TCP 1"}}}
		answers := message(t, n, auth.Identity{AOR: alice.AOR, Trusted: true}, 0, "Privacy: "+tc.privacy, "P-Asserted-Identity: <sip:alice@example.org>", "User-Agent: x", "v: SIP/2.0/TCP h;branch=z9hG4bK2")
		if got := one(t, answers); got != tc.want {
			t.Errorf("%s: %s", tc.privacy, got)
		}
		if tc.want != "200" {
			continue
		}
		head := string(n.sent[0].Head)
		if strings.Contains(head, "\r\nv: ") != tc.via || strings.HasPrefix(head, "Via: ") != tc.via || strings.Contains(head, "User-Agent") != tc.via ||
			strings.Contains(head, "P-Asserted-Identity") != tc.pai || !strings.Contains(head, "Privacy: ") {
			t.Errorf("%s:\n%s", tc.privacy, head)
		}
		if !strings.Contains(answers[0], "Via: SIP/2.0/TCP 192.0.2.1:4000") {
			t.Errorf("%s: the answer has lost its way\n%s", tc.privacy, answers[0])
		}
	}
}

func TestDeadline(t *testing.T) {
	n := &network{
		bindings: []store.Binding{{Contact: "sip:b1@h", Flow: "UDP"}, {Contact: "sip:b2@h", Flow: "UDP"}},
		answers:  map[string]wire.Result{"sip:b2@h": {Status: 486}},
		silent:   map[string]bool{"sip:b1@h": true},
	}
	if got := one(t, message(t, n, alice, 31*time.Second)); got != "486" {
		t.Errorf("status %s", got)
	}
	n.silent["sip:b2@h"] = true
	if got := one(t, message(t, n, alice, 31*time.Second)); got != "480" {
		t.Errorf("status %s", got)
	}
}

// The first 2xx is answered at once and only once.
func TestFirstSuccessWins(t *testing.T) {
	n := &network{
		bindings: []store.Binding{{Contact: "sip:b1@h", Flow: "UDP"}, {Contact: "sip:b2@h", Flow: "UDP"}},
		silent:   map[string]bool{"sip:b1@h": true},
	}
	answers := message(t, n, alice, time.Second)
	if one(t, answers) != "200" {
		t.Errorf("%q", answers)
	}
	n.pending["sip:b1@h"](wire.Result{Status: 200})
	n.pending["sip:b1@h"] = nil
	if len(answers) != 1 {
		t.Errorf("late answer passed on: %q", answers)
	}
}

// The last hop gets 0, not the default (RFC 3261 §16.6 step 3).
func TestLastHop(t *testing.T) {
	n := &network{bindings: []store.Binding{{Contact: "sip:b@h", Flow: "UDP"}}}
	message(t, n, alice, 0, "Max-Forwards: 1")
	if n.sent[0].MaxForwards >= 0 {
		t.Errorf("Max-Forwards %d, where a negative one means 0", n.sent[0].MaxForwards)
	}
}
