package rls

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"rollcall/internal/resourcelist"
)

const (
	readTimeout = 10 * time.Second
	retry       = 5 * time.Second // until a list that could not be read is read again
)

// read flattens the list and remembers what it depends on.
func (l *list) read(ctx context.Context) (content, error) {
	x := &l.svc.index
	before := x.generation(l.at.owner)
	c, err := l.content(ctx)
	x.set(l, c.deps)
	if x.generation(l.at.owner) != before {
		l.outdated() // something changed while we were reading
	}
	return c, err
}

func (l *list) content(ctx context.Context) (content, error) {
	if l.at.recipients {
		return l.svc.readRecipients(ctx, l.at, l.sub.Body)
	}
	return l.svc.read(ctx, l.at, l.sub.Event)
}

// reread brings the members up to date after a change of a document. It returns
// those to tell of, and whether the list is still there.
func (l *list) reread() (changed []*member, ok bool) {
	ctx, cancel := context.WithTimeout(context.Background(), readTimeout)
	defer cancel()
	c, err := l.read(ctx)
	var wrong *packageError
	switch {
	case err == nil:
		return l.apply(ctx, c), true
	case errors.Is(err, errNoList), errors.As(err, &wrong):
		return nil, false
	case errors.Is(err, resourcelist.ErrUnresolved):
		slog.Warn("list cannot be resolved, members stay", "list", l.at.resource, "error", err)
	default:
		slog.Warn("list cannot be read, trying again", "list", l.at.resource, "error", err)
		l.readLater()
	}
	return nil, true
}

func (l *list) readLater() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stale = true
	l.arm(retry)
}

// apply makes the entries the members and returns those that are new, gone or
// changed in kind or name.
func (l *list) apply(ctx context.Context, c content) (changed []*member) {
	before := l.order
	l.order = make([]*member, 0, len(c.Entries))
	l.reading++
	l.name = c.Name
	for _, e := range c.Entries {
		if e.Problem != "" {
			slog.Info("list entry cannot be resolved", "list", l.at.resource, "entry", e.URI, "problem", e.Problem)
			if e.Reference {
				continue
			}
		}
		m := l.members[e.URI]
		if m == nil {
			m = &member{list: l, uri: e.URI}
			l.members[e.URI] = m
		}
		renamed := m.rename(e.Name)
		if l.assign(ctx, m, e, c.services) || !m.listed || renamed {
			changed = append(changed, m)
		}
		if !m.listed && !l.sub.Fetch {
			l.watch(m)
		}
		m.listed, m.reading, m.place = true, l.reading, int32(len(l.order))
		l.order = append(l.order, m)
	}
	for _, m := range before {
		if m.reading != l.reading {
			m.listed = false
			l.unwatch(m, "timeout")
			changed = append(changed, m)
		}
	}
	return changed
}
