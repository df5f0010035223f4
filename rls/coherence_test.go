package rls

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"rollcall/internal/store"
	"rollcall/sip/presence"
	"rollcall/sip/wire"
)

// Whatever happens to members, documents and NOTIFYs, in whatever order: a
// subscriber that follows RFC 4662 §5.6 ends up with the truth, never sees a gap,
// and nobody is watched who is not in the list.
func TestCoherence(t *testing.T) { coherence(t, newMachine) }

// The same of a list that comes in SUBSCRIBE and changes in the dialog.
func TestRecipientsCoherence(t *testing.T) { coherence(t, newRecipientsMachine) }

func coherence(t *testing.T, start func(*testing.T, *rapid.T) *machine) {
	rapid.Check(t, func(rt *rapid.T) {
		// rapid speaks by panics, which must not leave the bubble's goroutine.
		var verdict any
		synctest.Test(t, func(t *testing.T) {
			defer func() { verdict = recover() }()
			m := start(t, rt)
			defer func() { m.r.close() }()
			rt.Repeat(map[string]func(*rapid.T){
				"member":  m.member,
				"edit":    m.edit,
				"service": m.service,
				"answer":  m.answer,
				"fail":    m.fail,
				"refresh": m.refresh,
				"inner":   m.within,
				"restart": m.restart,
				"wait":    m.wait,
				"":        func(rt *rapid.T) { m.collect(rt) },
			})
			m.settle(rt)
		})
		if verdict != nil {
			panic(verdict)
		}
	})
}

type machine struct {
	r       *rig
	w       *subscriber
	tag     string
	named   bool     // the service refers to the list; otherwise it is empty
	members []string // of the list, with names
	waiting []message
	made    int
	brought bool // the list came in the SUBSCRIBE
	t       *testing.T
	opt     options
	inner   []string // members of the list in the list
	there   bool     // it is
	call    string   // Call-ID
}

var people = []string{bo, cy, di, "sip:ed@elsewhere.example", "sip:nobody@example.test", inner}

func drawWindow(rt *rapid.T) time.Duration {
	return rapid.SampledFrom([]time.Duration{0, 200 * time.Millisecond}).Draw(rt, "window")
}

func drawOptions(rt *rapid.T) options {
	return options{maxBody: rapid.SampledFrom([]int{5 << 10, 9 << 10}).Draw(rt, "body"), window: drawWindow(rt)}
}

func newMachine(t *testing.T, rt *rapid.T) *machine {
	m := &machine{t: t, opt: drawOptions(rt), named: true, there: true, inner: []string{cy}}
	m.r = newRig(t, m.opt)
	m.r.presence.set(bo, active("<bo/>"))
	m.put()
	m.members = []string{bo, cy}
	m.r.putMembers(m.members...)
	m.tag, m.w = m.r.establish(sub{expires: "86400"})
	m.r.sender.auto = 0
	return m
}

func newRecipientsMachine(t *testing.T, rt *rapid.T) *machine {
	m := &machine{t: t, opt: drawOptions(rt), named: true, brought: true}
	m.r = newRig(t, m.opt)
	m.r.presence.set(bo, active("<bo/>"))
	m.members = []string{bo, cy}
	m.tag, m.w = m.r.establish(sub{resource: lists, expires: "86400", body: recipients(m.members...)})
	m.call = m.r.calls(m.tag)
	m.r.sender.auto = 0
	return m
}

// resend changes the list in the dialog, unless the store is down.
func (m *machine) resend(rt *rapid.T, members []string) {
	down := rapid.IntRange(0, 4).Draw(rt, "down") == 0
	if down {
		m.r.store.Fail(store.ErrUnavailable)
	}
	log := m.r.subscribe(sub{resource: lists, toTag: m.tag, expires: "86400", body: recipients(members...), call: m.call})
	m.r.store.Fail(nil)
	for _, msg := range log {
		switch status := msg.status(); {
		case status == 0 || status == 200:
			m.r.sender.record(msg) // for collect
		case status != 503 || !down:
			rt.Fatalf("SUBSCRIBE answered %d", status)
		}
	}
	if !down {
		m.members = members
	}
}

// collect takes in what went out. One that is going to fail has been received,
// too: the subscriber cannot tell.
func (m *machine) collect(rt failer) {
	for _, msg := range m.r.take() {
		if msg.response == "" {
			m.w.receive(rt, msg)
			m.waiting = append(m.waiting, msg)
		} else if msg.status() != 200 {
			rt.Fatalf("SUBSCRIBE answered %d", msg.status())
		}
	}
	if len(m.waiting) > 1 {
		rt.Fatalf("%d NOTIFYs in flight", len(m.waiting))
	}
	if m.w.gaps > 0 {
		rt.Fatalf("a gap before version %d", m.w.version)
	}
}

func (m *machine) member(rt *rapid.T) {
	m.made++
	who := rapid.SampledFrom(people[:3]).Draw(rt, "who")
	m.r.presence.set(who, rapid.SampledFrom([]presence.View{
		active(fmt.Sprintf("<p n='%d'/>", m.made)), active(fmt.Sprintf("<p n='%d'>%s</p>", m.made, strings.Repeat(".", 1500))),
		active("<same/>"), pending, rejected,
	}).Draw(rt, "view"))
}

func (m *machine) edit(rt *rapid.T) {
	var members []string
	for _, p := range rapid.SliceOfDistinct(rapid.SampledFrom(people), rapid.ID[string]).Draw(rt, "members") {
		members = append(members, p+rapid.SampledFrom([]string{"", " A", " B"}).Draw(rt, "name"))
	}
	if m.brought {
		m.resend(rt, members)
		return
	}
	m.members = members
	m.r.putMembers(m.members...)
}

func (m *machine) service(rt *rapid.T) {
	if m.brought {
		rt.Skip("no service")
	}
	m.named = rapid.Bool().Draw(rt, "named")
	m.put()
}

// put stores the services.
func (m *machine) put() {
	list := "<list/>"
	if m.named {
		list = byReference
	}
	services := []string{`<service uri="` + theirs + `">` + list + `</service>`}
	if m.there {
		services = append(services, service(inner, entries(m.inner...)))
	}
	m.r.putAll(amy, services...)
}

// within changes the list in the list, which may go and come.
func (m *machine) within(rt *rapid.T) {
	if m.brought {
		rt.Skip("no services")
	}
	m.there = rapid.IntRange(0, 3).Draw(rt, "there") > 0
	m.inner = rapid.SliceOfDistinct(rapid.SampledFrom(people[:5]), rapid.ID[string]).Draw(rt, "inner")
	m.put()
}

// restart ends the server in order, with nothing on its way, and starts another on
// the same store.
func (m *machine) restart(rt *rapid.T) {
	for m.collect(rt); len(m.waiting) > 0; m.collect(rt) {
		m.answer(rt)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	m.r.n.Stop(ctx)
	old := m.r
	old.close()
	m.opt.st, m.opt.fake = old.store, newFake()
	m.opt.fake.views = old.presence.views
	m.r = newRig(m.t, m.opt)
	m.r.sender.auto, m.r.sender.flow, m.r.cseq = 0, m.r.flow(), old.cseq
	if err := m.r.n.Restore(context.Background()); err != nil {
		rt.Fatal(err)
	}
	m.waiting = nil
}

func (m *machine) answer(rt *rapid.T) {
	if len(m.waiting) == 0 {
		rt.Skip("nothing in flight")
	}
	msg := m.waiting[0]
	m.waiting = nil
	msg.done(wire.Result{Status: 200})
}

// fail loses a NOTIFY on its way.
func (m *machine) fail(rt *rapid.T) {
	if len(m.waiting) == 0 {
		rt.Skip("nothing in flight")
	}
	msg := m.waiting[0]
	m.waiting = nil
	msg.done(wire.Result{Status: 500})
}

func (m *machine) refresh(*rapid.T) {
	resource := ""
	if m.brought {
		resource = lists
	}
	for _, msg := range m.r.subscribe(sub{resource: resource, toTag: m.tag, expires: "86400", call: m.call}) {
		m.r.sender.record(msg) // for collect
	}
}

func (m *machine) wait(rt *rapid.T) {
	time.Sleep(time.Duration(rapid.IntRange(1, 60_000).Draw(rt, "ms")) * time.Millisecond)
}

// settle lets everything arrive and compares with the truth.
func (m *machine) settle(rt *rapid.T) {
	m.r.sender.mu.Lock()
	m.r.sender.auto = 200
	m.r.sender.mu.Unlock()
	m.collect(rt)
	for _, msg := range m.waiting {
		msg.done(wire.Result{Status: 200})
	}
	time.Sleep(20 * time.Minute) // beyond every retry
	for _, msg := range m.r.take() {
		m.w.receive(rt, msg)
	}
	var members, watched []string
	if m.named {
		members = m.members
	}
	truth := m.truth(members, &watched)
	got := present(m.w.table, truth)
	if r := got[inner]; r.state == "active" {
		r.body = fmt.Sprint(present(m.w.nested[inner].table, m.truth(m.inner, new([]string))))
		got[inner] = r
	}
	if !maps.Equal(truth, got) {
		rt.Fatalf("the subscriber has\n%v, the truth is\n%v", got, truth)
	}
	slices.Sort(watched)
	if !slices.Equal(watched, m.r.presence.watched()) {
		rt.Fatalf("watched %v, want %v", m.r.presence.watched(), watched)
	}
}

// truth is what a subscriber to a list is to know, and whom it then watches.
func (m *machine) truth(members []string, watched *[]string) map[string]row {
	truth := make(map[string]row)
	for _, entry := range members {
		uri, name, _ := strings.Cut(entry, " ")
		if uri == inner && m.there && !m.brought {
			truth[uri] = row{state: "active", name: name, body: fmt.Sprint(m.truth(m.inner, watched))}
			continue
		}
		truth[uri] = m.shown(uri, name)
		if !strings.Contains(uri, "elsewhere") {
			*watched = append(*watched, amy+" "+uri)
		}
	}
	return truth
}

// present is a table without those that left.
func present(table, truth map[string]row) map[string]row {
	got := maps.Clone(table)
	maps.DeleteFunc(got, func(uri string, r row) bool {
		_, listed := truth[uri]
		return !listed && r.state == "terminated" && r.reason == "noresource"
	})
	return got
}

func (m *machine) shown(uri, name string) row {
	if uri == people[3] {
		return row{state: "terminated", reason: "giveup", name: name}
	}
	v := m.r.presence.View(context.Background(), uri, amy)
	return row{state: v.State.String(), reason: v.Reason, body: string(v.Body), name: name}
}
