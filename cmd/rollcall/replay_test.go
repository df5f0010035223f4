package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/icholy/digest"
)

// recordedDomain is what the recorded requests say; they are sent as they are, but
// for what cannot be known before: addresses, tags of the server, entity-tags of
// publications, credentials, branches, and the length of what is deflated anew.
const recordedDomain = "example.test"

const recordings = "testdata/replay"

// recorded reads requests by the name above each.
func recorded(t *testing.T, file string) map[string]string {
	t.Helper()
	text := fixture(t, file)
	requests := map[string]string{}
	for _, part := range strings.Split(text, "\n#### ")[1:] {
		name, request, _ := strings.Cut(part, "\n")
		requests[name] = request
	}
	return requests
}

func fixture(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(recordings, file))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// replayed is a client of which the requests were recorded.
type replayed struct {
	*sipClient
	challenge *digest.Challenge
	name      string // of the header with the credentials
	count     int    // of uses of the challenge
	sent      int
}

// replayServer serves the recorded domain for the users.
func replayServer(t *testing.T, users ...string) *server {
	t.Helper()
	args := []string{"--data", t.TempDir(), "--domain", recordedDomain}
	for _, user := range users {
		mustCommand(t, user+"@"+recordedDomain+","+password(user)+"\n", append([]string{"user", "import", "-"}, args...)...)
	}
	return serve(t, append(args, "--sip-listen", anyPort, "--http-listen", anyPort, "--admin-listen", anyPort)...)
}

func replayClient(t *testing.T, network string, s *server, user string) *replayed {
	t.Helper()
	return &replayed{sipClient: dialSIP(t, network, s.sip, user, password(user))}
}

var (
	recordedVia     = regexp.MustCompile(`(?m)^Via: SIP/2\.0/\S+ ([0-9.:]+);.*branch=z9hG4bK[^;\n]+`)
	recordedServer  = regexp.MustCompile(`(?m)^(?:SUBSCRIBE sip:|Route: <sip:)([0-9.]+:[0-9]+);`)
	recordedCreds   = regexp.MustCompile(`(?m)^(?:Proxy-)?Authorization: .*\n`)
	recordedLength  = regexp.MustCompile(`(?m)^Content-Length: *([0-9]+)\n`)
	recordedToTag   = regexp.MustCompile(`(?m)^(To: .*;tag=)\S+$`)
	recordedIfMatch = regexp.MustCompile(`(?m)^(SIP-If-Match: ).*$`)
	recordedDeflate = regexp.MustCompile(`^\[deflate, [0-9]+ octets on the wire, inflated here:\]\n`)
)

// live is the part of a recorded request that another server decided.
type live struct {
	toTag   string
	target  string // Contact of the dialog
	ifMatch string
}

// replay sends a request as it was recorded and returns the final answer. Credentials
// are added when there is a challenge to answer, and otherwise left out.
func (c *replayed) replay(request string, l live) *message {
	c.t.Helper()
	c.sent++
	head, body, _ := strings.Cut(request, "\n\n")
	head, body = strings.TrimRight(head, "\n")+"\n", strings.TrimRight(body, "\n")
	if marker := recordedDeflate.FindString(body); marker != "" {
		body = zlibbed(c.t, body[len(marker):]+"\n")
		head = recordedLength.ReplaceAllString(head, "Content-Length: "+strconv.Itoa(len(body))+"\n")
	} else if n := recordedLength.FindStringSubmatch(head); n != nil && n[1] == strconv.Itoa(len(body)+1) {
		body += "\n"
	} else if n != nil && n[1] != strconv.Itoa(len(body)) {
		c.t.Fatalf("the recording has %d octets of body in\n%s", len(body), request)
	}
	if l.target != "" {
		_, rest, _ := strings.Cut(head, " SIP/2.0\n")
		head = "SUBSCRIBE " + l.target + " SIP/2.0\n" + rest
	}
	if s := recordedServer.FindStringSubmatch(head); s != nil {
		head = strings.ReplaceAll(head, s[1], c.conn.RemoteAddr().String())
	}
	via := recordedVia.FindStringSubmatch(head)
	head = strings.Replace(head, via[0], via[0]+fmt.Sprint("x", c.sent), 1)
	head = strings.ReplaceAll(head, via[1], c.conn.LocalAddr().String())
	head = recordedToTag.ReplaceAllString(head, "${1}"+l.toTag)
	head = recordedIfMatch.ReplaceAllString(head, "${1}"+l.ifMatch)
	if c.challenge == nil {
		head = recordedCreds.ReplaceAllString(head, "")
	} else if credentials := c.name + ": " + c.credentials(head) + "\n"; recordedCreds.MatchString(head) {
		head = recordedCreds.ReplaceAllLiteralString(head, credentials)
	} else {
		head += credentials
	}
	c.raw(strings.ReplaceAll(head, "\n", "\r\n") + "\r\n" + body)
	return c.answer()
}

func (c *replayed) credentials(head string) string {
	c.t.Helper()
	c.count++
	method, rest, _ := strings.Cut(head, " ")
	uri, _, _ := strings.Cut(rest, " ")
	credentials, err := digest.Digest(c.challenge, digest.Options{Method: method, URI: uri, Username: c.user, Password: c.password, Count: c.count})
	if err != nil {
		c.t.Fatal(err)
	}
	return credentials.String()
}

// challenged sends a request without credentials, and keeps what is asked for.
func (c *replayed) challenged(request string) {
	c.t.Helper()
	c.challenge, c.count = nil, 0
	m := c.replay(request, live{})
	text := ""
	switch m.status() {
	case 401:
		c.name, text = "Authorization", m.get("Www-Authenticate")
	case 407:
		c.name, text = "Proxy-Authorization", m.get("Proxy-Authenticate")
	default:
		c.t.Fatalf("no challenge\n%s", m)
	}
	var err error
	if c.challenge, err = digest.ParseChallenge(text); err != nil {
		c.t.Fatal(err)
	}
}

// accept replays a request that is to be answered with 200.
func (c *replayed) accept(request string, l live) *message {
	c.t.Helper()
	m := c.replay(request, l)
	if m.status() != 200 {
		c.t.Fatalf("want 200 for\n%s\ngot\n%s", request, m)
	}
	return m
}

// line returns the value of a header line of a recorded request.
func line(request, name string) string {
	for l := range strings.Lines(request) {
		if value, ok := strings.CutPrefix(l, name+": "); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// subscribed replays a SUBSCRIBE and returns its dialog and what ends it.
func (c *replayed) subscribed(request string) (*dialog, live) {
	c.t.Helper()
	m := c.accept(request, live{})
	if m.get("Expires") != line(request, "Expires") {
		c.t.Errorf("granted %q of\n%s", m.get("Expires"), request)
	}
	d := &dialog{c: c.sipClient}
	d.r.callID = line(request, "Call-ID")
	_, d.r.toTag, _ = strings.Cut(m.get("To"), "tag=")
	d.target = strings.Trim(m.get("Contact"), "<>")
	return d, live{toTag: d.r.toTag, target: d.target}
}

// ended replays the SUBSCRIBE that ends d.
func (c *replayed) ended(d *dialog, l live, request string) *message {
	c.t.Helper()
	if m := c.accept(request, l); cmp.Or(m.get("Expires"), "0") != "0" {
		c.t.Errorf("the end\n%s", m)
	}
	m := d.notify()
	if m.get("Subscription-State") != "terminated;reason=timeout" {
		c.t.Errorf("the last NOTIFY\n%s", m)
	}
	return m
}

// Blink starts: its documents, its own presence, its list and its watchers, all as
// recorded over TCP. The documents name another host, as they were written then.
func TestReplayBlink(t *testing.T) {
	t.Parallel()
	s := replayServer(t, "alice", "bob")
	requests := recorded(t, "blink.txt")
	etags := map[string]string{}
	documents := func(user string, types map[string]string) {
		xcap := newXCAPClient(t, s.xcapRoot, user, password(user))
		for auid, contentType := range types {
			sel := auid + "/users/sip%3A" + user + "%40" + recordedDomain + "/index"
			etags[sel] = strings.Trim(xcap.put(201, sel, contentType, fixture(t, "blink-"+user+"-"+auid+".xml"), "If-None-Match: *"), `"`)
		}
	}
	documents("bob", map[string]string{"resource-lists": typeLists, "rls-services": typeServices})
	documents("alice", map[string]string{"resource-lists": typeLists, "org.openmobilealliance.pres-rules": typeRules})
	alice, bob := replayClient(t, "tcp", s, "alice"), replayClient(t, "tcp", s, "bob")
	for _, c := range []*replayed{alice, bob} {
		c.challenged(requests[c.user+" registers"])
		c.accept(requests[c.user+" registers"], live{})
	}
	bob.accept(requests["bob publishes"], live{})

	// Its documents: those that there are, under the names it gave them.
	diff, endDiff := bob.subscribed(requests["bob documents"])
	lists, services := "resource-lists/users/sip%3Abob%40"+recordedDomain+"/index", "rls-services/users/sip%3Abob%40"+recordedDomain+"/index"
	wantReport(t, diff.notify(), lists+"=>"+etags[lists]+" "+services+"=>"+etags[services])

	own, _ := bob.subscribed(requests["bob self"])
	if m := own.notify(); m.get("Content-Type") != typePIDF || !strings.Contains(string(m.body), ">lunch</note>") {
		t.Errorf("bob himself\n%s", m)
	}

	const list, friend = "sip:bob+presence@" + recordedDomain, "sip:alice@" + recordedDomain
	buddies, endList := bob.subscribed(requests["bob list"])
	readRLMI(t, buddies.notify()).expect(t, list, 0, "true", friend, "active")
	winfo, _ := bob.subscribed(requests["bob watchers"])
	if m := winfo.notify(); m.get("Content-Type") != "application/watcherinfo+xml" || !strings.Contains(string(m.body), `state="full"`) {
		t.Errorf("bob's watchers\n%s", m)
	}
	alice.accept(requests["alice publishes"], live{})
	if doc := readRLMI(t, buddies.notify()).expect(t, list, 1, "false", friend, "active"); !strings.Contains(doc, ">hello</note>") {
		t.Errorf("bob sees\n%s", doc)
	}

	// Another device edits the list: the entity-tags, and a list without members.
	edited := strings.ReplaceAll(fixture(t, "blink-bob-resource-lists.xml"), `<rl:entry uri="alice%40example.test"/>`, "")
	next := strings.Trim(newXCAPClient(t, s.xcapRoot, "bob", password("bob")).put(200, lists, typeLists, edited), `"`)
	for range 2 {
		m := bob.incoming("NOTIFY")
		if m.get("Call-Id") == diff.r.callID {
			wantReport(t, m, lists+"="+etags[lists]+">"+next)
			continue
		}
		l := readRLMI(t, m)
		if m.get("Call-Id") != buddies.r.callID || l.Version != 2 || l.FullState != "false" || l.states()[friend] != "terminated noresource" {
			t.Errorf("after the edit\n%s", m)
		}
	}
	bob.ended(buddies, endList, requests["bob list end"])
	bob.ended(diff, endDiff, requests["bob documents end"])
}

// Linphone's friend list as recorded: subscribed, given up, and subscribed again
// with one friend more.
func TestReplayLinphone(t *testing.T) {
	t.Parallel()
	s := replayServer(t, "u1", "u2", "third")
	newXCAPClient(t, s.xcapRoot, "u2", password("u2")).put(201, "pres-rules/users/sip:u2@"+recordedDomain+"/index", typeRules,
		strings.ReplaceAll(openRules, domain, recordedDomain))
	const rls, friend = "sip:rls@" + recordedDomain, "sip:u2@" + recordedDomain
	for _, network := range []string{"udp", "tcp"} {
		t.Run(network, func(t *testing.T) {
			requests := recorded(t, "linphone-"+network+".txt")
			u1, u2 := replayClient(t, network, s, "u1"), replayClient(t, network, s, "u2")
			u2.challenged(requests["friend publishes"])
			tag := u2.accept(requests["friend publishes"], live{}).get("Sip-Etag")
			want := map[string]string{"sip:absent@" + recordedDomain: "terminated noresource", friend: "active "}

			u1.challenged(requests["list, no credentials"])
			d, end := u1.subscribed(requests["list"])
			readRLMI(t, inflated(t, d.notify())).wantStates(t, rls, 0, "true", want)
			tag = u2.accept(requests["friend is at table 9"], live{ifMatch: tag}).get("Sip-Etag")
			l := readRLMI(t, inflated(t, d.notify()))
			l.wantStates(t, rls, 1, "false", map[string]string{friend: "active "})
			if doc := l.parts[l.Resources[0].Instances[0].CID]; !strings.Contains(doc, ">at table 9</note>") {
				t.Errorf("u1 sees\n%s", doc)
			}
			inflated(t, u1.ended(d, end, requests["list end"]))

			u1.challenged(requests["longer list, no credentials"])
			d, end = u1.subscribed(requests["longer list"])
			want["sip:third@"+recordedDomain] = "pending "
			l = readRLMI(t, inflated(t, d.notify()))
			l.wantStates(t, rls, 0, "true", want)
			inflated(t, u1.ended(d, end, requests["longer list end"]))
			u2.want(200, request{method: "PUBLISH", uri: friend, to: friend, from: friend, lines: []string{"Event: presence", "Expires: 0", "SIP-If-Match: " + tag}})
		})
	}
}
