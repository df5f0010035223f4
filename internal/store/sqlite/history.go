package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"rollcall/internal/store"
	"rollcall/internal/store/row"
)

// historyStatements record versions of documents. keep bounds the versions of
// one document; with 0 none are recorded.
type historyStatements struct {
	keep                                         int
	extent, insert, reuse, adopt, trim, reapSome *sql.Stmt
}

func (h *historyStatements) prepare(p *preparer, keep int) {
	const (
		match   = `xui = ?1 AND auid = ?2 AND path = ?3`
		columns = `(xui, auid, path, version, etag, modified, author, client, address, method, size, body)`
	)
	h.keep = keep
	h.extent = p.stmt(`SELECT (SELECT min(version) FROM document_versions WHERE ` + match + `), version, etag
		FROM document_versions WHERE ` + match + ` ORDER BY version DESC LIMIT 1`)
	h.insert = p.stmt(`INSERT INTO document_versions ` + columns + ` VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)`)
	h.reuse = p.stmt(`UPDATE document_versions SET version = ?4, etag = ?5, modified = ?6, author = ?7, client = ?8,
		address = ?9, method = ?10, size = ?11, body = ?12 WHERE ` + match + ` AND version = ?13`)
	h.adopt = p.stmt(`INSERT INTO document_versions ` + columns + `
		SELECT xui, auid, path, ?4, etag, modified, '', '', '', '', length(body), body FROM documents WHERE ` + match + ` AND etag = ?5`)
	h.trim = p.stmt(`DELETE FROM document_versions WHERE ` + match + ` AND version <= ?4`)
	h.reapSome = p.stmt(`DELETE FROM document_versions WHERE (xui, auid, path) IN (
		SELECT xui, auid, path FROM document_versions AS gone
		WHERE body IS NULL AND modified < ?1 AND NOT EXISTS (
			SELECT 1 FROM document_versions AS later WHERE later.xui = gone.xui AND later.auid = gone.auid
			AND later.path = gone.path AND later.version > gone.version) LIMIT ?2)`)
}

// record adds what is about to take the place of the version with ETag expected.
// A body of nil is that of a document about to be removed. When the writing then
// fails the caller's transaction undoes the record, too.
func (h *historyStatements) record(ctx context.Context, d *store.Document, body []byte, expected string) error {
	if h.keep <= 0 {
		return nil
	}
	var oldest, last int
	var lastETag string
	err := h.extent.QueryRowContext(ctx, d.XUI, d.AUID, d.Path).Scan(&oldest, &last, &lastETag)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if expected != "" && expected != lastETag {
		n, err := affected(h.adopt.ExecContext(ctx, d.XUI, d.AUID, d.Path, last+1, expected))
		if err != nil {
			return err
		}
		last += n
		oldest = max(oldest, 1)
	}
	return h.push(ctx, d, body, oldest, last+1)
}

// push writes a version, in place of the oldest if there are enough of them:
// that costs less than a new row and a removed one.
func (h *historyStatements) push(ctx context.Context, d *store.Document, body []byte, oldest, number int) error {
	var stored any // a nil slice would be an empty body
	if body != nil {
		stored = body
	}
	o := &d.Origin
	args := []any{d.XUI, d.AUID, d.Path, number, d.ETag, row.Time(d.Modified), o.By, o.Client, o.Address, o.Method, len(body), stored}
	over := number - h.keep
	if oldest == 0 || oldest > over {
		_, err := h.insert.ExecContext(ctx, args...)
		return err
	}
	if _, err := h.reuse.ExecContext(ctx, append(args, oldest)...); err != nil || oldest == over {
		return err
	}
	_, err := h.trim.ExecContext(ctx, d.XUI, d.AUID, d.Path, over)
	return err
}

// reapHistories bounds the histories one transaction removes.
const reapHistories = 100

func (s *Store) reapHistory(ctx context.Context, before time.Time) (total int, err error) {
	if s.opt.Deleted <= 0 {
		return 0, nil
	}
	for n := 1; n > 0 && err == nil; total += n {
		err = s.engine.Do(ctx, func(ctx context.Context) (err error) {
			n, err = affected(s.w.history.reapSome.ExecContext(ctx, row.Time(before.Add(-s.opt.Deleted)), reapHistories))
			return err
		})
	}
	return total, err
}

const versionColumns = `version, etag, modified, author, client, address, method, size, body IS NULL`

func versionTargets(v *store.Version) []any {
	o := &v.Origin
	return []any{&v.Number, &v.ETag, row.ScanTime{To: &v.Modified}, &o.By, &o.Client, &o.Address, &o.Method, &v.Size, &v.Deleted}
}

// Versions implements store.History.
func (s *Store) Versions(ctx context.Context, key store.DocumentKey) ([]store.Version, error) {
	rows, err := s.db.QueryContext(ctx, `SELECT `+versionColumns+` FROM document_versions
		WHERE xui = ? AND auid = ? AND path = ? ORDER BY version DESC`, key.XUI, key.AUID, key.Path)
	if err != nil {
		return nil, fail("history of "+name(key), err)
	}
	defer rows.Close()
	var list []store.Version
	for rows.Next() {
		v := store.Version{Document: store.Document{DocumentKey: key}}
		if err := rows.Scan(versionTargets(&v)...); err != nil {
			return nil, fail("history of "+name(key), err)
		}
		list = append(list, v)
	}
	return list, fail("history of "+name(key), rows.Err())
}

// Version implements store.History.
func (s *Store) Version(ctx context.Context, key store.DocumentKey, number int) (store.Version, error) {
	v := store.Version{Document: store.Document{DocumentKey: key}}
	err := s.db.QueryRowContext(ctx, `SELECT `+versionColumns+`, body FROM document_versions
		WHERE xui = ? AND auid = ? AND path = ? AND version = ?`, key.XUI, key.AUID, key.Path, number).
		Scan(append(versionTargets(&v), &v.Body)...)
	if errors.Is(err, sql.ErrNoRows) {
		err = store.ErrNotFound
	}
	if err != nil {
		return store.Version{}, fail("history of "+name(key), err)
	}
	return v, nil
}
