package hop

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Trust are the networks of the hops that are believed: proxies and front ends.
type Trust []netip.Prefix

// Contains reports whether the address is that of a trusted hop.
func (t Trust) Contains(a netip.Addr) bool {
	return slices.ContainsFunc(t, func(p netip.Prefix) bool { return p.Contains(a) })
}

// Peer is the address of the other end of the connection of a request.
func Peer(r *http.Request) netip.Addr { return Addr(r.RemoteAddr) }

// Addr is the address in "address:port", invalid for anything else.
func Addr(hostport string) netip.Addr {
	ap, err := netip.ParseAddrPort(hostport)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap()
}

// Client is the address of the client: that of the peer, or that which a trusted
// peer forwards for, as far as it tells.
func (t Trust) Client(r *http.Request) netip.Addr {
	peer := Peer(r)
	if !t.Contains(peer) {
		return peer
	}
	// What is further to the left has not been said by the front end.
	if addr, err := netip.ParseAddr(last(r.Header["X-Forwarded-For"])); err == nil {
		return addr.Unmap()
	}
	return peer
}

// Secure reports whether the client speaks TLS, with us or with a trusted peer.
func (t Trust) Secure(r *http.Request) bool {
	if r.TLS != nil {
		return true
	}
	return t.Contains(Peer(r)) && strings.EqualFold(last(r.Header["X-Forwarded-Proto"]), "https")
}

// last is the last element of a list that may extend over several lines.
func last(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	line := lines[len(lines)-1]
	return strings.TrimSpace(line[strings.LastIndexByte(line, ',')+1:])
}

// Network is what one peer can be taken to own: an IPv4 address, or a /64.
func Network(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return a
}
