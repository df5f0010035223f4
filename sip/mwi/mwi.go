package mwi

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"maps"
	"slices"
	"time"

	"rollcall/internal/store"
	"rollcall/sip/event"
	"rollcall/sip/eventstate"
	"rollcall/sip/wire"
)

// Event is the name of the package.
const Event = "message-summary"

// Service keeps the message summaries of all users.
type Service struct {
	*eventstate.Service[*summary, []byte]
	users     eventstate.Users
	observers []string
}

// New returns a service without summaries. Besides their owners, the publishers of
// cfg and the observers may see all of them.
func New(cfg eventstate.Config, observers ...string) *Service {
	terms := eventstate.Terms[*summary]{Event: Event, Accept: []string{ContentType}, Read: read}
	observers = slices.AppendSeq(slices.Clone(observers), maps.Keys(cfg.Admission.Publishers))
	return &Service{eventstate.New(cfg, terms, compose), cfg.Users, observers}
}

// shown reports whether a watcher may know what waits in a mailbox (RFC 3842 §3.8
// and §6).
func (s *Service) shown(resource, watcher string) bool {
	return watcher != "" && (watcher == resource || slices.Contains(s.observers, watcher))
}

func read(_ string, body []byte, _ *eventstate.Publication[*summary]) (eventstate.Content[*summary], error) {
	s, err := parse(body)
	if err != nil {
		return eventstate.Content[*summary]{}, err
	}
	return eventstate.Content[*summary]{Type: ContentType, Body: body, Doc: s}, nil
}

func compose(set eventstate.Set[*summary], _ []byte) []byte {
	all := make([]*summary, len(set))
	for i, p := range set {
		all[i] = p.Doc
	}
	return merge(all)
}

// Package returns the event package.
func (s *Service) Package() event.Package { return eventPackage{s} }

type eventPackage struct{ s *Service }

// Event implements event.Package.
func (eventPackage) Event() string { return Event }

// Terms: RFC 3842 §3.
func (eventPackage) Terms() event.Terms {
	return event.Terms{DefaultExpires: time.Hour, ContentTypes: []string{ContentType}, Pace: time.Second}
}

// Open implements event.Package.
func (e eventPackage) Open(ctx context.Context, sub *event.Subscription) (event.Source, error) {
	if !e.s.shown(sub.Resource, sub.Watcher) {
		return nil, &event.Refusal{Status: 403, Reason: "Not Your Mailbox"}
	}
	switch _, err := e.s.users.Get(ctx, sub.Resource); {
	case errors.Is(err, store.ErrNotFound):
		return nil, &event.Refusal{Status: 404}
	case err != nil && !sub.Restored:
		return nil, &event.Refusal{Status: 503, Headers: []wire.Header{{Name: "Retry-After", Value: "10"}}}
	}
	if err := sub.RefuseBody(); err != nil {
		return nil, err
	}
	return source{e.s, sub}, nil
}

// Look tells what a watcher would be shown of a mailbox by a subscription that
// began now. It may be called on any goroutine. Summaries have no version.
func (s *Service) Look(ctx context.Context, resource, watcher string, _ uint32) event.View {
	switch _, err := s.users.Get(ctx, resource); {
	case errors.Is(err, store.ErrNotFound):
		return event.View{State: event.Terminated, Reason: "noresource"}
	case err != nil:
		return event.View{State: event.Pending, Tag: "pending"}
	case !s.shown(resource, watcher):
		return event.View{State: event.Terminated, Reason: "rejected"}
	}
	return s.view(resource)
}

func (s *Service) view(resource string) event.View {
	body := s.State(resource)
	if body == nil {
		body = merge(nil)
	}
	sum := sha256.Sum256(body)
	return event.View{State: event.Active, ContentType: ContentType, Body: body, Tag: hex.EncodeToString(sum[:8])}
}

// source is one subscription to a mailbox.
type source struct {
	s   *Service
	sub *event.Subscription
}

// View implements event.Source.
func (src source) View(bool) (event.View, bool) { return src.s.view(src.sub.Resource), true }

// Refreshed implements event.Source.
func (src source) Refreshed() error { return src.sub.RefuseBody() }

// Ended implements event.Source.
func (source) Ended(string, *store.Batch) {}
