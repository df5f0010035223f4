package postgres

import (
	"context"
	"fmt"
	"strings"
	"time"

	"rollcall/internal/store"
)

// LoadMessages implements store.Messages.
func (s *Store) LoadMessages(ctx context.Context, now time.Time, fn func(store.WaitingMessage) error) error {
	return load(ctx, s, &s.tables.waiting, now, fn)
}

// Message implements store.Messages.
func (s *Store) Message(ctx context.Context, key store.MessageKey) (store.Message, error) {
	var m store.Message
	t := &s.tables.messages
	query := fmt.Sprintf(`SELECT %s FROM %s WHERE recipient = $1 AND id = $2`, strings.Join(t.Columns, ", "), t.Name)
	err := s.pool.QueryRow(ctx, query, t.KeyValues(key)...).Scan(t.Targets(&m)...)
	if err != nil {
		return store.Message{}, fail(ctx, "message", absent(err))
	}
	return m, nil
}
