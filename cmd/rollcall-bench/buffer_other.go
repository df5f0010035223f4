//go:build !linux

package main

import "net"

func growReceiveBuffer(conn *net.UDPConn, size int) error { return conn.SetReadBuffer(size) }
