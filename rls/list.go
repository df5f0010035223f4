package rls

import (
	"slices"
	"sync"
	"time"

	"rollcall/internal/eventfilter"
	"rollcall/internal/resourcelist"
	"rollcall/internal/store"
	"rollcall/internal/wheel"
	"rollcall/sip/event"
	"rollcall/sip/wire"
)

// list is one list as a subscriber sees it: the Source behind a list subscription,
// or a list in it. Unless said otherwise its fields belong to the shard of the
// subscription.
type list struct {
	svc  *Service
	pkg  *wrapped
	sub  *event.Subscription
	at   place
	body []byte  // the list, when it came in a SUBSCRIBE
	in   *member // of which list it is; nil: it is the one subscribed to
	nest nesting

	filters *eventfilter.Set // of the subscription

	name    resourcelist.Name
	title   resourcelist.Name   // that the watcher was told
	order   []*member           // as the list has them
	members map[string]*member  // by URI; those that left and are not told of yet, too
	reading uint32              // counts how often the list was read
	turn    uint32              // counts how often changes were looked at after that
	sum     digest              // of what the watcher was told
	deps    []store.DocumentKey // of index

	mu      sync.Mutex
	changed []*member // may differ from what the watcher was told
	changes uint64    // counts them
	stale   bool      // a document the list was read from changed
	armed   bool      // timer is set
	sent    time.Time // when the newest NOTIFY was made
	closed  bool
	timer   wheel.Timer
}

func newList(pkg *wrapped, sub *event.Subscription, at place) *list {
	return &list{svc: pkg.lists, pkg: pkg, sub: sub, at: at, members: make(map[string]*member)}
}

// acceptable checks what the newest SUBSCRIBE says of bodies. RFC 4662 §4.3: Accept
// names the types of lists and one of the package. RFC 3261 §8.2.3: there is no
// body that means anything where the list is known.
func (l *list) acceptable() error {
	if len(l.sub.Body) > 0 && !l.filterable() && !(l.at.recipients && carriesList(l.sub)) {
		return &event.Refusal{Status: 415, Headers: []wire.Header{{Name: "Accept", Value: ""}}}
	}
	if len(l.sub.Accept) == 0 {
		return nil
	}
	// Documents of members are in the first format of the package.
	if l.sub.Accepts(typeMultipart) && l.sub.Accepts(typeRLMI) && l.sub.Accepts(l.pkg.plain[0]) {
		return nil
	}
	return notAcceptable(typeMultipart, typeRLMI, l.pkg.plain[0])
}

// Headers are for every 2xx and NOTIFY. RFC 4662 §4.1.
func (l *list) Headers() []wire.Header { return requireEventlist() }

// Refreshed lets those who watch the members know the new end.
func (l *list) Refreshed() error {
	if err := l.acceptable(); err != nil {
		return err
	}
	if err := l.replace(); err != nil {
		return err
	}
	if err := l.readFilters(); err != nil {
		return err
	}
	l.rewatch()
	l.svc.cfg.Resolver.Keep(l.deps)
	return nil
}

func (l *list) rewatch() {
	for _, m := range l.order {
		l.watch(m)
	}
}

// Ended stops watching the members.
func (l *list) Ended(reason string, _ *store.Batch) {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	if l.svc.cfg.Wheel != nil {
		l.svc.cfg.Wheel.Cancel(&l.timer)
	}
	l.svc.index.remove(l)
	if l.in != nil {
		l.root().nest.count--
	}
	for _, m := range l.members {
		l.unwatch(m, reason)
	}
}

// note marks that what the watcher sees of m may have changed. Any goroutine.
func (l *list) note(m *member) {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return
	}
	l.changes++
	m.change = l.changes
	if !m.marked {
		m.marked = true
		l.changed = append(l.changed, m)
	}
	wait := l.window()
	if wait > 0 {
		l.arm(wait)
	}
	l.mu.Unlock()
	if wait <= 0 {
		l.wake()
	}
}

// wake has the list looked at. Any goroutine.
func (l *list) wake() {
	if l.in != nil {
		l.in.changed()
		return
	}
	l.sub.Changed()
}

// window returns for how long changes are still collected. The caller holds mu.
func (l *list) window() time.Duration {
	if l.svc.cfg.Window <= 0 || l.sub.Event == dialogEvent || l.in != nil {
		return 0
	}
	return time.Until(l.sent.Add(l.svc.cfg.Window))
}

// dialogEvent is the package of lamps, which have to follow at once.
const dialogEvent = "dialog"

// outdated marks that the list itself may have changed. Any goroutine.
func (l *list) outdated() {
	l.mu.Lock()
	l.stale = true
	closed := l.closed
	l.mu.Unlock()
	if !closed {
		l.wake()
	}
}

// arm has the list looked at after some time. The caller holds mu.
func (l *list) arm(after time.Duration) {
	if l.armed || l.closed {
		return
	}
	l.armed = true
	l.svc.cfg.Wheel.Set(&l.timer, time.Now().Add(after), func() {
		l.mu.Lock()
		l.armed = false
		l.mu.Unlock()
		l.wake()
	})
}

// take returns what was marked, most recently changed first, and clears it.
func (l *list) take() (changed []*member, stale bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	changed, stale = l.changed, l.stale
	l.changed, l.stale = nil, false
	for _, m := range changed {
		m.marked = false
	}
	slices.SortStableFunc(changed, byChange)
	return changed, stale
}

// recent returns the members, most recently changed first.
func (l *list) recent() []*member {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.changes == 0 {
		return l.order
	}
	members := slices.Clone(l.order)
	slices.SortStableFunc(members, byChange)
	return members
}

// putBack marks members that did not fit.
func (l *list) putBack(rest []*member) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range rest {
		if !m.marked {
			m.marked = true
			l.changed = append(l.changed, m)
		}
	}
}

// watch registers the subscriber as a watcher of a member, or renews that.
func (l *list) watch(m *member) {
	if m.nested != nil {
		m.nested.rewatch()
	}
	members := m.members()
	if members == nil {
		return
	}
	m.watched = true
	members.Watch(event.Watch{
		ID:          l.watchID(m),
		Resource:    m.uri,
		Watcher:     l.sub.Watcher,
		DisplayName: l.sub.DisplayName,
		Expires:     l.sub.Expires,
		Flow:        l.sub.Flow,
		Changed:     m.changed,
	})
}

func (l *list) unwatch(m *member, reason string) {
	if m.nested != nil {
		m.nested.Ended(reason, nil)
	}
	if !m.watched {
		return
	}
	m.watched = false
	m.members().Unwatch(m.uri, l.watchID(m), reason)
}

// watchID is the same after a restart.
func (l *list) watchID(m *member) string { return l.path() + " " + m.uri }

// path names the list within all lists: the subscription, and the lists on the way.
func (l *list) path() string {
	if l.in == nil {
		return l.sub.ID
	}
	return l.in.list.path() + " " + l.at.resource
}
