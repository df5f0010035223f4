//go:build !unix

package wire

import "net"

// readBuffer cannot tell on this system.
func readBuffer(*net.UDPConn) (size int, known bool) { return 0, false }
