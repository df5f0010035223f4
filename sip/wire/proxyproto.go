package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// errProxyHeader: what a load balancer sent first is no PROXY header.
var errProxyHeader = errors.New("malformed PROXY header")

// Of the PROXY protocol, versions 1 and 2.
const (
	proxyV1Max  = 107 // bytes of a line
	proxyV2Head = 16
	proxyV2Max  = 4096 // bytes after the head; the extensions in them are passed over
	proxyV2Mark = "\r\n\r\n\x00\r\nQUIT\n"
)

// proxied reports whether connections from remote begin with a PROXY header.
func (e *Endpoint) proxied(remote netip.AddrPort) bool {
	for _, p := range e.cfg.Proxies {
		if p.Contains(remote.Addr()) {
			return true
		}
	}
	return false
}

// readProxyHeader reads the header and no byte more, and returns the address of the
// client. For a connection of the load balancer itself that is its own.
func readProxyHeader(conn net.Conn, deadline time.Time) (netip.AddrPort, error) {
	if err := conn.SetReadDeadline(deadline); err != nil {
		return netip.AddrPort{}, err
	}
	remote, err := parseProxyHeader(conn)
	if err != nil {
		return netip.AddrPort{}, err
	}
	if !remote.IsValid() {
		remote = addrPort(conn.RemoteAddr())
	}
	return remote, conn.SetReadDeadline(time.Time{})
}

// parseProxyHeader returns the zero address when the header gives none.
func parseProxyHeader(r io.Reader) (netip.AddrPort, error) {
	var head [proxyV2Head]byte
	// The shortest line of version 1 is as long as half the head of version 2.
	if _, err := io.ReadFull(r, head[:8]); err != nil {
		return netip.AddrPort{}, fmt.Errorf("%w: %w", errProxyHeader, err)
	}
	if bytes.HasPrefix(head[:], []byte("PROXY ")) {
		return parseProxyV1(r, head[:8])
	}
	if _, err := io.ReadFull(r, head[8:]); err != nil {
		return netip.AddrPort{}, fmt.Errorf("%w: %w", errProxyHeader, err)
	}
	return parseProxyV2(r, head[:])
}

func parseProxyV1(r io.Reader, begun []byte) (netip.AddrPort, error) {
	line := append(make([]byte, 0, proxyV1Max), begun...)
	for !bytes.HasSuffix(line, []byte("\r\n")) {
		if len(line) == proxyV1Max {
			return netip.AddrPort{}, errProxyHeader
		}
		line = line[:len(line)+1]
		// One byte at a time: what follows belongs to the client.
		if _, err := io.ReadFull(r, line[len(line)-1:]); err != nil {
			return netip.AddrPort{}, fmt.Errorf("%w: %w", errProxyHeader, err)
		}
	}
	fields := strings.Split(strings.TrimSuffix(string(line), "\r\n"), " ")
	if len(fields) >= 2 && fields[1] == "UNKNOWN" {
		return netip.AddrPort{}, nil
	}
	if len(fields) != 6 || fields[1] != "TCP4" && fields[1] != "TCP6" {
		return netip.AddrPort{}, errProxyHeader
	}
	addr, err1 := netip.ParseAddr(fields[2])
	port, err2 := strconv.ParseUint(fields[4], 10, 16)
	if err1 != nil || err2 != nil || addr.Zone() != "" || addr.Is4() != (fields[1] == "TCP4") {
		return netip.AddrPort{}, errProxyHeader
	}
	return unmap(netip.AddrPortFrom(addr, uint16(port))), nil
}

func parseProxyV2(r io.Reader, head []byte) (netip.AddrPort, error) {
	length := int(binary.BigEndian.Uint16(head[14:]))
	if string(head[:12]) != proxyV2Mark || head[12]>>4 != 2 || length > proxyV2Max {
		return netip.AddrPort{}, errProxyHeader
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(r, body); err != nil {
		return netip.AddrPort{}, fmt.Errorf("%w: %w", errProxyHeader, err)
	}
	switch command, family := head[12]&15, head[13]; {
	case command == 0: // LOCAL: a health check
		return netip.AddrPort{}, nil
	case command != 1:
		return netip.AddrPort{}, errProxyHeader
	case family == 0x11 && length >= 12:
		addr := netip.AddrFrom4([4]byte(body[:4]))
		return netip.AddrPortFrom(addr, binary.BigEndian.Uint16(body[8:])), nil
	case family == 0x21 && length >= 36:
		addr := netip.AddrFrom16([16]byte(body[:16]))
		return unmap(netip.AddrPortFrom(addr, binary.BigEndian.Uint16(body[32:]))), nil
	}
	return netip.AddrPort{}, errProxyHeader
}
