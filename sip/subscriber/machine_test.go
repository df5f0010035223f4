package subscriber

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"rollcall/sip/event"
	"rollcall/sip/wire"
)

// The subscriber against a model of a notifier, under random answers, losses,
// forks, restarts of the notifier and time. Checked are: SUBSCRIBEs in a dialog
// have rising CSeq; a NOTIFY is taken in the dialog that there is, and no other;
// what is shown is what was told; once the notifier behaves, the true state shows
// within hours; once nobody watches, all comes to rest.
func TestMachine(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		// rapid speaks by panics, which must not leave the bubble's goroutine.
		var verdict any
		synctest.Test(t, func(t *testing.T) {
			defer func() { verdict = recover() }()
			r := newRig(t, Config{Expires: 10 * time.Minute})
			defer r.close()
			m := &model{rig: r, rt: rt, dialogs: map[string]*modelDialog{}, cseqs: map[string]uint32{}}
			m.users = []interest{r.watch(bob)}
			rt.Repeat(map[string]func(*rapid.T){
				"accept": m.accept,
				"refuse": m.refuse,
				"lose":   m.lose,
				"notify": m.notifyDialog,
				"end":    m.end,
				"forget": m.restart,
				"fork":   m.fork,
				"again":  m.again,
				"watch":  m.watchMore,
				"leave":  m.leave,
				"wait":   m.wait,
				"":       m.check,
			})
			m.settle()
			m.rest()
		})
		if verdict != nil {
			panic(verdict)
		}
	})
}

// model is a notifier, and what it may rely on.
type model struct {
	*rig
	rt      *rapid.T
	users   []interest
	open    []asked                 // SUBSCRIBEs without an answer
	dialogs map[string]*modelDialog // by Call-ID; those the notifier knows
	cseqs   map[string]uint32       // highest of ours, by Call-ID
	newest  string                  // Call-ID of the newest first SUBSCRIBE
	counter int
	good    bool // answers everything at once
}

// modelDialog is one subscription as the notifier has it.
type modelDialog struct {
	first asked
	tag   string
	cseq  int
	last  notice // accepted with 200
}

// collect takes what was sent.
func (m *model) collect() {
	for _, a := range m.take() {
		call := a.header("Call-ID")
		if a.out.CSeq <= m.cseqs[call] {
			m.rt.Fatalf("CSeq %d after %d", a.out.CSeq, m.cseqs[call])
		}
		if m.cseqs[call] == 0 {
			m.newest = call
		}
		m.cseqs[call] = a.out.CSeq
		if m.good {
			m.serve(a)
			continue
		}
		m.open = append(m.open, a)
	}
}

// pick takes one of the SUBSCRIBEs without an answer.
func (m *model) pick(rt *rapid.T) asked {
	m.collect()
	if len(m.open) == 0 {
		rt.Skip("nothing to answer")
	}
	i := rapid.IntRange(0, len(m.open)-1).Draw(rt, "which")
	a := m.open[i]
	m.open = append(m.open[:i:i], m.open[i+1:]...)
	return a
}

func (m *model) accept(rt *rapid.T) { m.serve(m.pick(rt)) }

// serve does what a notifier has to: it answers and notifies.
func (m *model) serve(a asked) {
	call := a.header("Call-ID")
	d := m.dialogs[call]
	if d == nil && a.out.CSeq > 1 {
		answer(a, 481)
		return
	}
	if d == nil {
		m.counter++
		d = &modelDialog{first: a, tag: fmt.Sprint("t", m.counter)}
		m.dialogs[call] = d
	}
	answer(a, 200, "Expires: "+a.header("Expires"))
	if a.header("Expires") == "0" {
		m.tell(d, "terminated;reason=timeout")
		delete(m.dialogs, call)
		return
	}
	m.tell(d, "active;expires="+a.header("Expires"))
}

// tell sends a NOTIFY; the notifier forgets the dialog when it is told 481.
func (m *model) tell(d *modelDialog, state string) {
	m.counter++
	d.cseq++
	n := notice{to: d.first, tag: d.tag, cseq: d.cseq, state: state, body: fmt.Sprintf("<n%d/>", m.counter)}
	call := d.first.header("Call-ID")
	switch code := status(m.notify(n)); code {
	case 200:
		d.last = n
		if call == m.newest {
			m.expect(n)
		}
	case 481:
		delete(m.dialogs, call)
	default:
		m.rt.Fatalf("%d to NOTIFY", code)
	}
}

// expect compares what is shown with what was told last.
func (m *model) expect(n notice) {
	if len(m.users) == 0 {
		return
	}
	m.collect()
	if n.to.header("Call-ID") != m.newest {
		return // and a new one was begun
	}
	v := m.users[0].View()
	st, _ := parseState(n.state)
	if !v.Known || v.State != st.state || v.State == event.Active && string(v.Body) != n.body {
		m.rt.Fatalf("shown %+v, told %s %s", v, n.state, n.body)
	}
}

func (m *model) any(rt *rapid.T) *modelDialog {
	var known []*modelDialog
	for n := range m.counter + 1 {
		for _, d := range m.dialogs {
			if d.tag == fmt.Sprint("t", n) {
				known = append(known, d)
			}
		}
	}
	if len(known) == 0 {
		rt.Skip("no dialog")
	}
	return known[rapid.IntRange(0, len(known)-1).Draw(rt, "dialog")]
}

func (m *model) notifyDialog(rt *rapid.T) {
	d := m.any(rt)
	m.tell(d, rapid.SampledFrom([]string{"active;expires=600", "pending;expires=500", "active;expires=40"}).Draw(rt, "state"))
}

func (m *model) end(rt *rapid.T) {
	d := m.any(rt)
	reasons := []string{"", ";reason=deactivated", ";reason=probation;retry-after=50", ";reason=rejected", ";reason=timeout", ";reason=giveup", ";reason=x"}
	m.tell(d, "terminated"+rapid.SampledFrom(reasons).Draw(rt, "reason"))
	delete(m.dialogs, d.first.header("Call-ID"))
}

// restart has the notifier forget everything.
func (m *model) restart(*rapid.T) { clear(m.dialogs) }

func (m *model) refuse(rt *rapid.T) {
	a := m.pick(rt)
	code := rapid.SampledFrom([]int{401, 403, 404, 408, 423, 480, 481, 489, 500, 503, 603}).Draw(rt, "status")
	answer(a, code, "Retry-After: 20", "Min-Expires: 900")
	if a.out.CSeq == 1 || destroys(code) {
		delete(m.dialogs, a.header("Call-ID"))
	}
}

func (m *model) lose(rt *rapid.T) {
	a := m.pick(rt)
	a.done(wire.Result{Err: wire.ErrTimeout})
	synctest.Wait()
}

// fork sends a NOTIFY from another notifier: in a dialog that there is it is told
// 481.
func (m *model) fork(rt *rapid.T) {
	d := m.any(rt)
	if d.last.tag == "" {
		return
	}
	if code := status(m.notify(notice{to: d.first, tag: "fork", cseq: 1, body: "<fork/>"})); code != 481 {
		rt.Fatalf("%d to a fork", code)
	}
}

// again sends the last NOTIFY once more, and one that is older.
func (m *model) again(rt *rapid.T) {
	d := m.any(rt)
	if d.last.tag == "" {
		return
	}
	n := d.last
	n.body = "<again/>"
	if code := status(m.notify(n)); code != 200 && code != 481 {
		rt.Fatalf("%d to a NOTIFY seen before", code)
	}
	if n.cseq > 1 {
		n.cseq--
		if code := status(m.notify(n)); code != 500 && code != 481 {
			rt.Fatalf("%d to an old NOTIFY", code)
		}
	}
}

func (m *model) watchMore(*rapid.T) { m.users = append(m.users, m.watch(bob)) }

func (m *model) leave(rt *rapid.T) {
	if len(m.users) == 0 {
		rt.Skip("nobody watches")
	}
	m.users[0].End()
	m.users = m.users[1:]
	synctest.Wait()
}

func (m *model) wait(rt *rapid.T) {
	time.Sleep(time.Duration(rapid.SampledFrom([]int{1, 10, 33, 120, 700}).Draw(rt, "seconds")) * time.Second)
	m.collect()
}

func (m *model) check(*rapid.T) { m.collect() }

// settle: a notifier that behaves is heard within hours.
func (m *model) settle() {
	m.good = true
	for _, a := range m.open {
		m.serve(a)
	}
	m.open = nil
	m.users = append(m.users, m.watch(bob)) // somebody new, so that nothing is given up
	for begun := time.Now(); time.Since(begun) < 3*time.Hour; {
		m.collect()
		time.Sleep(20 * time.Second)
	}
	m.collect()
	d := m.dialogs[m.newest]
	if d == nil {
		m.rt.Fatal("no dialog after hours")
	}
	m.tell(d, "active;expires=600")
	if v := m.users[0].View(); v.State != event.Active || string(v.Body) != d.last.body {
		m.rt.Fatalf("shown %+v after hours, told %s", v, d.last.body)
	}
	if n := len(m.dialogs); n > 1 {
		for _, d := range m.dialogs { // dialogs that only the notifier knows end with their next NOTIFY
			m.tell(d, "active;expires=600")
		}
		if len(m.dialogs) != 1 {
			m.rt.Fatalf("%d dialogs", len(m.dialogs))
		}
	}
}

// rest: nobody watches any more.
func (m *model) rest() {
	for _, u := range m.users {
		u.End()
	}
	m.users = nil
	for range 9 {
		time.Sleep(20 * time.Second)
		m.collect()
	}
	if len(m.dialogs) != 0 {
		m.rt.Fatalf("%d dialogs with nobody watching", len(m.dialogs))
	}
	for i := range m.s.rooms {
		if r := &m.s.rooms[i]; len(r.byKey)+len(r.byTag) > 0 {
			m.rt.Fatal("something is left")
		}
	}
	if total, holders := m.s.quota.Taken(); total != 0 || holders != 0 {
		m.rt.Fatal("the quota is not given back")
	}
	time.Sleep(5 * time.Hour)
	m.none()
}
