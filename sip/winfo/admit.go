package winfo

import (
	"time"

	"rollcall/internal/store"
	"rollcall/sip/event"
)

// Admit brings the entry of a watcher in line with what it is shown, and makes one
// for a new watcher. It reports whether the list is another one now.
func (t *Table) Admit(w Entry, shown event.State, now time.Time, b *store.Batch) (changed bool) {
	e := t.Get(w.ID)
	if e != nil && e.Status == Waiting && shown != event.Terminated {
		changed = t.Apply(e, "giveup", now, b)
		e = nil
	}
	if e == nil {
		if shown == event.Terminated {
			return changed
		}
		return t.join(&w, statusOf(shown), now, b) || changed
	}
	later := w.Expires.After(e.Expires)
	t.extend(e, &w)
	if cause := causeOf(e.Status, shown); cause != "" {
		changed = t.Apply(e, cause, now, b)
	} else if e.Status == Pending && later && e.List {
		t.save(e, b) // a refresh of a plain subscription stores it itself
	}
	return changed
}

// Depart ends the entry with an id, for a reason of RFC 6665 §4.1.3. It reports
// whether there was one that could end.
func (t *Table) Depart(id, reason string, now time.Time, b *store.Batch) bool {
	e := t.Get(id)
	if e == nil || e.Status == Waiting {
		return false
	}
	if _, ok := transitions[e.Status][reason]; !ok || reason == "subscribe" || reason == "approved" {
		reason = "deactivated"
	}
	return t.Apply(e, reason, now, b)
}

// Review asks again about everybody. Watchers with a subscription of their own
// that are refused now are left to the notifier, which ends it and says so.
func (t *Table) Review(decide func(watcher string) event.State, now time.Time, b *store.Batch) (changed bool) {
	for _, e := range t.All() {
		if cause := verdict(e, decide(e.Watcher.Watcher)); cause != "" {
			changed = t.Apply(e, cause, now, b) || changed
		}
	}
	return changed
}

// Close ends all entries: the resource is gone.
func (t *Table) Close(now time.Time, b *store.Batch) (changed bool) {
	for _, e := range t.All() {
		changed = t.Apply(e, "noresource", now, b) || changed
	}
	return changed
}

// verdict is the event that a decision means for an entry (RFC 5025 §3.2.1).
func verdict(e *Entry, shown event.State) string {
	switch {
	case e.Status == Waiting && shown == event.Active:
		return "approved"
	case e.Status == Waiting && shown == event.Pending:
		return ""
	case shown == event.Terminated && e.Status != Waiting && !e.List:
		return ""
	}
	return causeOf(e.Status, shown)
}

func statusOf(s event.State) string {
	if s == event.Active {
		return Active
	}
	return Pending
}

// causeOf is the event that leads from a status to what is shown, "" for none.
func causeOf(status string, shown event.State) string {
	switch {
	case shown == event.Terminated:
		return "rejected"
	case status == Pending && shown == event.Active:
		return "approved"
	case status == Active && shown == event.Pending:
		return "subscribe"
	}
	return ""
}
