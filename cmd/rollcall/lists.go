package main

import (
	"rollcall/internal/bus"
	"rollcall/internal/remotelist"
	"rollcall/internal/resourcelist"
	"rollcall/rls"
	"rollcall/sip/event"
)

// newResolver makes what lists are read with, and the cache of those of other
// servers if there may be any.
func (n *node) newResolver() *resourcelist.Resolver {
	cfg := n.cfg
	r := &resourcelist.Resolver{Docs: n.store, Roots: cfg.XCAPRoot[:1], MaxEntries: cfg.MaxListEntries}
	prefixes, _ := cfg.RemotePrefixes() // checked by Normalize
	if len(prefixes) > 0 {
		n.remoteLists = remotelist.New(remotelist.Config{
			Prefixes: prefixes, Wheel: n.wheel, Refresh: cfg.RemoteListRefresh, Changed: n.remoteListChanged,
		})
		r.Remote = n.remoteLists
	}
	return r
}

// remoteListChanged tells those who read lists that one of another server changed.
func (n *node) remoteListChanged(url string) {
	e := bus.DocumentChanged{Key: resourcelist.RemoteKey(url)}
	n.presence.DocumentChanged(e)
	n.lists.DocumentChanged(e)
	n.events.DocumentChanged(e)
	n.dialogRulesChanged(e)
}

// newLists makes the resource list server.
func (n *node) newLists(resolver *resourcelist.Resolver) *rls.Service {
	cfg := n.cfg
	return rls.New(rls.Config{
		Documents: n.store, Claims: n.store, Users: n.users, Resolver: resolver,
		Wheel: n.wheel, Domains: cfg.Domain, User: cfg.RLSUser, Window: cfg.ListWindow,
		Delegate: mayRead(cfg, rls.AUID), Public: cfg.PublicLists, Foreign: n.foreignMembers,
	})
}

// registerWithLists registers an event package whose resources can be in lists. In
// them it shows what a subscription of its own would.
func (n *node) registerWithLists(p event.Package, members rls.Looker) {
	n.notifier.Register(n.lists.Wrap(p, n.watchers.members(p.Event(), rls.Announced(n.notifier, p.Event(), members))))
}
