package postgres

import (
	"context"

	"rollcall/internal/store/row"
)

// Certificate implements store.Certificates.
func (s *Store) Certificate(ctx context.Context, name string) (value []byte, err error) {
	limited, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	if err := s.pool.QueryRow(limited, `SELECT value FROM certificates WHERE name = $1`, name).Scan(&value); err != nil {
		return nil, fail(ctx, "certificate "+name, absent(err))
	}
	return value, nil
}

// PutCertificate implements store.Certificates.
func (s *Store) PutCertificate(ctx context.Context, name string, value []byte) error {
	_, err := s.exec(ctx, `INSERT INTO certificates (name, value) VALUES ($1, $2)
		ON CONFLICT (name) DO UPDATE SET value = EXCLUDED.value`, name, row.Bytes(value))
	return fail(ctx, "certificate "+name, err)
}

// DeleteCertificate implements store.Certificates.
func (s *Store) DeleteCertificate(ctx context.Context, name string) error {
	_, err := s.exec(ctx, `DELETE FROM certificates WHERE name = $1`, name)
	return fail(ctx, "certificate "+name, err)
}
