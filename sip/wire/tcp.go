package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"time"

	"rollcall/internal/hop"
)

// tcpListener accepts connections within the limits.
type tcpListener struct {
	e         *Endpoint
	ln        net.Listener
	transport string
	local     netip.AddrPort
}

func (e *Endpoint) listenStream(ctx context.Context, transport, addr string) (netip.AddrPort, error) {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("listen on %s %s: %w", strings.ToLower(transport), addr, err)
	}
	l := &tcpListener{e: e, ln: ln, transport: transport, local: addrPort(ln.Addr())}
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
		if !l.take(conn) {
			conn.Close()
		}
	}
}

// take begins to serve a connection unless a limit is reached.
func (l *tcpListener) take(conn net.Conn) bool {
	if !l.e.proxied(addrPort(conn.RemoteAddr())) {
		return l.e.adopt(l.transport, conn, addrPort(conn.RemoteAddr()))
	}
	// Whom the connection counts for is known only once its header was read.
	if !l.e.enter(netip.Addr{}) {
		return false
	}
	l.e.wg.Go(func() {
		stop := context.AfterFunc(l.e.ctx, func() { conn.Close() })
		remote, err := readProxyHeader(conn, time.Now().Add(openTimeout))
		stop()
		l.e.leave(netip.Addr{})
		if err != nil {
			slog.Warn("PROXY header not read", "proxy", conn.RemoteAddr(), "error", err)
		}
		if err != nil || !l.e.adopt(l.transport, conn, remote) {
			conn.Close()
		}
	})
	return true
}

// enter takes one of the places for connections that have yet to say who they are.
// One address, unless it is not known or loopback, gets half of them at most.
func (e *Endpoint) enter(from netip.Addr) bool { return e.openings.Take(opener(from)) }

func (e *Endpoint) leave(from netip.Addr) { e.openings.Give(opener(from)) }

// opener is the network that an opening counts for, none for those without a limit.
func opener(from netip.Addr) netip.Addr {
	if !from.IsValid() || from.IsLoopback() {
		return netip.Addr{}
	}
	return hop.Network(from)
}

// adopt takes an accepted connection unless a limit is reached.
func (e *Endpoint) adopt(transport string, conn net.Conn, remote netip.AddrPort) bool {
	c := e.newConn(transport, addrPort(conn.LocalAddr()), remote)
	if transport == "TCP" {
		c.conn = stream{conn}
	}
	if !e.register(c) {
		return false
	}
	if transport == "TCP" && e.spawn(func() { c.serve(conn) }) {
		return true
	}
	if transport == "TLS" && e.enter(remote.Addr()) {
		if e.spawn(func() { c.serveTLS(conn, tls.Server(conn, e.cfg.TLS)) }) {
			return true
		}
		e.leave(remote.Addr())
	}
	e.unregister(c)
	return false
}

// spawn runs fn on a goroutine that Close waits for; it reports false after Close.
func (e *Endpoint) spawn(fn func()) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return false
	}
	e.wg.Go(fn)
	return true
}

func (e *Endpoint) newConn(transport string, local, remote netip.AddrPort) *tcpConn {
	c := &tcpConn{e: e, frames: framer{max: e.cfg.MaxMessage}}
	c.flow = &Flow{transport: transport, local: local, remote: remote, id: e.flowID.Add(1), out: c}
	c.refText = connectionRef(c.flow, e.nonce)
	return c
}

// register enters a connection in the tables. Limits per address spare loopback,
// where proxies and tests sit.
func (e *Endpoint) register(c *tcpConn) bool {
	from := c.flow.remote.Addr()
	ip := hop.Network(from)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed || len(e.conns) >= e.cfg.MaxConns || !from.IsLoopback() && e.perIP[ip] >= e.cfg.MaxConnsPerAddr {
		return false
	}
	e.conns[c.refText] = c
	e.perIP[ip]++
	e.metrics.Flows.WithLabelValues(c.flow.transport).Inc()
	return true
}

func (e *Endpoint) unregister(c *tcpConn) {
	ip := hop.Network(c.flow.remote.Addr())
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.conns[c.refText] != c {
		return
	}
	delete(e.conns, c.refText)
	if e.perIP[ip]--; e.perIP[ip] == 0 {
		delete(e.perIP, ip)
	}
	if e.dialed[c.target] == c {
		delete(e.dialed, c.target)
	}
	e.metrics.Flows.WithLabelValues(c.flow.transport).Dec()
}

// streamPort returns the port of the listener for a local address, 0 without one.
func (e *Endpoint) streamPort(transport string, local netip.Addr) uint16 {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, l := range e.tcp {
		if a := l.local.Addr(); l.transport == transport && (a == local || a.IsUnspecified()) {
			return l.local.Port()
		}
	}
	return 0
}

// dialKey says when a connection that we opened serves again. The name that was
// asked for is part of it: over TLS the peer proved to be that one.
type dialKey struct {
	transport string
	remote    netip.AddrPort
	name      string // TLS only
}

// dial returns the connection we opened to a target, or opens one. It does not
// wait: what is sent meanwhile is queued, and the flow closes when it fails.
func (e *Endpoint) dial(target dialKey) (*Flow, error) {
	e.mu.Lock()
	if c := e.dialed[target]; c != nil && c.alive() {
		e.mu.Unlock()
		return c.flow, nil
	}
	e.mu.Unlock()
	if !e.dials.Allow() {
		return nil, ErrBusy
	}
	c := e.newConn(target.transport, netip.AddrPortFrom(e.resolver.source(target.remote), 0), target.remote)
	c.dialed, c.target = true, target
	if !e.register(c) {
		return nil, ErrBusy
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, ErrClosed
	}
	e.dialed[target] = c
	e.wg.Go(c.dial)
	return c.flow, nil
}
