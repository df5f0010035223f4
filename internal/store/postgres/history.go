package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"rollcall/internal/store"
	"rollcall/internal/store/row"
)

const (
	matchDocument  = `xui = $1 AND auid = $2 AND path = $3`
	versionColumns = `version, etag, modified, author, client, address, method, size, body`
	intoVersions   = `INSERT INTO document_versions (xui, auid, path, ` + versionColumns + `) `
	lastVersion    = `last AS (SELECT version, etag FROM document_versions WHERE ` + matchDocument + ` ORDER BY version DESC LIMIT 1)`
)

// The statements that write a document and its history are one each, so that a
// write costs one round trip. All parts of a statement see what was there before
// it: a history that another transaction has continued meanwhile makes the
// version number collide, and the statement is tried again (passing).
//
// Parameters are $1 XUI, $2 AUID, $3 path, $4 ETag, $5 modified, $6 body, then
// $7 to $10 the origin, $11 the versions to keep, $12 the expected ETag.
const (
	createRecorded = `WITH ` + lastVersion + `, written AS (
			INSERT INTO documents (xui, auid, path, etag, modified, body)
			VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING RETURNING 1
		), recorded AS (` + intoVersions + `
			SELECT $1, $2, $3, coalesce((SELECT version FROM last), 0) + 1, $4, $5, $7, $8, $9, $10, length($6::bytea), $6 FROM written RETURNING version
		), ` + trimVersions + ` SELECT FROM written`

	swapRecorded = `WITH ` + lastVersion + `, written AS (
			UPDATE documents SET etag = $4, modified = $5, body = $6
			WHERE ` + matchDocument + ` AND etag = $12 RETURNING 1
		), freed AS (
			DELETE FROM claims WHERE ` + matchDocument + ` AND EXISTS (SELECT FROM written)
		), adopted AS (` + intoVersions + `
			SELECT $1, $2, $3, coalesce((SELECT version FROM last), 0) + 1, etag, modified, '', '', '', '', length(body), body
			FROM documents WHERE ` + matchDocument + ` AND etag = $12 AND EXISTS (SELECT FROM written)
			AND etag IS DISTINCT FROM (SELECT etag FROM last) AND $11 > 1 RETURNING 1
		), recorded AS (` + intoVersions + `
			SELECT $1, $2, $3, coalesce((SELECT version FROM last), 0) + 1 + (SELECT count(*) FROM adopted),
				$4, $5, $7, $8, $9, $10, length($6::bytea), $6 FROM written RETURNING version
		), ` + trimVersions + ` SELECT FROM written`

	// $4 is the expected ETag, $6 is not used.
	removeRecorded = `WITH ` + lastVersion + `, written AS (
			DELETE FROM documents WHERE ` + matchDocument + ` AND etag = $4 RETURNING etag, modified, body
		), adopted AS (` + intoVersions + `
			SELECT $1, $2, $3, coalesce((SELECT version FROM last), 0) + 1, etag, modified, '', '', '', '', length(body), body
			FROM written WHERE etag IS DISTINCT FROM (SELECT etag FROM last) AND $11 > 1 RETURNING 1
		), recorded AS (` + intoVersions + `
			SELECT $1, $2, $3, coalesce((SELECT version FROM last), 0) + 1 + (SELECT count(*) FROM adopted),
				'', $5, $7, $8, $9, $10, 0, $6 FROM written RETURNING version
		), ` + trimVersions + ` SELECT FROM written`

	trimVersions = `trimmed AS (DELETE FROM document_versions WHERE ` + matchDocument + ` AND version <= (SELECT version FROM recorded) - $11)`
)

// recorded adds the parameters of the history to those of a write.
func (s *Store) recorded(args []any, o *store.Origin) []any {
	return append(args, o.By, o.Client, o.Address, o.Method, int64(s.opt.History))
}

// reapVersions removes the history of some documents that were removed before $1.
const reapVersions = `DELETE FROM document_versions WHERE (xui, auid, path) IN (
	SELECT xui, auid, path FROM document_versions AS gone
	WHERE body IS NULL AND modified < $1 AND NOT EXISTS (
		SELECT FROM document_versions AS later WHERE later.xui = gone.xui AND later.auid = gone.auid
		AND later.path = gone.path AND later.version > gone.version) LIMIT 100)`

func (s *Store) reapHistory(ctx context.Context, before time.Time) (total int, err error) {
	if s.opt.Deleted <= 0 {
		return 0, nil
	}
	for n := 1; n > 0 && err == nil; total += n {
		n, err = s.exec(ctx, reapVersions, row.Time(before.Add(-s.opt.Deleted)))
	}
	return total, err
}

const readVersion = `SELECT version, etag, modified, author, client, address, method, size, body IS NULL`

func versionTargets(v *store.Version) []any {
	o := &v.Origin
	return []any{&v.Number, &v.ETag, row.ScanTime{To: &v.Modified}, &o.By, &o.Client, &o.Address, &o.Method, &v.Size, &v.Deleted}
}

// Versions implements store.History.
func (s *Store) Versions(ctx context.Context, key store.DocumentKey) ([]store.Version, error) {
	limited, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	rows, err := s.pool.Query(limited, readVersion+` FROM document_versions WHERE `+matchDocument+` ORDER BY version DESC`,
		key.XUI, key.AUID, key.Path)
	if err != nil {
		return nil, fail(ctx, "history of "+name(key), err)
	}
	list, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (store.Version, error) {
		v := store.Version{Document: store.Document{DocumentKey: key}}
		err := r.Scan(versionTargets(&v)...)
		return v, err
	})
	if errors.Is(absent(err), store.ErrNotFound) {
		return nil, nil
	}
	return list, fail(ctx, "history of "+name(key), err)
}

// Version implements store.History.
func (s *Store) Version(ctx context.Context, key store.DocumentKey, number int) (store.Version, error) {
	limited, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	v := store.Version{Document: store.Document{DocumentKey: key}}
	err := s.pool.QueryRow(limited, readVersion+`, body FROM document_versions WHERE `+matchDocument+` AND version = $4`,
		key.XUI, key.AUID, key.Path, number).Scan(append(versionTargets(&v), &v.Body)...)
	if err != nil {
		return store.Version{}, fail(ctx, "history of "+name(key), absent(err))
	}
	return v, nil
}
