package main

import (
	"net"
	"syscall"
)

// growReceiveBuffer asks for a large buffer; root gets it beyond the system's limit.
func growReceiveBuffer(conn *net.UDPConn, size int) error {
	if err := conn.SetReadBuffer(size); err != nil {
		return err
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	return raw.Control(func(fd uintptr) {
		// Without the privilege the ordinary size has to do.
		_ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUFFORCE, size)
	})
}
