package registrar

import (
	"maps"
	"slices"
	"strings"
	"time"

	"rollcall/internal/store"
)

// state is everything about one address-of-record. It is never changed in place.
type state struct {
	bindings []store.Binding
	// lost says of connections that are gone until when the bindings over them
	// wait for their clients to come back.
	lost map[string]time.Time
}

// end returns when a binding is over.
func (s state) end(b store.Binding) time.Time {
	if !b.Direct {
		return b.Expires
	}
	if t, ok := s.lost[b.Flow]; ok && t.Before(b.Expires) {
		return t
	}
	return b.Expires
}

// alive returns the bindings that are not over, the list itself if all are.
func (s state) alive(now time.Time) []store.Binding {
	over := func(b store.Binding) bool { return !s.end(b).After(now) }
	if !slices.ContainsFunc(s.bindings, over) {
		return s.bindings
	}
	return slices.DeleteFunc(slices.Clone(s.bindings), over)
}

// until returns when the first binding is over.
func (s state) until() time.Time {
	next := s.end(s.bindings[0])
	for _, b := range s.bindings[1:] {
		if t := s.end(b); t.Before(next) {
			next = t
		}
	}
	return next
}

// uses reports whether a binding depends on a connection.
func (s state) uses(ref string) bool {
	return slices.ContainsFunc(s.bindings, func(b store.Binding) bool { return b.Direct && b.Flow == ref })
}

// usedOf returns the entries of lost that a binding depends on.
func (s state) usedOf(lost map[string]time.Time) map[string]time.Time {
	if len(lost) == 0 {
		return nil
	}
	kept := maps.Clone(lost)
	maps.DeleteFunc(kept, func(ref string, _ time.Time) bool { return !s.uses(ref) })
	return kept
}

// flowClosed makes the bindings that came over a connection uncertain: RFC 5626
// §7 has them unusable at once, which they are as nothing can be sent; they end
// when the client has not come back in time. It runs on the shard of aor.
func (r *Registrar) flowClosed(aor, ref string) {
	current := r.stored(aor)
	if _, known := current.lost[ref]; known || !current.uses(ref) {
		return
	}
	next := state{bindings: current.bindings, lost: map[string]time.Time{ref: time.Now().Add(r.cfg.FlowGrace)}}
	maps.Copy(next.lost, current.lost)
	r.set(aor, next)
	r.news(aor)
}

// lostAtStart finds the bindings of an earlier run whose connections ended with
// it. Their clients have to notice that first, so they get twice the time.
func (r *Registrar) lostAtStart(bindings []store.Binding) map[string]time.Time {
	var lost map[string]time.Time
	for _, b := range bindings {
		if !b.Direct || strings.HasPrefix(b.Flow, "udp ") || r.cfg.Flow != nil && r.cfg.Flow(b.Flow) != nil {
			continue
		}
		if lost == nil {
			lost = map[string]time.Time{}
		}
		lost[b.Flow] = time.Now().Add(2 * r.cfg.FlowGrace)
	}
	return lost
}

// Registration is a binding as the reg event package tells of it.
type Registration struct {
	store.Binding
	Ends                      time.Time // before Expires when its connection is gone
	PublicGRUU, TemporaryGRUU string    // empty: none
}

// Registrations returns the live bindings of an address-of-record with all that
// its owner may know.
func (r *Registrar) Registrations(aor string) []Registration {
	s := r.stored(aor)
	live := s.alive(time.Now())
	out := make([]Registration, len(live))
	for i, b := range live {
		out[i] = Registration{Binding: b, Ends: s.end(b), PublicGRUU: PublicGRUU(b), TemporaryGRUU: r.TemporaryGRUU(b)}
	}
	return out
}
