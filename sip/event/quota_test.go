package event

import (
	"net/netip"
	"testing"

	"rollcall/sip/wire"
)

// Subscriptions of one watcher hold what they have in common once, and only that.
func TestShare(t *testing.T) {
	local := netip.MustParseAddrPort("192.0.2.1:5060")
	flow := func(transport, remote string) *wire.Flow {
		return wire.NewFlow(transport, local, netip.MustParseAddrPort(remote), nil)
	}
	q := quota{limit: 10, held: make(map[string]*holding)}
	share := func(name string, f *wire.Flow) *Subscription {
		s := &Subscription{Watcher: "sip:bob@example.com", DisplayName: name, Accept: []string{"a/b"}, Flow: f}
		s.out = s.Flow
		q.take(s.Watcher, false)
		q.share(s)
		return s
	}
	first := share("Bob", flow("UDP", "192.0.2.7:5060"))
	if s := share("Bob", flow("UDP", "192.0.2.7:5060")); s.Flow != first.Flow || s.out != first.Flow || &s.Accept[0] != &first.Accept[0] {
		t.Errorf("nothing shared: %+v", s)
	}
	other := share("Robert", flow("UDP", "192.0.2.7:5062"))
	if other.Flow == first.Flow || other.out != other.Flow || other.DisplayName != "Robert" || first.DisplayName != "Bob" {
		t.Errorf("shared what is not the same: %+v", other)
	}
	if a, b := share("Bob", flow("TCP", "192.0.2.7:5060")), share("Bob", flow("TCP", "192.0.2.7:5060")); a.Flow == b.Flow {
		t.Error("two connections taken for one")
	}
	for range 5 {
		q.release(first.Watcher)
	}
	if len(q.held) != 0 {
		t.Errorf("%d watchers left", len(q.held))
	}
}
