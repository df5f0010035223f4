package main

import (
	"net/netip"

	"rollcall/internal/pidf"
	"rollcall/internal/route"
	"rollcall/rls"
	"rollcall/sip/mwi"
	"rollcall/sip/presence"
	"rollcall/sip/subscriber"
)

// backendPackages are those in which members of lists may be in other domains:
// packages whose every document tells the whole state.
var backendPackages = map[string]subscriber.Package{
	presence.Event: {Accept: []string{pidf.ContentType}, Check: rls.CheckPresence},
	mwi.Event:      {Accept: []string{mwi.ContentType}},
}

// newBackend makes what subscribes to members of lists in other domains.
func (n *node) newBackend(trust []netip.Prefix, routes route.Table) *subscriber.Subscriber {
	cfg := n.cfg
	return subscriber.New(subscriber.Config{
		Sender: n.endpoint, Pool: n.pool, Wheel: n.wheel, Metrics: n.metrics, Routes: routes, Trust: trust,
		Packages: backendPackages, Expires: cfg.DefaultExpires, Max: cfg.MaxBackend, MaxPerWatcher: cfg.MaxWatching,
		Rate: float64(cfg.BackendRate),
	})
}

// foreignMembers gives the members of lists that are in other domains.
func (n *node) foreignMembers(event string) rls.Members {
	if _, ok := backendPackages[event]; !ok {
		return nil
	}
	return rls.Remote(n.backend, event)
}
