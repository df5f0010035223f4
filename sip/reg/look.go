package reg

import (
	"context"
	"slices"
	"time"

	"rollcall/sip/event"
)

// Look tells what a watcher would be shown of the registrations of a user by a
// subscription that began now. The document is complete and has the version given.
// It may be called on any goroutine.
func (r Registrations) Look(_ context.Context, resource, watcher string, version uint32) event.View {
	if !r.shown(resource, watcher) {
		return event.View{State: event.Terminated, Reason: "rejected"}
	}
	current := slices.Clone(r.Contacts(resource))
	slices.SortFunc(current, byID)
	doc := &document{now: time.Now()}
	for i := range current {
		doc.contact(&current[i], "active", eventOf(&current[i]))
	}
	state := "init" // RFC 3680 §3.2
	if len(current) > 0 {
		state = "active"
	}
	return event.View{
		State: event.Active, ContentType: contentType,
		Body: doc.finish(version, true, resource, state), Tag: tagOf(current),
	}
}
