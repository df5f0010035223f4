package rls

import (
	"cmp"
	"encoding/hex"
	"slices"
	"time"

	"rollcall/internal/resourcelist"
	"rollcall/sip/event"
	"rollcall/sip/wire"
)

// View tells of all members, or of those that changed. What does not fit into
// one NOTIFY follows in others.
func (l *list) View(full bool) (event.View, bool) {
	changed := l.update()
	if l.nest.gone {
		return event.View{State: event.Terminated, Reason: "noresource"}, true
	}
	version := l.sub.NextVersion()
	if full {
		return l.view(l.full(l.newNotification(true, l.limit(), version)), version), true
	}
	n := l.partial(l.newNotification(false, l.limit(), version), changed)
	if n.empty() {
		return event.View{}, false
	}
	return l.view(n, version), true
}

func (l *list) view(n *notification, version uint32) event.View {
	if len(n.rest) > 0 {
		l.putBack(n.rest)
		l.sub.Changed()
	}
	l.mu.Lock()
	l.sent = time.Now()
	l.mu.Unlock()
	contentType, body := n.render(l, version)
	v := event.View{
		State:       event.Active,
		ContentType: contentType,
		Body:        body,
		Tag:         hex.EncodeToString(l.sum[:]),
	}
	if l.sub.Deflate {
		v.Body = l.svc.coder.deflate(body)
		v.Headers = append(l.Headers(), wire.Header{Name: "Content-Encoding", Value: "deflate"})
	}
	return v
}

// limit is what the body of one NOTIFY may have.
func (l *list) limit() int {
	if f := l.sub.Flow; f != nil && !f.Reliable() {
		return min(maxDatagram, l.svc.maxBody)
	}
	return l.svc.maxBody
}

// full collects the complete state. RFC 4662 §5.2: it names every resource. Those
// whose documents do not fit stand in it without an instance (§4.5), and follow;
// if not even that fits, the resource itself follows. There is room first for those
// that changed most recently.
func (l *list) full(n *notification) *notification {
	l.forget()
	n.entitle(l)
	reserve := 0
	for _, m := range l.order {
		reserve += m.briefSize()
	}
	members := l.recent()
	for _, m := range members {
		reserve -= m.briefSize()
		s, doc := m.now(n.version)
		if l.sub.Fetch && s.instance && s.state == event.Pending {
			l.watch(m) // RFC 3857 §4.7.1: a poll that has to wait is remembered
		}
		fits := true
		if m.kind == sublist {
			s, doc, fits = n.nest(m, s, reserve)
		}
		switch {
		case fits && n.add(m, s, doc, reserve):
			m.tell(s)
		default:
			brief := state{known: true, name: s.name}
			if n.add(m, brief, document{}, 0) {
				m.tell(brief)
			}
			n.rest = append(n.rest, m)
		}
	}
	slices.SortFunc(n.resources, func(a, b resource) int { return cmp.Compare(a.member.place, b.member.place) })
	return n
}

// forget is how a full state begins: the watcher replaces its table (RFC 4662 §5.6).
func (l *list) forget() {
	l.sum, l.title = digest{}, resourcelist.Name{}
	for uri, m := range l.members {
		m.told = state{}
		if !m.listed {
			delete(l.members, uri)
		}
	}
}

// partial collects what differs from what the watcher was told.
func (l *list) partial(n *notification, changed []*member) *notification {
	if l.name != l.title && l.name.DisplayName != "" { // that it lost its name, only a full state can say
		n.entitle(l)
	}
	for _, m := range changed {
		if l.members[m.uri] != m {
			continue // left, and that was told
		}
		s, doc := m.now(n.version)
		fits := true
		if m.kind == sublist && m.listed {
			s, doc, fits = n.nest(m, s, 0)
		}
		switch {
		case fits && (s == m.told || !m.listed && !m.told.known):
		case fits && n.add(m, s, doc, 0):
			m.tell(s)
		case len(n.resources) > 0 || n.crowded:
			n.rest = append(n.rest, m)
			continue
		default:
			// A document too large for any NOTIFY: there is no state to show.
			n.add(m, state{known: true, name: s.name}, document{}, 0)
			m.tell(s)
		}
		if !m.listed {
			l.sum.toggle(m)
			delete(l.members, m.uri)
		}
	}
	return n
}
