package wire

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"rollcall/internal/sipuri"
)

// Errors of finding a way to a URI.
var (
	// ErrUnreachable: the URI names no target that we can or may send to.
	ErrUnreachable = errors.New("target not reachable")
	// ErrBusy: too many look-ups or connections are being made; try later.
	ErrBusy = errors.New("too many targets at once")
)

const (
	lookupTimeout  = 2 * time.Second
	lookupParallel = 8
	cacheFor       = time.Minute
	cacheSize      = 4096
)

// FlowTo returns a flow towards a URI, RFC 3263 §4 without SRV: over UDP, or over
// TCP if the URI says so. like, which may be nil, is the flow on which the URI was
// learned: it gives the socket to send from, and a peer that is not itself in a
// private network cannot direct us into ours.
func (e *Endpoint) FlowTo(uri sipuri.URI, like *Flow) (*Flow, error) {
	transport, _ := uri.Param("transport")
	if uri.Scheme != "sip" || transport != "" && !strings.EqualFold(transport, "udp") && !strings.EqualFold(transport, "tcp") {
		return nil, fmt.Errorf("%w: no transport for %s", ErrUnreachable, uri)
	}
	host := uri.Host
	if maddr, ok := uri.Param("maddr"); ok {
		host = maddr
	}
	addr, err := e.resolver.lookup(host)
	if err != nil {
		return nil, err
	}
	if !mayReach(addr, like) {
		return nil, fmt.Errorf("%w: %s is in a network of ours", ErrUnreachable, addr)
	}
	port := uri.Port
	if port == 0 {
		port = 5060
	}
	remote := netip.AddrPortFrom(addr, uint16(port))
	if strings.EqualFold(transport, "tcp") {
		return e.dial(dialKey{transport: "TCP", remote: remote})
	}
	var local netip.AddrPort
	if like != nil && !like.Reliable() {
		local = like.Local()
	}
	l := e.udpFor(local, addr)
	if l == nil {
		return nil, fmt.Errorf("%w: no UDP listener for %s", ErrUnreachable, addr)
	}
	return l.flow(remote), nil
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

// resolver looks host names up, with a small cache, a bound on the time and on
// the number of look-ups at once.
type resolver struct {
	slots chan struct{}

	mu      sync.Mutex
	hosts   map[string]resolved
	sources map[netip.Addr]resolved
}

type resolved struct {
	addr  netip.Addr
	err   error
	until time.Time
}

func newResolver() *resolver {
	return &resolver{
		slots:   make(chan struct{}, lookupParallel),
		hosts:   make(map[string]resolved),
		sources: make(map[netip.Addr]resolved),
	}
}

func (r *resolver) lookup(host string) (netip.Addr, error) {
	if host == "" {
		return netip.Addr{}, fmt.Errorf("%w: no host", ErrUnreachable)
	}
	text := strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if a, err := netip.ParseAddr(text); err == nil {
		return a.Unmap(), nil
	}
	r.mu.Lock()
	hit, ok := r.hosts[host]
	r.mu.Unlock()
	if ok && time.Now().Before(hit.until) {
		return hit.addr, hit.err
	}
	select {
	case r.slots <- struct{}{}:
	default:
		return netip.Addr{}, ErrBusy
	}
	defer func() { <-r.slots }()
	addr, err := lookupHost(host)
	remember(r, r.hosts, host, resolved{addr, err, time.Now().Add(cacheFor)})
	return addr, err
}

func lookupHost(host string) (netip.Addr, error) {
	ctx, cancel := context.WithTimeout(context.Background(), lookupTimeout)
	defer cancel()
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err == nil && len(addrs) == 0 {
		err = errors.New("no address")
	}
	if err != nil {
		return netip.Addr{}, fmt.Errorf("%w: look-up of %s: %w", ErrUnreachable, host, err)
	}
	for _, a := range addrs {
		if a.Unmap().Is4() {
			return a.Unmap(), nil // listeners on IPv4 only are the rule
		}
	}
	return addrs[0], nil
}

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
	remember(r, r.sources, peer.Addr(), resolved{addr: addr, until: time.Now().Add(cacheFor)})
	return addr
}

// remember starts over when the cache is full.
func remember[K comparable](r *resolver, cache map[K]resolved, key K, v resolved) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(cache) >= cacheSize {
		clear(cache)
	}
	cache[key] = v
}
