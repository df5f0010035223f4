package main

// localPort reports whether SIP is listened on at a port of this machine. The
// gate opens after the listeners.
func (n *node) localPort(port int) bool {
	for _, a := range n.sipAddrs {
		if int(a.Port()) == port {
			return true
		}
	}
	return false
}
