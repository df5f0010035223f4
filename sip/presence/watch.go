package presence

import (
	"time"

	"rollcall/internal/shard"
	"rollcall/internal/store"
	"rollcall/sip/event"
	"rollcall/sip/winfo"
)

// Watch is a watcher that has no subscription of its own: a list has it watch.
type Watch struct {
	ID                  string // unique, the same after a restart
	Presentity, Watcher string // canonical addresses-of-record
	DisplayName         string
	Expires             time.Time
	// Changed is called on any goroutine when View may give something else, or
	// for no reason. It must not block.
	Changed func()
}

// Watch registers a watcher, or takes over what a refresh says about one that
// is known by its ID.
func (s *Service) Watch(w Watch) {
	seen := s.changesOf(w.Presentity)
	s.cfg.Pool.Post(shard.Index(w.Presentity), func() {
		p := s.obtain(w.Presentity)
		if !p.known.Load() {
			p.checkAccount()
		}
		_, again := p.watches[w.ID]
		p.watches[w.ID] = &w
		p.arm(w.Expires.Add(winfo.Grace))
		p.plan()
		p.judge(&w)
		if !again && p.changes.Load() != seen {
			w.Changed() // the caller may have looked before it was registered
		}
	})
}

func (s *Service) changesOf(aor string) uint64 {
	if p := s.find(aor); p != nil {
		return p.changes.Load()
	}
	return 0
}

// judge has the list of watchers say of w what the policy does.
func (p *presentity) judge(w *Watch) {
	state := event.Terminated
	if p.known.Load() {
		state = event.Pending
		if snap, err := p.snapshot(p.s.ctx); err == nil {
			state = snap.view(p.decide(p.s.ctx, w.Watcher, snap)).State
		}
	}
	if state == event.Active && !w.Expires.After(time.Now()) {
		return // RFC 3857 §4.7.2: a poll by one who is let in
	}
	p.admit(winfo.Member{
		Watcher: store.Watcher{
			Presentity: p.aor, Event: Event, ID: winfo.ID(w.ID), Watcher: w.Watcher,
			DisplayName: w.DisplayName, Since: time.Now(), Expires: w.Expires,
		},
		List: true,
	}, state)
}

// Unwatch ends what Watch began, for a reason of RFC 6665 §4.1.3.
func (s *Service) Unwatch(presentity, id, reason string) {
	s.cfg.Pool.Post(shard.Index(presentity), func() {
		p := s.find(presentity)
		if p == nil {
			return
		}
		delete(p.watches, id)
		var b store.Batch
		p.depart(winfo.ID(id), reason, &b)
		p.commitLater(b)
		p.plan()
	})
}

// Watchers lists who watches a presentity, who waits to, and who did until
// shortly. It may be called on any goroutine.
func (s *Service) Watchers(presentity string) []winfo.Watcher {
	if p := s.find(presentity); p != nil {
		return p.watchers.List(time.Now())
	}
	return nil
}

// admit brings the entry of a watcher in line with what it is shown.
func (p *presentity) admit(m winfo.Member, shown event.State) {
	var b store.Batch
	p.record(m, shown, &b)
	p.commitLater(b)
}

// record does that, too; rows go into b.
func (p *presentity) record(m winfo.Member, shown event.State, b *store.Batch) {
	known := p.watchers.Holds(m.ID)
	changed := p.watchers.Admit(m, shown, time.Now(), b)
	if !known {
		p.arm(m.End())
		p.plan()
	}
	if changed {
		p.winfoChanged()
	}
}

// depart ends a subscription of a watcher.
func (p *presentity) depart(id, reason string, b *store.Batch) {
	if now := time.Now(); p.watchers.Depart(id, reason, now, b) {
		p.arm(now.Add(winfo.Remembered))
		p.winfoChanged()
	}
}

// commitLater writes rows that nobody waits for.
func (p *presentity) commitLater(b store.Batch) {
	if len(b.Watchers)+len(b.DropWatchers) > 0 {
		p.s.cfg.Store.Defer(b)
	}
}
