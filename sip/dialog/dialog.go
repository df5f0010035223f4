package dialog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"rollcall/internal/sipuri"
	"rollcall/internal/store"
	"rollcall/policy"
	"rollcall/sip/event"
	"rollcall/sip/eventstate"
	"rollcall/sip/wire"
)

// Event is the name of the package.
const Event = "dialog"

// Policy decides who may see; *policy.Engine over dialog rules is one.
type Policy interface {
	Decide(ctx context.Context, req policy.Request) (policy.Decision, error)
	DocumentChanged(key store.DocumentKey) (presentities []string)
}

// Config is what a Service is made of.
type Config struct {
	eventstate.Config
	Policy Policy
	// Virtual shows to others than the owner only that there is a call: one
	// confirmed dialog without identifiers (RFC 4235 §3.7.2).
	Virtual bool
}

// Service keeps the dialogs of all users.
type Service struct {
	*eventstate.Service[*document, calls]
	cfg Config
}

// New returns a service that knows of no dialogs.
func New(cfg Config) *Service {
	read := func(_ string, body []byte, old *eventstate.Publication[*document]) (eventstate.Content[*document], error) {
		return readDocument(body, old, cfg.Limits.MaxBody)
	}
	terms := eventstate.Terms[*document]{Event: Event, Accept: []string{ContentType}, Read: read}
	return &Service{eventstate.New(cfg.Config, terms, compose), cfg}
}

// readDocument reads a publication. A partial one is stored as the whole it makes.
func readDocument(body []byte, old *eventstate.Publication[*document], limit int) (eventstate.Content[*document], error) {
	doc, err := parse(body, limit)
	if err != nil {
		return eventstate.Content[*document]{}, err
	}
	if doc.partial && old != nil {
		if doc = doc.update(old.Doc); len(doc.dialogs) > maxDialogs {
			return eventstate.Content[*document]{}, fmt.Errorf("more than %d dialogs", maxDialogs)
		}
		body = write(old.AOR, 0, false, doc.dialogs)
	}
	return eventstate.Content[*document]{Type: ContentType, Body: body, Doc: doc}, nil
}

// DocumentChanged says that a document was written: whom it concerns is looked at
// again.
func (s *Service) DocumentChanged(key store.DocumentKey, changed func(event, resource string)) {
	for _, aor := range s.cfg.Policy.DocumentChanged(key) {
		changed(Event, aor)
	}
}

// Calling reports whether a user is in a call. It is to be called on the shard of aor.
func (s *Service) Calling(aor string) bool {
	for _, one := range s.State(aor) {
		if one.phase == confirmed {
			return true
		}
	}
	return false
}

// decide tells how a watcher is treated. Users without dialog rules show their
// dialogs to their own domain, as a PBX does.
func (s *Service) decide(ctx context.Context, resource, watcher string) (policy.Handling, error) {
	d, err := s.verdict(ctx, resource, watcher)
	return d.Handling, err
}

func (s *Service) verdict(ctx context.Context, resource, watcher string) (policy.Decision, error) {
	d, err := s.cfg.Policy.Decide(ctx, policy.Request{Presentity: resource, Watcher: watcher, Now: time.Now()})
	if err != nil || !d.NoPolicy {
		return d, err
	}
	_, theirs := sipuri.Split(watcher)
	if _, ours := sipuri.Split(resource); watcher != "" && theirs == ours {
		d.Handling = policy.Allow
	} else {
		d.Handling = policy.Block
	}
	return d, nil
}

// Shown tells in what state a subscription of watcher is, and when that may change
// by the passing of time.
func (s *Service) Shown(ctx context.Context, resource, watcher string) (event.State, time.Time) {
	d, err := s.verdict(ctx, resource, watcher)
	switch {
	case err != nil:
		slog.Warn("no decision", "resource", resource, "watcher", watcher, "error", err)
		return event.Pending, time.Time{}
	case d.Handling == policy.Block:
		return event.Terminated, d.Until
	case d.Handling == policy.Confirm:
		return event.Pending, d.Until
	}
	return event.Active, d.Until
}

// Package returns the event package.
func (s *Service) Package() event.Package { return eventPackage{s} }

type eventPackage struct{ s *Service }

// Event implements event.Package.
func (eventPackage) Event() string { return Event }

// Terms: RFC 4235 §3.4, §3.5, §3.10.
func (eventPackage) Terms() event.Terms {
	return event.Terms{DefaultExpires: time.Hour, ContentTypes: []string{ContentType}, Pace: time.Second}
}

// Open implements event.Package.
func (e eventPackage) Open(ctx context.Context, sub *event.Subscription) (event.Source, error) {
	later := &event.Refusal{Status: 503, Headers: []wire.Header{{Name: "Retry-After", Value: "10"}}}
	switch _, err := e.s.cfg.Users.Get(ctx, sub.Resource); {
	case errors.Is(err, store.ErrNotFound):
		return nil, &event.Refusal{Status: 404}
	case err != nil && !sub.Restored:
		return nil, later
	}
	h, err := e.s.decide(ctx, sub.Resource, sub.Watcher)
	switch {
	case err != nil && !sub.Restored:
		slog.Warn("no decision", "resource", sub.Resource, "watcher", sub.Watcher, "error", err)
		return nil, later
	case err == nil && h == policy.Block:
		return nil, &event.Refusal{Status: 403}
	}
	if err := sub.RefuseBody(); err != nil {
		return nil, err
	}
	return &source{s: e.s, sub: sub}, nil
}
