package winfo

import (
	"slices"
	"time"

	"rollcall/internal/store"
	"rollcall/sip/event"
)

// Member is one subscription of a watcher as it stands: its own, or what a list
// watches for it.
type Member struct {
	store.Watcher      // ID is that of the subscription
	List          bool // watches through a list
}

// End is when the subscription is over unless somebody says otherwise.
func (m *Member) End() time.Time { return m.Expires.Add(Grace) }

// member is what an entry remembers of a subscription.
type member struct {
	id      string
	of      *Entry
	shown   event.State
	expires time.Time
	list    bool
}

// Holds reports whether there is an entry with a subscription.
func (t *Table) Holds(id string) bool { return t.members[id] != nil }

// Of returns the entry that a subscription belongs to or would join, or nil.
func (t *Table) Of(m *Member) *Entry {
	if known := t.members[m.ID]; known != nil {
		return known.of
	}
	if m.Watcher.Watcher == "" {
		return t.live[m.ID] // as it was stored
	}
	return t.named[m.Watcher.Watcher]
}

// begin makes an entry for the first subscription of a watcher.
func (t *Table) begin(m *Member, shown event.State, now time.Time, b *store.Batch) bool {
	if max(len(t.live), len(t.members)) >= t.limits.Live {
		return false
	}
	e := &Entry{Watcher: m.Watcher}
	e.ID, e.Status, e.Cause = t.unused(m), statusOf(shown), "subscribe"
	t.mu.Lock()
	t.live[e.ID] = e
	t.mu.Unlock()
	if who := e.Watcher.Watcher; who != "" {
		t.named[who] = e
	}
	t.join(e, m, shown)
	t.keep(e, b)
	return true
}

// unused is an id for a new entry that no watcher had until now: RFC 3857 §4.7.1
// makes another one of a watcher that comes back.
func (t *Table) unused(m *Member) string {
	used := func(d departed) bool { return d.info.ID == m.ID }
	if t.live[m.ID] == nil && !slices.ContainsFunc(t.gone, used) {
		return m.ID
	}
	return ID(m.ID + m.Since.String())
}

// join has an entry take in a subscription, or what a refresh says of it.
func (t *Table) join(e *Entry, m *Member, shown event.State) {
	known := t.members[m.ID]
	if known == nil && len(t.members) < t.limits.Live {
		known = &member{id: m.ID, of: e}
		t.members[m.ID] = known
		e.members = append(e.members, known)
	}
	if known != nil {
		known.shown, known.expires, known.list = shown, m.Expires, m.List
		t.mu.Lock()
		e.Expires = e.latest()
		if m.DisplayName != "" {
			e.DisplayName = m.DisplayName
		}
		t.mu.Unlock()
	}
}

// leave takes a subscription out of its entry, which ends with the last of them.
func (t *Table) leave(m *member, reason string, now time.Time, b *store.Batch) bool {
	e := m.of
	delete(t.members, m.id)
	e.members = slices.DeleteFunc(e.members, func(other *member) bool { return other == m })
	switch {
	case len(e.members) > 0:
	case m.shown == event.Terminated: // whatever ended it: nobody is to decide any more
		return t.Apply(e, "rejected", now, b)
	default:
		return t.Apply(e, reason, now, b)
	}
	t.mu.Lock()
	e.Expires = e.latest()
	t.mu.Unlock()
	changed := t.level(e, now, b)
	t.keep(e, b)
	return changed
}

// level moves an entry to the best state that one of its subscriptions is in.
func (t *Table) level(e *Entry, now time.Time, b *store.Batch) bool {
	best := event.Terminated
	for _, m := range e.members {
		if m.shown == event.Active || best == event.Terminated {
			best = m.shown
		}
	}
	cause := causeOf(e.Status, best)
	return cause != "" && t.Apply(e, cause, now, b)
}

// latest is when the last of its subscriptions expires.
func (e *Entry) latest() (at time.Time) {
	for _, m := range e.members {
		if m.expires.After(at) {
			at = m.expires
		}
	}
	return at
}

// release forgets an entry that has ended.
func (t *Table) release(e *Entry) {
	t.discharge(e)
	if t.named[e.Watcher.Watcher] == e {
		delete(t.named, e.Watcher.Watcher)
	}
}

// discharge forgets the subscriptions of an entry.
func (t *Table) discharge(e *Entry) {
	for _, m := range e.members {
		delete(t.members, m.id)
	}
	e.members = nil
}
