package winfo

import (
	"context"
	"time"

	"rollcall/internal/store"
	"rollcall/sip/event"
)

const (
	eventName   = "presence.winfo"
	watched     = "presence"
	contentType = "application/watcherinfo+xml"
)

// Watcher is one watcher of a presentity. A terminated one stays in the list for
// a while, with the Cause of its end, so that its end can be told.
type Watcher struct {
	store.Watcher
	Terminated bool
}

// Watchers returns the watchers of a presentity as they are now, live, waiting
// and recently terminated. The slice is not modified.
type Watchers func(presentity string) []Watcher

// New returns the package presence.winfo. Whoever changes what watchers returns
// tells the notifier of it.
func New(watchers Watchers) event.Package { return winfo{watchers} }

type winfo struct{ watchers Watchers }

func (winfo) Event() string { return eventName }

// Terms implements event.Package with the values of RFC 3857 §4.4 to §4.10.
func (winfo) Terms() event.Terms {
	return event.Terms{
		DefaultExpires: time.Hour,
		ContentTypes:   []string{contentType},
		Pace:           5 * time.Second,
	}
}

// Open implements event.Package. Only the owner may know who watches (RFC 3857
// §4.6 and §6).
func (w winfo) Open(_ context.Context, s *event.Subscription) (event.Source, error) {
	if s.Watcher == "" || s.Watcher != s.Resource {
		return nil, &event.Refusal{Status: 403, Reason: "Not Your Watchers"}
	}
	return &source{s: s, watchers: w.watchers}, nil
}
