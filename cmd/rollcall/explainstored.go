package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"rollcall/internal/auth"
	"rollcall/internal/config"
	"rollcall/internal/explain"
	"rollcall/internal/pidf"
	"rollcall/internal/resourcelist"
	"rollcall/internal/store"
	"rollcall/internal/xmlscan"
	"rollcall/policy"
	"rollcall/rls"
	"rollcall/sip/presence"
)

// deciding are the settings that decisions depend on.
type deciding struct {
	config.Tree    `embed:""`
	config.Policy  `embed:""`
	ProvideDefault string `name:"provide-default" env:"ROLLCALL_PROVIDE_DEFAULT" default:"none" enum:"none,all" help:"As that of the server: none or all."`
	MaxListEntries int    `name:"max-list-entries" env:"ROLLCALL_MAX_LIST_ENTRIES" default:"1000" help:"As that of the server."`
	RLSUser        string `name:"rls-user" env:"ROLLCALL_RLS_USER" default:"rls" help:"As that of the server."`
}

// Normalize gives the settings the form that the server uses.
func (d *deciding) Normalize() error {
	if d.RLSUser == "-" {
		d.RLSUser = ""
	}
	if _, err := d.Rules(); err != nil {
		return err
	}
	return d.Tree.Normalize()
}

func (d *deciding) resolver(docs resourcelist.Documents) *resourcelist.Resolver {
	return &resourcelist.Resolver{Docs: docs, Roots: d.XCAPRoot[:1], MaxEntries: d.MaxListEntries}
}

// engine decides as the server would.
func (d *deciding) engine(docs policy.Documents) *policy.Engine {
	rules, _ := d.Rules() // checked by Normalize
	opt := policy.Options{Tenants: tenants(rules)}
	if d.ProvideDefault == "all" {
		opt.ProvideDefault = policy.ProvideAll
	}
	return policy.NewEngine(docs, d.resolver(docs), opt)
}

// dialogEngine decides about dialogs as the server would.
func (d *deciding) dialogEngine(docs policy.Documents) *policy.Engine {
	return policy.NewEngine(docs, d.resolver(docs), policy.Options{AUIDs: []string{policy.AUIDDialogRules}})
}

// storedSource gives the facts that a database holds.
type storedSource struct {
	st     store.Store
	policy *policy.Engine
	lists  *rls.Service
	now    time.Time
}

func newStoredSource(st store.Store, place *config.Place, d *deciding) *storedSource {
	return &storedSource{
		st: st, policy: d.engine(st), now: time.Now(),
		lists: rls.New(rls.Config{
			Documents: st, Claims: st, Users: auth.NewUsers(st, time.Minute), Resolver: d.resolver(st),
			Domains: place.Domain, User: d.RLSUser,
		}),
	}
}

// Live implements explain.Source.
func (*storedSource) Live() bool { return false }

// User implements explain.Source.
func (s *storedSource) User(ctx context.Context, aor string) (store.User, error) {
	return s.st.User(ctx, aor)
}

func (s *storedSource) bindings(ctx context.Context, aor string) (out []store.Binding, err error) {
	err = s.st.LoadBindings(ctx, s.now, func(b store.Binding) error {
		if b.AOR == aor {
			out = append(out, b)
		}
		return nil
	})
	slices.SortFunc(out, func(a, b store.Binding) int { return b.Updated.Compare(a.Updated) })
	return out, err
}

// Registrations implements explain.Source.
func (s *storedSource) Registrations(ctx context.Context, aor string) (out []explain.Registration, err error) {
	bindings, err := s.bindings(ctx, aor)
	for _, b := range bindings {
		out = append(out, registration(b))
	}
	return out, err
}

// State implements explain.Source. It composes as the server does.
func (s *storedSource) State(ctx context.Context, aor string) (explain.State, error) {
	c := pidf.Composition{AOR: aor, Now: s.now, Trace: true}
	bindings, err := s.bindings(ctx, aor)
	if err != nil {
		return explain.State{}, err
	}
	for _, b := range bindings {
		c.Registrations = append(c.Registrations, pidf.Registration{ID: b.ID, Contact: aor, Instance: b.Instance, Q: b.Q, Expires: b.Expires})
	}
	slices.SortFunc(c.Registrations, func(a, b pidf.Registration) int { return cmp.Compare(a.ID, b.ID) })
	var state explain.State
	err = s.st.LoadPublications(ctx, s.now, func(p store.Publication) error {
		if p.AOR != aor || p.Event != presence.Event {
			return nil
		}
		state.Publications = append(state.Publications, publication(p))
		if doc, err := pidf.Parse(p.Body, xmlscan.DefaultLimits()); err == nil {
			c.Soft = append(c.Soft, pidf.Input{Lineage: p.Lineage, Doc: doc, Published: p.Published})
		}
		return nil
	})
	if err != nil {
		return explain.State{}, err
	}
	if c.Hard, err = s.stored(ctx, aor, "index"); err != nil {
		return explain.State{}, err
	}
	if c.Override, err = s.stored(ctx, aor, "override"); err != nil {
		return explain.State{}, err
	}
	state.Hard, state.Override, state.Composed = c.Hard != nil, c.Override != nil, pidf.Compose(c)
	return state, nil
}

// stored is a presence document of a user, nil when there is none that can be read.
func (s *storedSource) stored(ctx context.Context, aor, path string) (*pidf.Document, error) {
	found, err := s.st.Document(ctx, store.DocumentKey{XUI: aor, AUID: "pidf-manipulation", Path: path})
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, err
	}
	doc, err := pidf.Parse(found.Body, xmlscan.DefaultLimits())
	if err != nil {
		return nil, nil // as the server does
	}
	return doc, nil
}

// Decide implements explain.Source.
func (s *storedSource) Decide(ctx context.Context, req policy.Request) (policy.Report, error) {
	return s.policy.Report(ctx, req)
}

// View implements explain.Source: it is made from the decision.
func (*storedSource) View(context.Context, string, string) explain.View { return explain.View{} }

// watching returns the subscriptions by which anybody, or the one watcher that
// matches accepts, watches presentity.
func (s *storedSource) watching(ctx context.Context, presentity string, matches func(watcher string) bool) ([]store.Subscription, error) {
	var direct, others []store.Subscription
	err := s.st.LoadSubscriptions(ctx, s.now, func(row store.Subscription) error {
		switch {
		case row.Event != presence.Event || !matches(row.Watcher):
		case row.Resource == presentity:
			direct = append(direct, row)
		default:
			others = append(others, row)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("loading subscriptions: %w", err)
	}
	for _, row := range others {
		covers, err := s.lists.Covers(ctx, row, presentity)
		if err != nil {
			return nil, err
		}
		if covers {
			direct = append(direct, row)
		}
	}
	return direct, nil
}

// Subscriptions implements explain.Source.
func (s *storedSource) Subscriptions(ctx context.Context, presentity, watcher string) ([]explain.Subscription, error) {
	rows, err := s.watching(ctx, presentity, func(w string) bool { return w == watcher })
	var out []explain.Subscription
	for _, row := range rows {
		sub := explain.Subscription{ID: row.ID, State: row.State, Flow: flowText(row.Flow), Created: row.Created, Expires: row.Expires}
		if row.Resource != presentity {
			sub.List = row.Resource
		}
		out = append(out, sub)
	}
	return out, err
}

// Watchers implements explain.Source. Only those who wait are stored.
func (s *storedSource) Watchers(ctx context.Context, presentity string) (out []explain.Watcher, err error) {
	err = s.st.LoadWatchers(ctx, s.now, func(w store.Watcher) error {
		if w.Presentity == presentity && w.Event == presence.Event {
			out = append(out, watcherEntry(w))
		}
		return nil
	})
	return out, err
}
