package winfo

import (
	"context"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"

	"rollcall/internal/store"
	"rollcall/sip/event"
)

// maxDocument bounds a document; what does not fit follows in the next one.
const maxDocument = 192 << 10

// source is one subscription to watcher information.
type source struct {
	s        *event.Subscription
	watched  string // the package
	watchers Watchers
	shown    Shown     // nil for those who may know all
	told     []told    // by id
	last     time.Time // when the last document was made
}

// decideWithin bounds how long a view waits for the rules.
const decideWithin = 5 * time.Second

// told is what the subscriber knows of one watcher.
type told struct{ id, status, cause string }

func byID(t told, id string) int { return strings.Compare(t.id, id) }

// View implements event.Source.
func (w *source) View(full bool) (event.View, bool) {
	if w.shown != nil {
		switch w.state() {
		case event.Terminated:
			return event.View{State: event.Terminated, Reason: "rejected"}, true
		case event.Pending:
			w.told, w.last = nil, time.Time{}
			return event.View{State: event.Pending, Tag: "pending"}, true
		}
	}
	full = full || w.last.IsZero()
	now := time.Now()
	current := usable(w.watchers(w.s.Resource))
	// The end of a watcher whose record is gone can only be told by a full list.
	full = full || w.vanished(current)
	doc := newDocument()
	next := make([]told, 0, len(current))
	reported, more := 0, false
	for i := range current {
		c := &current[i]
		fresh := told{c.ID, c.Status, c.Cause}
		old, known := w.lookup(c.ID)
		switch {
		case !w.reports(c, fresh, full):
			if known {
				next = append(next, old)
			}
		case doc.size() > maxDocument:
			more = true
			if known && !full {
				next = append(next, old)
			}
		default:
			doc.add(&c.Watcher, now)
			next = append(next, fresh)
			reported++
		}
	}
	slices.SortFunc(next, func(a, b told) int { return strings.Compare(a.id, b.id) })
	w.told = next
	if reported == 0 && !full {
		return event.View{}, false
	}
	w.last = now
	if more {
		w.s.Changed()
	}
	return event.View{
		State:       event.Active,
		ContentType: contentType,
		Body:        doc.finish(w.s.NextVersion(), full, w.s.Resource, w.watched),
		Tag:         digest(next),
	}, true
}

func (w *source) state() event.State {
	ctx, cancel := context.WithTimeout(context.Background(), decideWithin)
	defer cancel()
	state, _ := w.shown(ctx, w.s.Resource, w.s.Watcher)
	return state
}

// reports decides whether a watcher goes into the next document.
func (w *source) reports(c *Watcher, fresh told, full bool) bool {
	old, known := w.lookup(c.ID)
	switch {
	case !c.Terminated:
		return full || !known || old != fresh
	case known:
		return old.status != Terminated // the end is told once
	default:
		// It came and went since the last document.
		return !w.last.IsZero() && c.Since.After(w.last)
	}
}

func (w *source) lookup(id string) (told, bool) {
	i, found := slices.BinarySearchFunc(w.told, id, byID)
	if !found {
		return told{}, false
	}
	return w.told[i], true
}

// vanished reports whether a watcher told as alive is not there any more.
func (w *source) vanished(current []Watcher) bool {
	if len(w.told) == 0 {
		return false
	}
	ids := make(map[string]struct{}, len(current))
	for i := range current {
		ids[current[i].ID] = struct{}{}
	}
	for _, t := range w.told {
		if _, there := ids[t.id]; !there && t.status != Terminated {
			return true
		}
	}
	return false
}

// Refreshed implements event.Source.
func (w *source) Refreshed() error { return w.s.RefuseBody() }

// Ended implements event.Source.
func (w *source) Ended(string, *store.Batch) {}

// usable returns the watchers that a document can name, with the vocabulary of
// RFC 3858 §4 and each id once: a client may drop a document that breaks them.
func usable(list []Watcher) []Watcher {
	seen := make(map[string]struct{}, len(list))
	kept := make([]Watcher, 0, len(list))
	for _, c := range list {
		if _, double := seen[c.ID]; double || c.ID == "" || !strings.HasPrefix(c.Watcher.Watcher, "sip:") {
			continue
		}
		seen[c.ID] = struct{}{}
		if c.Terminated {
			c.Status = Terminated
		}
		if !slices.Contains(statuses[:], c.Status) {
			continue
		}
		if !slices.Contains(causes[:], c.Cause) {
			c.Cause = causes[0]
			if c.Status == Terminated {
				c.Cause = "timeout"
			}
		}
		c.Terminated = c.Status == Terminated
		kept = append(kept, c)
	}
	return kept
}

// digest identifies what a subscriber knows.
func digest(list []told) string {
	h := fnv.New64a()
	for _, t := range list {
		for _, part := range [...]string{t.id, t.status, t.cause} {
			h.Write([]byte(part))
			h.Write([]byte{0})
		}
	}
	return fmt.Sprintf("%016x", h.Sum64())
}
