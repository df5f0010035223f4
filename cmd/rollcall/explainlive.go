package main

import (
	"context"
	"strings"

	"rollcall/internal/explain"
	"rollcall/internal/store"
	"rollcall/policy"
	"rollcall/rls"
	"rollcall/sip/event"
	"rollcall/sip/presence"
)

// liveSource has the parts of a running server give the facts.
type liveSource struct{ n *node }

// Live implements explain.Source.
func (liveSource) Live() bool { return true }

// User implements explain.Source.
func (s liveSource) User(ctx context.Context, aor string) (store.User, error) {
	return s.n.users.Get(ctx, aor)
}

// Registrations implements explain.Source.
func (s liveSource) Registrations(_ context.Context, aor string) ([]explain.Registration, error) {
	var out []explain.Registration
	for _, r := range s.n.registrar.Registrations(aor) {
		reg := registration(r.Binding)
		reg.Ends = r.Ends
		out = append(out, reg)
	}
	return out, nil
}

func registration(b store.Binding) explain.Registration {
	return explain.Registration{
		Contact: b.Contact, UserAgent: b.UserAgent, Instance: b.Instance, Flow: flowText(b.Flow),
		Registered: b.Registered, Renewed: b.Updated, Expires: b.Expires, Ends: b.Expires,
	}
}

// flowText is the reference of a flow for a person: transport and remote address.
func flowText(ref string) string {
	if f := strings.Fields(ref); len(f) > 2 {
		return strings.ToUpper(f[0]) + " " + f[2]
	}
	return ref
}

// State implements explain.Source.
func (s liveSource) State(ctx context.Context, aor string) (explain.State, error) {
	in, err := s.n.presence.Inspect(ctx, aor, "")
	if err != nil {
		return explain.State{}, err
	}
	state := explain.State{
		Hard: in.Hard, Override: in.Override, Calling: in.Calling, Composed: in.Composed,
		Seen: in.Seen, Ending: endings[in.Ending],
	}
	for _, p := range in.Publications {
		pub := publication(p.Publication)
		pub.UserAgent, pub.Ends = p.UserAgent, p.Ends
		state.Publications = append(state.Publications, pub)
	}
	return state, nil
}

var endings = map[presence.Ending]string{
	presence.Left: explain.Left, presence.PublicationExpired: explain.Expired, presence.RegistrationEnded: explain.Dropped,
}

func publication(p store.Publication) explain.Publication {
	return explain.Publication{
		Lineage:   p.Lineage,
		Published: p.Published, Expires: p.Expires, Ends: p.Expires, Says: explain.Says(p.Body), Body: string(p.Body),
	}
}

// Decide implements explain.Source.
func (s liveSource) Decide(ctx context.Context, req policy.Request) (policy.Report, error) {
	return s.n.policy.Report(ctx, req)
}

// View implements explain.Source.
func (s liveSource) View(ctx context.Context, presentity, watcher string) explain.View {
	v := s.n.presence.View(ctx, presentity, watcher)
	return explain.View{State: v.State.String(), Body: string(v.Body)}
}

// Subscriptions implements explain.Source.
func (s liveSource) Subscriptions(ctx context.Context, presentity, watcher string) ([]explain.Subscription, error) {
	found, err := s.n.notifier.Inspect(ctx, presence.Event, presentity, watcher)
	if err != nil {
		return nil, err
	}
	in, err := s.n.presence.Inspect(ctx, presentity, watcher)
	if err != nil {
		return nil, err
	}
	for _, watch := range in.Watches {
		list, err := s.n.notifier.InspectID(ctx, rls.SubscriptionOf(watch))
		if err != nil {
			return nil, err
		}
		found = append(found, list...)
	}
	var out []explain.Subscription
	for _, sub := range found {
		out = append(out, subscription(sub, presentity))
	}
	return out, nil
}

func subscription(in event.Inspection, presentity string) explain.Subscription {
	s := explain.Subscription{
		ID: in.ID, State: in.State.String(), Flow: in.Flow, Lost: in.Flow == "",
		Created: in.Created, Expires: in.Expires, Forms: in.Forms, Waiting: in.InFlight || in.Due,
	}
	if in.Resource != presentity || in.Kind == "list" {
		s.List = in.Resource
	}
	if last := in.Last; !last.Sent.IsZero() {
		s.Notify = &explain.Notify{
			Sent: last.Sent, CSeq: last.CSeq, Answered: last.Answered, Status: last.Status, Failure: last.Failure,
		}
	}
	return s
}

// Watchers implements explain.Source.
func (s liveSource) Watchers(_ context.Context, presentity string) ([]explain.Watcher, error) {
	var out []explain.Watcher
	for _, w := range s.n.presence.Watchers(presentity) {
		out = append(out, watcherEntry(w.Watcher))
	}
	return out, nil
}

// nobody is how watcher information names one without identity.
const nobody = "sip:anonymous@anonymous.invalid"

func watcherEntry(w store.Watcher) explain.Watcher {
	who := w.Watcher
	if who == "" || who == nobody {
		who = explain.Anonymous
	}
	return explain.Watcher{Watcher: who, Name: w.DisplayName, Status: w.Status, Cause: w.Cause, Since: w.Since, Expires: w.Expires}
}
