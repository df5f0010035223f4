package main

import (
	"net"
	"net/netip"
	"slices"
	"strings"
)

// localPort reports whether SIP is listened on at a port of this machine. The
// gate opens after the listeners.
func (n *node) localPort(port int) bool {
	for _, a := range slices.Concat(n.sipAddrs, n.sipsAddrs) {
		if int(a.Port()) == port {
			return true
		}
	}
	return false
}

// localHost reports whether a host is this machine as SIP knows it.
func (n *node) localHost(host string) bool {
	if n.cfg.Advertise != "" && strings.EqualFold(host, n.cfg.Advertise) {
		return true
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	if err != nil {
		return false
	}
	wildcard := false
	for _, a := range slices.Concat(n.sipAddrs, n.sipsAddrs) {
		if a.Addr().Unmap() == ip.Unmap() {
			return true
		}
		wildcard = wildcard || a.Addr().IsUnspecified()
	}
	if !wildcard {
		return false
	}
	addrs, _ := net.InterfaceAddrs() // without them only what is listened on is ours
	return slices.ContainsFunc(addrs, func(a net.Addr) bool {
		p, err := netip.ParsePrefix(a.String())
		return err == nil && p.Addr().Unmap() == ip.Unmap()
	})
}
