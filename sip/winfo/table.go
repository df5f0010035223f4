package winfo

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"sync"
	"time"

	"rollcall/internal/store"
)

// The states of a watcher (RFC 3857 §4.7.1).
const (
	Pending    = "pending"
	Active     = "active"
	Waiting    = "waiting"
	Terminated = "terminated"
)

const (
	// Grace is how long an entry outlives the end that should have been told.
	Grace = time.Minute
	// Remembered is how long the end of a watcher can be told.
	Remembered = 2 * time.Minute
	maxGone    = 64
)

// Anonymous stands for a watcher without identity (RFC 3323 §4.1.1.3).
const Anonymous = "sip:anonymous@anonymous.invalid"

// transitions is the state machine of RFC 3857 §4.7.1. That an active watcher
// goes back to pending comes from RFC 5025 §3.2.1.
var transitions = map[string]map[string]string{
	Pending: {
		"approved": Active, "timeout": Waiting, "rejected": Terminated, "deactivated": Terminated,
		"probation": Terminated, "noresource": Terminated, "giveup": Terminated,
	},
	Active: {
		"subscribe": Pending, "timeout": Terminated, "rejected": Terminated, "deactivated": Terminated,
		"probation": Terminated, "noresource": Terminated, "giveup": Terminated,
	},
	Waiting: {
		"approved": Terminated, "rejected": Terminated, "noresource": Terminated, "giveup": Terminated,
	},
}

// Entry is a live entry of a Table: one subscription, or what is left of one that
// nobody decided about. Its fields change on the shard of the resource only.
type Entry struct {
	store.Watcher
	List   bool // watches through a list
	Stored bool // has a row in the store
}

// Limits bound a Table.
type Limits struct {
	// Live are the entries of one resource, Waiting those among them that wait.
	Live, Waiting int
	// GiveUp is how long a watcher waits for a decision.
	GiveUp time.Duration
}

// Table holds the watchers of one resource. The shard of the resource changes it,
// anyone may list it. Rows that have to last go into the batches passed in.
type Table struct {
	limits Limits

	mu   sync.Mutex
	live map[string]*Entry
	gone []departed

	waits int // live entries that wait
}

type departed struct {
	info  Watcher
	until time.Time
}

// NewTable returns an empty table.
func NewTable(limits Limits) *Table {
	return &Table{limits: limits, live: make(map[string]*Entry)}
}

// ID names a watcher for the life of its subscription without telling of the
// dialog (RFC 3858 §3).
func ID(subscription string) string {
	sum := sha256.Sum256([]byte(subscription))
	return "w" + hex.EncodeToString(sum[:8])
}

// Get returns the live entry with an id, or nil.
func (t *Table) Get(id string) *Entry { return t.live[id] }

// All lists the live entries in a stable order.
func (t *Table) All() []*Entry {
	out := make([]*Entry, 0, len(t.live))
	for _, e := range t.live {
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b *Entry) int { return order(a.Watcher, b.Watcher) })
	return out
}

func order(a, b store.Watcher) int {
	return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.ID, b.ID))
}

// join adds an entry and makes the batch remember it when it is pending. Of the
// same watcher, an entry that waits gives way (RFC 3857 §4.7.1).
func (t *Table) join(e *Entry, status string, now time.Time, b *store.Batch) bool {
	changed := false
	for _, old := range t.waiting(e.Watcher.Watcher) {
		changed = t.Apply(old, "giveup", now, b) || changed
	}
	if len(t.live) >= t.limits.Live {
		if e.Stored {
			b.DropWatchers = append(b.DropWatchers, e.Key())
		}
		return changed
	}
	t.mu.Lock()
	e.Status, e.Cause = status, "subscribe"
	t.live[e.ID] = e
	t.mu.Unlock()
	if !e.Stored {
		t.save(e, b)
	}
	return true
}

// waiting lists the entries of one watcher that wait, in a stable order.
func (t *Table) waiting(who string) (idle []*Entry) {
	if t.waits == 0 {
		return nil // as nearly always
	}
	for _, e := range t.live {
		if e.Status == Waiting && e.Watcher.Watcher == who {
			idle = append(idle, e)
		}
	}
	slices.SortFunc(idle, func(a, b *Entry) int { return order(a.Watcher, b.Watcher) })
	return idle
}

// Apply moves an entry on by an event of RFC 3857 §4.7.1. It reports false when
// nothing changes.
func (t *Table) Apply(e *Entry, cause string, now time.Time, b *store.Batch) bool {
	next, ok := transitions[e.Status][cause]
	if !ok {
		return false
	}
	if next == Waiting && t.stillWatches(e) {
		next, cause = Terminated, "giveup"
	}
	t.mu.Lock()
	if e.Status == Waiting {
		t.waits--
	}
	e.Status, e.Cause = next, cause
	switch next {
	case Waiting:
		t.waits++
		e.Expires = now.Add(t.limits.GiveUp)
	case Terminated:
		delete(t.live, e.ID)
		t.remember(e, now)
	}
	t.mu.Unlock()
	t.save(e, b)
	if next == Waiting {
		t.trim(now, b)
	}
	return true
}

// stillWatches reports whether the same watcher has another subscription, which
// asks for a decision as well as an entry that waits would.
func (t *Table) stillWatches(e *Entry) bool {
	for _, other := range t.live {
		if other != e && other.Watcher.Watcher == e.Watcher.Watcher && other.Status != Waiting {
			return true
		}
	}
	return false
}

// remember keeps a terminated watcher for those who are told of changes only.
func (t *Table) remember(e *Entry, now time.Time) {
	t.gone = slices.DeleteFunc(t.gone, func(d departed) bool { return d.info.ID == e.ID || !d.until.After(now) })
	if len(t.gone) >= maxGone {
		t.gone = slices.Delete(t.gone, 0, 1)
	}
	t.gone = append(t.gone, departed{Watcher{e.Watcher, true}, now.Add(Remembered)})
}

// trim has those wait no longer that have waited longest, when there are too many.
func (t *Table) trim(now time.Time, b *store.Batch) {
	if t.waits <= t.limits.Waiting {
		return
	}
	var idle []*Entry
	for _, e := range t.live {
		if e.Status == Waiting {
			idle = append(idle, e)
		}
	}
	slices.SortFunc(idle, func(a, b *Entry) int { return a.Expires.Compare(b.Expires) })
	for _, e := range idle[:len(idle)-t.limits.Waiting] {
		t.Apply(e, "giveup", now, b)
	}
}

// save puts into the batch what has to last: who is pending or waits. Who is
// active comes back with the subscription.
func (t *Table) save(e *Entry, b *store.Batch) {
	key := e.Key()
	switch {
	case e.Status == Pending || e.Status == Waiting:
		e.Stored = true
		b.DropWatchers = slices.DeleteFunc(b.DropWatchers, func(k store.WatcherKey) bool { return k == key })
		b.Watchers = append(b.Watchers, t.Row(e.Watcher))
	case e.Stored:
		e.Stored = false
		b.Watchers = slices.DeleteFunc(b.Watchers, func(r store.Watcher) bool { return r.Key() == key })
		b.DropWatchers = append(b.DropWatchers, key)
	}
}

// Row is the durable form. It outlives a pending subscription, so that one that
// ends while the server is down still leaves a watcher that waits.
func (t *Table) Row(w store.Watcher) store.Watcher {
	if w.Status == Pending {
		w.Expires = w.Expires.Add(t.limits.GiveUp)
	}
	return w
}

// extend takes over what a refresh says.
func (t *Table) extend(e, refreshed *Entry) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e.Expires, e.List = refreshed.Expires, refreshed.List
	if refreshed.DisplayName != "" {
		e.DisplayName = refreshed.DisplayName
	}
}

// End is when the entry is over unless somebody says otherwise.
func (e *Entry) End() time.Time {
	if e.Status == Waiting {
		return e.Expires
	}
	return e.Expires.Add(Grace)
}

// Expire moves on whoever is over.
func (t *Table) Expire(now time.Time, b *store.Batch) (changed bool) {
	for _, e := range t.All() {
		if t.live[e.ID] != e || e.End().After(now) {
			continue
		}
		cause := "timeout"
		if e.Status == Waiting {
			cause = "giveup"
		}
		changed = t.Apply(e, cause, now, b) || changed
	}
	return changed
}

// Deadline is when Expire has something to do next; zero: never.
func (t *Table) Deadline() (at time.Time) {
	for _, e := range t.live {
		if end := e.End(); at.IsZero() || end.Before(at) {
			at = end
		}
	}
	return at
}

// Idle reports whether there is nothing to remember.
func (t *Table) Idle(now time.Time) bool {
	return len(t.live) == 0 && !slices.ContainsFunc(t.gone, func(d departed) bool { return d.until.After(now) })
}

// Restore puts back an entry as it was stored. Who was pending is so until the
// subscription comes back; if it does not, it ended meanwhile and the watcher waits.
func (t *Table) Restore(row store.Watcher, now time.Time) {
	if row.Status == Pending {
		row.Expires = now
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if row.Status == Waiting {
		t.waits++
	}
	t.live[row.ID] = &Entry{Watcher: row, Stored: true}
}

// List is for watcher information, on any goroutine.
func (t *Table) List(now time.Time) []Watcher {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]Watcher, 0, len(t.live)+len(t.gone))
	for _, e := range t.live {
		out = append(out, Watcher{Watcher: e.Watcher})
	}
	for _, d := range t.gone {
		// One that came back under its id is told of as it is now.
		if _, back := t.live[d.info.ID]; !back && d.until.After(now) {
			out = append(out, d.info)
		}
	}
	for i := range out {
		if out[i].Watcher.Watcher == "" {
			out[i].Watcher.Watcher = Anonymous
		}
	}
	slices.SortFunc(out, func(a, b Watcher) int { return order(a.Watcher, b.Watcher) })
	return out
}
