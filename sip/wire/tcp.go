package wire

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"time"
)

// tcpListener accepts connections within the limits.
type tcpListener struct {
	e     *Endpoint
	ln    net.Listener
	local netip.AddrPort
}

func (e *Endpoint) listenTCP(ctx context.Context, addr string) (netip.AddrPort, error) {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("listen on tcp %s: %w", addr, err)
	}
	l := &tcpListener{e: e, ln: ln, local: addrPort(ln.Addr())}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		ln.Close()
		return netip.AddrPort{}, ErrClosed
	}
	e.tcp = append(e.tcp, l)
	e.wg.Go(l.accept)
	return l.local, nil
}

func addrPort(a net.Addr) netip.AddrPort {
	if t, ok := a.(*net.TCPAddr); ok {
		return unmap(t.AddrPort())
	}
	return netip.AddrPort{}
}

func (l *tcpListener) close() { l.ln.Close() }

func (l *tcpListener) accept() {
	for {
		conn, err := l.ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			slog.Warn("TCP accept failed", "listener", l.local, "error", err)
			time.Sleep(50 * time.Millisecond) // out of descriptors: wait for some to close
			continue
		}
		if !l.e.adopt(conn) {
			conn.Close()
		}
	}
}

// adopt takes an accepted connection unless a limit is reached.
func (e *Endpoint) adopt(conn net.Conn) bool {
	c := e.newConn(addrPort(conn.LocalAddr()), addrPort(conn.RemoteAddr()))
	c.conn = conn
	if !e.register(c) {
		return false
	}
	e.wg.Go(func() { c.serve(conn) })
	return true
}

func (e *Endpoint) newConn(local, remote netip.AddrPort) *tcpConn {
	c := &tcpConn{e: e, frames: framer{max: e.cfg.MaxMessage}}
	c.flow = &Flow{transport: "TCP", local: local, remote: remote, id: e.flowID.Add(1), out: c}
	c.refText = connectionRef(c.flow, e.nonce)
	return c
}

// register enters a connection in the tables. Limits per address spare loopback,
// where proxies and tests sit.
func (e *Endpoint) register(c *tcpConn) bool {
	ip := c.flow.remote.Addr()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed || len(e.conns) >= e.cfg.MaxConns || !ip.IsLoopback() && e.perIP[ip] >= e.cfg.MaxConnsPerAddr {
		return false
	}
	e.conns[c.refText] = c
	e.perIP[ip]++
	e.metrics.Flows.WithLabelValues("TCP").Inc()
	return true
}

func (e *Endpoint) unregister(c *tcpConn) {
	ip := c.flow.remote.Addr()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.conns[c.refText] != c {
		return
	}
	delete(e.conns, c.refText)
	if e.perIP[ip]--; e.perIP[ip] == 0 {
		delete(e.perIP, ip)
	}
	if e.dialed[c.flow.remote] == c {
		delete(e.dialed, c.flow.remote)
	}
	e.metrics.Flows.WithLabelValues("TCP").Dec()
}

// tcpPort returns the port of the listener for a local address, 0 without one.
func (e *Endpoint) tcpPort(local netip.Addr) uint16 {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, l := range e.tcp {
		if a := l.local.Addr(); a == local || a.IsUnspecified() {
			return l.local.Port()
		}
	}
	return 0
}

// dial returns the connection we opened to remote, or opens one. It does not
// wait: what is sent meanwhile is queued, and the flow closes when it fails.
func (e *Endpoint) dial(remote netip.AddrPort) (*Flow, error) {
	e.mu.Lock()
	if c := e.dialed[remote]; c != nil {
		e.mu.Unlock()
		return c.flow, nil
	}
	e.mu.Unlock()
	if !e.dials.Allow() {
		return nil, ErrBusy
	}
	c := e.newConn(netip.AddrPortFrom(e.resolver.source(remote), 0), remote)
	if !e.register(c) {
		return nil, ErrBusy
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, ErrClosed
	}
	e.dialed[remote] = c
	e.wg.Go(c.dial)
	return c.flow, nil
}
