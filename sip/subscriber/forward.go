package subscriber

import (
	"net/netip"
	"slices"
	"strings"

	"rollcall/internal/sipuri"
	"rollcall/sip/wire"
)

// forward sends a SUBSCRIBE on behalf of a watcher.
func (s *Subscriber) forward(watcher string, out wire.Outgoing, hop wire.Hop, done func(wire.Result)) {
	hop.Complete = func(out *wire.Outgoing) {
		head := append(slices.Clip(out.Head), "Contact: <"+s.contact(out)+">\r\n"...)
		if s.cfg.Trust.Contains(out.Flow.Remote().Addr().Unmap()) {
			// RFC 3325 §5: for those only who believe us, as we believe them.
			head = append(head, "P-Asserted-Identity: <"+watcher+">\r\n"...)
		}
		out.Head = head
	}
	s.cfg.Sender.Forward(out, hop, done)
}

// contact is our address on the way that out takes. RFC 3261 §8.1.1.8: a sips
// Request-URI wants a sips Contact, for which transport=tls is not (§26.2.2).
func (s *Subscriber) contact(out *wire.Outgoing) string {
	uri := s.cfg.Sender.ContactURI(out.Flow)
	if strings.HasPrefix(out.RequestURI, "sips:") && out.Flow.Secure() {
		return "sips:" + strings.TrimSuffix(strings.TrimPrefix(uri, "sip:"), ";transport=tls")
	}
	return uri
}

// stranger is where a wish came from of which that is not known, as after a restart:
// it cannot lead us into networks of ours.
var stranger = wire.NewFlow("TCP", netip.AddrPort{}, netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, 1}), 5060),
	func([]byte) error { return wire.ErrFlowClosed })

// hop returns where the next SUBSCRIBE goes: in a dialog with a route set to its
// first element, else as the table says; the table may leave it to the address.
func (b *subscription) hop() wire.Hop {
	_, way, _ := b.s.address(b.key)
	hop := wire.Hop{URI: way.URI, TLS: way.TLS || b.uri.Scheme == "sips", Domain: b.uri.Host}
	d := &b.dialog
	to := ""
	switch {
	case len(d.routes) > 0:
		to = wire.AddrSpec(d.routes[0])
	case way.URI.Host != "":
		return hop // what the table says can lead into networks of ours
	case d.target != "":
		to = d.target
	default:
		hop.URI, hop.Like = b.uri, b.like
	}
	if u, err := sipuri.Parse(to); err == nil {
		hop.URI, hop.Like = u, d.flow
		hop.TLS = hop.TLS || u.Scheme == "sips"
	}
	if hop.Like == nil {
		hop.Like = stranger
	}
	return hop
}
