package main

import (
	"net"
	"net/netip"
	"testing"

	"rollcall/internal/config"
)

// A connection beyond the bound is accepted when another one ends.
func TestBoundedListener(t *testing.T) {
	inner, err := net.Listen("tcp", anyPort)
	if err != nil {
		t.Fatal(err)
	}
	l := &boundedListener{Listener: inner, slots: make(chan struct{}, 1), closed: make(chan struct{})}
	accepted := make(chan net.Conn)
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
	for range 2 {
		c, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
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

func TestReachable(t *testing.T) {
	for _, tc := range []struct{ bound, advertise, want string }{
		{"192.0.2.1:5060", "", "192.0.2.1:5060"},
		{"0.0.0.0:5060", "", "127.0.0.1:5060"},
		{"[::]:5060", "", "127.0.0.1:5060"},
		{"0.0.0.0:5060", "sip.example.org", "sip.example.org:5060"},
		{"0.0.0.0:5060", "[2001:db8::1]", "[2001:db8::1]:5060"},
	} {
		n := &node{cfg: &config.Config{Advertise: tc.advertise}}
		if got := n.reachable(netip.MustParseAddrPort(tc.bound)); got != tc.want {
			t.Errorf("%s advertised as %q: %s, want %s", tc.bound, tc.advertise, got, tc.want)
		}
	}
}
