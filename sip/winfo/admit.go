package winfo

import (
	"slices"
	"time"

	"rollcall/internal/store"
	"rollcall/sip/event"
)

// Admit brings the entry of a watcher in line with what one of its subscriptions is
// shown, and makes one for a new watcher. It reports whether the list is another one
// now.
func (t *Table) Admit(m Member, shown event.State, now time.Time, b *store.Batch) (changed bool) {
	e := t.Of(&m)
	if shown == event.Terminated {
		return t.refuse(e, m.ID, now, b)
	}
	if e != nil && e.Status == Waiting {
		changed = t.Apply(e, "giveup", now, b)
		e = nil
	}
	if e == nil {
		return t.begin(&m, shown, now, b) || changed
	}
	t.join(e, &m, shown)
	changed = t.level(e, now, b)
	t.keep(e, b)
	return changed
}

// refuse takes a subscription out that is refused. What was stored of a watcher, and
// one that waits, are over with that.
func (t *Table) refuse(e *Entry, id string, now time.Time, b *store.Batch) bool {
	if m := t.members[id]; m != nil {
		return t.leave(m, "rejected", now, b)
	}
	return e != nil && len(e.members) == 0 && t.Apply(e, "rejected", now, b)
}

// Depart ends a subscription, for a reason of RFC 6665 §4.1.3. It reports whether
// that ends the entry or changes it.
func (t *Table) Depart(id, reason string, now time.Time, b *store.Batch) bool {
	m := t.members[id]
	if m == nil {
		return false
	}
	if _, ok := transitions[m.of.Status][reason]; !ok || reason == "subscribe" || reason == "approved" {
		reason = "deactivated"
	}
	return t.leave(m, reason, now, b)
}

// Review asks again about everybody. Subscriptions that are refused now are left to
// the notifier, which ends them and says so; lists have nobody who would.
func (t *Table) Review(decide func(watcher string) event.State, now time.Time, b *store.Batch) (changed bool) {
	for _, e := range t.All() {
		changed = t.judge(e, decide(e.Watcher.Watcher), now, b) || changed
	}
	return changed
}

// judge does to an entry what a decision means for it (RFC 5025 §3.2.1).
func (t *Table) judge(e *Entry, shown event.State, now time.Time, b *store.Batch) (changed bool) {
	switch {
	case e.Status == Waiting:
		if shown == event.Pending {
			return false
		}
		cause := "approved"
		if shown == event.Terminated {
			cause = "rejected"
		}
		return t.Apply(e, cause, now, b)
	case shown == event.Terminated:
		for _, m := range slices.Clone(e.members) {
			m.shown = event.Terminated
			if m.list {
				changed = t.leave(m, "rejected", now, b) || changed
			}
		}
		return changed
	}
	for _, m := range e.members {
		m.shown = shown
	}
	cause := causeOf(e.Status, shown)
	return cause != "" && t.Apply(e, cause, now, b)
}

// Close ends all entries: the resource is gone.
func (t *Table) Close(now time.Time, b *store.Batch) (changed bool) {
	for _, e := range t.All() {
		changed = t.Apply(e, "noresource", now, b) || changed
	}
	return changed
}

func statusOf(s event.State) string {
	if s == event.Active {
		return Active
	}
	return Pending
}

// causeOf is the event that leads a live watcher from a status to what is shown, ""
// for none.
func causeOf(status string, shown event.State) string {
	switch {
	case status == Pending && shown == event.Active:
		return "approved"
	case status == Active && shown == event.Pending:
		return "subscribe"
	}
	return ""
}
