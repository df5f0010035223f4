package event

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"rollcall/internal/auth"
	"rollcall/internal/shard"
	"rollcall/internal/sipuri"
	"rollcall/internal/store/memory"
	"rollcall/sip/wire"
)

// The notifier under random interleavings of SUBSCRIBE, news, answers, silence,
// time, connections that end and restarts. Checked are, per dialog: the 200 comes
// before any NOTIFY, one NOTIFY is in flight at most, CSeq only rises, what the
// watcher has is not sent again unasked, nothing follows `terminated`; what concerns
// one resource happens one after the other; after quiescence the watcher has the
// newest state; after the expiry nothing is left.
func TestMachine(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		// rapid speaks by panics, which must not leave the bubble's goroutine.
		var verdict any
		synctest.Test(t, func(t *testing.T) {
			defer func() { verdict = recover() }()
			m := newMachine(t, rt)
			defer func() { m.close() }()
			rt.Repeat(map[string]func(*rapid.T){
				"subscribe":   m.subscribe,
				"fetch":       m.fetch,
				"hang up":     m.hangUp,
				"register":    m.register,
				"restart":     m.restart,
				"refresh":     m.refresh,
				"unsubscribe": m.unsubscribe,
				"change":      m.change,
				"answer":      m.answer,
				"wait":        m.wait,
				"":            m.check,
			})
			m.settle(rt)
			m.expire(rt)
		})
		if verdict != nil {
			panic(verdict)
		}
	})
}

const maxMade = 200

type machine struct {
	*rig
	cfg   Config
	peer  *peer
	flow  *wire.Flow
	end   func()   // of flow; nil: datagrams
	calls []string // live dialogs as far as the watcher knows
	tags  map[string]string
	over  map[string]*wire.Flow // by call: what its last SUBSCRIBE came over
	made  int
	known atomic.Pointer[wire.Flow] // registered over
}

// peer is the watchers' side: it checks the order of things per dialog.
type peer struct {
	mu      sync.Mutex
	dialogs map[string]*dialogLog
	pending []*exchange // in flight
	prompt  bool        // answers 200 at once
	flow    *wire.Flow  // of datagrams, which outlives a restart; nil: there are connections
	faults  []string
}

type dialogLog struct {
	accepted bool
	cseq     uint32
	inFlight int
	over     bool
	asked    bool   // a NOTIFY is owed for a SUBSCRIBE
	sure     bool   // it is known that the watcher has the following
	shown    string // body last answered with 200
	state    string // Subscription-State then
}

type exchange struct {
	log   *dialogLog
	body  string
	state string
	once  sync.Once
	done  func(wire.Result)
	timer *time.Timer
}

func newMachine(t *testing.T, rt *rapid.T) *machine {
	pacing := rapid.SampledFrom([]Pacing{Off, Gentle, RFC}).Draw(rt, "pacing")
	m := &machine{cfg: Config{Pacing: pacing}, tags: map[string]string{}, over: map[string]*wire.Flow{}}
	m.cfg.Reach = func(user string, is func(string) bool) *wire.Flow {
		for i := range maxMade {
			if is(fmt.Sprintf("urn:uuid:call%d", i)) && user == bob {
				return m.known.Load()
			}
		}
		return nil
	}
	m.rig = newRig(t, m.cfg, memory.New())
	m.peer = &peer{dialogs: map[string]*dialogLog{}}
	m.n.cfg.Sender = m.peer
	if rapid.Bool().Draw(rt, "datagrams") {
		m.flow = wire.NewFlow("UDP", local, remote, m.peer.response)
		m.peer.flow = m.flow
	} else {
		m.connect()
	}
	return m
}

// connect opens the next connection of the watchers.
func (m *machine) connect() {
	m.made++
	m.flow, m.end = wire.NewConnection(uint64(m.made), "TCP", local, remote, m.peer.response)
}

func (p *peer) Flow(string) *wire.Flow       { return p.flow }
func (p *peer) ContactURI(*wire.Flow) string { return "sip:192.0.2.1" }
func (p *peer) fault(format string, args ...any) {
	p.faults = append(p.faults, fmt.Sprintf(format, args...))
}

func (p *peer) FlowTo(sipuri.URI, *wire.Flow) (*wire.Flow, error) { return nil, wire.ErrFlowClosed }

func (p *peer) response(b []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := message{response: string(b)}
	if m.status() == 200 {
		p.dialog(m.header("Call-ID")).accepted = true
	}
	return nil
}

func (p *peer) dialog(call string) *dialogLog {
	if p.dialogs[call] == nil {
		p.dialogs[call] = &dialogLog{}
	}
	return p.dialogs[call]
}

func (p *peer) Do(out wire.Outgoing, done func(wire.Result)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := message{out: out}
	call := m.header("Call-ID")
	d := p.dialog(call)
	state, _, _ := strings.Cut(m.header("Subscription-State"), ";")
	switch {
	case !d.accepted:
		p.fault("%s: NOTIFY before the 200", call)
	case d.inFlight > 0:
		p.fault("%s: two NOTIFYs in flight", call)
	case out.CSeq <= d.cseq:
		p.fault("%s: CSeq %d after %d", call, out.CSeq, d.cseq)
	case d.over:
		p.fault("%s: NOTIFY after the last one", call)
	case d.sure && !d.asked && string(out.Body) == d.shown && state == d.state:
		p.fault("%s: %s %q was sent again", call, state, out.Body)
	}
	d.asked, d.sure = false, false
	d.cseq = out.CSeq
	d.over = state == "terminated"
	d.inFlight++
	x := &exchange{log: d, body: string(out.Body), state: state, done: done}
	if p.prompt {
		go p.finish(x, wire.Result{Status: 200})
		return
	}
	p.pending = append(p.pending, x)
	x.timer = time.AfterFunc(32*time.Second, func() { p.finish(x, wire.Result{Err: wire.ErrTimeout}) })
}

func (p *peer) finish(x *exchange, res wire.Result) {
	x.once.Do(func() {
		p.mu.Lock()
		x.log.inFlight--
		if res.Status == 200 {
			x.log.shown, x.log.state, x.log.sure = x.body, x.state, true
		}
		p.pending = slices.DeleteFunc(p.pending, func(y *exchange) bool { return y == x })
		p.mu.Unlock()
		if x.timer != nil {
			x.timer.Stop()
		}
		x.done(res)
	})
}

func (m *machine) serve(s sub) {
	s.flow = m.flow
	m.over[s.callID] = m.flow
	m.peer.mu.Lock()
	m.peer.dialog(s.callID).asked = true
	m.peer.mu.Unlock()
	req := m.request(s)
	m.pool.Post(shard.Index(amy), func() {
		m.n.Subscribe(context.Background(), req, amy, auth.Identity{AOR: bob})
	})
	synctest.Wait()
}

func (m *machine) subscribe(rt *rapid.T) {
	if len(m.calls) == 4 || m.made == maxMade {
		rt.Skip()
	}
	call := fmt.Sprintf("call%d", m.made)
	m.made++
	m.serve(sub{callID: call, expires: "3600", contact: fmt.Sprintf("<sip:%s@192.0.2.9;transport=tcp;gr=urn:uuid:%s>", call, call)})
	m.calls = append(m.calls, call)
	m.tags[call] = m.pkg.opened[len(m.pkg.opened)-1].ID
}

func (m *machine) fetch(*rapid.T) {
	m.made++
	m.serve(sub{callID: fmt.Sprintf("fetch%d", m.made), expires: "0"})
}

// hangUp ends the connection of the watchers, who come back over another.
func (m *machine) hangUp(rt *rapid.T) {
	if m.end == nil {
		rt.Skip()
	}
	m.end()
	m.lose(wire.ErrFlowClosed)
	m.connect()
}

// lose ends what is in flight.
func (m *machine) lose(err error) {
	m.peer.mu.Lock()
	waiting := slices.Clone(m.peer.pending)
	m.peer.mu.Unlock()
	for _, x := range waiting {
		m.peer.finish(x, wire.Result{Err: err})
	}
	synctest.Wait()
}

// register makes the newest connection known as that of the watchers' device.
func (m *machine) register(rt *rapid.T) {
	if m.end == nil {
		rt.Skip()
	}
	m.known.Store(m.flow)
	m.n.Registered(bob)
	synctest.Wait()
}

// restart ends the process without notice and starts the next on its store.
func (m *machine) restart(rt *rapid.T) {
	before := m.rig
	before.close()
	m.lose(wire.ErrClosed) // nobody is there to hear of it
	m.peer.mu.Lock()
	for _, d := range m.peer.dialogs {
		d.sure = false // what was sent last need not have been written down
	}
	m.peer.mu.Unlock()
	m.rig = newRig(before.t, m.cfg, before.store)
	m.n.cfg.Sender, m.cseq = m.peer, before.cseq
	for aor, v := range before.pkg.state {
		m.pkg.set(aor, v)
	}
	if m.end != nil {
		m.end()
		m.connect()
	}
	if err := m.n.Restore(context.Background()); err != nil {
		rt.Fatal(err)
	}
	synctest.Wait()
}

func (m *machine) pick(rt *rapid.T) string {
	if len(m.calls) == 0 {
		rt.Skip()
	}
	return rapid.SampledFrom(m.calls).Draw(rt, "call")
}

func (m *machine) refresh(rt *rapid.T) {
	call := m.pick(rt)
	m.serve(sub{callID: call, toTag: m.tags[call], expires: "3600"})
}

func (m *machine) unsubscribe(rt *rapid.T) {
	call := m.pick(rt)
	m.serve(sub{callID: call, toTag: m.tags[call], expires: "0"})
	m.calls = slices.DeleteFunc(m.calls, func(c string) bool { return c == call })
}

func (m *machine) change(rt *rapid.T) {
	v := text(rapid.StringMatching("[abc]").Draw(rt, "body"))
	if rapid.IntRange(0, 4).Draw(rt, "state") == 0 {
		v = View{State: Pending, Tag: "p"}
	}
	m.set(v)
	synctest.Wait()
}

func (m *machine) answer(rt *rapid.T) {
	m.peer.mu.Lock()
	waiting := slices.Clone(m.peer.pending)
	m.peer.mu.Unlock()
	if len(waiting) == 0 {
		rt.Skip()
	}
	x := waiting[rapid.IntRange(0, len(waiting)-1).Draw(rt, "which")]
	m.peer.finish(x, rapid.SampledFrom([]wire.Result{
		{Status: 200}, {Status: 200}, {Status: 500}, {Status: 503, RetryAfter: 20 * time.Second},
		{Status: 481}, {Err: wire.ErrFlowFull},
	}).Draw(rt, "result"))
	synctest.Wait()
}

func (m *machine) wait(rt *rapid.T) {
	time.Sleep(time.Duration(rapid.IntRange(1, 90_000).Draw(rt, "ms")) * time.Millisecond)
	synctest.Wait()
}

func (m *machine) check(rt *rapid.T) {
	m.peer.mu.Lock()
	defer m.peer.mu.Unlock()
	if len(m.peer.faults) > 0 {
		rt.Fatal(strings.Join(m.peer.faults, "\n"))
	}
}

// settle answers everything and lets retries happen: now all know the newest.
func (m *machine) settle(rt *rapid.T) {
	m.peer.mu.Lock()
	m.peer.prompt = true
	waiting := slices.Clone(m.peer.pending)
	m.peer.mu.Unlock()
	for _, x := range waiting {
		m.peer.finish(x, wire.Result{Status: 200})
	}
	synctest.Wait()
	for _, call := range m.calls {
		if m.over[call] != m.flow { // it cannot be reached before it is heard of
			m.serve(sub{callID: call, toTag: m.tags[call], expires: "3600"})
		}
	}
	time.Sleep(lastRetry + time.Minute)
	synctest.Wait()
	m.check(rt)
	want, ok := m.pkg.state[amy]
	if !ok {
		want = text("none")
	}
	var live []string
	onShard(m.rig, func() {
		for _, s := range m.n.rooms[shard.Index(amy)].byTag {
			live = append(live, s.dialog.callID())
		}
	})
	m.peer.mu.Lock()
	defer m.peer.mu.Unlock()
	for _, call := range live {
		if got := m.peer.dialogs[call].shown; got != string(want.Body) {
			rt.Fatalf("%s was shown %q last, newest is %q", call, got, want.Body)
		}
	}
}

func (m *machine) expire(rt *rapid.T) {
	time.Sleep(time.Hour + time.Minute)
	synctest.Wait()
	m.check(rt)
	left := len(m.rows())
	onShard(m.rig, func() {
		rm := &m.n.rooms[shard.Index(amy)]
		left += len(rm.byTag) + len(rm.byCall) + len(rm.byResource) + len(rm.unsaved) + len(m.n.quota.held)
	})
	if left != 0 {
		rt.Fatal("something is left after the expiry")
	}
	if opened, ended := len(m.pkg.opened), len(m.pkg.ended); opened != ended {
		rt.Fatalf("%d sources opened, %d ended", opened, ended)
	}
}
