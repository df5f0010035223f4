package presence

import (
	"time"

	"rollcall/internal/bus"
	"rollcall/internal/store"
	"rollcall/policy"
)

// DocumentChanged says that a document was written. When it returns every later
// View goes by the new rules; whoever they concern is told soon after.
func (s *Service) DocumentChanged(ev bus.DocumentChanged) {
	if ev.Key.AUID == hardAUID && ev.Key.Path == hardPath {
		if p := s.find(ev.Key.XUI); p != nil {
			p.mark(markHard)
		}
	}
	for _, aor := range s.cfg.Policy.DocumentChanged(ev.Key) {
		if p := s.find(aor); p != nil {
			p.mark(markRules)
		}
	}
}

// UserChanged says that an account was added, changed or removed.
func (s *Service) UserChanged(aor string) {
	if p := s.find(aor); p != nil {
		p.mark(markUser)
	}
}

// reevaluate asks the policy again about everybody who watches or waits, and
// lists them accordingly. Watchers with a subscription that is now blocked are
// left to the notifier, which ends it and says so.
func (p *presentity) reevaluate() {
	var b store.Batch
	now := time.Now()
	changed := false
	entries := p.watchers.all()
	if !p.known.Load() {
		for _, e := range entries {
			changed = p.watchers.apply(e, "noresource", now, &b) || changed
		}
		entries = nil
	} else if snap, err := p.snapshot(p.s.ctx); err == nil {
		for _, e := range entries {
			h, _ := p.decide(p.s.ctx, e.Watcher.Watcher, snap)
			if cause := p.verdict(e, h); cause != "" {
				changed = p.watchers.apply(e, cause, now, &b) || changed
			}
		}
	}
	p.commitLater(b)
	if changed {
		p.winfoChanged()
	}
	for _, w := range p.watches {
		if p.watchers.get(watcherID(w.ID)) == nil {
			p.judge(w) // blocked until now, perhaps
		}
	}
}

// verdict is the event that a decision means for an entry (RFC 5025 §3.2.1).
func (p *presentity) verdict(e *watcher, h policy.Handling) string {
	granted := h == policy.Allow || h == policy.PoliteBlock
	switch {
	case e.Status == pending && granted, e.Status == waiting && granted:
		return "approved"
	case e.Status == active && h == policy.Confirm:
		return "subscribe"
	case h == policy.Block && (e.Status == waiting || e.list):
		return "rejected"
	}
	return ""
}
