package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"rollcall/internal/store"
	"rollcall/internal/store/row"
)

type documentStatements struct {
	insert, update, remove, exists *sql.Stmt
	claim, claimant, unclaim       *sql.Stmt
}

func (d *documentStatements) prepare(p *preparer) {
	const key = `xui = ? AND auid = ? AND path = ?`
	d.insert = p.stmt(`INSERT INTO documents (etag, modified, body, xui, auid, path) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`)
	d.update = p.stmt(`UPDATE documents SET etag = ?, modified = ?, body = ? WHERE ` + key + ` AND etag = ?`)
	d.remove = p.stmt(`DELETE FROM documents WHERE ` + key + ` AND etag = ?`)
	d.exists = p.stmt(`SELECT count(*) FROM documents WHERE ` + key)
	d.claim = p.stmt(`INSERT INTO claims (xui, auid, path, claim) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING`)
	d.claimant = p.stmt(`SELECT xui, auid, path FROM claims WHERE claim = ?`)
	d.unclaim = p.stmt(`DELETE FROM claims WHERE ` + key)
}

// readStatements are those on the connections that read.
type readStatements struct{ user, document *sql.Stmt }

func (r *readStatements) prepare(ctx context.Context, db *sql.DB) error {
	p := preparer{ctx: ctx, prepare: db.PrepareContext}
	r.user = p.stmt(`SELECT aor, ha1_md5, ha1_sha256, ha1_sha512_256, display_name, created FROM users WHERE aor = ?`)
	r.document = p.stmt(`SELECT etag, modified, body FROM documents WHERE xui = ? AND auid = ? AND path = ?`)
	return p.err
}

func name(key store.DocumentKey) string {
	return "document " + key.XUI + "/" + key.AUID + "/" + key.Path
}

// Document implements store.Documents.
func (s *Store) Document(ctx context.Context, key store.DocumentKey) (store.Document, error) {
	d := store.Document{DocumentKey: key}
	err := s.read.document.QueryRowContext(ctx, key.XUI, key.AUID, key.Path).
		Scan(&d.ETag, row.ScanTime{To: &d.Modified}, &d.Body)
	if errors.Is(err, sql.ErrNoRows) {
		err = store.ErrNotFound
	}
	if err != nil {
		return store.Document{}, fail(name(key), err)
	}
	return d, nil
}

// PutDocument implements store.Documents.
func (s *Store) PutDocument(ctx context.Context, doc store.Document, expected string, claims []string) error {
	return fail(name(doc.DocumentKey), s.engine.Do(ctx, func(ctx context.Context) error {
		if err := s.w.history.record(ctx, &doc, row.Bytes(doc.Body), expected); err != nil {
			return err
		}
		args := []any{doc.ETag, row.Time(doc.Modified), row.Bytes(doc.Body), doc.XUI, doc.AUID, doc.Path}
		stmt := s.w.documents.insert
		if expected != "" {
			stmt, args = s.w.documents.update, append(args, expected)
		}
		n, err := affected(stmt.ExecContext(ctx, args...))
		if err != nil {
			return err
		}
		if n == 0 {
			return store.ErrETagMismatch
		}
		return s.w.documents.setClaims(ctx, doc.DocumentKey, claims)
	}))
}

func (d *documentStatements) setClaims(ctx context.Context, key store.DocumentKey, claims []string) error {
	if _, err := d.unclaim.ExecContext(ctx, key.XUI, key.AUID, key.Path); err != nil {
		return err
	}
	for _, claim := range claims {
		n, err := affected(d.claim.ExecContext(ctx, key.XUI, key.AUID, key.Path, claim))
		if err != nil {
			return err
		}
		if n == 1 {
			continue
		}
		var by store.DocumentKey
		if err := d.claimant.QueryRowContext(ctx, claim).Scan(&by.XUI, &by.AUID, &by.Path); err != nil {
			return err
		}
		if by != key { // else it is twice in the list
			return &store.ClaimedError{Claim: claim, By: by}
		}
	}
	return nil
}

// DeleteDocument implements store.Documents.
func (s *Store) DeleteDocument(ctx context.Context, key store.DocumentKey, expected string, origin store.Origin) error {
	return fail(name(key), s.engine.Do(ctx, func(ctx context.Context) error {
		gone := store.Document{DocumentKey: key, Modified: time.Now(), Origin: origin}
		if err := s.w.history.record(ctx, &gone, nil, expected); err != nil {
			return err
		}
		n, err := affected(s.w.documents.remove.ExecContext(ctx, key.XUI, key.AUID, key.Path, expected))
		if err != nil || n == 1 {
			return err
		}
		if err := s.w.documents.exists.QueryRowContext(ctx, key.XUI, key.AUID, key.Path).Scan(&n); err != nil {
			return err
		}
		if n == 0 {
			return store.ErrNotFound
		}
		return store.ErrETagMismatch
	}))
}

// ListDocuments implements store.Documents.
func (s *Store) ListDocuments(ctx context.Context, xui, auid string) ([]store.Document, error) {
	rows, err := s.db.QueryContext(ctx, `SELECT auid, path, etag, modified, length(body) FROM documents
		WHERE xui = ?1 AND (?2 = '' OR auid = ?2) ORDER BY auid, path`, xui, auid)
	if err != nil {
		return nil, fail("list documents", err)
	}
	defer rows.Close()
	var list []store.Document
	for rows.Next() {
		d := store.Document{DocumentKey: store.DocumentKey{XUI: xui}}
		if err := rows.Scan(&d.AUID, &d.Path, &d.ETag, row.ScanTime{To: &d.Modified}, &d.Size); err != nil {
			return nil, fail("list documents", err)
		}
		list = append(list, d)
	}
	return list, fail("list documents", rows.Err())
}

// Claimant implements store.Documents.
func (s *Store) Claimant(ctx context.Context, claim string) (store.DocumentKey, error) {
	var by store.DocumentKey
	err := s.db.QueryRowContext(ctx, `SELECT xui, auid, path FROM claims WHERE claim = ?`, claim).Scan(&by.XUI, &by.AUID, &by.Path)
	if errors.Is(err, sql.ErrNoRows) {
		err = store.ErrNotFound
	}
	if err != nil {
		return store.DocumentKey{}, fail("claim "+claim, err)
	}
	return by, nil
}

// AUIDDocuments implements store.Documents.
func (s *Store) AUIDDocuments(ctx context.Context, auid, path string, fn func(store.Document) error) error {
	rows, err := s.db.QueryContext(ctx, `SELECT xui, etag, modified, body FROM documents
		WHERE auid = ? AND path = ? AND xui > '' ORDER BY xui`, auid, path)
	if err != nil {
		return fail("documents of "+auid, err)
	}
	defer rows.Close()
	for rows.Next() {
		d := store.Document{DocumentKey: store.DocumentKey{AUID: auid, Path: path}}
		if err := rows.Scan(&d.XUI, &d.ETag, row.ScanTime{To: &d.Modified}, &d.Body); err != nil {
			return fail("documents of "+auid, err)
		}
		if err := fn(d); err != nil {
			return err
		}
	}
	return fail("documents of "+auid, rows.Err())
}
