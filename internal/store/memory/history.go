package memory

import (
	"context"
	"fmt"
	"slices"
	"time"

	"rollcall/internal/store"
)

// record appends v to the history of its document, after what was there before;
// the lock is held and the document not yet changed.
func (s *Store) record(v store.Version) {
	if s.history <= 0 {
		return
	}
	list := slices.Clone(s.versions[v.DocumentKey])
	if old, ok := s.documents[v.DocumentKey]; ok && (len(list) == 0 || list[len(list)-1].ETag != old.ETag) {
		list = push(list, store.Version{Document: old})
	}
	list = push(list, v)
	s.versions[v.DocumentKey] = list[max(0, len(list)-s.history):]
}

func push(list []store.Version, v store.Version) []store.Version {
	v.Number, v.Size = 1, len(v.Body)
	if n := len(list); n > 0 {
		v.Number = list[n-1].Number + 1
	}
	return append(list, v)
}

// reapHistory forgets documents that were removed long ago; the lock is held.
func (s *Store) reapHistory(before time.Time) (total int) {
	if s.deleted <= 0 {
		return 0
	}
	limit := before.Add(-s.deleted)
	for key, list := range s.versions {
		if last := list[len(list)-1]; last.Deleted && last.Modified.Before(limit) {
			delete(s.versions, key)
			total += len(list)
		}
	}
	return total
}

// Versions implements store.History.
func (s *Store) Versions(ctx context.Context, key store.DocumentKey) ([]store.Version, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.check(ctx); err != nil {
		return nil, err
	}
	list := slices.Clone(s.versions[key])
	slices.Reverse(list)
	for i := range list {
		list[i].Body = nil
	}
	return list, nil
}

// Version implements store.History.
func (s *Store) Version(ctx context.Context, key store.DocumentKey, number int) (store.Version, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.check(ctx); err != nil {
		return store.Version{}, err
	}
	for _, v := range s.versions[key] {
		if v.Number == number {
			return v, nil
		}
	}
	return store.Version{}, fmt.Errorf("version %d of document %s/%s: %w", number, key.AUID, key.Path, store.ErrNotFound)
}
