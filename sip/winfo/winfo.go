package winfo

import (
	"context"
	"time"

	"rollcall/internal/store"
	"rollcall/sip/event"
)

const contentType = "application/watcherinfo+xml"

// Watcher is one watcher of a resource. A terminated one stays in the list for a
// while, with the Cause of its end, so that its end can be told.
type Watcher struct {
	store.Watcher
	Terminated bool
}

// Watchers returns the watchers of a resource as they are now, live, waiting and
// recently terminated. The slice is not modified.
type Watchers func(resource string) []Watcher

// Shown tells in what state a subscription of watcher to resource is now. until,
// if not zero, is when that may change by the passing of time.
type Shown func(ctx context.Context, resource, watcher string) (state event.State, until time.Time)

// Config is what a package of watcher information is made of.
type Config struct {
	// Watched is the package whose watchers are told of; .winfo is appended.
	Watched  string
	Watchers Watchers
	// Shown is how somebody else than the owner stands in the watched package. Who
	// is let in there is told of its own subscriptions. Nil: only owners are told.
	Shown Shown
	// Delegate reports whether user may know all that owner does. Nil: nobody.
	Delegate func(user, owner string) bool
}

// Name is the event package that tells of the watchers of another.
func Name(watched string) string { return watched + ".winfo" }

// Package is the template applied to one package.
type Package struct{ cfg Config }

// New returns a package. Whoever changes what Watchers or Shown return tells the
// notifier of it.
func New(cfg Config) *Package { return &Package{cfg} }

// Event implements event.Package.
func (p *Package) Event() string { return Name(p.cfg.Watched) }

// Terms implements event.Package with the values of RFC 3857 §4.4 to §4.10.
func (*Package) Terms() event.Terms {
	return event.Terms{
		DefaultExpires: time.Hour,
		ContentTypes:   []string{contentType},
		Pace:           5 * time.Second,
	}
}

// Open implements event.Package. The owner may know who watches; another one how
// its own subscriptions stand (RFC 3857 §4.6).
func (p *Package) Open(ctx context.Context, s *event.Subscription) (event.Source, error) {
	if err := s.RefuseBody(); err != nil {
		return nil, err
	}
	if p.entitled(s.Resource, s.Watcher) {
		return &source{s: s, watchers: p.cfg.Watchers, watched: p.cfg.Watched}, nil
	}
	// After a restart a subscription goes on that may have become pending meanwhile.
	state, _ := p.Shown(ctx, s.Resource, s.Watcher)
	if state == event.Terminated || state == event.Pending && !s.Restored {
		return nil, &event.Refusal{Status: 403, Reason: "Not Your Watchers"}
	}
	return &source{s: s, watchers: p.own(s.Watcher), shown: p.cfg.Shown, watched: p.cfg.Watched}, nil
}

// Shown tells in what state a subscription to this package itself is.
func (p *Package) Shown(ctx context.Context, resource, watcher string) (event.State, time.Time) {
	switch {
	case p.entitled(resource, watcher):
		return event.Active, time.Time{}
	case watcher == "" || p.cfg.Shown == nil:
		return event.Terminated, time.Time{}
	}
	return p.cfg.Shown(ctx, resource, watcher)
}

// entitled reports whether somebody may know of all watchers of a resource.
func (p *Package) entitled(resource, who string) bool {
	return who != "" && (who == resource || p.cfg.Delegate != nil && p.cfg.Delegate(who, resource))
}

// own lists the entries of one watcher as its subscriptions showed them to it: that
// the owner may still decide after their end is not for the watcher to know (RFC
// 3857 §4.7.2).
func (p *Package) own(who string) Watchers {
	return func(resource string) []Watcher {
		var mine []Watcher
		for _, w := range p.cfg.Watchers(resource) {
			if w.Watcher.Watcher != who {
				continue
			}
			if w.Status == Waiting {
				w.Status, w.Cause, w.Terminated = Terminated, "timeout", true
			}
			mine = append(mine, w)
		}
		return mine
	}
}
