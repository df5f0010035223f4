package memory

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"rollcall/internal/store"
)

// Document implements store.Documents.
func (s *Store) Document(ctx context.Context, key store.DocumentKey) (store.Document, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.check(ctx); err != nil {
		return store.Document{}, err
	}
	d, ok := s.documents[key]
	if !ok {
		return store.Document{}, fmt.Errorf("document %s/%s: %w", key.AUID, key.Path, store.ErrNotFound)
	}
	return d, nil
}

// PutDocument implements store.Documents.
func (s *Store) PutDocument(ctx context.Context, doc store.Document, expected string, claims []string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.check(ctx); err != nil {
		return err
	}
	if s.documents[doc.DocumentKey].ETag != expected {
		return fmt.Errorf("document %s/%s: %w", doc.AUID, doc.Path, store.ErrETagMismatch)
	}
	for _, claim := range claims {
		if by, ok := s.claims[claim]; ok && by != doc.DocumentKey {
			return &store.ClaimedError{Claim: claim, By: by}
		}
	}
	s.release(doc.DocumentKey)
	for _, claim := range claims {
		s.claims[claim] = doc.DocumentKey
	}
	doc.Body = bytes.Clone(doc.Body)
	doc.Modified = instant(doc.Modified)
	s.record(store.Version{Document: doc})
	doc.Origin, doc.Size = store.Origin{}, 0
	s.documents[doc.DocumentKey] = doc
	return nil
}

// DeleteDocument implements store.Documents.
func (s *Store) DeleteDocument(ctx context.Context, key store.DocumentKey, expected string, origin store.Origin) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.check(ctx); err != nil {
		return err
	}
	d, ok := s.documents[key]
	if !ok {
		return fmt.Errorf("document %s/%s: %w", key.AUID, key.Path, store.ErrNotFound)
	}
	if d.ETag != expected {
		return fmt.Errorf("document %s/%s: %w", key.AUID, key.Path, store.ErrETagMismatch)
	}
	s.record(store.Version{Document: store.Document{DocumentKey: key, Modified: instant(time.Now()), Origin: origin}, Deleted: true})
	delete(s.documents, key)
	s.release(key)
	return nil
}

func (s *Store) release(key store.DocumentKey) {
	maps.DeleteFunc(s.claims, func(_ string, by store.DocumentKey) bool { return by == key })
}

// ListDocuments implements store.Documents.
func (s *Store) ListDocuments(ctx context.Context, xui, auid string) ([]store.Document, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.check(ctx); err != nil {
		return nil, err
	}
	var list []store.Document
	for key, d := range s.documents {
		if key.XUI == xui && (auid == "" || key.AUID == auid) {
			d.Size, d.Body = len(d.Body), nil
			list = append(list, d)
		}
	}
	slices.SortFunc(list, func(a, b store.Document) int {
		return cmp.Or(cmp.Compare(a.AUID, b.AUID), cmp.Compare(a.Path, b.Path))
	})
	return list, nil
}

// Claimant implements store.Documents.
func (s *Store) Claimant(ctx context.Context, claim string) (store.DocumentKey, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.check(ctx); err != nil {
		return store.DocumentKey{}, err
	}
	key, ok := s.claims[claim]
	if !ok {
		return store.DocumentKey{}, fmt.Errorf("claim %q: %w", claim, store.ErrNotFound)
	}
	return key, nil
}

// AUIDDocuments implements store.Documents.
func (s *Store) AUIDDocuments(ctx context.Context, auid, path string, fn func(store.Document) error) error {
	list, err := s.ofUsage(ctx, auid, path)
	if err != nil {
		return err
	}
	for _, d := range list {
		if err := fn(d); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) ofUsage(ctx context.Context, auid, path string) ([]store.Document, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.check(ctx); err != nil {
		return nil, err
	}
	var list []store.Document
	for key, d := range s.documents {
		if key.XUI != "" && key.AUID == auid && key.Path == path {
			list = append(list, d)
		}
	}
	slices.SortFunc(list, func(a, b store.Document) int { return cmp.Compare(a.XUI, b.XUI) })
	return list, nil
}
