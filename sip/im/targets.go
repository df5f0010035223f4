package im

import (
	"errors"
	"strings"

	"rollcall/internal/sipuri"
	"rollcall/internal/store"
	"rollcall/sip/wire"
)

// target is one way to reach a device.
type target struct {
	uri  string
	path []string
	flow *wire.Flow
	hop  *wire.Hop // instead of flow, where a name has to be looked up
}

// targets returns the reachable contacts of aor, grouped: groups are tried in
// parallel, the members of one (flows of one instance) one after the other
// (RFC 5626 §7). like, which may be nil, is where the request came from.
func (r *Relay) targets(aor string, like *wire.Flow) [][]target {
	var groups [][]target
	byInstance := map[string]int{}
	for _, b := range r.cfg.Bindings.Bindings(aor) {
		t, ok := r.target(b, like)
		if !ok {
			continue
		}
		if b.RegID == 0 || b.Instance == "" {
			groups = append(groups, []target{t})
			continue
		}
		i, ok := byInstance[b.Instance]
		if !ok {
			i = len(groups)
			byInstance[b.Instance] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], t)
	}
	return groups
}

// instance returns the reachable contacts of one instance, to be tried one after
// the other, the newest first (RFC 5627 §6.1).
func (r *Relay) instance(aor, instance string, like *wire.Flow) []target {
	var group []target
	for _, b := range r.cfg.Bindings.Bindings(aor) {
		if !strings.EqualFold(b.Instance, instance) {
			continue
		}
		if t, ok := r.target(b, like); ok {
			group = append(group, t)
		}
	}
	return group
}

// target returns the way to a binding. Where a stream is gone the contact is out
// of reach: the address in it is as a rule a private one. Datagrams need no flow.
// A binding with outbound is reached over its flow only (RFC 5626 §7).
func (r *Relay) target(b store.Binding, like *wire.Flow) (t target, ok bool) {
	t = target{uri: b.Contact, path: b.Path}
	if t.flow = r.cfg.Sender.Flow(b.Flow); t.flow != nil && t.flow.Alive() {
		return t, true
	}
	uri, err := sipuri.Parse(b.Contact)
	if err != nil || len(b.Path) > 0 || b.RegID != 0 || !overUDP(uri) {
		return target{}, false
	}
	t.flow, err = r.cfg.Sender.FlowTo(uri, like)
	if errors.Is(err, wire.ErrName) {
		t.hop, err = &wire.Hop{URI: uri, Like: like}, nil
	}
	return t, err == nil
}

func overUDP(uri sipuri.URI) bool {
	t, ok := uri.Param("transport")
	return uri.Scheme == "sip" && (!ok || t == "udp" || t == "UDP")
}
