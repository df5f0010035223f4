package subscriber

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/internal/metrics"
	"rollcall/internal/route"
	"rollcall/internal/shard"
	"rollcall/internal/wheel"
	"rollcall/sip/event"
	"rollcall/sip/wire"
)

const (
	amy = "sip:amy@example.test"
	bob = "sip:bob@b.example"
)

var (
	here  = netip.MustParseAddrPort("192.0.2.1:5060")
	there = netip.MustParseAddrPort("198.51.100.9:5060")
)

// rig is a Subscriber with a transport that the test answers for.
type rig struct {
	t      testing.TB
	s      *Subscriber
	pool   *shard.Pool
	wheel  *wheel.Wheel
	sender *fakeSender
	news   atomic.Int64 // calls of changed
	ids    int
}

// asked is one SUBSCRIBE that went out.
type asked struct {
	out  wire.Outgoing
	hop  wire.Hop
	done func(wire.Result)
}

func (a asked) header(name string) string {
	for line := range strings.SplitSeq(string(a.out.Head), "\r\n") {
		if n, v, ok := strings.Cut(line, ":"); ok && strings.EqualFold(n, name) {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

func (a asked) tag() string {
	_, tag, _ := strings.Cut(a.header("From"), ";tag=")
	return tag
}

type fakeSender struct {
	mu   sync.Mutex
	log  []asked
	sent chan struct{} // something was, since it was last looked at
}

func (f *fakeSender) Forward(out wire.Outgoing, hop wire.Hop, done func(wire.Result)) {
	out.Flow = wire.NewFlow("UDP", here, there, func([]byte) error { return nil })
	hop.Complete(&out)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.log = append(f.log, asked{out, hop, done})
	select {
	case f.sent <- struct{}{}:
	default:
	}
}

func (f *fakeSender) ContactURI(*wire.Flow) string { return "sip:192.0.2.1:5060" }

func newRig(t testing.TB, cfg Config) *rig {
	routes, err := route.Parse([]string{"b.example=dns", "c.example=sip:gw.c.example;transport=tcp", "d.example=dns-tls", "x.example=deny"})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, sender: &fakeSender{sent: make(chan struct{}, 1)}, wheel: wheel.New(50 * time.Millisecond),
		pool: shard.New(100, func(v any) { t.Errorf("panic: %v", v) })}
	cfg.Sender, cfg.Pool, cfg.Wheel, cfg.Metrics, cfg.Routes = r.sender, r.pool, r.wheel, metrics.New(), routes
	cfg.Packages = map[string]Package{
		"presence": {Accept: []string{"application/pidf+xml"}, Check: func(body []byte) error {
			if bytes.Contains(body, []byte("broken")) {
				return errors.New("broken")
			}
			return nil
		}},
		"dialog": {Accept: []string{"application/dialog-info+xml"}},
	}
	r.s = New(cfg)
	return r
}

func (r *rig) close() {
	r.wheel.Stop()
	if err := r.pool.Stop(context.Background()); err != nil {
		r.t.Error(err)
	}
}

// inBubble runs a test with simulated time.
func inBubble(t *testing.T, cfg Config, test func(t *testing.T, r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, cfg)
		defer r.close()
		test(t, r)
	})
}

// interest is somebody who watches.
type interest struct {
	r   *rig
	key Key
	id  string
}

func (i interest) View() View { return i.r.s.View(i.key) }

func (i interest) End() { i.r.s.Unwatch(i.key, i.id) }

func (i interest) Renew() {
	i.r.s.Watch(i.key, i.id, nil, func() { i.r.news.Add(1) })
	synctest.Wait()
}

func (r *rig) watch(resource string) interest { return r.watchAs(amy, resource) }

func (r *rig) watchAs(watcher, resource string) interest {
	r.ids++
	i := interest{r, Key{watcher, resource, "presence"}, strconv.Itoa(r.ids)}
	i.Renew()
	return i
}

// take returns the SUBSCRIBEs since the last call.
func (r *rig) take() []asked {
	synctest.Wait()
	r.sender.mu.Lock()
	defer r.sender.mu.Unlock()
	log := r.sender.log
	r.sender.log = nil
	return log
}

// one is the one SUBSCRIBE since the last call.
func (r *rig) one() asked {
	r.t.Helper()
	log := r.take()
	if len(log) != 1 {
		r.t.Fatalf("%d SUBSCRIBEs", len(log))
	}
	return log[0]
}

func (r *rig) none() {
	r.t.Helper()
	if log := r.take(); len(log) != 0 {
		r.t.Fatalf("unexpected SUBSCRIBE:\n%s", log[0].out.Head)
	}
}

// answer is a final response to a SUBSCRIBE; each of lines is a header.
func answer(a asked, status int, lines ...string) {
	res := wire.Result{Status: status}
	for _, line := range lines {
		n, v, _ := strings.Cut(line, ": ")
		res.Headers = append(res.Headers, wire.Header{Name: n, Value: v})
		if n == "Retry-After" {
			s, _ := strconv.Atoi(v)
			res.RetryAfter = time.Duration(s) * time.Second
		}
	}
	a.done(res)
	synctest.Wait()
}

// notice is a NOTIFY; zero fields are what a notifier sends as a rule.
type notice struct {
	to              asked
	state, body     string
	tag, event      string // tag of the notifier
	cseq            int
	kind            string // Content-Type
	contact, routes string
	more            string // lines, each with CRLF
	callID, toTag   string
}

func or(v, fallback string) string {
	if v == "" {
		return fallback
	}
	return v
}

// text renders the NOTIFY.
func (n notice) text() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "NOTIFY sip:192.0.2.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.9;branch=z9hG4bK%d\r\nMax-Forwards: 70\r\n", n.cseq)
	fmt.Fprintf(&b, "From: <%s>;tag=%s\r\nTo: <%s>;tag=%s\r\nCall-ID: %s\r\nCSeq: %d NOTIFY\r\n",
		bob, or(n.tag, "bobs"), amy, or(n.toTag, n.to.tag()), or(n.callID, n.to.header("Call-ID")), max(n.cseq, 1))
	if n.contact != "-" {
		fmt.Fprintf(&b, "Contact: <%s>\r\n", or(n.contact, "sip:198.51.100.9:5060"))
	}
	if n.routes != "" {
		fmt.Fprintf(&b, "Record-Route: %s\r\n", n.routes)
	}
	if n.state != "-" {
		fmt.Fprintf(&b, "Subscription-State: %s\r\n", or(n.state, "active;expires=3600"))
	}
	fmt.Fprintf(&b, "Event: %s\r\n%s", or(n.event, "presence"), n.more)
	if n.body != "" {
		fmt.Fprintf(&b, "Content-Type: %s\r\n", or(n.kind, "application/pidf+xml"))
	}
	fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(n.body), n.body)
	return []byte(b.String())
}

// notify has a NOTIFY served and returns the response.
func (r *rig) notify(n notice) string {
	r.t.Helper()
	var mu sync.Mutex
	response := ""
	flow := wire.NewFlow("TCP", here, there, func(b []byte) error {
		mu.Lock()
		defer mu.Unlock()
		response = string(b)
		return nil
	})
	req, owed, err := wire.ParseRequest(n.text(), flow)
	if err != nil {
		r.t.Fatalf("test request is malformed: %v (%+v)", err, owed)
	}
	r.s.Notify(req)
	synctest.Wait()
	mu.Lock()
	defer mu.Unlock()
	return response
}

func status(response string) int {
	n, _ := strconv.Atoi(strings.Fields(response + " 0 0")[1])
	return n
}

// want sends a NOTIFY and looks at the status.
func (r *rig) want(code int, n notice) string {
	r.t.Helper()
	got := r.notify(n)
	if status(got) != code {
		r.t.Fatalf("NOTIFY %+v: want %d, got\n%s", n.state, code, got)
	}
	return got
}

// shows checks what is known of a resource: a state, or a state and a reason or body.
func shows(t testing.TB, i interest, state, detail string) {
	t.Helper()
	v := i.View()
	got := "unknown"
	if v.Known {
		got = v.State.String()
	}
	text := string(v.Body)
	if v.State == event.Terminated {
		text = v.Reason
	}
	if got != state || text != detail {
		t.Fatalf("shows %s %q, want %s %q", got, text, state, detail)
	}
}

// established has bob active.
func (r *rig) established() (interest, asked) {
	r.t.Helper()
	i := r.watch(bob)
	a := r.one()
	answer(a, 200, "Expires: 3600")
	r.want(200, notice{to: a, cseq: 1, body: "<here/>"})
	shows(r.t, i, "active", "<here/>")
	return i, a
}

// within lets time pass until a SUBSCRIBE goes out; it must be between least and most.
func (r *rig) within(least, most time.Duration) asked {
	r.t.Helper()
	synctest.Wait()
	r.sender.mu.Lock()
	if len(r.sender.log) == 0 {
		select {
		case <-r.sender.sent: // of one that was taken
		default:
		}
	}
	r.sender.mu.Unlock()
	begun := time.Now()
	select {
	case <-r.sender.sent:
	case <-time.After(most + time.Second):
		r.t.Fatalf("no SUBSCRIBE for %v", most)
	}
	if passed := time.Since(begun); passed < least {
		r.t.Fatalf("SUBSCRIBE after %v already", passed)
	}
	return r.one()
}
