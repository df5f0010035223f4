package wire

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"rollcall/internal/sipdns"
	"rollcall/internal/sipuri"
)

// Errors of finding a way to a URI.
var (
	// ErrUnreachable: the URI names no target that we can or may send to.
	ErrUnreachable = errors.New("target not reachable")
	// ErrName: the URI has a name, which takes time to look up; use Forward.
	ErrName = errors.New("name of a server instead of an address")
	// ErrBusy: too many look-ups or connections are being made; try later.
	ErrBusy = errors.New("too many targets at once")
)

const (
	lookupTimeout = 2 * time.Second
	cacheFor      = time.Minute
	cacheSize     = 4096
)

// FlowTo returns a flow to the server of a URI that has an address, RFC 3263.
// like, which may be nil, is the flow on which the URI was learned: it gives the
// socket to send from, and a peer that is not itself in a private network cannot
// direct us into ours. It never waits.
func (e *Endpoint) FlowTo(uri sipuri.URI, like *Flow) (*Flow, error) {
	host := uri.Host
	if maddr, ok := uri.Param("maddr"); ok {
		host = maddr
	}
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err != nil {
		return nil, fmt.Errorf("%w: %s", ErrName, host)
	}
	targets, err := e.cfg.Resolver.Targets(e.ctx, uri)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	return e.flowTo(targets[0], like)
}

func (e *Endpoint) flowTo(t sipdns.Target, like *Flow) (*Flow, error) {
	if !mayReach(t.Addr.Addr(), like) {
		return nil, fmt.Errorf("%w: %s is in a network of ours", ErrUnreachable, t.Addr.Addr())
	}
	switch t.Transport {
	case sipdns.TCP:
		return e.dial(dialKey{transport: "TCP", remote: t.Addr})
	case sipdns.TLS:
		if e.cfg.DialTLS == nil {
			return nil, fmt.Errorf("%w: TLS is not set up", ErrUnreachable)
		}
		return e.dial(dialKey{transport: "TLS", remote: t.Addr, name: t.Name})
	}
	var local netip.AddrPort
	if like != nil && !like.Reliable() {
		local = like.Local()
	}
	l := e.udpFor(local, t.Addr.Addr())
	if l == nil {
		return nil, fmt.Errorf("%w: no UDP listener for %s", ErrUnreachable, t.Addr)
	}
	return l.flow(t.Addr), nil
}

// mayReach keeps strangers from having us send into loopback and private networks.
func mayReach(to netip.Addr, like *Flow) bool {
	if to.IsUnspecified() || to.IsMulticast() || to == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		return false
	}
	if like == nil {
		return true
	}
	from := like.Remote().Addr()
	switch {
	case to == from || from.IsLoopback():
		return true
	case to.IsLoopback() || to.IsLinkLocalUnicast():
		return false
	case to.IsPrivate():
		return from.IsPrivate()
	}
	return true
}

// resolver knows from which of our addresses a peer is reached.
type resolver struct {
	mu      sync.Mutex
	sources map[netip.Addr]resolved
}

type resolved struct {
	addr  netip.Addr
	until time.Time
}

func newResolver() *resolver { return &resolver{sources: make(map[netip.Addr]resolved)} }

// source returns the local address from which the system reaches a peer: what to
// put into Via and Contact when listening on a wildcard address.
func (r *resolver) source(peer netip.AddrPort) netip.Addr {
	r.mu.Lock()
	hit, ok := r.sources[peer.Addr()]
	r.mu.Unlock()
	if ok && time.Now().Before(hit.until) {
		return hit.addr
	}
	addr := netip.IPv4Unspecified()
	// Connecting a UDP socket sends nothing; it only asks for the route.
	if conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(peer)); err == nil {
		addr = conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap()
		conn.Close()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.sources) >= cacheSize {
		clear(r.sources) // start over
	}
	r.sources[peer.Addr()] = resolved{addr: addr, until: time.Now().Add(cacheFor)}
	return addr
}
