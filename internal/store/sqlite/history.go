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
	keep                          int
	adopt, record, trim, reapSome *sql.Stmt
}

func (h *historyStatements) prepare(p *preparer, keep int) {
	const (
		match   = `xui = ?1 AND auid = ?2 AND path = ?3`
		columns = `(xui, auid, path, version, etag, modified, author, client, address, method, size, body)`
		last    = `(SELECT max(version) FROM document_versions WHERE ` + match + `)`
	)
	h.keep = keep
	h.adopt = p.stmt(`INSERT INTO document_versions ` + columns + `
		SELECT xui, auid, path, 1 + ifnull(` + last + `, 0), etag, modified, '', '', '', '', length(body), body
		FROM documents WHERE ` + match + ` AND etag = ?4
		AND etag IS NOT (SELECT etag FROM document_versions WHERE ` + match + ` ORDER BY version DESC LIMIT 1)`)
	h.record = p.stmt(`INSERT INTO document_versions ` + columns + `
		VALUES (?1, ?2, ?3, 1 + ifnull(` + last + `, 0), ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) RETURNING version`)
	h.trim = p.stmt(`DELETE FROM document_versions WHERE ` + match + ` AND version <= ?4`)
	h.reapSome = p.stmt(`DELETE FROM document_versions WHERE (xui, auid, path) IN (
		SELECT xui, auid, path FROM document_versions AS gone
		WHERE body IS NULL AND modified < ?1 AND NOT EXISTS (
			SELECT 1 FROM document_versions AS later WHERE later.xui = gone.xui AND later.auid = gone.auid
			AND later.path = gone.path AND later.version > gone.version) LIMIT ?2)`)
}

// before makes sure that the version about to be replaced is recorded.
func (h *historyStatements) before(ctx context.Context, key store.DocumentKey, etag string) error {
	if h.keep <= 0 || etag == "" {
		return nil
	}
	_, err := h.adopt.ExecContext(ctx, key.XUI, key.AUID, key.Path, etag)
	return err
}

// after records what was written, and removes what is too old. A body of nil is
// that of a removed document.
func (h *historyStatements) after(ctx context.Context, d *store.Document, body []byte) error {
	if h.keep <= 0 {
		return nil
	}
	var stored any // a nil slice would be an empty body
	if body != nil {
		stored = body
	}
	o := &d.Origin
	version := 0
	err := h.record.QueryRowContext(ctx, d.XUI, d.AUID, d.Path, d.ETag, row.Time(d.Modified),
		o.By, o.Client, o.Address, o.Method, len(body), stored).Scan(&version)
	if err == nil && version > h.keep {
		_, err = h.trim.ExecContext(ctx, d.XUI, d.AUID, d.Path, version-h.keep)
	}
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
