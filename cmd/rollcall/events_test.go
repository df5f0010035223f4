package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/icholy/digest"
)

// streamEvent is one server-sent event.
type streamEvent struct {
	name, id string
	data     map[string]any
}

func (e streamEvent) text(member string) string {
	s, _ := e.data[member].(string)
	return s
}

// eventStream is the connection of one client of the event stream.
type eventStream struct {
	t      *testing.T
	events chan streamEvent // closed at its end
	close  context.CancelFunc
	last   string // id
}

// openEvents asks for the stream; lastID is that of an earlier one.
func openEvents(t *testing.T, s *server, user, query, lastID string) *eventStream {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(s.xcapRoot, "/xcap-root")+"/events"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	if lastID != "" {
		req.Header.Set("Last-Event-ID", lastID)
	}
	transport := &http.Transport{}
	client := http.Client{Transport: &digest.Transport{Username: user, Password: password(user), Transport: transport}}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%s, %s", resp.Status, resp.Header)
	}
	e := &eventStream{t: t, events: make(chan streamEvent, 100), close: cancel, last: lastID}
	go func() {
		defer transport.CloseIdleConnections()
		defer resp.Body.Close()
		e.read(resp.Body)
	}()
	t.Cleanup(cancel)
	return e
}

func (e *eventStream) read(r io.Reader) {
	defer close(e.events)
	var now streamEvent
	for lines := bufio.NewReader(r); ; {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		field, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch field {
		case "event":
			now.name = value
		case "id":
			now.id = value
		case "data":
			_ = json.Unmarshal([]byte(value), &now.data)
		case "":
			if now.name != "" {
				e.events <- now
			}
			now = streamEvent{}
		}
	}
}

// next returns the next event.
func (e *eventStream) next() streamEvent {
	e.t.Helper()
	select {
	case got, ok := <-e.events:
		if !ok {
			e.t.Fatal("the stream has ended")
		}
		e.last = got.id
		return got
	case <-time.After(patience):
		e.t.Fatal("no event")
	}
	return streamEvent{}
}

// want waits for an event with these members in its data.
func (e *eventStream) want(name string, members ...string) streamEvent {
	e.t.Helper()
	for {
		got := e.next()
		fits := got.name == name
		for i := 0; i < len(members); i += 2 {
			fits = fits && got.text(members[i]) == members[i+1]
		}
		if fits {
			return got
		}
		if got.name == "reset" || got.name == "ready" || name == "ready" {
			e.t.Fatalf("%s %v instead of %s %s", got.name, got.data, name, members)
		}
	}
}

// A page of alice's is told of her documents, her buddy and who watches her, and
// misses nothing when its connection breaks.
func TestEventStream(t *testing.T) {
	data := t.TempDir()
	s := start(t, []string{"--data", data, "--domain", domain}, "--pacing", "off",
		"--delegates", "carol=alice:resource-lists", "--cors-origin", "https://page.example.org")
	alice := newXCAPClient(t, s.xcapRoot, "alice", password("alice"))
	bob := newXCAPClient(t, s.xcapRoot, "bob", password("bob"))
	const lists = "resource-lists/users/sip:alice@" + domain + "/index"
	etag := strings.Trim(alice.put(201, lists, typeLists, blinkLists(s.xcapRoot, "alice")), `"`)
	alice.put(201, "rls-services/users/sip:alice@"+domain+"/index", typeServices, blinkServices(s.xcapRoot, "alice"))
	bob.put(201, "resource-lists/users/sip:bob@"+domain+"/index", typeLists, blinkLists(s.xcapRoot, "bob", "alice"))
	bob.put(201, "org.openmobilealliance.pres-rules/users/sip:bob@"+domain+"/index", typeRules, blinkRules(s.xcapRoot, "bob"))

	page := openEvents(t, s, "alice", "", "")
	page.want("reset", "reason", "start")
	page.want("document", "document", lists, "new_etag", etag, "change", "exists")
	for page.next().name != "ready" {
	}

	// A buddy is added, and goes online.
	previous := etag
	etag = strings.Trim(alice.put(200, lists, typeLists, blinkLists(s.xcapRoot, "alice", "bob")), `"`)
	page.want("document", "document", lists, "new_etag", etag, "previous_etag", previous, "change", "changed")
	page.want("presence", "uri", "sip:bob@"+domain, "state", "active", "basic", "closed")
	phone := dialSIP(t, "tcp", s.sip, "bob", password("bob"))
	phone.want(200, request{method: "PUBLISH", uri: phone.aor(), lines: []string{"Event: presence", "Expires: 600", "Content-Type: " + typePIDF},
		body: blinkPIDF("bob", "open", "away", "away", "gone fishing")})
	shown := page.want("presence", "uri", "sip:bob@"+domain, "basic", "open", "note", "gone fishing")
	if !strings.Contains(shown.text("pidf"), "<rpid:away") {
		t.Errorf("no document in %v", shown.data)
	}

	// Bob wants to see her.
	phone.subscribe("sip:alice@"+domain, "presence", typePIDF)
	watcher := page.want("watcher", "watcher", phone.aor(), "status", "pending", "event", "subscribe")

	// The connection breaks while much happens.
	page.close()
	rules := "org.openmobilealliance.pres-rules/users/sip:alice@" + domain + "/index"
	alice.put(201, rules, typeRules, blinkRules(s.xcapRoot, "alice"))
	previous = etag
	alice.put(200, lists, typeLists, blinkLists(s.xcapRoot, "alice", "bob"+"by"))
	etag = strings.Trim(alice.put(200, lists, typeLists, blinkLists(s.xcapRoot, "alice", "bob", "carol")), `"`)
	if resp, text := alice.do("DELETE", "rls-services/users/sip:alice@"+domain+"/index", ""); resp.StatusCode != 200 {
		t.Fatal(text)
	}
	page = openEvents(t, s, "alice", "", page.last)
	missed := map[string]streamEvent{}
	for ready := false; !ready || missed[watcher.text("id")].name == ""; { // rules come into force beside all this
		e := page.next()
		if e.name == "reset" {
			t.Fatal("everything is told again")
		}
		ready = ready || e.name == "ready"
		missed[e.text("document")+e.text("id")+e.text("uri")] = e
	}
	for key, want := range map[string]map[string]string{
		lists: {"new_etag": etag, "previous_etag": previous, "change": "changed"},
		rules: {"change": "created", "previous_etag": ""},
		"rls-services/users/sip:alice@" + domain + "/index": {"change": "removed", "new_etag": ""},
		watcher.text("id"): {"status": "active", "event": "approved"},
	} {
		for member, value := range want {
			if got := missed[key].text(member); got != value {
				t.Errorf("%s of %s: %q, want %q; missed was %v", member, key, got, value, missed[key].data)
			}
		}
	}
	if gone := missed["sip:bob@"+domain]; gone.data["removed"] != true {
		t.Errorf("bob is on no list: %v", gone.data)
	}

	// A delegate is told of what she may read, and of nothing else.
	carols := openEvents(t, s, "carol", "?show=documents", "")
	carols.want("reset")
	carols.want("document", "document", lists, "new_etag", etag)
	carols.want("ready")

	// Requests that get no stream.
	for _, c := range []struct {
		method, path string
		status       int
	}{
		{"GET", "/events?show=everything", 400}, {"POST", "/events", 405}, {"OPTIONS", "/events", 204}, {"GET", "/eventsx", 404},
	} {
		x := &xcapClient{t: t, root: strings.TrimSuffix(s.xcapRoot, "/xcap-root"), http: alice.http}
		if resp, text := x.do(c.method, c.path[1:], ""); resp.StatusCode != c.status {
			t.Errorf("%s %s: %s %s", c.method, c.path, resp.Status, text)
		}
	}
	resp, err := http.Get(strings.TrimSuffix(s.xcapRoot, "/xcap-root") + "/events")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 401 || !strings.Contains(resp.Header.Get("WWW-Authenticate"), "algorithm=MD5") {
		t.Errorf("without credentials: %s %s", resp.Status, resp.Header)
	}

	// A new password ends the stream, and so does the end of the server.
	where := []string{"--data", data, "--domain", domain, "--admin-listen", strings.TrimPrefix(s.admin, "http://")}
	expectCommand(t, 0, "has been told", "another\n", append([]string{"user", "passwd", "alice"}, where...)...)
	page.ends()
	s.terminate()
	carols.ends()
}

// ends waits for the end of the stream.
func (e *eventStream) ends() {
	e.t.Helper()
	for deadline := time.After(patience); ; {
		select {
		case _, ok := <-e.events:
			if !ok {
				return
			}
		case <-deadline:
			e.t.Fatal("the stream goes on")
		}
	}
}
