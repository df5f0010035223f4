package main

import (
	"rollcall/internal/resourcelist"
	"rollcall/rls"
	"rollcall/sip/event"
)

// newLists makes the resource list server.
func (n *node) newLists(resolver *resourcelist.Resolver) *rls.Service {
	cfg := n.cfg
	return rls.New(rls.Config{
		Documents: n.store, Claims: n.store, Users: n.users, Resolver: resolver,
		Wheel: n.wheel, Domains: cfg.Domain, User: cfg.RLSUser, Window: cfg.ListWindow,
		Delegate: n.mayUseLists,
	})
}

// registerWithLists registers an event package whose resources can be in lists. In
// them it shows what a subscription of its own would.
func (n *node) registerWithLists(p event.Package, members rls.Looker) {
	n.notifier.Register(n.lists.Wrap(p, rls.Announced(n.notifier, p.Event(), members)))
}

// mayUseLists reports whether the configuration lets a user read the list services
// of another.
func (n *node) mayUseLists(user, owner string) bool {
	grants, _ := n.cfg.Grants(n.cfg.Domain[0]) // checked by Normalize
	for _, g := range grants {
		if g.User == user && g.Owner == owner && (g.AUID == "" || g.AUID == rls.AUID) {
			return true
		}
	}
	return false
}
