package memory

import (
	"context"
	"slices"

	"rollcall/internal/store"
)

// Certificate implements store.Certificates.
func (s *Store) Certificate(ctx context.Context, name string) ([]byte, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.check(ctx); err != nil {
		return nil, err
	}
	value, ok := s.certificates[name]
	if !ok {
		return nil, store.ErrNotFound
	}
	return slices.Clone(value), nil
}

// PutCertificate implements store.Certificates.
func (s *Store) PutCertificate(ctx context.Context, name string, value []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.check(ctx); err != nil {
		return err
	}
	s.certificates[name] = slices.Clone(value)
	return nil
}

// DeleteCertificate implements store.Certificates.
func (s *Store) DeleteCertificate(ctx context.Context, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.check(ctx); err != nil {
		return err
	}
	delete(s.certificates, name)
	return nil
}
