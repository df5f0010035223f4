package main

import "slices"

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
