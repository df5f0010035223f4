package flows

import (
	"net/netip"
	"slices"
	"testing"

	"rollcall/sip/wire"
)

func connect(id uint64) (*wire.Flow, func()) {
	here := netip.MustParseAddrPort("127.0.0.1:5060")
	return wire.NewConnection(id, "TCP", here, here, func([]byte) error { return nil })
}

func TestTracker(t *testing.T) {
	var told []string
	tracker := New(func(aor, ref string) { told = append(told, aor+" "+ref) })
	f, hangUp := connect(1)
	other, _ := connect(2)
	tracker.Add(f, "sip:a@h")
	tracker.Add(f, "sip:a@h")
	tracker.Add(f, "sip:b@h")
	tracker.Add(f, "sip:c@h")
	tracker.Add(other, "sip:a@h")
	tracker.Drop(f.Ref(), "sip:c@h")
	tracker.Drop("unknown", "sip:c@h")
	if len(told) != 0 {
		t.Errorf("told %q while the connection is open", told)
	}
	hangUp()
	hangUp()
	slices.Sort(told)
	if want := []string{"sip:a@h " + f.Ref(), "sip:b@h " + f.Ref()}; !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
	tracker.Add(f, "sip:d@h")
	if want := "sip:d@h " + f.Ref(); told[len(told)-1] != want {
		t.Errorf("a connection that is closed by now: told %q", told)
	}
	tracker.Drop(other.Ref(), "sip:a@h")
	if len(tracker.flows) != 0 {
		t.Errorf("%d connections are kept", len(tracker.flows))
	}
	here := netip.MustParseAddrPort("127.0.0.1:5060")
	tracker.Add(wire.NewFlow("UDP", here, here, nil), "sip:a@h")
	if len(tracker.flows) != 0 {
		t.Error("a datagram flow is kept")
	}
}
