package winfo

import (
	"slices"
	"time"

	"rollcall/internal/store"
)

// row is the durable form. It outlives the subscriptions, so that one that ends while
// the server is down still leaves a watcher that waits.
func (t *Table) row(w store.Watcher) store.Watcher {
	if w.Status != Waiting {
		w.Expires = w.Expires.Add(t.limits.GiveUp)
	}
	return w
}

// keep saves an entry if what is stored of it would not do.
func (t *Table) keep(e *Entry, b *store.Batch) {
	if lasts := e.lasts(); lasts != e.stored || lasts && e.Expires.After(e.kept) {
		t.save(e, b)
	}
}

// save puts into the batch what has to last.
func (t *Table) save(e *Entry, b *store.Batch) {
	key := e.Key()
	switch {
	case e.lasts():
		e.stored, e.kept = true, e.Expires.Add(t.limits.GiveUp/2)
		b.DropWatchers = slices.DeleteFunc(b.DropWatchers, func(k store.WatcherKey) bool { return k == key })
		b.Watchers = append(b.Watchers, t.row(e.Watcher))
	case e.stored:
		e.stored = false
		b.Watchers = slices.DeleteFunc(b.Watchers, func(r store.Watcher) bool { return r.Key() == key })
		b.DropWatchers = append(b.DropWatchers, key)
	}
}

// lasts reports whether an entry is to be remembered over a restart. One that is
// active comes back with its subscription if that says how it is called.
func (e *Entry) lasts() bool {
	switch e.Status {
	case Pending, Waiting:
		return true
	case Active:
		return len(e.members) > 1 || len(e.members) == 1 && e.members[0].id != e.ID
	}
	return false
}

// Restore puts back an entry as it was stored. Who watched does so until the
// subscription comes back; if it does not, it ended meanwhile. One entry of a watcher
// is enough: the first that watches.
func (t *Table) Restore(row store.Watcher, now time.Time, b *store.Batch) {
	e := &Entry{Watcher: row, stored: true, kept: row.Expires.Add(-t.limits.GiveUp / 2)}
	if row.Status != Waiting {
		e.Expires = now
	}
	if old := t.named[row.Watcher]; old != nil {
		if before(old, e) {
			b.DropWatchers = append(b.DropWatchers, e.Key())
			return
		}
		t.displace(old, b)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if row.Status == Waiting {
		t.waits++
	}
	t.live[row.ID] = e
	if row.Watcher != "" {
		t.named[row.Watcher] = e
	}
}

func before(a, b *Entry) bool {
	if (a.Status == Waiting) != (b.Status == Waiting) {
		return b.Status == Waiting
	}
	return order(a.Watcher, b.Watcher) < 0
}

// displace drops an entry that was restored for another of the same watcher.
func (t *Table) displace(e *Entry, b *store.Batch) {
	b.DropWatchers = append(b.DropWatchers, e.Key())
	t.mu.Lock()
	defer t.mu.Unlock()
	if e.Status == Waiting {
		t.waits--
	}
	delete(t.live, e.ID)
}
