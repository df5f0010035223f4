package rls

import (
	"context"
	"errors"
	"fmt"

	"rollcall/internal/resourcelist"
	"rollcall/internal/store"
)

// Roster returns the members of all lists together that a user offers for an event
// package, each once, but no more than one list may have. A list that cannot be
// resolved has none.
func (s *Service) Roster(ctx context.Context, owner, event string) ([]resourcelist.Entry, error) {
	stored, err := s.cfg.Documents.Document(ctx, serviceDocument(owner))
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading services of %s: %w", owner, err)
	}
	doc, err := resourcelist.Scan(stored.Body)
	if err != nil || !doc.Is(0, resourcelist.NamespaceRLS, "rls-services") {
		return nil, nil
	}
	most := s.cfg.Resolver.MaxEntries
	if most <= 0 {
		most = resourcelist.DefaultMaxEntries
	}
	var all []resourcelist.Entry
	seen := make(map[string]bool)
	for service := range doc.Children(0) {
		if !doc.Is(service, resourcelist.NamespaceRLS, "service") || checkPackages(doc, service, event) != nil {
			continue
		}
		list, err := s.flatten(ctx, doc, service, owner)
		if err != nil && !errors.Is(err, resourcelist.ErrUnresolved) {
			return nil, err
		}
		for _, e := range list.Entries {
			if !e.Reference && !seen[e.URI] && len(all) < most {
				seen[e.URI] = true
				all = append(all, e)
			}
		}
	}
	return all, nil
}
