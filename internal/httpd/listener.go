package httpd

import (
	"net"
	"net/netip"
	"sync"

	"rollcall/internal/hop"
	"rollcall/internal/quota"
)

// Bounds are the connections that a listener has at a time.
type Bounds struct {
	Total      int
	PerAddress int       // 0: as many as in total
	Exempt     hop.Trust // from PerAddress: front ends bring the clients of many
}

// Bound returns a listener that accepts only so many connections at a time. Above
// the total, others wait in the kernel's queue; above what one address may have,
// they are closed.
func Bound(l net.Listener, b Bounds) net.Listener {
	return &boundedListener{
		Listener: l, bounds: b, held: quota.New[netip.Addr](b.Total, b.PerAddress),
		slots: make(chan struct{}, b.Total), closed: make(chan struct{}),
	}
}

type boundedListener struct {
	net.Listener
	bounds Bounds
	slots  chan struct{}
	closed chan struct{}
	once   sync.Once
	held   *quota.Quota[netip.Addr] // by network
}

// Accept waits for a free slot, then for a connection.
func (l *boundedListener) Accept() (net.Conn, error) {
	select {
	case l.slots <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			<-l.slots
			return nil, err
		}
		from := l.holder(c)
		if l.held.Take(from) {
			return &boundedConn{Conn: c, release: func() { l.held.Give(from); <-l.slots }}, nil
		}
		c.Close()
	}
}

// holder is the network that a connection counts for, none when it is exempt.
func (l *boundedListener) holder(c net.Conn) netip.Addr {
	from := hop.Addr(c.RemoteAddr().String())
	if l.bounds.PerAddress <= 0 || l.bounds.Exempt.Contains(from) {
		return netip.Addr{}
	}
	return hop.Network(from)
}

// Close stops accepting.
func (l *boundedListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// boundedConn gives its slot back when it is closed.
type boundedConn struct {
	net.Conn
	once    sync.Once
	release func()
}

// Close closes the connection.
func (c *boundedConn) Close() error {
	defer c.once.Do(c.release)
	return c.Conn.Close()
}
