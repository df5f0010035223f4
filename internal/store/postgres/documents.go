package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"rollcall/internal/store"
	"rollcall/internal/store/row"
)

func name(key store.DocumentKey) string {
	return fmt.Sprintf("document %q/%q/%q", key.XUI, key.AUID, key.Path)
}

// Document implements store.Documents.
func (s *Store) Document(ctx context.Context, key store.DocumentKey) (store.Document, error) {
	limited, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	d := store.Document{DocumentKey: key}
	err := s.pool.QueryRow(limited, `SELECT etag, modified, body FROM documents WHERE xui = $1 AND auid = $2 AND path = $3`,
		key.XUI, key.AUID, key.Path).Scan(&d.ETag, row.ScanTime{To: &d.Modified}, &d.Body)
	if err != nil {
		return store.Document{}, fail(ctx, name(key), absent(err))
	}
	return d, nil
}

const (
	insertDocument = `INSERT INTO documents (xui, auid, path, etag, modified, body)
		VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`
	// The new version holds none of the claims of the old one until they are set.
	swapDocument = `WITH swapped AS (
			UPDATE documents SET etag = $4, modified = $5, body = $6
			WHERE xui = $1 AND auid = $2 AND path = $3 AND etag = $7 RETURNING 1
		), freed AS (
			DELETE FROM claims WHERE xui = $1 AND auid = $2 AND path = $3 AND EXISTS (SELECT FROM swapped)
		) SELECT FROM swapped`
)

// PutDocument implements store.Documents.
func (s *Store) PutDocument(ctx context.Context, doc store.Document, expected string, claims []string) error {
	query := insertDocument
	args := []any{doc.XUI, doc.AUID, doc.Path, doc.ETag, row.Time(doc.Modified), row.Bytes(doc.Body)}
	switch {
	case s.opt.History > 0 && expected != "":
		query, args = swapRecorded, append(s.recorded(args, &doc.Origin), expected)
	case s.opt.History > 0:
		query, args = createRecorded, s.recorded(args, &doc.Origin)
	case expected != "":
		query, args = swapDocument, append(args, expected)
	}
	var err error
	if len(claims) == 0 {
		var n int
		if n, err = s.exec(ctx, query, args...); err == nil && n == 0 {
			err = store.ErrETagMismatch
		}
	} else {
		err = s.transact(ctx, func(ctx context.Context, tx pgx.Tx) error {
			tag, err := tx.Exec(ctx, query, args...)
			if err != nil {
				return err
			}
			if tag.RowsAffected() == 0 {
				return store.ErrETagMismatch
			}
			return setClaims(ctx, tx, doc.DocumentKey, claims)
		})
	}
	return fail(ctx, name(doc.DocumentKey), err)
}

// setClaims adds claims, in one order for everybody, waiting for other
// transactions that add the same; then it looks who holds them.
func setClaims(ctx context.Context, tx pgx.Tx, key store.DocumentKey, claims []string) error {
	_, err := tx.Exec(ctx, `INSERT INTO claims (claim, xui, auid, path)
		SELECT DISTINCT claim, $2, $3, $4 FROM unnest($1::text[]) AS c(claim) ORDER BY claim ON CONFLICT DO NOTHING`,
		claims, key.XUI, key.AUID, key.Path)
	if err != nil {
		return err
	}
	rows, err := tx.Query(ctx, `SELECT claim, xui, auid, path FROM claims
		WHERE claim = ANY($1::text[]) AND (xui, auid, path) <> ($2, $3, $4)`, claims, key.XUI, key.AUID, key.Path)
	if err != nil {
		return err
	}
	var first *store.ClaimedError
	var claimed store.ClaimedError
	_, err = pgx.ForEachRow(rows, []any{&claimed.Claim, &claimed.By.XUI, &claimed.By.AUID, &claimed.By.Path}, func() error {
		if first == nil || slices.Index(claims, claimed.Claim) < slices.Index(claims, first.Claim) {
			found := claimed
			first = &found
		}
		return nil
	})
	if err == nil && first != nil {
		return first
	}
	return err
}

// DeleteDocument implements store.Documents.
func (s *Store) DeleteDocument(ctx context.Context, key store.DocumentKey, expected string, origin store.Origin) error {
	query := `DELETE FROM documents WHERE xui = $1 AND auid = $2 AND path = $3 AND etag = $4`
	args := []any{key.XUI, key.AUID, key.Path, expected}
	if s.opt.History > 0 {
		query, args = removeRecorded, s.recorded(append(args, row.Time(time.Now()), nil), &origin)
	}
	n, err := s.exec(ctx, query, args...)
	if err == nil && n == 0 {
		if _, err = s.Document(ctx, key); err == nil {
			err = store.ErrETagMismatch
		}
	}
	return fail(ctx, name(key), absent(err))
}

// ListDocuments implements store.Documents.
func (s *Store) ListDocuments(ctx context.Context, xui, auid string) ([]store.Document, error) {
	limited, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	rows, err := s.pool.Query(limited, `SELECT auid, path, etag, modified, octet_length(body) FROM documents
		WHERE xui = $1 AND ($2 = '' OR auid = $2) ORDER BY auid, path`, xui, auid)
	if err != nil {
		return nil, fail(ctx, "list documents", err)
	}
	list, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (store.Document, error) {
		d := store.Document{DocumentKey: store.DocumentKey{XUI: xui}}
		err := r.Scan(&d.AUID, &d.Path, &d.ETag, row.ScanTime{To: &d.Modified}, &d.Size)
		return d, err
	})
	if err = absent(err); errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	return list, fail(ctx, "list documents", err)
}

// Claimant implements store.Documents.
func (s *Store) Claimant(ctx context.Context, claim string) (store.DocumentKey, error) {
	limited, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	var by store.DocumentKey
	err := s.pool.QueryRow(limited, `SELECT xui, auid, path FROM claims WHERE claim = $1`, claim).Scan(&by.XUI, &by.AUID, &by.Path)
	if err != nil {
		return store.DocumentKey{}, fail(ctx, fmt.Sprintf("claim %q", claim), absent(err))
	}
	return by, nil
}

// AUIDDocuments implements store.Documents.
func (s *Store) AUIDDocuments(ctx context.Context, auid, path string, fn func(store.Document) error) error {
	rows, err := s.pool.Query(ctx, `SELECT xui, etag, modified, body FROM documents
		WHERE auid = $1 AND path = $2 AND xui > '' ORDER BY xui`, auid, path)
	if err != nil {
		return fail(ctx, "documents of "+auid, err)
	}
	defer rows.Close()
	for rows.Next() {
		d := store.Document{DocumentKey: store.DocumentKey{AUID: auid, Path: path}}
		if err := rows.Scan(&d.XUI, &d.ETag, row.ScanTime{To: &d.Modified}, &d.Body); err != nil {
			return fail(ctx, "documents of "+auid, err)
		}
		if err := fn(d); err != nil {
			return err
		}
	}
	return fail(ctx, "documents of "+auid, rows.Err())
}
