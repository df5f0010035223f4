package event

import (
	"crypto/rand"
	"encoding/hex"
	"net/netip"
	"strconv"
	"strings"
	"unique"

	"rollcall/internal/shard"
	"rollcall/internal/sipuri"
	"rollcall/sip/wire"
)

// dialog is what RFC 3261 §12.1.1 has a UAS remember. What occurs in head is in
// memory once, as a part of it.
type dialog struct {
	head       string // header lines of every NOTIFY: From, To, Call-ID, Event, Route
	local      span   // URI in To of the SUBSCRIBE
	remote     span   // URI in From of the SUBSCRIBE
	tag        span   // in From of the SUBSCRIBE
	call       span   // Call-ID
	target     string // Contact of the newest SUBSCRIBE
	routes     []string
	contact    unique.Handle[string]
	remoteCSeq uint32
	firstCSeq  uint32 // of the SUBSCRIBE that made the dialog
	strict     bool   // the first hop is a strict router
}

// span is a part of head.
type span struct{ from, to uint32 }

func (d *dialog) part(s span) string { return d.head[s.from:s.to] }

func (d *dialog) localURI() string  { return d.part(d.local) }
func (d *dialog) remoteURI() string { return d.part(d.remote) }
func (d *dialog) remoteTag() string { return d.part(d.tag) }
func (d *dialog) callID() string    { return d.part(d.call) }

// tagMark comes before our tag, which follows the URI in From.
const tagMark = ">;tag="

// localTag returns our tag, of a length, as a part of head.
func (d *dialog) localTag(length int) string {
	return d.head[int(d.local.to)+len(tagMark):][:length]
}

// setHead renders the lines that stay the same over the life of the dialog.
func (d *dialog) setHead(tag, event, eventID, localURI, remoteURI, remoteTag, callID string) {
	b := make([]byte, 0, 512)
	part := func(prefix, s string) span {
		b = append(b, prefix...)
		from := len(b)
		b = append(b, s...)
		return span{uint32(from), uint32(len(b))}
	}
	d.local = part("From: <", localURI)
	part(tagMark, tag)
	d.remote = part("\r\nTo: <", remoteURI)
	b = append(b, '>')
	if d.tag = (span{}); remoteTag != "" { // RFC 3261 §12.1.1: no From tag is a null tag
		d.tag = part(";tag=", remoteTag)
	}
	d.call = part("\r\nCall-ID: ", callID)
	part("\r\nEvent: ", event)
	if eventID != "" {
		part(";id=", eventID)
	}
	b = append(b, "\r\n"...)
	if len(d.routes) > 0 {
		d.strict = !wire.LooseRouter(d.routes[0])
		if !d.strict {
			part("Route: ", strings.Join(d.routes, ", "))
			b = append(b, "\r\n"...)
		}
	}
	d.head = string(b)
}

// address returns the Request-URI, and the Route line that head lacks because
// the first hop is a strict router (RFC 3261 §12.2.1.1).
func (d *dialog) address() (requestURI, route string) {
	if !d.strict {
		return d.target, ""
	}
	requestURI, rest := wire.Over(d.routes, d.target)
	return requestURI, "Route: " + strings.Join(rest, ", ") + "\r\n"
}

// firstHop is the URI that RFC 3261 §8.1.2 has a request sent to.
func (d *dialog) firstHop() string {
	if len(d.routes) > 0 {
		return wire.AddrSpec(d.routes[0])
	}
	return d.target
}

// outbound chooses the flow for NOTIFY, nil when there is none. On a connection
// it is the one the SUBSCRIBE came in on: a watcher behind a NAT has no other. On
// UDP it is the first hop when that is an address of its own, else where the
// SUBSCRIBE came from.
func (n *Notifier) outbound(s *Subscription) *wire.Flow {
	f := s.Flow
	if f == nil || f.Reliable() {
		return f
	}
	u, err := sipuri.Parse(s.dialog.firstHop())
	if err != nil || u.Scheme != "sip" {
		return f
	}
	if t, ok := u.Param("transport"); ok && !strings.EqualFold(t, "udp") {
		return f
	}
	ip, err := netip.ParseAddr(strings.Trim(u.Host, "[]"))
	if err != nil {
		return f
	}
	source := f.Remote().Addr().Unmap()
	if len(s.dialog.routes) == 0 && ip.Unmap() != source {
		return f
	}
	port := uint16(u.Port)
	if port == 0 {
		port = 5060
	}
	if ip.Unmap() == source && port == f.Remote().Port() {
		return f
	}
	if to, err := n.cfg.Sender.FlowTo(u, f); err == nil && to != nil {
		return to
	}
	return f
}

// sameFlow reports whether a NOTIFY sent on a and one sent on b reach one place.
func sameFlow(a, b *wire.Flow) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.ID() == b.ID() && a.Transport() == b.Transport() && a.Remote() == b.Remote()
}

func flowRef(f *wire.Flow) string {
	if f == nil {
		return ""
	}
	return f.Ref()
}

// NewTag makes a local tag of a dialog. It begins with the shard, so that requests inside
// the dialog find it without a table.
func NewTag(shardIndex int) string {
	var b [9]byte
	b[0] = byte(shardIndex)
	rand.Read(b[1:]) // never fails
	return hex.EncodeToString(b[:])
}

// TagShard returns the shard of the dialog with the given local tag; false when
// no notifier can have made it.
func TagShard(tag string) (int, bool) {
	if len(tag) != 18 {
		return 0, false
	}
	i, err := strconv.ParseUint(tag[:2], 16, 8)
	if err != nil || i >= shard.Count {
		return 0, false
	}
	return int(i), true
}

// remoteTarget returns the URI of the one Contact a SUBSCRIBE has (RFC 3261
// §8.1.1.8).
func remoteTarget(req *wire.Request) (string, *Refusal) {
	if len(req.Contacts) != 1 || req.ContactStar {
		return "", &Refusal{Status: 400, Reason: "One Contact Expected"}
	}
	raw := req.Contacts[0].URI
	u, err := sipuri.Parse(raw)
	if err != nil || (u.Scheme != "sip" && u.Scheme != "sips") || u.Host == "" {
		return "", &Refusal{Status: 400, Reason: "Contact Is No SIP URI"}
	}
	return strings.Clone(raw), nil
}

// routeSet returns what a SUBSCRIBE wants its NOTIFY requests to pass (RFC 3261
// §12.1.1), apart from the message.
func routeSet(req *wire.Request) ([]string, *Refusal) {
	routes, err := req.RouteSet("Record-Route")
	if err != nil {
		return nil, &Refusal{Status: 400, Reason: "Bad Record-Route"}
	}
	for i, route := range routes {
		routes[i] = strings.Clone(route)
	}
	return routes, nil
}
