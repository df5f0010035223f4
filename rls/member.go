package rls

import (
	"context"
	"crypto/sha256"
	"encoding/hex"

	"rollcall/internal/resourcelist"
	"rollcall/internal/sipuri"
	"rollcall/internal/xmlscan"
	"rollcall/sip/event"
)

// member is one resource of a list.
type member struct {
	list *list
	uri  string
	name string
	kind kind
	told state

	listed  bool   // it is in the list; otherwise it left and is to be told of
	watched bool   // presence knows the owner as its watcher
	reading uint32 // of the list it was last seen in
	marked  bool   // in list.changed; guarded by list.mu
}

// kind says who answers for a member.
type kind uint8

const (
	local       kind = iota
	foreign          // of a domain that is not served here
	unreachable      // no address that can be subscribed to
)

// state is what a watcher knows of a member.
type state struct {
	known    bool // it was told of
	instance bool // there was an instance
	state    event.State
	reason   string
	tag      string // of the document
	name     string
}

func newMember(l *list, e resourcelist.Entry) *member {
	m := &member{list: l, uri: e.URI}
	if e.Problem != "" {
		m.kind = unreachable
	} else if _, domain := sipuri.Split(e.URI); !l.svc.domains[domain] {
		m.kind = foreign
	}
	return m
}

// changed is told by presence, on any goroutine.
func (m *member) changed() { m.list.note(m) }

// now returns what is to be known of m, and the document that goes with it.
func (m *member) now() (state, []byte) {
	s := state{known: true, name: m.name}
	switch {
	case !m.listed || m.kind == unreachable:
		return s.terminated("noresource"), nil
	case m.kind == foreign:
		return s.terminated("giveup"), nil
	}
	v := m.list.svc.cfg.Presence.View(context.Background(), m.uri, m.list.at.owner)
	switch {
	case v.State == event.Terminated:
		return s.terminated(v.Reason), nil
	case v.State == event.Pending:
		s.instance, s.state = true, event.Pending
		return s, nil
	case len(v.Body) == 0: // RFC 4662 §5.5: active needs a document
		return s, nil
	}
	s.instance, s.state, s.tag = true, event.Active, v.Tag
	if s.tag == "" {
		sum := sha256.Sum256(v.Body)
		s.tag = hex.EncodeToString(sum[:16])
	}
	return s, v.Body
}

func (s state) terminated(reason string) state {
	if reason == "" { // RFC 4662 §5.5: it has to be there
		reason = "noresource"
	}
	s.instance, s.state, s.reason = true, event.Terminated, reason
	return s
}

// tell notes that the watcher is told s.
func (m *member) tell(s state) {
	l := m.list
	l.sum.toggle(m)
	m.told = s
	l.sum.toggle(m)
}

// digest is a hash of what a watcher was told of all members, whatever the order.
type digest [16]byte

// toggle adds what is known of m, or takes it out again.
func (d *digest) toggle(m *member) {
	if !m.told.known {
		return
	}
	b := make([]byte, 0, 256)
	b = append(b, m.uri...)
	b = append(b, 0, byte(m.told.state))
	if m.told.instance {
		b = append(b, 1)
	}
	for _, s := range [...]string{m.told.reason, m.told.tag, m.told.name} {
		b = append(b, 0)
		b = append(b, s...)
	}
	sum := sha256.Sum256(b)
	for i := range d {
		d[i] ^= sum[i]
	}
}

// appendResource appends the resource element of m in state s; cid names the
// part with its document.
func (m *member) appendResource(b []byte, s state, cid string) []byte {
	b = append(b, `<resource uri="`...)
	b = xmlscan.EscapeAttr(b, m.uri)
	b = append(b, `"`...)
	if s.name == "" && !s.instance {
		return append(b, "/>\n"...)
	}
	b = append(b, '>')
	if s.name != "" {
		b = append(b, "<name>"...)
		b = xmlscan.Escape(b, s.name)
		b = append(b, "</name>"...)
	}
	if s.instance {
		// One notifier, so one instance.
		b = append(b, `<instance id="1" state="`...)
		b = append(b, s.state.String()...)
		if s.reason != "" {
			b = append(b, `" reason="`...)
			b = xmlscan.EscapeAttr(b, s.reason)
		}
		if cid != "" {
			b = append(b, `" cid="`...)
			b = append(b, cid...)
		}
		b = append(b, `"/>`...)
	}
	return append(b, "</resource>\n"...)
}

// briefSize bounds the size of the resource element of m without an instance.
func (m *member) briefSize() int {
	const longest = len("&quot;")
	return len("<resource uri=\"\"><name></name></resource>\n") + longest*(len(m.uri)+len(m.name))
}
