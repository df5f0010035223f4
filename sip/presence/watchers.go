package presence

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"sync"
	"time"

	"rollcall/internal/store"
)

// WatcherInfo is one watcher as watcher information tells of it.
type WatcherInfo struct {
	store.Watcher
	Terminated bool // lately; Cause says why
}

// States of a watcher (RFC 3857 §4.7.1).
const (
	pending    = "pending"
	active     = "active"
	waiting    = "waiting"
	terminated = "terminated"
)

const (
	grace   = time.Minute // for an end that should have been told before
	goneFor = 2 * time.Minute
	maxGone = 64
)

// anonymous stands for a watcher without identity (RFC 3323 §4.1.1.3).
const anonymous = "sip:anonymous@anonymous.invalid"

// transitions is the state machine of RFC 3857 §4.7.1. That an active watcher
// goes back to pending comes from RFC 5025 §3.2.1.
var transitions = map[string]map[string]string{
	pending: {
		"approved": active, "timeout": waiting, "rejected": terminated, "deactivated": terminated,
		"probation": terminated, "noresource": terminated, "giveup": terminated,
	},
	active: {
		"subscribe": pending, "timeout": terminated, "rejected": terminated, "deactivated": terminated,
		"probation": terminated, "noresource": terminated, "giveup": terminated,
	},
	waiting: {
		"approved": terminated, "rejected": terminated, "noresource": terminated, "giveup": terminated,
	},
}

// watcher is a live entry of the table. Its fields change under the lock of the
// table only, and on the shard only.
type watcher struct {
	store.Watcher
	list   bool // watches through a list, told of by Watch
	stored bool // has a row in the store
}

// table holds the watchers of one presentity. The shard changes it, anyone may
// list it.
type table struct {
	maxLive, maxWaiting int
	giveUp              time.Duration

	mu   sync.Mutex
	live map[string]*watcher
	gone []departed

	waits int // live entries that wait
}

type departed struct {
	info  WatcherInfo
	until time.Time
}

func (t *table) init(c Config) {
	t.maxLive, t.maxWaiting, t.giveUp = c.MaxWatchers, c.MaxWaiting, c.GiveUp
	t.live = make(map[string]*watcher)
}

// watcherID names a watcher for the life of its subscription without telling of
// the dialog (RFC 3858 §3.1).
func watcherID(subscription string) string {
	sum := sha256.Sum256([]byte(subscription))
	return "w" + hex.EncodeToString(sum[:8])
}

func (t *table) get(id string) *watcher { return t.live[id] }

// all lists the live entries in a stable order.
func (t *table) all() []*watcher {
	out := make([]*watcher, 0, len(t.live))
	for _, w := range t.live {
		out = append(out, w)
	}
	slices.SortFunc(out, func(a, b *watcher) int { return order(a.Watcher, b.Watcher) })
	return out
}

func order(a, b store.Watcher) int {
	return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.ID, b.ID))
}

// join adds a watcher and makes the batch remember it when it is pending. Of the
// same watcher, an entry that waits gives way (RFC 3857 §4.7.1).
func (t *table) join(w *watcher, status string, now time.Time, b *store.Batch) bool {
	changed := false
	for _, old := range t.waiting(w.Watcher.Watcher) {
		changed = t.apply(old, "giveup", now, b) || changed
	}
	if len(t.live) >= t.maxLive {
		if w.stored {
			b.DropWatchers = append(b.DropWatchers, w.Key())
		}
		return changed
	}
	t.mu.Lock()
	w.Status, w.Cause = status, "subscribe"
	t.live[w.ID] = w
	t.mu.Unlock()
	if !w.stored {
		t.save(w, b)
	}
	return true
}

// waiting lists the entries of one watcher that wait, in a stable order.
func (t *table) waiting(who string) (idle []*watcher) {
	if t.waits == 0 {
		return nil // as nearly always
	}
	for _, w := range t.live {
		if w.Status == waiting && w.Watcher.Watcher == who {
			idle = append(idle, w)
		}
	}
	slices.SortFunc(idle, func(a, b *watcher) int { return order(a.Watcher, b.Watcher) })
	return idle
}

// apply moves a watcher on. It reports false when nothing changes.
func (t *table) apply(w *watcher, cause string, now time.Time, b *store.Batch) bool {
	next, ok := transitions[w.Status][cause]
	if !ok {
		return false
	}
	if next == waiting && t.stillWatches(w) {
		next, cause = terminated, "giveup"
	}
	t.mu.Lock()
	if w.Status == waiting {
		t.waits--
	}
	w.Status, w.Cause = next, cause
	switch next {
	case waiting:
		t.waits++
		w.Expires = now.Add(t.giveUp)
	case terminated:
		delete(t.live, w.ID)
		t.remember(w, now)
	}
	t.mu.Unlock()
	t.save(w, b)
	if next == waiting {
		t.trim(now, b)
	}
	return true
}

// stillWatches reports whether the same watcher has another subscription, which
// asks for a decision as well as an entry that waits would.
func (t *table) stillWatches(w *watcher) bool {
	for _, other := range t.live {
		if other != w && other.Watcher.Watcher == w.Watcher.Watcher && other.Status != waiting {
			return true
		}
	}
	return false
}

// remember keeps a terminated watcher for those who are told of changes only.
func (t *table) remember(w *watcher, now time.Time) {
	t.gone = slices.DeleteFunc(t.gone, func(d departed) bool { return d.info.ID == w.ID || !d.until.After(now) })
	if len(t.gone) >= maxGone {
		t.gone = slices.Delete(t.gone, 0, 1)
	}
	t.gone = append(t.gone, departed{WatcherInfo{w.Watcher, true}, now.Add(goneFor)})
}

// trim has those wait no longer that have waited longest, when there are too many.
func (t *table) trim(now time.Time, b *store.Batch) {
	var idle []*watcher
	for _, w := range t.live {
		if w.Status == waiting {
			idle = append(idle, w)
		}
	}
	if len(idle) <= t.maxWaiting {
		return
	}
	slices.SortFunc(idle, func(a, b *watcher) int { return a.Expires.Compare(b.Expires) })
	for _, w := range idle[:len(idle)-t.maxWaiting] {
		t.apply(w, "giveup", now, b)
	}
}

// save puts into the batch what has to last: who is pending or waits. Who is
// active comes back with the subscription.
func (t *table) save(w *watcher, b *store.Batch) {
	key := w.Key()
	switch {
	case w.Status == pending || w.Status == waiting:
		w.stored = true
		b.DropWatchers = slices.DeleteFunc(b.DropWatchers, func(k store.WatcherKey) bool { return k == key })
		b.Watchers = append(b.Watchers, t.row(w.Watcher))
	case w.stored:
		w.stored = false
		b.Watchers = slices.DeleteFunc(b.Watchers, func(r store.Watcher) bool { return r.Key() == key })
		b.DropWatchers = append(b.DropWatchers, key)
	}
}

// row is the durable form. It outlives a pending subscription, so that one that
// ends while the server is down still leaves a watcher that waits.
func (t *table) row(w store.Watcher) store.Watcher {
	if w.Status == pending {
		w.Expires = w.Expires.Add(t.giveUp)
	}
	return w
}

// extend takes over what a refresh says.
func (t *table) extend(w, refreshed *watcher) {
	t.mu.Lock()
	defer t.mu.Unlock()
	w.Expires, w.list = refreshed.Expires, refreshed.list
	if refreshed.DisplayName != "" {
		w.DisplayName = refreshed.DisplayName
	}
}

// end is when the entry is over unless somebody says otherwise.
func (w *watcher) end() time.Time {
	if w.Status == waiting {
		return w.Expires
	}
	return w.Expires.Add(grace)
}

// expire moves on whoever is over.
func (t *table) expire(now time.Time, b *store.Batch) (changed bool) {
	for _, w := range t.all() {
		if t.live[w.ID] != w || w.end().After(now) {
			continue
		}
		cause := "timeout"
		if w.Status == waiting {
			cause = "giveup"
		}
		changed = t.apply(w, cause, now, b) || changed
	}
	return changed
}

// deadline is when expire has something to do next; zero: never.
func (t *table) deadline() (at time.Time) {
	for _, w := range t.live {
		if end := w.end(); at.IsZero() || end.Before(at) {
			at = end
		}
	}
	return at
}

// idle reports whether there is nothing to remember.
func (t *table) idle(now time.Time) bool {
	return len(t.live) == 0 && !slices.ContainsFunc(t.gone, func(d departed) bool { return d.until.After(now) })
}

// list is for watcher information, on any goroutine.
func (t *table) list(now time.Time) []WatcherInfo {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]WatcherInfo, 0, len(t.live)+len(t.gone))
	for _, w := range t.live {
		out = append(out, WatcherInfo{Watcher: w.Watcher})
	}
	for _, d := range t.gone {
		// One that came back under its id is told of as it is now.
		if _, back := t.live[d.info.ID]; !back && d.until.After(now) {
			out = append(out, d.info)
		}
	}
	for i := range out {
		if out[i].Watcher.Watcher == "" {
			out[i].Watcher.Watcher = anonymous
		}
	}
	slices.SortFunc(out, func(a, b WatcherInfo) int { return order(a.Watcher, b.Watcher) })
	return out
}
