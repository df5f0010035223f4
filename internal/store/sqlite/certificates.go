package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"rollcall/internal/store"
	"rollcall/internal/store/row"
)

// Certificate implements store.Certificates.
func (s *Store) Certificate(ctx context.Context, name string) (value []byte, err error) {
	err = s.db.QueryRowContext(ctx, `SELECT value FROM certificates WHERE name = ?`, name).Scan(&value)
	if errors.Is(err, sql.ErrNoRows) {
		err = store.ErrNotFound
	}
	if err != nil {
		return nil, fail("certificate "+name, err)
	}
	return value, nil
}

// PutCertificate implements store.Certificates.
func (s *Store) PutCertificate(ctx context.Context, name string, value []byte) error {
	return fail("certificate "+name, s.engine.Do(ctx, func(ctx context.Context) error {
		_, err := s.w.conn.ExecContext(ctx, `INSERT INTO certificates (name, value) VALUES (?, ?)
			ON CONFLICT (name) DO UPDATE SET value = excluded.value`, name, row.Bytes(value))
		return err
	}))
}

// DeleteCertificate implements store.Certificates.
func (s *Store) DeleteCertificate(ctx context.Context, name string) error {
	return fail("certificate "+name, s.engine.Do(ctx, func(ctx context.Context) error {
		_, err := s.w.conn.ExecContext(ctx, `DELETE FROM certificates WHERE name = ?`, name)
		return err
	}))
}
