package rls

import (
	"context"

	"rollcall/internal/pidf"
	"rollcall/sip/event"
	"rollcall/sip/presence"
)

// Members is how the resources of one event package are watched in process, each
// under the name of the subscriber and with the policy that a SUBSCRIBE of his
// would meet.
type Members interface {
	// View tells what watcher is to see of resource now, as a complete document
	// that has the version given if documents of the package have one. Equal tags
	// mean that nothing but the version differs. Active without a body is a
	// resource whose state is not known yet. It is called on any goroutine.
	View(ctx context.Context, resource, watcher string, version uint32) event.View
	// Watch registers a watcher, or takes over what a refresh says about one that
	// is known by its ID.
	Watch(w event.Watch)
	// Unwatch ends what Watch began, for a reason of RFC 6665 §4.1.3.
	Unwatch(resource, id, reason string)
}

// Presence is what presentities are watched with: *presence.Service.
type Presence interface {
	View(ctx context.Context, presentity, watcher string) presence.View
	Watch(w presence.Watch)
	Unwatch(presentity, id, reason string)
}

// Presentities are the members of lists for the package presence. Watcher
// information tells of those who watch them.
func Presentities(p Presence) Members { return presentities{p} }

type presentities struct{ Presence }

func (p presentities) View(ctx context.Context, resource, watcher string, _ uint32) event.View {
	v := p.Presence.View(ctx, resource, watcher)
	return event.View{State: v.State, Reason: v.Reason, ContentType: pidf.ContentType, Body: v.Body, Tag: v.Tag}
}

func (p presentities) Watch(w event.Watch) {
	p.Presence.Watch(presence.Watch{
		ID: w.ID, Presentity: w.Resource, Watcher: w.Watcher, DisplayName: w.DisplayName, Expires: w.Expires, Changed: w.Changed,
	})
}

// Looker tells what a watcher may see of a resource, as Members.View does.
type Looker interface {
	Look(ctx context.Context, resource, watcher string, version uint32) event.View
}

// Announcer tells of news of the resources of event packages: *event.Notifier.
type Announcer interface {
	Watch(event, resource, id string, changed func())
	Unwatch(event, resource, id string)
}

// Announced are the members of lists for a package that announces what changes,
// and keeps no record of who watches.
func Announced(a Announcer, event string, l Looker) Members { return announced{a, event, l} }

type announced struct {
	from   Announcer
	event  string
	looker Looker
}

func (a announced) View(ctx context.Context, resource, watcher string, version uint32) event.View {
	return a.looker.Look(ctx, resource, watcher, version)
}

func (a announced) Watch(w event.Watch) { a.from.Watch(a.event, w.Resource, w.ID, w.Changed) }

func (a announced) Unwatch(resource, id, _ string) { a.from.Unwatch(a.event, resource, id) }
