package main

import (
	"context"
	"net/http"
	"slices"

	"rollcall/internal/auth"
	"rollcall/internal/events"
	"rollcall/internal/hop"
	"rollcall/internal/httpauth"
	"rollcall/internal/sipuri"
	"rollcall/rls"
	"rollcall/sip/event"
	"rollcall/sip/presence"
	"rollcall/xcap"
	"rollcall/xcap/usage"
)

// newEvents makes the stream of server-sent events. What it shows is what XCAP and
// SIP would show to the same user.
func (n *node) newEvents(gate *httpauth.Gate, usages []*usage.Usage) *events.Hub {
	cfg := n.cfg
	grants := delegates(cfg)
	readable := xcap.Readable(usages, cfg.SuperUsers, grants)
	return events.New(events.Config{
		Gate: gate, Users: n.users, Documents: n.store, Wheel: n.wheel,
		Owners:   func(user string) []string { return owners(grants, user) },
		Readable: readable,
		Watchers: n.streamWatchers,
		Members:  n.roster,
		Presence: presentities{cfg.Domain, rls.Presentities(n.presence), n.foreignMembers(presence.Event)},
		Streams:  n.metrics.EventStreams.Add,
	})
}

// newGate finds out who sends HTTP requests that are not about documents.
func (n *node) newGate(authenticator *auth.Authenticator, throttle *auth.Throttle, trust hop.Trust) *httpauth.Gate {
	return &httpauth.Gate{
		Auth: authenticator, Throttle: throttle, Metrics: n.metrics, Domains: n.cfg.Domain, Trust: trust, Basic: n.cfg.BasicAuth,
	}
}

// withEvents takes the stream at its path; all else is next's.
func (n *node) withEvents(next http.Handler) http.Handler {
	if n.cfg.EventsPath == "" {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == n.cfg.EventsPath {
			n.events.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// owners are those whose documents a user may read by delegation.
func owners(grants []xcap.Delegate, user string) (list []string) {
	for _, g := range grants {
		if g.User != user {
			continue
		}
		for _, owner := range g.For {
			if !slices.Contains(list, owner) && owner != user {
				list = append(list, owner)
			}
		}
	}
	return list
}

// presenceNews passes on what presence says to have changed.
func (n *node) presenceNews(event, resource string) {
	n.notifier.Changed(event, resource)
	if event == presence.WinfoEvent {
		n.events.WatchersChanged(resource)
		n.diff.WatchersChanged(resource)
	}
}

// streamWatchers gives the stream what presence knows of the watchers of a presentity.
func (n *node) streamWatchers(presentity string) []events.Watcher {
	known := n.presence.Watchers(presentity)
	out := make([]events.Watcher, len(known))
	for i, w := range known {
		out[i] = events.Watcher{ID: w.ID, Watcher: w.Watcher.Watcher, DisplayName: w.DisplayName, Status: w.Status, Event: w.Cause}
		if w.Terminated {
			out[i].Status = event.Terminated.String()
		}
	}
	return out
}

// roster gives the stream the members of a user's lists. For what is no address the
// reason is that of list notifications (RFC 4662 §5.5).
func (n *node) roster(ctx context.Context, owner string) ([]events.Member, error) {
	entries, err := n.lists.Roster(ctx, owner, presence.Event)
	out := make([]events.Member, len(entries))
	for i, e := range entries {
		out[i] = events.Member{URI: e.URI, Name: e.DisplayName}
		if e.Problem != "" {
			out[i].Problem = "noresource"
		}
	}
	return out, err
}

// presentities gives the stream the members that lists have, of these domains and
// of others.
type presentities struct {
	domains        []string
	local, foreign rls.Members
}

func (p presentities) members(uri string) rls.Members {
	if _, domain := sipuri.Split(uri); slices.Contains(p.domains, domain) {
		return p.local
	}
	return p.foreign
}

// View implements events.Presence.
func (p presentities) View(ctx context.Context, presentity, watcher string) events.View {
	v := p.members(presentity).View(ctx, presentity, watcher, 0)
	return events.View{State: v.State.String(), Reason: v.Reason, Body: v.Body, Tag: v.Tag}
}

// Watch implements events.Presence.
func (p presentities) Watch(w events.Watch) {
	p.members(w.Presentity).Watch(event.Watch{ID: w.ID, Resource: w.Presentity, Watcher: w.Watcher, Expires: w.Expires, Changed: w.Changed})
}

// Unwatch implements events.Presence.
func (p presentities) Unwatch(presentity, id string) {
	p.members(presentity).Unwatch(presentity, id, "timeout")
}
