package presence

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"rollcall/internal/pidf"
	"rollcall/internal/shard"
	"rollcall/internal/store"
	"rollcall/internal/wheel"
	"rollcall/policy"
	"rollcall/sip/eventstate"
	"rollcall/sip/winfo"
)

const (
	idleTime   = 5 * time.Minute // how long one with nothing to remember stays
	retryAfter = 5 * time.Second // when the store could not be read
)

// presentity is one whose presence is watched or published.
type presentity struct {
	s     *Service
	aor   string
	shard int

	current atomic.Pointer[snapshot] // nil: nothing but documents, not read yet
	known   atomic.Bool              // has an account
	changes atomic.Uint64            // counts announcements
	marks   atomic.Uint32            // work that waits on the shard

	boundary struct { // next time when decisions may change
		sync.Mutex
		at    time.Time
		timer wheel.Timer
	}

	// Owned by the shard.
	publications  eventstate.Set[*pidf.Document]
	registrations []pidf.Registration
	stored        stored
	storedRead    bool
	calling       bool                 // there is a confirmed call
	personsSince  map[string]time.Time // by lineage, of those that repeat themselves
	lead          lead
	watches       map[string]*Watch
	watchers      *winfo.Table
	until         time.Time // when the composition changes by itself
	timer         wheel.Timer
	armed         time.Time
	replan        bool      // all deadlines are to be looked at
	idle          time.Time // to be dropped then, if still without anything
	dropped       bool
}

func newPresentity(s *Service, aor string) *presentity {
	p := &presentity{s: s, aor: aor, shard: shard.Index(aor), watches: make(map[string]*Watch)}
	p.watchers = winfo.NewTable(winfo.Limits{Live: s.cfg.MaxWatchers, Waiting: s.cfg.MaxWaiting, GiveUp: s.cfg.GiveUp})
	return p
}

// Work that can be asked of a presentity's shard.
const (
	markDue    = 1 << iota // a deadline has come, or it is new
	markStored             // a document of its changed
	markRules              // decisions may differ
	markUser               // its account was added, changed or removed
)

// mark asks the shard for work; many marks make one visit.
func (p *presentity) mark(bit uint32) {
	if p.marks.Or(bit) == 0 {
		p.s.cfg.Pool.Post(p.shard, p.work)
	}
}

// work does what was asked for. It runs on the shard.
func (p *presentity) work() {
	marks := p.marks.Swap(0)
	if p.dropped || p.s.ctx.Err() != nil {
		return
	}
	if marks&markUser != 0 || !p.known.Load() {
		marks |= p.checkAccount()
	}
	if marks&markStored != 0 {
		p.storedRead = false
	}
	if marks&markDue != 0 {
		p.armed, p.replan = time.Time{}, true
		p.expire(time.Now())
	}
	if marks&markRules == 0 {
		p.settle()
		return
	}
	p.recompose()
	p.reevaluate()
	p.announce()
	p.plan()
}

// settle brings everybody up to date after a change of state.
func (p *presentity) settle() {
	changed, sphere := p.recompose()
	if sphere { // RFC 5025 §3.1.2
		p.reevaluate()
	}
	if changed {
		p.announce()
	}
	p.plan()
}

// recompose replaces the snapshot unless it would be the same.
func (p *presentity) recompose() (changed, sphere bool) {
	if !p.storedRead {
		p.readStored()
	}
	doc := p.compose()
	p.until = doc.Until
	old := p.current.Load()
	if old != nil && bytes.Equal(old.doc.Body, doc.Body) && old.doc.Sphere == doc.Sphere {
		return false, false
	}
	p.current.Store(newSnapshot(doc))
	// Without an old snapshot nobody has seen a view of it.
	return old != nil, old != nil && old.doc.Sphere != doc.Sphere
}

// compose composes what is known now. Who leads of several devices that speak of
// the person does not change too often.
func (p *presentity) compose() *pidf.Composed {
	c := p.composition()
	doc := pidf.Compose(c)
	if p.lead.keeps(doc.Lead, &c, p.s.cfg.SettleWindow) {
		c.Lead = p.lead.lineage
		doc = pidf.Compose(c)
		p.arm(p.lead.until)
	}
	return doc
}

// composition is all that is known now.
func (p *presentity) composition() pidf.Composition {
	c := p.s.composition(p.aor, p.stored)
	c.Registrations, c.OnPhone = p.registrations, p.calling
	c.Soft = make([]pidf.Input, 0, len(p.publications))
	for _, pub := range p.publications {
		c.Soft = append(c.Soft, pidf.Input{
			Lineage: pub.Lineage, Doc: pub.Doc, Published: pub.Published, PersonsSince: p.personsSince[pub.Lineage],
		})
	}
	return c
}

// composition is that of one of whom nothing but documents is known.
func (s *Service) composition(aor string, st stored) pidf.Composition {
	return pidf.Composition{AOR: aor, Hard: st.hard, Override: st.override, Conflict: s.cfg.Conflict, Now: time.Now()}
}

// snapshot returns the state as it is now, on any goroutine. One that is not
// there yet is that of a presentity with documents at most, as everything else
// comes through the shard.
func (p *presentity) snapshot(ctx context.Context) (*snapshot, error) {
	if snap := p.current.Load(); snap != nil {
		return snap, nil
	}
	st, err := p.s.readDocuments(ctx, p.aor)
	if err != nil {
		return nil, err
	}
	snap := newSnapshot(pidf.Compose(p.s.composition(p.aor, st)))
	if p.current.CompareAndSwap(nil, snap) {
		return snap, nil
	}
	return p.current.Load(), nil
}

// decide asks the policy about a watcher, on any goroutine, and remembers when
// to ask again.
func (p *presentity) decide(ctx context.Context, watcher string, snap *snapshot) (policy.Handling, *policy.Transformation) {
	now := time.Now()
	d, err := p.s.cfg.Policy.Decide(ctx, policy.Request{Presentity: p.aor, Watcher: watcher, Sphere: snap.doc.Sphere, Now: now})
	if err != nil {
		slog.Warn("no decision", "presentity", p.aor, "watcher", watcher, "error", err)
		p.reevaluateAt(now.Add(retryAfter))
		return policy.Confirm, nil
	}
	if !d.Until.IsZero() {
		p.reevaluateAt(d.Until)
	}
	return d.Handling, d.Transform
}

// reevaluateAt has all decisions made again at the given time at the latest.
func (p *presentity) reevaluateAt(at time.Time) {
	if soonest := time.Now().Add(time.Second / 10); at.Before(soonest) {
		at = soonest
	}
	b := &p.boundary
	b.Lock()
	defer b.Unlock()
	if !b.at.IsZero() && !at.Before(b.at) {
		return
	}
	b.at = at
	p.s.cfg.Wheel.Set(&b.timer, at, func() {
		b.Lock()
		b.at = time.Time{}
		b.Unlock()
		p.mark(markRules)
	})
}

// announce tells everybody who watches that there may be news.
func (p *presentity) announce() {
	p.changes.Add(1)
	(*p.s.notify.Load())(Event, p.aor)
	for _, w := range p.watches {
		w.Changed()
	}
}

// winfoChanged tells that the list of watchers is different.
func (p *presentity) winfoChanged() { (*p.s.notify.Load())(WinfoEvent, p.aor) }

// checkAccount finds out whether the presentity still, or by now, has an
// account, and returns the work that follows.
func (p *presentity) checkAccount() uint32 {
	_, err := p.s.cfg.Users.Get(p.s.ctx, p.aor)
	switch {
	case err == nil:
		if !p.known.Swap(true) && len(p.watches) > 0 {
			return markRules
		}
	case errors.Is(err, store.ErrNotFound):
		if p.known.Swap(false) {
			p.forget()
			return markRules
		}
	default:
		slog.Warn("account not checked", "presentity", p.aor, "error", err)
	}
	return 0
}

// forget drops the state of someone whose account was removed.
func (p *presentity) forget() {
	var b store.Batch
	for _, pub := range p.publications {
		b.DropPublications = append(b.DropPublications, pub.Key())
	}
	if len(b.DropPublications) > 0 {
		p.s.cfg.Store.Defer(b)
	}
	p.s.cfg.Metrics.Publications.Sub(float64(len(p.publications)))
	p.publications, p.registrations, p.stored, p.storedRead = nil, nil, stored{}, false
	p.calling, p.personsSince, p.lead = false, nil, lead{}
	p.s.sightings.Delete(p.aor)
}

// expire removes what is over.
func (p *presentity) expire(now time.Time) {
	var b store.Batch
	p.publications = slices.DeleteFunc(p.publications, func(pub *publication) bool {
		if pub.Doubted(now) && p.back(pub) {
			pub.Trust()
		}
		if pub.Ends().After(now) {
			return false
		}
		b.DropPublications = append(b.DropPublications, pub.Key())
		return true
	})
	if len(b.DropPublications) > 0 {
		p.s.cfg.Metrics.Publications.Sub(float64(len(b.DropPublications)))
		p.s.sight(p.aor, PublicationExpired)
	}
	for id, w := range p.watches {
		if !w.Expires.Add(winfo.Grace).After(now) {
			delete(p.watches, id)
		}
	}
	if p.watchers.Expire(now, &b) {
		p.winfoChanged()
	}
	if len(b.DropPublications)+len(b.Watchers)+len(b.DropWatchers) > 0 {
		p.s.cfg.Store.Defer(b)
	}
}

// plan arms the timer for the next deadline, or lets go of p when there is
// nothing that needs it. Watchers arm theirs when they come: all of them are
// gone through only when the timer has run out.
func (p *presentity) plan() {
	now := time.Now()
	if len(p.publications)+len(p.registrations)+len(p.watches) == 0 && !p.calling && p.watchers.Idle(now) {
		switch {
		case p.idle.IsZero():
			p.idle = now.Add(idleTime)
		case !p.idle.After(now):
			p.drop()
			return
		}
		p.arm(p.idle)
		return
	}
	p.idle = time.Time{}
	if p.replan {
		p.replan = false
		for _, w := range p.watches {
			p.arm(w.Expires.Add(winfo.Grace))
		}
		if at := p.watchers.Deadline(); !at.IsZero() {
			p.arm(at)
		}
	}
	for _, pub := range p.publications {
		p.arm(pub.Ends())
	}
	if !p.until.IsZero() {
		p.arm(p.until)
	}
}

// arm has a visit paid at the given time, or earlier.
func (p *presentity) arm(at time.Time) {
	if !p.armed.IsZero() && !at.Before(p.armed) {
		return
	}
	p.armed = at
	p.s.cfg.Wheel.Set(&p.timer, at, func() { p.mark(markDue) })
}

func (p *presentity) drop() {
	p.dropped = true
	p.s.cfg.Wheel.Cancel(&p.timer)
	p.boundary.Lock()
	p.s.cfg.Wheel.Cancel(&p.boundary.timer)
	p.boundary.Unlock()
	p.s.presentities.CompareAndDelete(p.aor, p)
}
