package wire

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"time"
)

// udpListener is one UDP socket. A single goroutine reads it, so requests are
// handled in the order in which they came.
type udpListener struct {
	e        *Endpoint
	conn     *net.UDPConn
	local    netip.AddrPort
	hostport string // of Contact and Via; "" when it depends on the peer
}

// Listen opens a listener, "udp", "tcp" or "tls", and returns its address. Port 0 takes
// a free one.
func (e *Endpoint) Listen(ctx context.Context, network, addr string) (netip.AddrPort, error) {
	switch network {
	case "udp":
		return e.listenUDP(ctx, addr)
	case "tcp":
		return e.listenStream(ctx, "TCP", addr)
	case "tls":
		if e.cfg.TLS == nil {
			return netip.AddrPort{}, fmt.Errorf("listen on tls %s: no certificate", addr)
		}
		return e.listenStream(ctx, "TLS", addr)
	}
	return netip.AddrPort{}, fmt.Errorf("listen on %s: unknown network %q", addr, network)
}

func (e *Endpoint) listenUDP(ctx context.Context, addr string) (netip.AddrPort, error) {
	var lc net.ListenConfig
	pc, err := lc.ListenPacket(ctx, "udp", addr)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("listen on udp %s: %w", addr, err)
	}
	conn, ok := pc.(*net.UDPConn)
	if !ok {
		pc.Close()
		return netip.AddrPort{}, fmt.Errorf("listen on udp %s: unexpected socket", addr)
	}
	e.sizeReadBuffer(conn)
	l := &udpListener{e: e, conn: conn, local: unmap(conn.LocalAddr().(*net.UDPAddr).AddrPort())}
	switch {
	case e.cfg.Advertise != "":
		l.hostport = hostText(e.cfg.Advertise) + ":" + strconv.Itoa(int(l.local.Port()))
	case !l.local.Addr().IsUnspecified():
		l.hostport = l.local.String()
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		conn.Close()
		return netip.AddrPort{}, ErrClosed
	}
	e.udp = append(e.udp, l)
	e.wg.Go(l.read)
	return l.local, nil
}

// sizeReadBuffer asks for a kernel buffer that survives a burst and says so when
// less was granted: the default loses most of a few hundred datagrams.
func (e *Endpoint) sizeReadBuffer(conn *net.UDPConn) {
	err := conn.SetReadBuffer(e.cfg.ReadBuffer)
	granted, known := readBuffer(conn)
	if err != nil || known && granted < e.cfg.ReadBuffer {
		slog.Warn("UDP receive buffer smaller than asked for: bursts may be lost; raise net.core.rmem_max",
			"asked", e.cfg.ReadBuffer, "granted", granted)
	}
}

// unmap turns an IPv4 address mapped into IPv6 back.
func unmap(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

func (l *udpListener) read() {
	buf := make([]byte, 64<<10)
	for {
		n, remote, err := l.conn.ReadFromUDPAddrPort(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			slog.Warn("UDP receive failed", "listener", l.local, "error", err)
			time.Sleep(10 * time.Millisecond) // errors that last must not spin
			continue
		}
		l.datagram(buf[:n], unmap(remote))
	}
}

func (l *udpListener) datagram(data []byte, remote netip.AddrPort) {
	switch {
	case isSTUN(data):
		if answer := stunBinding(data, remote); answer != nil {
			// Loss is the client's to repair.
			_, _ = l.conn.WriteToUDPAddrPort(answer, remote)
		}
		return
	case keepAlive(data):
		return
	}
	for len(data) > 2 && data[0] == '\r' && data[1] == '\n' {
		data = data[2:] // RFC 3261 §7.5
	}
	l.e.receive(data, l.flow(remote))
}

func (l *udpListener) flow(remote netip.AddrPort) *Flow {
	return &Flow{transport: "UDP", local: l.local, remote: remote, out: l}
}

// udpFor finds the listener at local, or else one of the peer's address family.
func (e *Endpoint) udpFor(local netip.AddrPort, peer netip.Addr) *udpListener {
	e.mu.Lock()
	defer e.mu.Unlock()
	var other *udpListener
	for _, l := range e.udp {
		if l.local == local {
			return l
		}
		if other == nil && l.reaches(peer) {
			other = l
		}
	}
	return other
}

// reaches reports whether the socket can send to the peer's address family.
func (l *udpListener) reaches(peer netip.Addr) bool {
	a := l.local.Addr()
	return a.Is4() == peer.Is4() || a.IsUnspecified() && a.Is6()
}

func (l *udpListener) send(b []byte, to netip.AddrPort) error {
	if _, err := l.conn.WriteToUDPAddrPort(b, to); err != nil {
		if errors.Is(err, net.ErrClosed) {
			return ErrFlowClosed
		}
		return fmt.Errorf("send to %s: %w", to, err)
	}
	return nil
}

func (l *udpListener) alive() bool           { return true }
func (l *udpListener) onClose(func()) func() { return func() {} }
func (l *udpListener) ref(f *Flow) string    { return addressRef(f) }
func (l *udpListener) close()                { l.conn.Close() }
