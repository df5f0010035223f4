package main

import (
	"context"
	"time"

	"rollcall/internal/pidf"
	"rollcall/internal/resourcelist"
	"rollcall/policy"
	"rollcall/rls"
	dialoginfo "rollcall/sip/dialog"
	"rollcall/sip/event"
	"rollcall/sip/eventstate"
	"rollcall/sip/mwi"
	"rollcall/sip/presence"
)

const (
	maxPublications = 16       // of one user and event package
	maxPublication  = 64 << 10 // bytes
	// flowSlack is for the registrar: what it drops when a connection is gone it
	// has dropped when publications are looked at.
	flowSlack = 5 * time.Second
)

// publishable are the event packages that take PUBLISH.
var publishable = [...]string{presence.Event, dialoginfo.Event, mwi.Event}

// published is a package whose state comes from PUBLISH alone.
type published interface {
	eventstate.Publisher
	rls.Looker
	Package() event.Package
	Notify(fn func(event, resource string))
	UserChanged(aor string)
	Restore(ctx context.Context) error
	Stop()
}

// wireEventState makes the packages dialog and message-summary, and the router
// that gives each PUBLISH to its package.
func (n *node) wireEventState(resolver *resourcelist.Resolver) *eventstate.Router {
	cfg := n.cfg
	publishers, _ := cfg.PublisherSet() // checked by Normalize
	admission := eventstate.Admission{Publishers: publishers, AllowEvents: publishable[:]}
	common := eventstate.Config{
		Store: n.store, Users: n.users, Pool: n.pool, Wheel: n.wheel, Metrics: n.metrics, Admission: admission,
		Limits: eventstate.Limits{
			MinExpires: cfg.MinExpires, DefaultExpires: cfg.DefaultExpires, MaxExpires: cfg.MaxExpires,
			MaxPublications: maxPublications, MaxBody: maxPublication,
		},
		FlowGrace: cfg.FlowGrace + flowSlack,
	}
	n.dialogRules = policy.NewEngine(n.store, resolver, policy.Options{AUIDs: []string{policy.AUIDDialogRules}})
	n.dialogs = dialoginfo.New(dialoginfo.Config{Config: common, Policy: n.dialogRules, Virtual: cfg.DialogPrivacy})
	n.wireWatcherInfo()
	n.published = map[string]published{dialoginfo.Event: n.dialogs, mwi.Event: mwi.New(common, cfg.SuperUsers...)}
	router := &eventstate.Router{
		Admission: admission, Users: n.users,
		Packages: map[string]eventstate.Publisher{presence.Event: n.presence},
	}
	for name, p := range n.published {
		n.registerWithLists(n.watchers.record(p.Package()), p)
		p.Notify(n.notifier.Changed)
		router.Packages[name] = p
	}
	if cfg.OnThePhone {
		n.dialogs.Notify(n.dialogsChanged)
	}
	return router
}

// dialogsChanged tells subscribers of dialogs, and presence, of a call that begins or
// ends.
func (n *node) dialogsChanged(event, aor string) {
	n.notifier.Changed(event, aor)
	n.presence.SetCalling(aor, n.dialogs.Calling(aor))
}

// conflicts are the rules that person-conflict names.
var conflicts = map[string]pidf.Conflict{"newest": pidf.Newest, "restrictive": pidf.Restrictive}
