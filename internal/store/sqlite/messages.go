package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"rollcall/internal/store"
	"rollcall/internal/store/row"
)

// LoadMessages implements store.Messages.
func (s *Store) LoadMessages(ctx context.Context, now time.Time, fn func(store.WaitingMessage) error) error {
	return load(ctx, s, row.WaitingMessages(), now, fn)
}

// Message implements store.Messages.
func (s *Store) Message(ctx context.Context, key store.MessageKey) (store.Message, error) {
	var m store.Message
	t := row.Messages()
	query := fmt.Sprintf(`SELECT %s FROM %s WHERE recipient = ? AND id = ?`, strings.Join(t.Columns, ", "), t.Name)
	err := s.db.QueryRowContext(ctx, query, t.KeyValues(key)...).Scan(t.Targets(&m)...)
	if errors.Is(err, sql.ErrNoRows) {
		err = store.ErrNotFound
	}
	if err != nil {
		return store.Message{}, fail("message", err)
	}
	return m, nil
}
