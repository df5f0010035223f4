package presence

import (
	"context"
	"errors"
	"time"

	"rollcall/internal/pidf"
	"rollcall/internal/store"
	"rollcall/sip/event"
	"rollcall/sip/wire"
)

// Package returns the event package "presence" (RFC 3856).
func (s *Service) Package() event.Package { return eventPackage{s} }

type eventPackage struct{ s *Service }

// Event implements event.Package.
func (eventPackage) Event() string { return Event }

// Terms: RFC 3856 §6.4, §6.7, §6.10.
func (e eventPackage) Terms() event.Terms {
	return event.Terms{DefaultExpires: time.Hour, ContentTypes: []string{pidf.ContentType, partialType, pidf.AliasType}, Pace: 5 * time.Second, Simple: e.s.cfg.Simple}
}

// Open decides about a subscription (RFC 3856 §6.6.1, RFC 5025 §3.2.1).
func (e eventPackage) Open(ctx context.Context, sub *event.Subscription) (event.Source, error) {
	src := &source{s: e.s, sub: sub}
	if err := src.Refreshed(); err != nil && !sub.Restored {
		return nil, err
	}
	if _, err := e.s.known(ctx, sub.Resource); errors.Is(err, store.ErrNotFound) {
		return nil, &event.Refusal{Status: 404}
	} else if err != nil && !sub.Restored {
		return nil, &event.Refusal{Status: 503, Headers: []wire.Header{{Name: "Retry-After", Value: "10"}}}
	}
	v := e.s.View(ctx, sub.Resource, sub.Watcher)
	if v.State == event.Terminated {
		src.forget()
		return nil, &event.Refusal{Status: 403}
	}
	src.state = v.State
	if sub.Restored {
		src.list(v.State)
	}
	return src, nil
}
