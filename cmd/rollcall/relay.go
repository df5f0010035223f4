package main

import (
	"net/netip"
	"slices"

	"rollcall/internal/sipuri"
	"rollcall/sip/relay"
)

// newProxy makes what takes requests to other domains and brings theirs back.
func (n *node) newProxy(trust []netip.Prefix) *relay.Relay {
	return relay.New(relay.Config{
		Sender: n.endpoint, Bindings: n.registrar, Trust: trust, Realms: n.cfg.Domain, Secret: n.routeKey,
	})
}

// foreign reports whether an address is in another domain.
func (n *node) foreign(aor string) bool {
	_, domain := sipuri.Split(aor)
	return !slices.Contains(n.cfg.Domain, domain)
}
