package rls

import (
	"context"
	"encoding/hex"
	"errors"
	"log/slog"
	"slices"

	"rollcall/internal/resourcelist"
	"rollcall/internal/sipuri"
	"rollcall/sip/event"
)

// A member that is a list itself is shown as one: its document is a multipart body
// of its own (RFC 4662 §5.5).

const (
	maxDepth  = 4  // of lists in lists
	maxNested = 32 // lists in one subscription
)

// nesting is what a list needs to be one in another.
type nesting struct {
	count   int    // lists in the one subscribed to
	made    int    // of them, ever
	number  int    // among those; 0: it is the one subscribed to
	gone    bool   // the list is not there any more
	begun   bool   // a document was made
	version uint32 // of the next document
	outer   uint32 // version of the NOTIFY with the newest one
}

// assign finds out who answers for a member and reports whether that changed.
func (l *list) assign(ctx context.Context, m *member, e resourcelist.Entry, services map[string]bool) (changed bool) {
	kind, reason, at := l.kindOf(ctx, m, e, services)
	if m.listed && kind == m.kind && reason == m.reason {
		return false
	}
	if m.listed {
		l.unwatch(m, "timeout")
		m.listed = false // so that it is watched anew
	}
	m.kind, m.reason, m.nested = kind, reason, nil
	if kind == sublist {
		l.nestIn(ctx, m, at)
	}
	return true
}

// kindOf tells who answers for an entry, or why nobody does; at is where it is
// defined, if it is a list.
func (l *list) kindOf(ctx context.Context, m *member, e resourcelist.Entry, services map[string]bool) (k kind, reason string, at place) {
	if e.Problem != "" {
		return nobody, "noresource", at
	}
	user, domain := sipuri.Split(e.URI)
	if !l.svc.domains[domain] {
		if l.pkg.foreign == nil {
			return nobody, "giveup", at
		}
		return foreign, "", at
	}
	// Most members are users; to ask the store about each would cost too much.
	if _, _, standing := l.svc.standing(user); !standing && !services[e.URI] && !l.svc.public[e.URI] && e.URI != l.at.resource {
		return local, "", at
	}
	at, err := l.svc.locate(ctx, e.URI)
	switch {
	case errors.Is(err, errNoList):
		return local, "", at
	case err != nil:
		slog.Warn("cannot find out whether a member is a list", "list", l.at.resource, "member", e.URI, "error", err)
		l.readLater()
		return local, "", at
	case !l.svc.mayUse(l.sub.Watcher, at):
		return nobody, "rejected", at
	}
	if why := l.refuseNested(m, at); why != "" {
		slog.Info("list in a list is not served", "list", l.at.resource, "member", e.URI, "problem", why)
		return nobody, "giveup", at
	}
	return sublist, "", at
}

// refuseNested is the safeguard of RFC 4662 §7.4.
func (l *list) refuseNested(m *member, at place) (why string) {
	depth := 1
	for up := l; ; up = up.in.list {
		if up.at.resource == at.resource {
			return "it contains itself"
		}
		if up.in == nil {
			break
		}
		depth++
	}
	switch {
	case depth >= maxDepth:
		return "lists are nested too deep"
	case m.nested == nil && l.root().nest.count >= maxNested:
		return "there are too many lists in the list"
	}
	return ""
}

// nestIn reads the list that m is.
func (l *list) nestIn(ctx context.Context, m *member, at place) {
	m.nested = newList(l.pkg, l.sub, at)
	m.nested.in = m
	root := &l.root().nest
	root.count++
	root.made++
	m.nested.nest.number = root.made
	c, err := m.nested.read(ctx)
	var wrong *packageError
	switch {
	case err == nil:
		m.nested.apply(ctx, c)
	case errors.Is(err, errNoList), errors.As(err, &wrong):
		m.nested.nest.gone = true
	default:
		slog.Warn("list in a list cannot be read", "list", l.at.resource, "member", m.uri, "error", err)
		m.nested.readLater()
	}
}

func (l *list) root() *list {
	for l.in != nil {
		l = l.in.list
	}
	return l
}

// update looks at the list again if need be and returns the members that may have
// changed.
func (l *list) update() (changed []*member) {
	changed, stale := l.take()
	if !stale {
		return changed
	}
	more, ok := l.reread()
	if l.nest.gone = !ok; !ok {
		l.nest.begun = false
	}
	// Each once, or what a list in the list has to tell would be told twice.
	l.turn++
	all := append(changed, more...)
	return slices.DeleteFunc(all, func(m *member) bool {
		again := m.turn == l.turn
		m.turn = l.turn
		return again
	})
}

// nest makes the document of a list in the list, with what there is room for besides
// reserve bytes; fits tells that this was something.
func (n *notification) nest(m *member, s state, reserve int) (_ state, doc document, fits bool) {
	l := m.nested
	changed := l.update()
	if l.nest.gone {
		return s.terminated("noresource"), document{}, true
	}
	room := n.limit - n.size - reserve - m.briefSize() - instanceSize - n.cidSize - n.partSize
	if room < leastNested {
		l.putBack(changed)
		return s, document{}, false
	}
	// The newest document may never have been sent, or the subscriber have forgotten it.
	told := m.told.instance && m.told.state == event.Active && m.told.name == m.name
	full := n.full || !told || !l.nest.begun || n.version <= l.nest.outer
	inner := l.newNotification(full, room, n.version)
	inner.crowded = n.full || n.crowded || len(n.resources) > 0
	if full {
		l.full(inner)
	} else if l.partial(inner, changed); inner.empty() {
		l.putBack(inner.rest)
		return m.told, document{}, len(inner.rest) == 0
	}
	if len(inner.rest) > 0 {
		l.putBack(inner.rest)
		n.rest = append(n.rest, m)
	}
	s.instance, s.state, s.tag = true, event.Active, hex.EncodeToString(l.sum[:])
	doc.contentType, doc.body = inner.render(l, l.nextVersion(n.version))
	return s, doc, true
}

// leastNested is the least room for the document of a list in a list.
const leastNested = 1536

// nextVersion returns the version of the next document of a list in a list, for a
// NOTIFY of version outer. It goes up by one each time, and is never more than that
// of the NOTIFY, which goes on over a restart.
func (l *list) nextVersion(outer uint32) uint32 {
	x := &l.nest
	if !x.begun {
		x.begun, x.version = true, outer
	}
	version := x.version
	x.version, x.outer = version+1, outer
	return version
}
