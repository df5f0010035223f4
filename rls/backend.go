package rls

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"rollcall/internal/pidf"
	"rollcall/internal/xmlscan"
	"rollcall/sip/event"
	backend "rollcall/sip/subscriber"
)

// Remote are the members of lists for an event package that are in other domains.
// Each subscriber has back-end subscriptions of its own to them, which its lists
// share: what one user is shown is never another's (RFC 4662 §7.2).
func Remote(s *backend.Subscriber, event string) Members {
	return &remote{from: s, event: event, keys: make(map[string]backend.Key)}
}

type remote struct {
	from  *backend.Subscriber
	event string

	mu   sync.Mutex
	keys map[string]backend.Key // by ID of the watch
}

func (r *remote) key(resource, watcher string) backend.Key {
	return backend.Key{Watcher: watcher, Resource: resource, Event: r.event}
}

// View tells what the notifier of the other domain told last. Before it tells
// anything there is no state.
func (r *remote) View(_ context.Context, resource, watcher string, _ uint32) event.View {
	v := r.from.View(r.key(resource, watcher))
	if !v.Known {
		return event.View{State: event.Active}
	}
	return event.View{State: v.State, Reason: v.Reason, ContentType: v.ContentType, Body: v.Body, Tag: v.Tag}
}

func (r *remote) Watch(w event.Watch) {
	key := r.key(w.Resource, w.Watcher)
	r.mu.Lock()
	r.keys[w.ID] = key
	r.mu.Unlock()
	r.from.Watch(key, w.ID, w.Flow, w.Changed)
}

func (r *remote) Unwatch(_, id, _ string) {
	r.mu.Lock()
	key, ok := r.keys[id]
	delete(r.keys, id)
	r.mu.Unlock()
	if ok {
		r.from.Unwatch(key, id)
	}
}

var errNoPresence = errors.New("not a presence document")

// CheckPresence reports why a document of another domain cannot be shown to
// watchers: they get it as it is.
func CheckPresence(body []byte) error {
	doc, err := xmlscan.Scan(body, xmlscan.DefaultLimits())
	if err != nil {
		return fmt.Errorf("%w: %w", errNoPresence, err)
	}
	if !doc.Is(0, pidf.Namespace, "presence") {
		return errNoPresence
	}
	return nil
}
