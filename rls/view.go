package rls

import (
	"encoding/hex"
	"time"

	"rollcall/sip/event"
	"rollcall/sip/wire"
)

// View tells of all members, or of those that changed. What does not fit into
// one NOTIFY follows in others.
func (l *list) View(full bool) (event.View, bool) {
	changed, stale := l.take()
	if stale {
		more, ok := l.reread()
		if !ok {
			return event.View{State: event.Terminated, Reason: "noresource"}, true
		}
		changed = append(changed, more...)
	}
	if full {
		return l.view(l.full()), true
	}
	n := l.partial(changed)
	if len(n.resources) == 0 {
		return event.View{}, false
	}
	return l.view(n), true
}

func (l *list) view(n *notification) event.View {
	if len(n.rest) > 0 {
		l.putBack(n.rest)
		l.sub.Changed()
	}
	l.mu.Lock()
	l.sent = time.Now()
	l.mu.Unlock()
	n.linphone = l.at.linphone
	contentType, body := n.render(l.at.resource, l.sub.ID, l.sub.NextVersion())
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
// if not even that fits, the resource itself follows.
func (l *list) full() *notification {
	l.forget()
	n := newNotification(true, l.limit())
	reserve := 0
	for _, m := range l.order {
		reserve += m.briefSize()
	}
	for _, m := range l.order {
		brief := m.briefSize()
		reserve -= brief
		s, body := m.now()
		if l.sub.Fetch && s.instance && s.state == event.Pending {
			l.watch(m) // RFC 3857 §4.7.1: a poll that has to wait is remembered
		}
		switch {
		case n.add(m, s, body, reserve):
			m.tell(s)
		default:
			brief := state{known: true, name: s.name}
			if n.add(m, brief, nil, 0) {
				m.tell(brief)
			}
			n.rest = append(n.rest, m)
		}
	}
	return n
}

// forget is how a full state begins: the watcher replaces its table (RFC 4662 §5.6).
func (l *list) forget() {
	l.sum = digest{}
	for uri, m := range l.members {
		m.told = state{}
		if !m.listed {
			delete(l.members, uri)
		}
	}
}

// partial collects what differs from what the watcher was told.
func (l *list) partial(changed []*member) *notification {
	n := newNotification(false, l.limit())
	for _, m := range changed {
		if l.members[m.uri] != m {
			continue // left, and that was told
		}
		s, body := m.now()
		switch {
		case s == m.told, !m.listed && !m.told.known:
		case n.add(m, s, body, 0):
			m.tell(s)
		case len(n.resources) > 0:
			n.rest = append(n.rest, m)
			continue
		default:
			// A document too large for any NOTIFY: there is no state to show.
			n.add(m, state{known: true, name: s.name}, nil, 0)
			m.tell(s)
		}
		if !m.listed {
			l.sum.toggle(m)
			delete(l.members, m.uri)
		}
	}
	return n
}
