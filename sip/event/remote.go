package event

import (
	"net/netip"
	"strings"

	"rollcall/internal/sipuri"
	"rollcall/sip/wire"
)

// Watchers of other domains are reached through their servers. A server, unlike a
// client behind a NAT, can be connected to: when the connection of the SUBSCRIBE
// is gone, the NOTIFY goes where the route set says.

// remote reports whether the watcher of s is of another domain.
func (n *Notifier) remote(s *Subscription) bool {
	return n.cfg.Remote != nil && s.Flow != nil && s.Watcher != "" && n.cfg.Remote(s.Watcher)
}

// usable reports whether s.out can be sent on.
func (s *Subscription) usable() bool { return s.out != nil && s.out.Alive() }

// dials reports whether a NOTIFY of s goes by its route set instead of s.out.
func (n *Notifier) dials(s *Subscription) bool {
	if s.usable() && (s.out.Reliable() || len(s.dialog.routes) == 0) || !n.remote(s) {
		return false
	}
	if !s.usable() {
		return true
	}
	// Over UDP addresses have been seen to by outbound; names are looked up.
	u, err := sipuri.Parse(s.dialog.firstHop())
	if err != nil {
		return false
	}
	_, err = netip.ParseAddr(strings.Trim(u.Host, "[]"))
	return err != nil
}

// forward sends a NOTIFY by the route set of s.
func (n *Notifier) forward(s *Subscription, out wire.Outgoing, done func(wire.Result)) {
	uri, err := sipuri.Parse(s.dialog.firstHop())
	if err != nil {
		go done(wire.Result{Err: wire.ErrUnreachable})
		return
	}
	_, domain := sipuri.Split(s.Watcher)
	out.Head = append([]byte(nil), out.Head...) // the buffer of the shard is used again meanwhile
	n.cfg.Forward(out, wire.Hop{URI: uri, TLS: s.Flow.Secure(), Like: s.Flow, Domain: domain}, done)
}

// flowAgain returns the flow of a stored subscription; for watchers of other
// domains what is left of it when it is gone.
func (n *Notifier) flowAgain(ref, watcher string) *wire.Flow {
	if ref == "" {
		return nil
	}
	if f := n.cfg.Sender.Flow(ref); f != nil || n.cfg.Remote == nil || !n.cfg.Remote(watcher) {
		return f
	}
	return wire.Gone(ref)
}
