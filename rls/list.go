package rls

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"rollcall/internal/resourcelist"
	"rollcall/internal/store"
	"rollcall/internal/wheel"
	"rollcall/sip/event"
	"rollcall/sip/presence"
	"rollcall/sip/wire"
)

// list is one list subscription: the Source behind it. Unless said otherwise
// its fields belong to the shard of the subscription.
type list struct {
	svc   *Service
	sub   *event.Subscription
	at    place
	event string
	types []string // media types of member documents
	body  []byte   // the list, when it came in a SUBSCRIBE

	order   []*member           // as the list has them
	members map[string]*member  // by URI; those that left and are not told of yet, too
	reading uint32              // counts how often the list was read
	sum     digest              // of what the watcher was told
	deps    []store.DocumentKey // of index

	mu      sync.Mutex
	changed []*member // may differ from what the watcher was told
	stale   bool      // a document the list was read from changed
	armed   bool      // timer is set
	sent    time.Time // when the newest NOTIFY was made
	closed  bool
	timer   wheel.Timer
}

const (
	readTimeout = 10 * time.Second
	retry       = 5 * time.Second // until a list that could not be read is read again
)

// acceptable checks what the newest SUBSCRIBE says of bodies. RFC 4662 §4.3: Accept
// names the types of lists and one of the package. RFC 3261 §8.2.3: there is no
// body that means anything where the list is known.
func (l *list) acceptable() error {
	if len(l.sub.Body) > 0 && (!l.at.recipients || !carriesList(l.sub)) {
		return &event.Refusal{Status: 415, Headers: []wire.Header{{Name: "Accept", Value: ""}}}
	}
	if len(l.sub.Accept) == 0 {
		return nil
	}
	if l.sub.Accepts(typeMultipart) && l.sub.Accepts(typeRLMI) && acceptsAny(l.sub, l.types) {
		return nil
	}
	return notAcceptable(append([]string{typeMultipart, typeRLMI}, l.types...)...)
}

// Headers are for every 2xx and NOTIFY. RFC 4662 §4.1.
func (l *list) Headers() []wire.Header { return requireEventlist() }

// Refreshed lets the members' watcher information know the new end.
func (l *list) Refreshed() error {
	if err := l.acceptable(); err != nil {
		return err
	}
	if err := l.replace(); err != nil {
		return err
	}
	for _, m := range l.order {
		l.watch(m)
	}
	return nil
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
		l.sub.Changed()
	}
}

// window returns for how long changes are still collected. The caller holds mu.
func (l *list) window() time.Duration {
	if l.svc.cfg.Window <= 0 || l.event == dialogEvent {
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
		l.sub.Changed()
	}
}

// arm has the engine told after some time. The caller holds mu.
func (l *list) arm(after time.Duration) {
	if l.armed || l.closed {
		return
	}
	l.armed = true
	l.svc.cfg.Wheel.Set(&l.timer, time.Now().Add(after), func() {
		l.mu.Lock()
		l.armed = false
		l.mu.Unlock()
		l.sub.Changed()
	})
}

// take returns what was marked and clears it.
func (l *list) take() (changed []*member, stale bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	changed, stale = l.changed, l.stale
	l.changed, l.stale = nil, false
	for _, m := range changed {
		m.marked = false
	}
	return changed, stale
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

// read flattens the list and remembers what it depends on.
func (l *list) read(ctx context.Context) (content, error) {
	x := &l.svc.index
	before := x.generation(l.at.owner)
	c, err := l.content(ctx)
	x.set(l, c.deps)
	if x.generation(l.at.owner) != before {
		l.outdated() // something changed while we were reading
	}
	return c, err
}

func (l *list) content(ctx context.Context) (content, error) {
	if l.at.recipients {
		return l.svc.readRecipients(ctx, l.at, l.sub.Body)
	}
	return l.svc.read(ctx, l.at, l.event)
}

// reread brings the members up to date after a change of a document. It returns
// those to tell of, and whether the list is still there.
func (l *list) reread() (changed []*member, ok bool) {
	ctx, cancel := context.WithTimeout(context.Background(), readTimeout)
	defer cancel()
	c, err := l.read(ctx)
	var wrong *packageError
	switch {
	case err == nil:
		return l.apply(c), true
	case errors.Is(err, errNoList), errors.As(err, &wrong):
		return nil, false
	case errors.Is(err, resourcelist.ErrUnresolved):
		slog.Warn("list cannot be resolved, members stay", "list", l.at.resource, "err", err)
	default:
		slog.Warn("list cannot be read, trying again", "list", l.at.resource, "err", err)
		l.mu.Lock()
		l.stale = true
		l.arm(retry)
		l.mu.Unlock()
	}
	return nil, true
}

// apply makes the entries the members and returns those that are new, gone or
// renamed.
func (l *list) apply(c content) (changed []*member) {
	before := l.order
	l.order = make([]*member, 0, len(c.entries))
	l.reading++
	for _, e := range c.entries {
		if e.Problem != "" {
			slog.Info("list entry cannot be resolved", "list", l.at.resource, "entry", e.URI, "problem", e.Problem)
			if e.Reference {
				continue
			}
		}
		m := l.members[e.URI]
		if m == nil {
			m = newMember(l, e)
			l.members[e.URI] = m
		}
		if !m.listed && !l.sub.Fetch {
			l.watch(m)
		}
		if !m.listed || m.name != e.DisplayName {
			changed = append(changed, m)
		}
		m.name, m.listed, m.reading = e.DisplayName, true, l.reading
		l.order = append(l.order, m)
	}
	for _, m := range before {
		if m.reading != l.reading {
			m.listed = false
			l.unwatch(m, "timeout")
			changed = append(changed, m)
		}
	}
	return changed
}

// watch registers the owner as a watcher of a local member, or renews that.
func (l *list) watch(m *member) {
	if m.kind != local {
		return
	}
	m.watched = true
	l.svc.cfg.Presence.Watch(presence.Watch{
		ID:          l.watchID(m),
		Presentity:  m.uri,
		Watcher:     l.at.owner,
		DisplayName: l.sub.DisplayName,
		Expires:     l.sub.Expires,
		Changed:     m.changed,
	})
}

func (l *list) unwatch(m *member, reason string) {
	if !m.watched {
		return
	}
	m.watched = false
	l.svc.cfg.Presence.Unwatch(m.uri, l.watchID(m), reason)
}

// watchID is the same after a restart.
func (l *list) watchID(m *member) string { return l.sub.ID + " " + m.uri }
