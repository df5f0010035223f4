package main

import (
	"context"
	"fmt"
	"sync"

	"rollcall/internal/store"
)

// plannedStore is a store that only remembers which accounts and claims there
// would be: for a dry run, whose documents depend on both.
type plannedStore struct {
	store.Store

	mu     sync.Mutex
	users  map[string]store.User
	claims map[string]store.DocumentKey
}

func newPlannedStore(st store.Store) *plannedStore {
	return &plannedStore{Store: st, users: map[string]store.User{}, claims: map[string]store.DocumentKey{}}
}

// User implements store.Users.
func (p *plannedStore) User(ctx context.Context, aor string) (store.User, error) {
	p.mu.Lock()
	u, ok := p.users[aor]
	p.mu.Unlock()
	if ok {
		return u, nil
	}
	return p.Store.User(ctx, aor)
}

// AddUsers implements store.Users.
func (p *plannedStore) AddUsers(_ context.Context, users []store.User, _ bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, u := range users {
		p.users[u.AOR] = u
	}
	return nil
}

// PutDocument implements store.Documents.
func (p *plannedStore) PutDocument(ctx context.Context, doc store.Document, _ string, claims []string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, claim := range claims {
		if by, ok := p.claims[claim]; ok && by != doc.DocumentKey {
			return fmt.Errorf("document %s: %w", docText(doc.DocumentKey), &store.ClaimedError{Claim: claim, By: by})
		}
	}
	for _, claim := range claims {
		p.claims[claim] = doc.DocumentKey
	}
	return ctx.Err()
}

// Claimant implements store.Documents.
func (p *plannedStore) Claimant(ctx context.Context, claim string) (store.DocumentKey, error) {
	p.mu.Lock()
	by, ok := p.claims[claim]
	p.mu.Unlock()
	if ok {
		return by, nil
	}
	return p.Store.Claimant(ctx, claim)
}
