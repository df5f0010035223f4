package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"syscall"

	"rollcall/sip/wire"
)

// listenSIP opens UDP and TCP on one address: RFC 3261 §18.2.1 wants both.
func listenSIP(ctx context.Context, e *wire.Endpoint, addr string) (netip.AddrPort, error) {
	addr, err := withPort(ctx, addr)
	if err != nil {
		return netip.AddrPort{}, err
	}
	bound, err := e.Listen(ctx, "udp", addr)
	if err != nil {
		return netip.AddrPort{}, cannotListen("SIP over UDP", addr, err)
	}
	if _, err := e.Listen(ctx, "tcp", addr); err != nil {
		return netip.AddrPort{}, cannotListen("SIP over TCP", addr, err)
	}
	return bound, nil
}

// withPort replaces port 0 by one that is free for UDP and for TCP.
func withPort(ctx context.Context, addr string) (string, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil || port != "0" {
		return addr, err
	}
	var lc net.ListenConfig
	for range 20 {
		udp, err := lc.ListenPacket(ctx, "udp", addr)
		if err != nil {
			return "", cannotListen("SIP over UDP", addr, err)
		}
		_, port, _ = net.SplitHostPort(udp.LocalAddr().String())
		found := net.JoinHostPort(host, port)
		tcp, err := lc.Listen(ctx, "tcp", found)
		udp.Close()
		if err == nil {
			tcp.Close()
			return found, nil
		}
	}
	return "", listenError{fmt.Errorf("SIP: no port on %s is free for both UDP and TCP", host)}
}

// cannotListen says why, without the words of system calls where they are known.
func cannotListen(what, addr string, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return listenError{fmt.Errorf("%s: %s is in use by another program", what, addr)}
	case errors.Is(err, syscall.EACCES):
		return listenError{fmt.Errorf("%s: no permission to listen on %s", what, addr)}
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return listenError{fmt.Errorf("%s: %s is not an address of this machine", what, addr)}
	}
	return listenError{fmt.Errorf("%s: cannot listen on %s: %w", what, addr, err)}
}

// reachable writes an address that is listened on as clients can use it: instead
// of "any address" the advertised one, else this machine's own.
func (n *node) reachable(a netip.AddrPort) string {
	host := n.cfg.Advertise
	if host == "" {
		if !a.Addr().IsUnspecified() {
			return a.String()
		}
		host = "127.0.0.1"
	}
	return net.JoinHostPort(strings.Trim(host, "[]"), strconv.Itoa(int(a.Port())))
}
