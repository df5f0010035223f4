package presence

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"rollcall/internal/auth"
	"rollcall/internal/bus"
	"rollcall/internal/pidf"
	"rollcall/internal/resourcelist"
	"rollcall/internal/shard"
	"rollcall/internal/store"
	"rollcall/internal/store/memory"
	"rollcall/internal/wheel"
	"rollcall/internal/xmlscan"
	"rollcall/policy"
	"rollcall/sip/event"
	"rollcall/sip/winfo"
	"rollcall/sip/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	amy  = "sip:amy@example.test"
	bo   = "sip:bo@example.test"
	cy   = "sip:cy@example.test"
	tick = 50 * time.Millisecond
)

// rig is a service on a store that forgets, with the real policy.
type rig struct {
	t      testing.TB
	s      *Service
	store  *memory.Store
	users  userList
	engine *policy.Engine
	pool   *shard.Pool
	wheel  *wheel.Wheel
	calls  int

	mu       sync.Mutex
	notified map[string]int // event and resource -> calls
}

// userList are the accounts, by AOR.
type userList struct {
	mu   sync.Mutex
	gone map[string]bool
	err  error
}

func (u *userList) Get(_ context.Context, aor string) (store.User, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.err != nil {
		return store.User{}, u.err
	}
	if u.gone[aor] || !strings.HasSuffix(aor, "@example.test") {
		return store.User{}, store.ErrNotFound
	}
	return store.User{AOR: aor}, nil
}

func (u *userList) set(aor string, there bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.gone[aor] = !there
}

// inBubble runs a test with simulated time.
func inBubble(t *testing.T, cfg Config, test func(t *testing.T, r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, cfg, memory.New())
		defer r.close()
		test(t, r)
	})
}

func newRig(t testing.TB, cfg Config, st *memory.Store) *rig {
	r := &rig{
		t: t, store: st, notified: make(map[string]int),
		users: userList{gone: make(map[string]bool)},
		pool:  shard.New(1000, func(v any) { t.Errorf("panic: %v", v) }),
		wheel: wheel.New(tick),
	}
	r.engine = policy.NewEngine(st, &resourcelist.Resolver{Docs: st, Roots: []string{"http://xcap.example.test/xcap-root"}}, policy.Options{})
	cfg.Store, cfg.Documents, cfg.Users, cfg.Pool, cfg.Wheel = st, st, &r.users, r.pool, r.wheel
	if cfg.Policy == nil {
		cfg.Policy = r.engine
	}
	r.s = New(cfg)
	r.s.Notify(func(event, resource string) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.notified[event+" "+resource]++
	})
	return r
}

func (r *rig) close() {
	r.s.Stop()
	r.wheel.Stop()
	if err := r.pool.Stop(context.Background()); err != nil {
		r.t.Error(err)
	}
}

// restart gives a new service on the same store.
func (r *rig) restart() *rig {
	r.close()
	next := newRig(r.t, Config{}, r.store)
	if err := next.s.Restore(context.Background()); err != nil {
		r.t.Fatal(err)
	}
	return next
}

// news returns how often a package was said to have news since the last call.
func (r *rig) news(event, resource string) int {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	n := r.notified[event+" "+resource]
	delete(r.notified, event+" "+resource)
	return n
}

// on runs fn on the shard of resource and waits for everything to come to rest.
func (r *rig) on(resource string, fn func()) {
	done := make(chan struct{})
	r.pool.Post(shard.Index(resource), func() { fn(); close(done) })
	<-done
	synctest.Wait()
}

// response is an answer as sent.
type response struct {
	text   string
	status int
}

func (a response) header(name string) string {
	for line := range strings.SplitSeq(a.text, "\r\n") {
		if n, v, ok := strings.Cut(line, ":"); ok && strings.EqualFold(n, name) {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

var (
	local  = netip.MustParseAddrPort("192.0.2.1:5060")
	remote = netip.MustParseAddrPort("192.0.2.9:4444")
)

// request builds a PUBLISH; extra header lines are separated by newlines.
func request(t testing.TB, n int, aor, extra, body string, send func([]byte) error) *wire.Request {
	t.Helper()
	text := "PUBLISH " + aor + " SIP/2.0\r\n" +
		fmt.Sprintf("Via: SIP/2.0/TCP 192.0.2.9:4444;branch=z9hG4bK%d\r\n", n) +
		"From: <" + aor + ">;tag=a\r\nTo: <" + aor + ">\r\n" +
		fmt.Sprintf("Call-ID: call%d\r\nCSeq: 1 PUBLISH\r\nMax-Forwards: 70\r\n", n)
	for line := range strings.SplitSeq(extra, "\n") {
		if line = strings.TrimSpace(line); line != "" {
			text += line + "\r\n"
		}
	}
	text += "Content-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body
	req, _, err := wire.ParseRequest([]byte(text), wire.NewFlow("TCP", local, remote, send))
	if err != nil {
		t.Fatal(err)
	}
	return req
}

// publish sends a PUBLISH with the given header lines.
func (r *rig) publish(aor, headers, body string) response {
	r.t.Helper()
	return r.publishAs(aor, aor, headers, body)
}

func (r *rig) publishAs(who, aor, headers, body string) response {
	r.t.Helper()
	r.calls++
	var answer response
	req := request(r.t, r.calls, aor, headers, body, func(b []byte) error {
		answer.text = string(b)
		answer.status, _ = strconv.Atoi(strings.Fields(answer.text)[1])
		return nil
	})
	r.on(aor, func() { r.s.Publish(context.Background(), req, aor, auth.Identity{AOR: who}) })
	return answer
}

const typed = "Event: presence\nContent-Type: application/pidf+xml\n"

// refresh is the headers of a PUBLISH without a body.
func refresh(tag string) string { return "Event: presence\nSIP-If-Match: " + tag + "\n" }

// must publishes a document and returns the entity-tag.
func (r *rig) must(aor, headers, body string) string {
	r.t.Helper()
	a := r.publish(aor, headers, body)
	if a.status != 200 {
		r.t.Fatalf("PUBLISH answered %s", a.text)
	}
	return a.header("SIP-ETag")
}

// document is a small presence document.
func document(components string) string {
	return `<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="` + pidf.DataModel + `" xmlns:rpid="` + pidf.RPID +
		`" entity="` + amy + `">` + components + `</presence>`
}

func tuple(id, basic string) string {
	return `<tuple id="` + id + `"><status><basic>` + basic + `</basic></status></tuple>`
}

// put stores a document and tells everybody.
func (r *rig) put(key store.DocumentKey, body string) {
	r.t.Helper()
	old, _ := r.store.Document(context.Background(), key)
	doc := store.Document{DocumentKey: key, Body: []byte(body), ETag: old.ETag + "x", Modified: time.Now()}
	if err := r.store.PutDocument(context.Background(), doc, old.ETag, nil); err != nil {
		r.t.Fatal(err)
	}
	r.s.DocumentChanged(bus.DocumentChanged{Key: key, OldETag: old.ETag, NewETag: doc.ETag})
	synctest.Wait()
}

func (r *rig) remove(key store.DocumentKey) {
	r.t.Helper()
	old, err := r.store.Document(context.Background(), key)
	if err == nil {
		err = r.store.DeleteDocument(context.Background(), key, old.ETag, store.Origin{})
	}
	if err != nil {
		r.t.Fatal(err)
	}
	r.s.DocumentChanged(bus.DocumentChanged{Key: key, OldETag: old.ETag})
	synctest.Wait()
}

func rulesOf(aor string) store.DocumentKey {
	return store.DocumentKey{XUI: aor, AUID: policy.AUIDOMAPresRules, Path: "index"}
}

func hardOf(aor string) store.DocumentKey {
	return store.DocumentKey{XUI: aor, AUID: "pidf-manipulation", Path: "index"}
}

// rules makes a rule per watcher: "allow sip:bo@example.test", ...
func (r *rig) rules(aor string, rules ...string) {
	r.t.Helper()
	r.put(rulesOf(aor), ruleset(rules...))
}

func ruleset(rules ...string) string {
	body := `<cr:ruleset xmlns:cr="urn:ietf:params:xml:ns:common-policy" xmlns:pr="urn:ietf:params:xml:ns:pres-rules">`
	for i, rule := range rules {
		fields := strings.SplitN(rule, " ", 3)
		more := ""
		if len(fields) == 3 {
			more = fields[2]
		}
		body += fmt.Sprintf(`<cr:rule id="r%d"><cr:conditions><cr:identity><cr:one id="%s"/></cr:identity>%s</cr:conditions>`+
			`<cr:actions><pr:sub-handling>%s</pr:sub-handling></cr:actions></cr:rule>`, i, fields[1], more, fields[0])
	}
	return body + `</cr:ruleset>`
}

func (r *rig) view(watcher string) View {
	return r.s.View(context.Background(), amy, watcher)
}

// tuples are the basic values by tuple id that the watcher sees.
func (r *rig) tuples(watcher string) map[string]string {
	r.t.Helper()
	v := r.view(watcher)
	if v.State != event.Active {
		r.t.Fatalf("state of %s is %v %s", watcher, v.State, v.Reason)
	}
	return tuplesOf(r.t, v.Body)
}

func tuplesOf(t testing.TB, body []byte) map[string]string {
	t.Helper()
	d, err := pidf.Parse(body, xmlscan.DefaultLimits())
	if err != nil {
		t.Fatalf("%v\n%s", err, body)
	}
	out := make(map[string]string)
	for _, c := range d.Tuples {
		for i := c.Elem; i < len(d.Doc.Elements); i++ {
			if d.Doc.Is(i, pidf.Namespace, "basic") {
				out[c.ID] = d.Doc.Text(i)
				break
			}
		}
	}
	return out
}

// subscription makes a subscription as the notifier hands it to the package.
func subscription(id, watcher string, expires time.Duration) *event.Subscription {
	return &event.Subscription{
		ID: id, Event: Event, Resource: amy, Watcher: watcher,
		Created: time.Now(), Expires: time.Now().Add(expires), Shard: shard.Index(amy),
	}
}

// subscribe does what the notifier does with a SUBSCRIBE.
func (r *rig) subscribe(sub *event.Subscription) (src event.Source, v event.View, err error) {
	r.t.Helper()
	r.on(amy, func() {
		if src, err = r.s.Package().Open(context.Background(), sub); err != nil {
			return
		}
		if !sub.Fetch && !sub.Restored {
			var b store.Batch
			src.(event.Recorder).Record(&b)
			if err = r.store.Commit(context.Background(), b); err != nil {
				return
			}
		}
		v, _ = src.View(true)
	})
	return src, v, err
}

// end does what the notifier does when a subscription is over.
func (r *rig) end(src event.Source, reason string) {
	r.on(amy, func() {
		var b store.Batch
		src.Ended(reason, &b)
		r.store.Defer(b)
	})
}

// winfo is the list of watchers as "uri status cause" in order.
func (r *rig) winfo() []string {
	synctest.Wait()
	var out []string
	for _, w := range r.s.Watchers(amy) {
		status := w.Status
		if w.Terminated != (status == winfo.Terminated) {
			r.t.Errorf("%+v", w)
		}
		user := strings.TrimSuffix(strings.TrimPrefix(w.Watcher.Watcher, "sip:"), "@example.test")
		out = append(out, user+" "+status+" "+w.Cause)
	}
	return out
}

func (r *rig) expectWinfo(want ...string) {
	r.t.Helper()
	if got := r.winfo(); strings.Join(got, ", ") != strings.Join(want, ", ") {
		r.t.Errorf("watchers are [%s], want [%s]", strings.Join(got, ", "), strings.Join(want, ", "))
	}
}

func newMemory() *memory.Store { return memory.New() }
