package memory

import (
	"context"
	"fmt"
	"time"

	"rollcall/internal/store"
)

// LoadMessages implements store.Messages.
func (s *Store) LoadMessages(ctx context.Context, now time.Time, fn func(store.WaitingMessage) error) error {
	return load(ctx, s, s.messages, now, func(m store.Message) time.Time { return m.Expires }, func(m store.Message) error {
		return fn(store.WaitingMessage{MessageKey: m.Key(), Size: m.Size(), Expires: m.Expires})
	})
}

// Message implements store.Messages.
func (s *Store) Message(ctx context.Context, key store.MessageKey) (store.Message, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.check(ctx); err != nil {
		return store.Message{}, err
	}
	m, ok := s.messages[key]
	if !ok {
		return store.Message{}, fmt.Errorf("message %s: %w", key.ID, store.ErrNotFound)
	}
	return m, nil
}
