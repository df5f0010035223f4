package rls

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"

	"rollcall/internal/resourcelist"
	"rollcall/internal/xmlscan"
	"rollcall/sip/event"
)

// member is one resource of a list.
type member struct {
	list   *list
	uri    string
	name   *resourcelist.Name // nil: none
	kind   kind
	reason string // why nobody answers for it
	nested *list  // that it is
	told   state

	narrowed *narrowed // nil: no filter with triggers

	listed  bool   // it is in the list; otherwise it left and is to be told of
	watched bool   // the subscriber is known as its watcher
	reading uint32 // of the list it was last seen in
	turn    uint32 // of the list it was last looked at in
	place   int32  // in the list
	marked  bool   // in list.changed; guarded by list.mu
	change  uint64 // the newest, of list.changes; guarded by list.mu
}

// kind says who answers for a member.
type kind uint8

const (
	nobody  kind = iota
	local        // a resource of this server
	foreign      // of a domain that is not served here
	sublist      // the list server: it is a list itself
)

// members are what m is watched with; nil: it is not.
func (m *member) members() Members {
	switch m.kind {
	case local:
		return m.list.pkg.local
	case foreign:
		return m.list.pkg.foreign
	}
	return nil
}

// state is what a watcher knows of a member.
type state struct {
	known    bool // it was told of
	instance bool // there was an instance
	state    event.State
	reason   string
	tag      string // of the document
	name     *resourcelist.Name
}

// document goes with the state of an active member.
type document struct {
	contentType string
	body        []byte
}

// changed is told by whoever watches m, on any goroutine.
func (m *member) changed() { m.list.note(m) }

// byChange puts the most recently changed first. The caller holds the list's mu.
func byChange(a, b *member) int { return cmp.Compare(b.change, a.change) }

// now returns what is to be known of m, and the document that goes with it. That of
// a list in the list is made where there is room for it.
func (m *member) now(version uint32) (state, document) {
	s := state{known: true, name: m.name}
	switch {
	case !m.listed:
		return s.terminated("noresource"), document{}
	case m.kind == nobody:
		return s.terminated(m.reason), document{}
	case m.kind == sublist:
		return s, document{}
	}
	v, ok := m.view(version, m.told.name != m.name)
	switch {
	case !ok:
		return m.told, document{}
	case v.State == event.Terminated:
		return s.terminated(v.Reason), document{}
	case v.State == event.Pending:
		s.instance, s.state = true, event.Pending
		return s, document{}
	case len(v.Body) == 0: // RFC 4662 §5.5: active needs a document
		return s, document{}
	}
	s.instance, s.state, s.tag = true, event.Active, v.Tag
	if s.tag == "" {
		sum := sha256.Sum256(v.Body)
		s.tag = hex.EncodeToString(sum[:16])
	}
	return s, document{v.ContentType, v.Body}
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
	if m.narrowed != nil {
		m.narrowed.shown = m.narrowed.next
	}
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
	name := nameOf(m.told.name)
	for _, s := range [...]string{m.told.reason, m.told.tag, name.DisplayName, name.Lang} {
		b = append(b, 0)
		b = append(b, s...)
	}
	sum := sha256.Sum256(b)
	for i := range d {
		d[i] ^= sum[i]
	}
}

// toggleTitle adds the name of the list, or takes it out again.
func (d *digest) toggleTitle(name resourcelist.Name) {
	if name.DisplayName == "" {
		return
	}
	sum := sha256.Sum256([]byte("\x00" + name.DisplayName + "\x00" + name.Lang))
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
	if s.name == nil && !s.instance {
		return append(b, "/>\n"...)
	}
	b = append(b, '>')
	b = appendName(b, nameOf(s.name))
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

// rename gives m the name that stands in the list, and reports whether it had
// another one.
func (m *member) rename(name resourcelist.Name) (changed bool) {
	if name.DisplayName == "" {
		changed, m.name = m.name != nil, nil
		return changed
	}
	if nameOf(m.name) == name {
		return false
	}
	m.name = &name
	return true
}

func nameOf(name *resourcelist.Name) resourcelist.Name {
	if name == nil {
		return resourcelist.Name{}
	}
	return *name
}

func appendName(b []byte, name resourcelist.Name) []byte {
	if name.DisplayName == "" {
		return b
	}
	b = append(b, "<name"...)
	if name.Lang != "" {
		b = append(b, ` xml:lang="`...)
		b = append(b, name.Lang...)
		b = append(b, '"')
	}
	b = append(b, '>')
	b = xmlscan.Escape(b, name.DisplayName)
	return append(b, "</name>"...)
}

// briefSize bounds the size of the resource element of m without an instance.
func (m *member) briefSize() int {
	return len("<resource uri=\"\"></resource>\n") + xmlscan.EscapedLen(m.uri) + nameSize(nameOf(m.name))
}

func nameSize(name resourcelist.Name) int {
	if name.DisplayName == "" {
		return 0
	}
	return len("<name xml:lang=\"\"></name>") + xmlscan.EscapedLen(name.DisplayName) + len(name.Lang)
}
