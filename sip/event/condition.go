package event

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"rollcall/sip/wire"
)

// always is the condition that every state meets (RFC 5839 §5.4).
const always = "*"

// conditionOf returns the entity-tag in Suppress-If-Match, "" when there is none.
func conditionOf(req *wire.Request) (string, *Refusal) {
	values := req.Values("Suppress-If-Match")
	switch {
	case len(values) == 0:
		return "", nil
	case len(values) > 1 || values[0] == "" || !isToken(values[0]):
		return "", &Refusal{Status: 400, Reason: "Malformed Suppress-If-Match"}
	}
	return values[0], nil
}

// appendEntityTag appends the entity-tag of v as this watcher sees it. It can be
// computed again, in a later run too, as long as the package gives the view the
// same Tag (RFC 5839 §6.1). Watchers that share a view do not share the tag.
func (s *Subscription) appendEntityTag(b []byte, v *View) []byte {
	if v.etag != "" {
		return append(b, v.etag...)
	}
	if v.Tag == "" {
		var random [10]byte
		rand.Read(random[:]) // never fails
		return hex.AppendEncode(b, random[:])
	}
	// The parameters of a list's type name the parts of one NOTIFY.
	contentType, _, _ := strings.Cut(v.ContentType, ";")
	if len(v.Body) == 0 {
		contentType = ""
	}
	var space [256]byte
	in := space[:0]
	for _, part := range [...]string{s.Event, s.Resource, s.Watcher, contentType, v.Tag} {
		in = append(append(in, part...), 0)
	}
	sum := sha256.Sum256(in)
	return hex.AppendEncode(b, sum[:10])
}

// meets reports whether v fulfils the condition of a SUBSCRIBE.
func (s *Subscription) meets(condition string, v *View) bool {
	if condition == "" || condition == always {
		return condition == always
	}
	var space [64]byte
	return v.Tag != "" && string(s.appendEntityTag(space[:0], v)) == condition
}

// withoutBody is v with its body suppressed, which leaves its entity-tag as it
// is (RFC 5839 §6.2).
func (s *Subscription) withoutBody(v View) View {
	v.etag = string(s.appendEntityTag(nil, &v))
	v.Body, v.Headers = nil, nil
	return v
}

// disclosed is what the watcher may see of v.
func disclosed(v View) View {
	if v.State == Pending {
		v.Body, v.Headers = nil, nil // RFC 5025 §3.2.1: no document before there is a decision
	}
	return v
}

// unchanged reports whether the watcher has said with the newest SUBSCRIBE that
// it knows all there is to tell.
func (n *Notifier) unchanged(s *Subscription) bool {
	condition := s.condition()
	if condition == "" {
		return false
	}
	version := s.lease.version
	v, ok := s.source.View(true)
	s.lease.version = version
	v = disclosed(v)
	if !ok || v.State != s.state || !s.meets(condition, &v) {
		return false
	}
	s.sending.owed, s.sending.news = false, false
	if s.sent != v.Tag {
		s.sent = v.Tag
		n.saveLater(s)
	}
	return true
}
