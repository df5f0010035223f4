package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// otherLists is a server that has lists. It gives none before it is released.
func otherLists(t *testing.T, lists map[string]string) (url string, release func(), forbidden *atomic.Int32) {
	gate, forbidden := make(chan struct{}), new(atomic.Int32)
	release = sync.OnceFunc(func() { close(gate) })
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/shared/") {
			forbidden.Add(1)
		}
		<-gate
		list, ok := lists[r.URL.Path]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Type", "application/xcap-el+xml")
		fmt.Fprint(w, list)
	}))
	t.Cleanup(other.Close)
	t.Cleanup(release)
	return other.URL, release, forbidden
}

// listExplained is what a program reads of the explanation of a list.
type listExplained struct {
	Live       bool
	Members    []struct{ URI, State string }
	Unresolved []struct{ Entry, Reason string }
}

func getListExplained(t *testing.T, s *server, list string) (l listExplained) {
	t.Helper()
	resp, err := http.Get(s.admin + "/admin/explain?watcher=alice&presentity=" + list)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&l); err != nil || resp.StatusCode != 200 {
		t.Fatalf("%s: %v", resp.Status, err)
	}
	return l
}

// reason is why an entry cannot be resolved; "": it can.
func (l *listExplained) reason(entry string) string {
	for _, u := range l.Unresolved {
		if u.Entry == entry {
			return u.Reason
		}
	}
	return ""
}

func (l *listExplained) expect(t *testing.T, entry, reason string) {
	t.Helper()
	if got := l.reason(entry); got != reason {
		t.Errorf("%s: %q, want %q", entry, got, reason)
	}
}

// Lists of another server join a list as soon as they have come; what may not be
// read, or is not there, takes nothing away from the others, and is told of.
func TestRemoteLists(t *testing.T) {
	const list, bob, carol = "sip:team@" + domain, "sip:bob@" + domain, "sip:carol@" + domain
	url, release, forbidden := otherLists(t, map[string]string{
		"/shared/team":  `<list xmlns="urn:ietf:params:xml:ns:resource-lists"><entry uri="` + bob + `"><display-name>Bob</display-name></entry><entry uri="tel:1"/></list>`,
		"/private/team": `<list xmlns="urn:ietf:params:xml:ns:resource-lists"><entry uri="sip:eve@` + domain + `"/></list>`,
	})
	args := []string{"--data", t.TempDir(), "--domain", domain}
	s := start(t, args, "--remote-lists", url+"/shared/")
	external := func(path string) string { return `<rl:external anchor="` + url + path + `"/>` }
	newXCAPClient(t, s.xcapRoot, "alice", password("alice")).put(201, "rls-services/users/sip:alice@"+domain+"/index", typeServices,
		`<rls-services xmlns="urn:ietf:params:xml:ns:rls-services" xmlns:rl="urn:ietf:params:xml:ns:resource-lists"><service uri="`+list+`"><list>`+
			external("/private/team")+external("/shared/team")+external("/shared/none")+`<rl:entry uri="`+carol+`"/>`+
			`</list><packages><package>presence</package></packages></service></rls-services>`)
	alice := dialSIP(t, "tcp", s.sip, "alice", password("alice"))
	buddies := alice.subscribe(list, "presence", blinkAccept)
	readRLMI(t, buddies.notify()).wantStates(t, list, 0, "true", map[string]string{carol: "pending "})
	before := getListExplained(t, s, list)
	before.expect(t, url+"/private/team", "reference leaves this server's XCAP root")
	before.expect(t, url+"/shared/team", "of another server is being fetched")
	if len(before.Members) != 1 || before.Members[0].URI != carol || before.Members[0].State != "pending" || !before.Live {
		t.Errorf("explained as %+v", before)
	}

	release()
	for joined := map[string]string{}; joined[bob] == ""; {
		joined = readRLMI(t, buddies.notify()).states()
	}
	buddies.accepted(buddies.refresh(alice, 600))
	for {
		if l := readRLMI(t, buddies.notify()); l.FullState == "true" {
			l.wantStates(t, list, l.Version, "true", map[string]string{bob: "pending ", carol: "pending ", "tel:1": "terminated noresource"})
			break
		}
	}
	const none = "of another server is not there: the other server answers 404"
	after := getListExplained(t, s, list)
	for deadline := time.Now().Add(patience); after.reason(url+"/shared/none") != none && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		after = getListExplained(t, s, list)
	}
	after.expect(t, url+"/shared/none", none)
	asking := append([]string{"explain", "alice", list, "--admin-listen", strings.TrimPrefix(s.admin, "http://")}, args...)
	expectText(t, expectCommand(t, 0, "", "", asking...),
		"It has 2 members; 3 entries cannot be resolved.", `bob@localhost ("Bob"): presence pending`, "tel:1: has scheme tel",
		"/private/team: reference leaves this server's XCAP root", none, "a service in rls-services/users/sip:alice@localhost/index")
	if n := forbidden.Load(); n > 0 {
		t.Errorf("%d requests to where lists may not be read from", n)
	}
	s.terminate()
	expectText(t, expectCommand(t, exitFailure, "no running server", "", asking...),
		"from what is stored", "It has 1 member; 3 entries cannot be resolved.", "   carol@localhost\n")
}
