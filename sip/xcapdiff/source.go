package xcapdiff

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"slices"
	"time"

	"rollcall/internal/store"
	"rollcall/internal/wheel"
	"rollcall/sip/event"
)

const (
	// readTimeout bounds how long one look at the documents may take.
	readTimeout = 5 * time.Second
	// readAgain is when a look that failed is tried again.
	readAgain = 10 * time.Second
)

// source is one subscription to xcap-diff.
type source struct {
	s       *Service
	sub     *event.Subscription
	targets []target
	told    []item // what the watcher knows, in order, without content
	unread  bool   // the last look failed
	retry   wheel.Timer
}

// View implements event.Source: everything when full, else what has changed of
// one document. Others follow in NOTIFYs of their own: clients compare the
// entity-tags of a report with those of one document.
func (src *source) View(full bool) (event.View, bool) {
	ctx, cancel := context.WithTimeout(context.Background(), readTimeout)
	defer cancel()
	full = full || src.unread
	items, err := src.look(ctx, full)
	src.unread = err != nil
	if err != nil {
		slog.Warn("documents not read for xcap-diff", "id", src.sub.ID, "watcher", src.sub.Watcher, "error", err)
		if !src.sub.Fetch {
			src.s.cfg.Wheel.Set(&src.retry, time.Now().Add(readAgain), src.sub.Changed)
		}
		return event.View{}, false
	}
	doc := newReport(src.s.cfg.Root())
	if full {
		src.tellAll(doc, items)
	} else if !src.tellNext(doc, items) {
		return event.View{}, false
	}
	return event.View{State: event.Active, ContentType: contentType, Body: doc.finish(), Tag: src.tag()}, true
}

// tellAll reports all that exists. What may have been told to be gone in a NOTIFY
// that was lost is told again.
func (src *source) tellAll(doc *report, items []item) {
	var lost []item
	for _, old := range src.told {
		if _, there := find(items, old); !there {
			old.gone = true
			doc.removed(old)
			lost = append(lost, old)
		}
	}
	for i, now := range items {
		if doc.size() > maxReport {
			items = items[:i]
			src.sub.Changed() // the rest follows
			break
		}
		doc.present(now)
	}
	src.know(append(slices.Clone(items), lost...))
}

// tellNext reports the changes of the first document that has some. Being asked
// for changes only means that the last report has arrived.
func (src *source) tellNext(doc *report, items []item) bool {
	src.told = slices.DeleteFunc(src.told, func(i item) bool { return i.gone })
	src.refreshVersions(items)
	changed := src.changes(items)
	if len(changed) == 0 {
		return false
	}
	key := changed[0].key
	next := slices.Clone(src.told)
	for _, now := range changed {
		if now.key != key {
			src.sub.Changed() // the rest follows
			continue
		}
		old, known := src.lookup(now)
		next = slices.DeleteFunc(next, func(i item) bool { return byResource(i, now) == 0 })
		next = append(next, now)
		switch {
		case now.gone:
			doc.removed(now)
		case known && now.kind == document:
			doc.changed(now, old.etag, src.steps(key, old.etag, now.etag, src.mode()))
		default:
			doc.present(now)
		}
	}
	src.know(next)
	return true
}

// changes lists what differs from what was told, the documents first.
func (src *source) changes(items []item) []item {
	var changed []item
	for _, now := range items {
		if old, known := src.lookup(now); !known || !old.same(now) {
			changed = append(changed, now)
		}
	}
	for _, old := range src.told {
		if _, there := find(items, old); !there {
			old.gone = true
			changed = append(changed, old)
		}
	}
	slices.SortFunc(changed, byResource)
	return changed
}

// refreshVersions notes in which version of a document an element was seen to be
// as told, so that it is not read again.
func (src *source) refreshVersions(items []item) {
	for i := range src.told {
		old := &src.told[i]
		if now, there := find(items, *old); there && old.same(now) {
			old.etag = now.etag
		}
	}
}

// know notes what the watcher knows after a report.
func (src *source) know(items []item) {
	slices.SortFunc(items, byResource)
	for i := range items {
		items[i].content = nil
	}
	src.told = items
}

func (src *source) lookup(i item) (item, bool) { return find(src.told, i) }

func find(sorted []item, i item) (item, bool) {
	at, ok := slices.BinarySearchFunc(sorted, i, byResource)
	if !ok {
		return item{}, false
	}
	return sorted[at], true
}

// tag identifies what the watcher asked for and knows, whatever the order it
// asked in (RFC 5875 §4.7).
func (src *source) tag() string {
	sels := make([]string, 0, len(src.targets))
	for i := range src.targets {
		sels = append(sels, src.targets[i].sel)
	}
	slices.Sort(sels)
	h := sha256.New()
	write := func(parts ...string) {
		for _, part := range parts {
			h.Write([]byte(part))
			h.Write([]byte{0})
		}
	}
	write(sels...)
	for _, i := range src.told {
		if i.gone {
			continue
		}
		if i.kind == document {
			write("d", i.sel, i.etag)
		} else {
			write("p", i.sel, i.digest)
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// Refreshed implements event.Source: the list may be another one now.
func (src *source) Refreshed() error {
	targets, err := src.s.parse(src.sub)
	if err != nil {
		return err
	}
	if src.sub.Watcher != src.sub.Resource && len(targets) == 0 {
		return &event.Refusal{Status: 403}
	}
	from := src.topics()
	src.targets = targets
	src.s.watch(src, from, src.topics())
	// RFC 5875 §4.7: the state as it is follows, and nothing of what it was.
	src.told, src.unread = nil, true
	return nil
}

// Ended implements event.Source.
func (src *source) Ended(string, *store.Batch) {
	src.s.watch(src, src.topics(), nil)
	src.s.cfg.Wheel.Cancel(&src.retry)
}
