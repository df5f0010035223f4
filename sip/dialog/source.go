package dialog

import (
	"context"
	"fmt"
	"hash/fnv"
	"log/slog"
	"slices"
	"time"

	"rollcall/internal/store"
	"rollcall/policy"
	"rollcall/sip/event"
)

// decideWithin bounds how long a view waits for the rules.
const decideWithin = 5 * time.Second

// source is one subscription to the dialogs of a user.
type source struct {
	s    *Service
	sub  *event.Subscription
	told []dialog // what the subscriber believes to be alive
	kept bool     // has been kept waiting: everything is news
}

// View implements event.Source. A dialog that is over is told of once, to those
// who knew of it, and is in no full document (RFC 4235 §3.7.1).
func (src *source) View(full bool) (event.View, bool) {
	ctx, cancel := context.WithTimeout(context.Background(), decideWithin)
	defer cancel()
	h, err := src.s.decide(ctx, src.sub.Resource, src.sub.Watcher)
	if err != nil {
		slog.Warn("no decision", "resource", src.sub.Resource, "watcher", src.sub.Watcher, "error", err)
		h = policy.Confirm
	}
	var now []dialog
	switch h {
	case policy.Block:
		return event.View{State: event.Terminated, Reason: "rejected"}, true
	case policy.Confirm:
		src.told, src.kept = nil, true
		return event.View{State: event.Pending, Tag: "pending"}, true
	case policy.Allow:
		now = src.s.visible(src.sub.Resource, src.sub.Watcher)
	}
	full, src.kept = full || src.kept, false
	shown := alive(now)
	if !full {
		if shown = src.changes(now); len(shown) == 0 {
			return event.View{}, false
		}
	}
	src.told = alive(now)
	return event.View{
		State: event.Active, ContentType: ContentType,
		Body: write(src.sub.Resource, src.sub.NextVersion(), !full, shown),
		Tag:  digest(src.told),
	}, true
}

// visible are the dialogs as a watcher may see them.
func (s *Service) visible(resource, watcher string) []dialog {
	all := s.State(resource)
	if !s.cfg.Virtual || watcher == resource {
		out := make([]dialog, len(all))
		for i := range all {
			out[i] = all[i].dialog
		}
		return out
	}
	for i := range all {
		if p := all[i].phase; p != terminated && p != trying {
			return []dialog{{id: "call", phase: confirmed}}
		}
	}
	return nil
}

// changes are the dialogs that the subscriber has to be told of.
func (src *source) changes(now []dialog) []dialog {
	var out []dialog
	for _, d := range now {
		i := slices.IndexFunc(src.told, func(t dialog) bool { return t.id == d.id })
		if i < 0 && d.phase != terminated || i >= 0 && src.told[i] != d {
			out = append(out, d)
		}
	}
	for _, t := range src.told {
		if !slices.ContainsFunc(now, func(d dialog) bool { return d.id == t.id }) {
			t.phase, t.event, t.code = terminated, "", 0 // nobody speaks of it any more
			out = append(out, t)
		}
	}
	return out
}

func alive(all []dialog) []dialog {
	var out []dialog
	for _, d := range all {
		if d.phase != terminated {
			out = append(out, d)
		}
	}
	return out
}

// digest identifies what a subscriber knows.
func digest(told []dialog) string {
	h := fnv.New64a()
	for i := range told {
		h.Write(told[i].append(nil))
	}
	return fmt.Sprintf("%016x", h.Sum64())
}

// Refreshed implements event.Source.
func (src *source) Refreshed() error { return src.sub.RefuseBody() }

// Ended implements event.Source.
func (src *source) Ended(string, *store.Batch) {}
