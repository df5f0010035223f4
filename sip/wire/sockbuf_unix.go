//go:build unix

package wire

import (
	"net"
	"runtime"
	"syscall"
)

// readBuffer returns the receive buffer that the kernel granted.
func readBuffer(conn *net.UDPConn) (size int, known bool) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, false
	}
	var getErr error
	err = raw.Control(func(fd uintptr) {
		size, getErr = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF)
	})
	if err != nil || getErr != nil {
		return 0, false
	}
	if runtime.GOOS == "linux" {
		size /= 2 // it reports the double, socket(7)
	}
	return size, true
}
