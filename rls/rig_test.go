package rls

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/internal/auth"
	"rollcall/internal/bus"
	"rollcall/internal/metrics"
	"rollcall/internal/resourcelist"
	"rollcall/internal/shard"
	"rollcall/internal/sipuri"
	"rollcall/internal/store"
	"rollcall/internal/store/memory"
	"rollcall/internal/wheel"
	"rollcall/policy"
	"rollcall/sip/event"
	"rollcall/sip/presence"
	"rollcall/sip/wire"
)

const (
	amy    = "sip:amy@example.test"
	bo     = "sip:bo@example.test"
	cy     = "sip:cy@example.test"
	di     = "sip:di@example.test"
	theirs = "sip:amy+presence@example.test" // amy's own list
)

var (
	local0  = netip.MustParseAddrPort("192.0.2.1:5060")
	remote0 = netip.MustParseAddrPort("192.0.2.9:4444")
)

// rig is a notifier with a list server in front of a presence package, all of
// which is real but for the transport and the presence of the members.
type rig struct {
	t        testing.TB
	lists    *Service
	n        *event.Notifier
	pool     *shard.Pool
	wheel    *wheel.Wheel
	store    *memory.Store
	presence *fakePresence
	lamps    *fakePresence     // members of lists of dialogs
	real     *presence.Service // instead, when the test wants it
	sender   *fakeSender
	cseq     uint32
}

type options struct {
	window  time.Duration
	maxBody int
	real    bool // presence and policy
	st      *memory.Store
	fake    *fakePresence
	public  []string // lists
	helper  string   // may use the lists of all
}

func newRig(t testing.TB, o options) *rig {
	if o.st == nil {
		o.st = memory.New()
		var users []store.User
		for _, u := range []string{amy, bo, cy, di} {
			users = append(users, store.User{AOR: u})
		}
		if err := o.st.AddUsers(t.Context(), users, false); err != nil {
			t.Fatal(err)
		}
	}
	if o.fake == nil {
		o.fake = newFake()
	}
	r := &rig{
		t: t, store: o.st, presence: o.fake, lamps: newFake(), sender: &fakeSender{auto: 200},
		pool:  shard.New(1000, func(v any) { t.Errorf("panic: %v", v) }),
		wheel: wheel.New(50 * time.Millisecond),
	}
	resolver := &resourcelist.Resolver{Docs: r.store, Roots: []string{"/xcap-root"}}
	var members Presence = r.presence
	if o.real {
		r.real = presence.New(presence.Config{
			Store: r.store, Documents: r.store, Users: users{r.store}, Pool: r.pool, Wheel: r.wheel,
			Policy: policy.NewEngine(r.store, resolver, policy.Options{}),
		})
		members = r.real
	}
	r.lists = New(Config{
		Documents: r.store, Claims: r.store, Users: users{r.store}, Wheel: r.wheel,
		Resolver: resolver,
		Domains:  []string{"example.test"}, User: "rls", Window: o.window,
		Public: o.public, Delegate: func(user, _ string) bool { return user == o.helper },
	})
	if o.maxBody > 0 {
		r.lists.maxBody = o.maxBody
	}
	r.n = event.New(event.Config{Store: r.store, Sender: r.sender, Pool: r.pool, Wheel: r.wheel, Metrics: metrics.New()})
	r.n.Register(r.lists.Wrap(plainPackage{}, Presentities(members)))
	r.n.Register(r.lists.Wrap(plainPackage{"dialog", "application/dialog-info+xml"}, lamps{presentities{r.lamps}}))
	return r
}

func (r *rig) close() {
	if r.real != nil {
		r.real.Stop()
	}
	r.wheel.Stop()
	if err := r.pool.Stop(context.Background()); err != nil {
		r.t.Error(err)
	}
}

// inBubble runs a test with simulated time.
func inBubble(t *testing.T, o options, test func(t *testing.T, r *rig)) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, o)
		defer r.close()
		test(t, r)
	})
}

type users struct{ s *memory.Store }

func (u users) Get(ctx context.Context, aor string) (store.User, error) { return u.s.User(ctx, aor) }

// plainPackage is the package behind the lists.
type plainPackage struct{ event, kind string }

func (p plainPackage) Event() string { return or(p.event, "presence") }
func (p plainPackage) Terms() event.Terms {
	return event.Terms{DefaultExpires: time.Hour, ContentTypes: []string{or(p.kind, "application/pidf+xml")}}
}
func (plainPackage) Open(context.Context, *event.Subscription) (event.Source, error) {
	return plainSource{}, nil
}

type plainSource struct{}

func (plainSource) View(bool) (event.View, bool) {
	return event.View{State: event.Active, ContentType: "application/pidf+xml", Body: []byte("plain"), Tag: "plain"}, true
}
func (plainSource) Refreshed() error           { return nil }
func (plainSource) Ended(string, *store.Batch) {}

// fakePresence shows what tests set; members nobody set do not exist.
type fakePresence struct {
	mu      sync.Mutex
	views   map[string]presence.View
	watches map[string]presence.Watch // by id
	ended   []string                  // reasons
	asked   int
}

func newFake() *fakePresence {
	return &fakePresence{views: make(map[string]presence.View), watches: make(map[string]presence.Watch)}
}

// lamps are members whose documents have versions.
type lamps struct{ presentities }

func (l lamps) View(ctx context.Context, resource, watcher string, version uint32) event.View {
	v := l.presentities.View(ctx, resource, watcher, version)
	if v.ContentType = "application/dialog-info+xml"; len(v.Body) > 0 {
		v.Body = fmt.Appendf(nil, "%d %s", version, v.Body)
	}
	return v
}

func (f *fakePresence) View(_ context.Context, presentity, watcher string) presence.View {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	v, ok := f.views[presentity]
	if !ok {
		return presence.View{State: event.Terminated, Reason: "noresource"}
	}
	return v
}

func (f *fakePresence) Watch(w presence.Watch) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.watches[w.ID] = w
}

func (f *fakePresence) Unwatch(presentity, id, reason string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.watches, id)
	f.ended = append(f.ended, presentity+" "+reason)
}

// set changes what members show and tells whoever watches.
func (f *fakePresence) set(presentity string, v presence.View) {
	f.mu.Lock()
	f.views[presentity] = v
	var tell []func()
	for _, w := range f.watches {
		if w.Presentity == presentity {
			tell = append(tell, w.Changed)
		}
	}
	f.mu.Unlock()
	for _, fn := range tell {
		fn()
	}
}

func (f *fakePresence) watched() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var list []string
	for _, w := range f.watches {
		list = append(list, w.Watcher+" "+w.Presentity)
	}
	slices.Sort(list)
	return list
}

func active(body string) presence.View {
	return presence.View{State: event.Active, Body: []byte(body), Tag: body}
}

var (
	pending  = presence.View{State: event.Pending, Tag: "pending"}
	rejected = presence.View{State: event.Terminated, Reason: "rejected"}
)

// put stores a document and tells the lists, as the XCAP server does.
func (r *rig) put(xui, auid, body string, claims ...string) {
	r.t.Helper()
	key := store.DocumentKey{XUI: xui, AUID: auid, Path: "index"}
	before, err := r.store.Document(r.t.Context(), key)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		r.t.Fatal(err)
	}
	etag := before.ETag + "x"
	doc := store.Document{DocumentKey: key, Body: []byte(body), ETag: etag}
	if err := r.store.PutDocument(r.t.Context(), doc, before.ETag, claims); err != nil {
		r.t.Fatal(err)
	}
	changed := bus.DocumentChanged{Key: key, OldETag: before.ETag, NewETag: etag}
	if r.real != nil {
		r.real.DocumentChanged(changed)
	}
	r.lists.DocumentChanged(changed)
}

// putServices stores amy's services; list is put into the one for theirs.
func (r *rig) putServices(list string) {
	r.t.Helper()
	r.put(amy, AUID, `<?xml version="1.0" encoding="UTF-8"?><rls-services xmlns="urn:ietf:params:xml:ns:rls-services" xmlns:rl="urn:ietf:params:xml:ns:resource-lists">`+
		`<service uri="sip%3Aamy+presence%40example.test">`+list+`<packages><package>presence</package></packages></service></rls-services>`, theirs)
}

// byReference is Blink's way to say where the members are.
const byReference = `<resource-list>http%3A//127.0.0.1%3A8080/xcap-root/resource-lists/users/sip%3Aamy%40example.test/index/~~/resource-lists/list%5B%40name%3D%22sipsimple_presence_rls%22%5D</resource-list>`

// putMembers stores the list byReference names. A member may have a display
// name behind a blank.
func (r *rig) putMembers(members ...string) {
	r.t.Helper()
	r.put(amy, "resource-lists", `<rl:resource-lists xmlns:rl="urn:ietf:params:xml:ns:resource-lists"><rl:list name="sipsimple_presence_rls">`+
		entries(members...)+`</rl:list></rl:resource-lists>`)
}

func entries(members ...string) string {
	var b strings.Builder
	for _, m := range members {
		uri, name, _ := strings.Cut(m, " ")
		fmt.Fprintf(&b, `<rl:entry uri="%s">`, uri)
		if name != "" {
			fmt.Fprintf(&b, `<rl:display-name>%s</rl:display-name>`, name)
		}
		b.WriteString(`</rl:entry>`)
	}
	return b.String()
}

// message is one thing that went out.
type message struct {
	response string
	out      wire.Outgoing
	done     func(wire.Result)
}

func (m message) status() int {
	fields := strings.Fields(m.response)
	if len(fields) < 2 {
		return 0
	}
	status, _ := strconv.Atoi(fields[1])
	return status
}

func (m message) header(name string) string {
	text := m.response
	if text == "" {
		text = string(m.out.Head)
	}
	for line := range strings.SplitSeq(text, "\r\n") {
		if n, v, ok := strings.Cut(line, ":"); ok && strings.EqualFold(n, name) {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// fakeSender answers every NOTIFY with auto, or leaves it to the test when 0.
type fakeSender struct {
	mu   sync.Mutex
	log  []message
	auto int
	flow *wire.Flow
}

func (f *fakeSender) record(m message) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.log = append(f.log, m)
}

func (f *fakeSender) Do(out wire.Outgoing, done func(wire.Result)) {
	out.Head, out.Body = bytes.Clone(out.Head), bytes.Clone(out.Body)
	f.record(message{out: out, done: done})
	if f.auto != 0 {
		done(wire.Result{Status: f.auto})
	}
}

func (f *fakeSender) Flow(string) *wire.Flow { return f.flow }

func (f *fakeSender) ContactURI(*wire.Flow) string { return "sip:192.0.2.1:5060;transport=tcp" }

func (f *fakeSender) FlowTo(_ sipuri.URI, like *wire.Flow) (*wire.Flow, error) { return like, nil }

// take returns what went out since the last call.
func (r *rig) take() []message {
	synctest.Wait()
	r.sender.mu.Lock()
	defer r.sender.mu.Unlock()
	log := r.sender.log
	r.sender.log = nil
	return log
}

// sub describes a SUBSCRIBE; zero fields mean what Blink sends.
type sub struct {
	who, resource, toTag, expires, supported, accept, body string
	call                                                   string // Call-ID; found by the tag otherwise
	kind                                                   string // Content-Type
	event                                                  string
	more                                                   string // header lines, each with CRLF
	udp                                                    bool
}

func or(v, fallback string) string {
	if v == "" {
		return fallback
	}
	return v
}

func (r *rig) flow() *wire.Flow {
	return wire.NewFlow("TCP", local0, remote0, func(b []byte) error {
		r.sender.record(message{response: string(b)})
		return nil
	})
}

// subscribe has a SUBSCRIBE served.
func (r *rig) subscribe(s sub) []message {
	r.t.Helper()
	resource := or(s.resource, theirs)
	who := or(s.who, amy)
	r.cseq++
	var b strings.Builder
	fmt.Fprintf(&b, "SUBSCRIBE %s SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.9:5060;branch=z9hG4bK%d\r\nMax-Forwards: 70\r\nFrom: <%s>;tag=from\r\n", resource, r.cseq, who)
	to := "<" + resource + ">"
	call := "call"
	if s.toTag != "" {
		to += ";tag=" + s.toTag
		if call = s.call; call == "" {
			call = r.calls(s.toTag)
		}
	} else {
		call += strconv.Itoa(int(r.cseq))
	}
	fmt.Fprintf(&b, "To: %s\r\nCall-ID: %s\r\nCSeq: %d SUBSCRIBE\r\nContact: <sip:1@192.0.2.9:5062;transport=tcp>\r\nEvent: %s\r\nExpires: %s\r\n", to, call, r.cseq, or(s.event, "presence"), or(s.expires, "600"))
	b.WriteString("Supported: 100rel, replaces\r\n")
	if s.supported != "-" {
		fmt.Fprintf(&b, "Supported: %s\r\n", or(s.supported, "eventlist"))
	}
	if s.accept != "-" {
		fmt.Fprintf(&b, "Accept: %s\r\n", or(s.accept, "multipart/related, application/rlmi+xml, application/pidf+xml"))
	}
	if s.body != "" {
		b.WriteString("Content-Type: " + or(s.kind, typeLists) + "\r\n")
	}
	fmt.Fprintf(&b, "%sContent-Length: %d\r\n\r\n%s", s.more, len(s.body), s.body)
	flow := r.flow()
	if s.udp {
		flow = wire.NewFlow("UDP", local0, remote0, flow.Send)
	}
	req, owed, err := wire.ParseRequest([]byte(b.String()), flow)
	if err != nil {
		r.t.Fatalf("test request is malformed: %v (%+v)", err, owed)
	}
	resource = r.lists.Resource(resource, who)
	i := shard.Index(resource)
	if s.toTag != "" {
		i, _ = event.TagShard(s.toTag)
	}
	r.pool.Post(i, func() { r.n.Subscribe(context.Background(), req, resource, auth.Identity{AOR: who}) })
	return r.take()
}

// calls finds the Call-ID of a dialog.
func (r *rig) calls(tag string) string {
	call := ""
	if err := r.store.LoadSubscriptions(context.Background(), time.Time{}, func(s store.Subscription) error {
		if s.ID == tag {
			call = s.CallID
		}
		return nil
	}); err != nil {
		r.t.Fatal(err)
	}
	return call
}

// establish subscribes and returns the To tag and a subscriber that has seen
// the first NOTIFYs.
func (r *rig) establish(s sub) (string, *subscriber) {
	r.t.Helper()
	log := r.subscribe(s)
	if len(log) < 2 || log[0].status() != 200 {
		r.t.Fatalf("not established: %+v", log)
	}
	if got := log[0].header("Require"); got != "eventlist" {
		r.t.Errorf("Require of the 200 is %q", got)
	}
	_, tag, _ := strings.Cut(log[0].header("To"), ";tag=")
	w := newSubscriber(or(s.resource, theirs))
	for _, m := range log[1:] {
		w.receive(r.t, m)
	}
	return tag, w
}
