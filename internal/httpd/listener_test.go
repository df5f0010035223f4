package httpd

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"rollcall/internal/hop"
)

// accepting hands over what the listener accepts.
func accepting(t *testing.T, b Bounds) (l *boundedListener, accepted chan net.Conn, dial func() net.Conn) {
	t.Helper()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l = Bound(inner, b).(*boundedListener)
	accepted = make(chan net.Conn)
	go func() {
		defer close(accepted)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			accepted <- c
		}
	}()
	return l, accepted, func() net.Conn {
		t.Helper()
		c, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
}

// A connection beyond the bound is accepted when another one ends.
func TestTotal(t *testing.T) {
	l, accepted, dial := accepting(t, Bounds{Total: 1})
	dial()
	dial()
	first := <-accepted
	select {
	case <-accepted:
		t.Fatal("two connections at a time")
	default:
	}
	if len(l.slots) != 1 {
		t.Errorf("%d slots taken", len(l.slots))
	}
	first.Close()
	first.Close() // gives back one slot, not two
	second := <-accepted
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if _, more := <-accepted; more {
		t.Error("accepted after Close")
	}
	second.Close()
}

// One address cannot take all connections.
func TestPerAddress(t *testing.T) {
	l, accepted, dial := accepting(t, Bounds{Total: 10, PerAddress: 2})
	dial()
	one := <-accepted
	dial()
	two := <-accepted
	over := dial()
	_ = over.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := over.Read(make([]byte, 1)); err == nil {
		t.Error("a third connection is served")
	} else if ne, ok := err.(net.Error); ok && ne.Timeout() {
		t.Error("a third connection is left open")
	}
	one.Close()
	dial()
	three := <-accepted
	two.Close()
	three.Close()
	if total, holders := l.held.Taken(); total != 0 || holders != 0 {
		t.Errorf("%d connections of %d networks are kept", total, holders)
	}
	l.Close()
	if _, more := <-accepted; more {
		t.Error("accepted after Close")
	}
	if len(l.slots) != 0 {
		t.Errorf("%d slots taken", len(l.slots))
	}
}

func TestExempt(t *testing.T) {
	l, accepted, dial := accepting(t, Bounds{Total: 10, PerAddress: 1, Exempt: hop.Trust{netip.MustParsePrefix("127.0.0.0/8")}})
	for range 3 {
		dial()
		defer (<-accepted).Close()
	}
	l.Close()
	<-accepted
}
