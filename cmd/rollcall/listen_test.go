package main

import (
	"net/netip"
	"testing"

	"rollcall/internal/config"
)

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
