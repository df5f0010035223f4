package presence

import (
	"time"

	"rollcall/internal/bus"
	"rollcall/internal/store"
	"rollcall/policy"
	"rollcall/sip/event"
	"rollcall/sip/winfo"
)

// DocumentChanged says that a document was written. When it returns every later
// View goes by the new rules; whoever they concern is told soon after.
func (s *Service) DocumentChanged(ev bus.DocumentChanged) {
	if ev.Key.AUID == storedAUID && (ev.Key.Path == hardPath || ev.Key.Path == overridePath) {
		if p := s.find(ev.Key.XUI); p != nil {
			p.mark(markStored)
		}
	}
	for _, aor := range s.cfg.Policy.DocumentChanged(ev.Key) {
		if p := s.find(aor); p != nil {
			p.mark(markRules)
		} else {
			(*s.notify.Load())(WinfoEvent, aor) // who is let in may watch that, too
		}
	}
}

// UserChanged says that an account was added, changed or removed.
func (s *Service) UserChanged(aor string) {
	if p := s.find(aor); p != nil {
		p.mark(markUser)
	} else {
		s.sightings.Delete(aor) // the account may be gone
	}
}

// reevaluate asks the policy again about everybody who watches or waits, and
// lists them accordingly.
func (p *presentity) reevaluate() {
	var b store.Batch
	now := time.Now()
	if !p.known.Load() {
		p.watchers.Close(now, &b)
	} else if snap, err := p.snapshot(p.s.ctx); err == nil {
		p.watchers.Review(func(watcher string) event.State {
			h, _ := p.decide(p.s.ctx, watcher, snap)
			return stateOf(h)
		}, now, &b)
	}
	p.commitLater(b)
	p.winfoChanged() // who may know of it may be others now, too
	for _, w := range p.watches {
		if !p.watchers.Holds(winfo.ID(w.ID)) {
			p.judge(w) // blocked until now, perhaps
		}
	}
}

// stateOf is the state of a subscription that is handled as h (RFC 5025 §3.2.1).
func stateOf(h policy.Handling) event.State {
	switch h {
	case policy.Allow, policy.PoliteBlock:
		return event.Active
	case policy.Confirm:
		return event.Pending
	}
	return event.Terminated
}
