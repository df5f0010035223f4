package registrar

import (
	"slices"
	"strings"

	"rollcall/internal/pidf"
	"rollcall/internal/store"
)

// sorted orders bindings as targets are tried: the latest registration first,
// which RFC 5626 §7 wants among the flows of one instance.
func sorted(b []store.Binding) []store.Binding {
	slices.SortFunc(b, func(x, y store.Binding) int {
		if c := y.Updated.Compare(x.Updated); c != 0 {
			return c
		}
		return strings.Compare(x.ID, y.ID)
	})
	return b
}

// registrations is what presence may show of bindings: RFC 3856 §7.2. The raw
// contact stays private, the address-of-record stands for it. They have no end:
// when one is over that is told, and a refresh is not.
func registrations(aor string, bindings []store.Binding) []pidf.Registration {
	out := make([]pidf.Registration, len(bindings))
	for i, b := range bindings {
		out[i] = pidf.Registration{ID: b.ID, Contact: aor, Instance: b.Instance, Q: b.Q}
	}
	slices.SortFunc(out, func(a, b pidf.Registration) int { return strings.Compare(a.ID, b.ID) })
	return out
}

// sameToOthers reports whether two states of an address look alike from
// outside: a refresh is no news.
func sameToOthers(a, b []store.Binding) bool {
	if len(a) != len(b) {
		return false
	}
	for _, x := range a {
		if !slices.ContainsFunc(b, func(y store.Binding) bool {
			return x.ID == y.ID && x.Instance == y.Instance && x.Q == y.Q
		}) {
			return false
		}
	}
	return true
}
