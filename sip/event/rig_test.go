package event

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/internal/auth"
	"rollcall/internal/metrics"
	"rollcall/internal/shard"
	"rollcall/internal/sipuri"
	"rollcall/internal/store"
	"rollcall/internal/store/memory"
	"rollcall/internal/wheel"
	"rollcall/sip/wire"
)

const (
	amy = "sip:amy@example.test"
	bob = "sip:bob@example.test"
)

var (
	local  = netip.MustParseAddrPort("192.0.2.1:5060")
	remote = netip.MustParseAddrPort("192.0.2.9:4444")
)

// rig is a notifier whose transport is a log of what went out, in order.
type rig struct {
	t      testing.TB
	n      *Notifier
	pool   *shard.Pool
	wheel  *wheel.Wheel
	store  *memory.Store
	pkg    *fakePackage
	sender *fakeSender
	cseq   uint32
}

// inBubble runs a test with simulated time.
func inBubble(t *testing.T, cfg Config, test func(t *testing.T, r *rig)) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, cfg, memory.New())
		defer r.close()
		test(t, r)
	})
}

func newRig(t testing.TB, cfg Config, st *memory.Store) *rig {
	r := &rig{
		t:      t,
		pool:   shard.New(1000, func(v any) { t.Errorf("panic: %v", v) }),
		wheel:  wheel.New(50 * time.Millisecond),
		store:  st,
		sender: &fakeSender{auto: 200},
		pkg:    &fakePackage{state: map[string]View{}},
	}
	r.pkg.rig = r
	cfg.Store, cfg.Sender, cfg.Pool, cfg.Wheel, cfg.Metrics = st, r.sender, r.pool, r.wheel, metrics.New()
	r.n = New(cfg)
	r.n.Register(r.pkg)
	return r
}

// close ends the notifier. What concerned one resource must have come one after the
// other.
func (r *rig) close() {
	if n := r.pkg.overlaps.Load(); n != 0 {
		r.t.Errorf("%d times two did something about one resource at once", n)
	}
	r.wheel.Stop()
	if err := r.pool.Stop(context.Background()); err != nil {
		r.t.Error(err)
	}
}

// flow makes a flow whose responses go to the log.
func (r *rig) flow(transport string, from netip.AddrPort) *wire.Flow {
	return wire.NewFlow(transport, local, from, func(b []byte) error {
		r.sender.record(message{response: string(b)})
		return nil
	})
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

// header returns a header of the response or of the NOTIFY.
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

func (m message) toTag() string {
	_, tag, _ := strings.Cut(m.header("To"), ";tag=")
	return tag
}

// fakeSender answers every NOTIFY with auto, or leaves it to the test when 0.
type fakeSender struct {
	mu    sync.Mutex
	log   []message
	auto  int
	flows map[string]*wire.Flow
}

func (f *fakeSender) record(m message) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.log = append(f.log, m)
}

func (f *fakeSender) Do(out wire.Outgoing, done func(wire.Result)) {
	out.Head = bytes.Clone(out.Head)
	f.record(message{out: out, done: done})
	f.mu.Lock()
	auto := f.auto
	f.mu.Unlock()
	if auto != 0 {
		done(wire.Result{Status: auto})
	}
}

// answer has later NOTIFYs answered with status, or left to the test when 0.
func (f *fakeSender) answer(status int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.auto = status
}

func (f *fakeSender) Flow(ref string) *wire.Flow { return f.flows[ref] }

func (f *fakeSender) ContactURI(flow *wire.Flow) string {
	if flow.Reliable() {
		return "sip:192.0.2.1:5060;transport=tcp"
	}
	return "sip:192.0.2.1:5060"
}

func (f *fakeSender) FlowTo(u sipuri.URI, like *wire.Flow) (*wire.Flow, error) {
	port := u.Port
	if port == 0 {
		port = 5060
	}
	to, err := netip.ParseAddrPort(u.Host + ":" + strconv.Itoa(port))
	if err != nil {
		return nil, err
	}
	return wire.NewFlow("UDP", like.Local(), to, like.Send), nil
}

// take returns what went out since the last call.
func (r *rig) take() []message {
	synctest.Wait()
	r.sender.mu.Lock()
	defer r.sender.mu.Unlock()
	log := r.sender.log
	r.sender.log = nil
	return log
}

// one returns the single message that went out, a NOTIFY.
func (r *rig) notify() message {
	r.t.Helper()
	log := r.take()
	if len(log) != 1 || log[0].response != "" {
		r.t.Fatalf("want one NOTIFY, got %s", describe(log))
	}
	return log[0]
}

func (r *rig) nothing() {
	r.t.Helper()
	if log := r.take(); len(log) != 0 {
		r.t.Fatalf("want nothing sent, got %s", describe(log))
	}
}

func describe(log []message) string {
	var b strings.Builder
	for _, m := range log {
		if m.response != "" {
			fmt.Fprintf(&b, "[%d]", m.status())
		} else {
			fmt.Fprintf(&b, "[NOTIFY %d %s %q]", m.out.CSeq, m.header("Subscription-State"), m.out.Body)
		}
	}
	return "{" + b.String() + "}"
}

// sub describes a SUBSCRIBE; zero fields mean something usual.
type sub struct {
	who      string // "" = bob
	resource string // "" = amy
	callID   string
	fromTag  string
	toTag    string
	cseq     uint32
	event    string // "-" = no Event
	expires  string // "-" = no Expires
	contact  string // "-" = none
	extra    string // more header lines
	body     string
	flow     *wire.Flow
}

func or(v, fallback string) string {
	if v == "" {
		return fallback
	}
	return v
}

func (r *rig) request(s sub) *wire.Request {
	r.t.Helper()
	resource := or(s.resource, amy)
	if s.flow == nil {
		s.flow = r.flow("TCP", remote)
	}
	if s.cseq == 0 {
		r.cseq++
		s.cseq = r.cseq
	}
	var b strings.Builder
	fmt.Fprintf(&b, "SUBSCRIBE %s SIP/2.0\r\nVia: SIP/2.0/%s 192.0.2.9:5060;branch=z9hG4bK%d\r\nMax-Forwards: 70\r\n", resource, s.flow.Transport(), s.cseq)
	fmt.Fprintf(&b, "From: <%s>;tag=%s\r\n", or(s.who, bob), or(s.fromTag, "from1"))
	if s.toTag == "" {
		fmt.Fprintf(&b, "To: <%s>\r\n", resource)
	} else {
		fmt.Fprintf(&b, "To: <%s>;tag=%s\r\n", resource, s.toTag)
	}
	fmt.Fprintf(&b, "Call-ID: %s\r\nCSeq: %d SUBSCRIBE\r\n", or(s.callID, "call1"), s.cseq)
	if s.contact != "-" {
		fmt.Fprintf(&b, "Contact: %s\r\n", or(s.contact, "<sip:"+or(s.callID, "call1")+"@192.0.2.9:5062;transport=tcp>"))
	}
	if s.event != "-" {
		fmt.Fprintf(&b, "Event: %s\r\n", or(s.event, "presence"))
	}
	if s.expires != "-" {
		fmt.Fprintf(&b, "Expires: %s\r\n", or(s.expires, "600"))
	}
	b.WriteString(s.extra)
	if s.body != "" {
		b.WriteString("Content-Type: text/plain\r\n")
	}
	fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(s.body), s.body)
	req, owed, err := wire.ParseRequest([]byte(b.String()), s.flow)
	if err != nil {
		r.t.Fatalf("test request is malformed: %v (%+v)", err, owed)
	}
	return req
}

// subscribe has a SUBSCRIBE served on its shard.
func (r *rig) subscribe(s sub) {
	r.t.Helper()
	req := r.request(s)
	resource := or(s.resource, amy)
	i := shard.Index(resource)
	if s.toTag != "" {
		var ok bool
		if i, ok = TagShard(s.toTag); !ok {
			i = 0
		}
	}
	r.pool.Post(i, func() {
		r.n.Subscribe(context.Background(), req, resource, auth.Identity{AOR: or(s.who, bob)})
	})
}

// establish makes a subscription and returns its To tag; the log is empty after.
func (r *rig) establish(s sub) string {
	r.t.Helper()
	r.subscribe(s)
	log := r.take()
	if len(log) == 0 || log[0].status() != 200 {
		r.t.Fatalf("subscription not established: %s", describe(log))
	}
	return log[0].toTag()
}

// set changes the view of amy and tells the notifier.
func (r *rig) set(v View) {
	r.pkg.set(amy, v)
	r.n.Changed("presence", amy)
}

func (r *rig) rows() []store.Subscription {
	r.t.Helper()
	synctest.Wait()
	var rows []store.Subscription
	if err := r.store.LoadSubscriptions(context.Background(), time.Time{}, func(s store.Subscription) error {
		rows = append(rows, s)
		return nil
	}); err != nil {
		r.t.Fatal(err)
	}
	return rows
}

// fakePackage is "presence" with a view that tests set.
type fakePackage struct {
	rig    *rig
	mu     sync.Mutex
	state  map[string]View
	refuse error
	ended  []string
	opened []*Subscription
	fulls  []bool
	again  error // of Refreshed

	headers []wire.Header

	inside   sync.Map     // resources that somebody works on now
	overlaps atomic.Int32 // calls about a resource during another about it
}

// alone notes that work on a resource begins; the function returned, that it ends.
func (p *fakePackage) alone(resource string) (end func()) {
	if _, taken := p.inside.LoadOrStore(resource, true); taken {
		p.overlaps.Add(1)
	}
	runtime.Gosched() // let others in, if they can come
	return func() { p.inside.Delete(resource) }
}

func text(body string) View {
	return View{State: Active, ContentType: "application/pidf+xml", Body: []byte(body), Tag: body}
}

func (p *fakePackage) set(resource string, v View) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state[resource] = v
}

func (p *fakePackage) Event() string { return "presence" }

func (p *fakePackage) Terms() Terms {
	return Terms{ContentTypes: []string{"application/pidf+xml", "application/other+xml"}, Pace: 5 * time.Second, Simple: []string{"baresip"}}
}

func (p *fakePackage) Open(_ context.Context, s *Subscription) (Source, error) {
	defer p.alone(s.Resource)()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refuse != nil {
		return nil, p.refuse
	}
	p.opened = append(p.opened, s)
	return &fakeSource{p: p, s: s}, nil
}

type fakeSource struct {
	p *fakePackage
	s *Subscription
}

func (f *fakeSource) View(full bool) (View, bool) {
	defer f.p.alone(f.s.Resource)()
	f.p.mu.Lock()
	defer f.p.mu.Unlock()
	f.p.fulls = append(f.p.fulls, full)
	v, ok := f.p.state[f.s.Resource]
	if !ok {
		v = text("none")
	}
	f.s.NextVersion()
	return v, true
}

func (f *fakeSource) State() State {
	f.p.mu.Lock()
	defer f.p.mu.Unlock()
	if v, ok := f.p.state[f.s.Resource]; ok {
		return v.State
	}
	return Active
}

func (f *fakeSource) Headers() []wire.Header { return f.p.headers }

func (f *fakeSource) Refreshed() error {
	defer f.p.alone(f.s.Resource)()
	f.p.mu.Lock()
	defer f.p.mu.Unlock()
	return f.p.again
}

func (f *fakeSource) Record(b *store.Batch) {
	b.Watchers = append(b.Watchers, store.Watcher{Presentity: f.s.Resource, Event: "presence", ID: f.s.ID,
		Watcher: f.s.Watcher, Status: "active", Expires: f.s.Expires})
}

func (f *fakeSource) Ended(reason string, b *store.Batch) {
	defer f.p.alone(f.s.Resource)()
	f.p.mu.Lock()
	defer f.p.mu.Unlock()
	f.p.ended = append(f.p.ended, reason)
	if !f.s.Fetch {
		b.DropWatchers = append(b.DropWatchers, store.WatcherKey{Presentity: f.s.Resource, Event: "presence", ID: f.s.ID})
	}
}
