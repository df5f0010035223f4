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

// Entry is a live entry of a Table: an authenticated watcher with all its
// subscriptions, an anonymous one, or what is left of a watcher that nobody decided
// about. Its fields change on the shard of the resource only.
type Entry struct {
	store.Watcher
	stored  bool      // has a row in the store
	kept    time.Time // the row does for subscriptions until then
	members []*member // its subscriptions, in the order they came
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

	mu    sync.Mutex
	live  map[string]*Entry // by id
	gone  []departed
	waits int // live entries that wait

	named   map[string]*Entry  // live entries by watcher, but for anonymous ones
	members map[string]*member // subscriptions of live entries, by id
}

type departed struct {
	info  Watcher
	until time.Time
}

// NewTable returns an empty table.
func NewTable(limits Limits) *Table {
	return &Table{
		limits: limits, live: make(map[string]*Entry),
		named: make(map[string]*Entry), members: make(map[string]*member),
	}
}

// ID names a subscription without telling of the dialog (RFC 3858 §3). The first one
// of a watcher gives its entry the id.
func ID(subscription string) string {
	sum := sha256.Sum256([]byte(subscription))
	return "w" + hex.EncodeToString(sum[:8])
}

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

// Apply moves an entry on by an event of RFC 3857 §4.7.1. It reports false when
// nothing changes.
func (t *Table) Apply(e *Entry, cause string, now time.Time, b *store.Batch) bool {
	next, ok := transitions[e.Status][cause]
	if !ok {
		return false
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
	if next == Terminated {
		t.release(e)
	}
	t.save(e, b)
	if next == Waiting {
		t.trim(now, b)
	}
	return true
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
		if e.End().After(now) {
			continue
		}
		cause := "timeout"
		if e.Status == Waiting {
			cause = "giveup"
		}
		t.discharge(e)
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
