package dialog

import (
	"context"
	"errors"
	"log/slog"

	"rollcall/internal/store"
	"rollcall/policy"
	"rollcall/sip/event"
)

// Look tells what a watcher would be shown of a user's dialogs by a subscription
// that began now. The document is complete and has the version given. It may be
// called on any goroutine.
func (s *Service) Look(ctx context.Context, resource, watcher string, version uint32) event.View {
	pending := event.View{State: event.Pending, Tag: "pending"}
	switch _, err := s.cfg.Users.Get(ctx, resource); {
	case errors.Is(err, store.ErrNotFound):
		return event.View{State: event.Terminated, Reason: "noresource"}
	case err != nil:
		return pending
	}
	h, err := s.decide(ctx, resource, watcher)
	if err != nil {
		slog.Warn("no decision", "resource", resource, "watcher", watcher, "error", err)
		return pending
	}
	var shown []dialog
	switch h {
	case policy.Block:
		return event.View{State: event.Terminated, Reason: "rejected"}
	case policy.Confirm:
		return pending
	case policy.Allow:
		shown = alive(s.visible(resource, watcher))
	}
	return event.View{
		State: event.Active, ContentType: ContentType,
		Body: write(resource, version, false, shown), Tag: digest(shown),
	}
}
