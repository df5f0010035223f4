package rls

import (
	"context"
	"errors"
	"slices"
	"strings"

	"rollcall/internal/resourcelist"
	"rollcall/internal/sipuri"
	"rollcall/internal/store"
	"rollcall/sip/event"
	"rollcall/sip/presence"
)

// Inspection is a list as it is read now, and what a watcher sees of its members.
type Inspection struct {
	Owner    string
	Document store.DocumentKey // where it is defined
	// Defined is false for user+package of a user without such a service: the list
	// is there, and empty.
	Defined bool
	// MayUse tells whether the watcher may subscribe.
	MayUse bool
	// Packages are those it is limited to; nil: to none.
	Packages []string
	// Event is the package in which the states of members are; empty: they are not known.
	Event string
	resourcelist.Name
	Members []InspectedMember
	// Unresolved are the entries that led nowhere.
	Unresolved []resourcelist.Entry
	// Problem is why the list as a whole cannot be resolved; empty: it can.
	Problem string
}

// InspectedMember is a member of a list.
type InspectedMember struct {
	URI string
	resourcelist.Name
	Foreign bool   // of a domain that is not served here
	List    bool   // a list itself
	State   string // of its instance; empty: nothing is known yet
	Reason  string // when terminated
}

// Inspect reads the list that resource is; false: it is none.
func (s *Service) Inspect(ctx context.Context, resource, watcher string) (Inspection, bool, error) {
	at, err := s.locate(ctx, resource)
	if errors.Is(err, errNoList) {
		return Inspection{}, false, nil
	}
	if err != nil {
		return Inspection{}, false, err
	}
	doc, service, _, err := s.definition(ctx, at)
	if err != nil || service < 0 && at.standing == "" {
		return Inspection{}, false, err
	}
	in := Inspection{Owner: at.owner, Document: at.document, Defined: service >= 0, MayUse: s.mayUse(watcher, at)}
	if !in.Defined {
		in.Packages, in.Event = []string{at.standing}, at.standing
		return in, true, nil
	}
	if names, limited := packagesOf(doc, service); limited {
		in.Packages = make([]string, 0, len(names))
		for _, name := range names {
			in.Packages = append(in.Packages, strings.Clone(name))
		}
	}
	pkg := s.shownIn(at, in.Packages)
	if pkg != nil {
		in.Event = pkg.Event()
	}
	list, err := s.flatten(ctx, doc, service, at.owner)
	if err != nil && !errors.Is(err, resourcelist.ErrUnresolved) {
		return Inspection{}, false, err
	}
	if err != nil {
		in.Problem = err.Error()
	}
	in.Name = list.Name
	for _, e := range list.Entries {
		if e.Problem != "" {
			in.Unresolved = append(in.Unresolved, e)
			continue
		}
		in.Members = append(in.Members, s.inspectMember(ctx, pkg, e, watcher))
	}
	return in, true, nil
}

// shownIn is the event package in which the members of a list are looked at: that of
// its address, presence, or another that it serves. Nil: there is none here.
func (s *Service) shownIn(at place, packages []string) *wrapped {
	for _, name := range append([]string{at.standing, presence.Event}, packages...) {
		if s.events[name] != nil && (packages == nil || slices.Contains(packages, name)) {
			return s.events[name]
		}
	}
	return nil
}

// inspectMember tells what watcher sees of an entry now. What is a list itself is no
// resource of the package.
func (s *Service) inspectMember(ctx context.Context, pkg *wrapped, e resourcelist.Entry, watcher string) InspectedMember {
	_, domain := sipuri.Split(e.URI)
	m := InspectedMember{URI: e.URI, Name: e.Name, Foreign: !s.domains[domain]}
	if pkg == nil {
		return m
	}
	from := pkg.local
	if m.Foreign {
		from = pkg.foreign
	}
	if from == nil { // as list.kindOf says
		m.State, m.Reason = event.Terminated.String(), "giveup"
		return m
	}
	v := from.View(ctx, e.URI, watcher, 0)
	switch {
	case v.State == event.Terminated:
		if m.List = !m.Foreign && s.IsList(ctx, e.URI); !m.List {
			m.State, m.Reason = v.State.String(), v.Reason
		}
	case v.State == event.Pending || len(v.Body) > 0:
		m.State = v.State.String()
	}
	return m
}
