package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"rollcall/internal/store"
	"rollcall/internal/store/row"
)

const userColumns = `aor, ha1_md5, ha1_sha256, ha1_sha512_256, display_name, created`

// User implements store.Users.
func (s *Store) User(ctx context.Context, aor string) (store.User, error) {
	limited, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	u, err := scanUser(s.pool.QueryRow(limited, `SELECT `+userColumns+` FROM users WHERE aor = $1`, aor))
	if err != nil {
		return store.User{}, fail(ctx, fmt.Sprintf("user %q", aor), absent(err))
	}
	return u, nil
}

func scanUser(r pgx.Row) (u store.User, err error) {
	err = r.Scan(&u.AOR, &u.HA1MD5, &u.HA1SHA256, &u.HA1SHA512, &u.DisplayName, row.ScanTime{To: &u.Created})
	return u, err
}

func userValues(u *store.User) []any {
	return []any{u.AOR, u.HA1MD5, u.HA1SHA256, u.HA1SHA512, u.DisplayName, row.Time(u.Created)}
}

const insertUsers = `INSERT INTO users (` + userColumns + `)
	SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[]) AS r(` + userColumns + `)
	ORDER BY aor ON CONFLICT (aor) `

// AddUsers implements store.Users.
func (s *Store) AddUsers(ctx context.Context, users []store.User, replace bool) error {
	if len(users) == 0 {
		return ctx.Err()
	}
	add := s.addNew
	if replace {
		users, add = distinct(users), s.addOrReplace
	}
	args := transpose(len(users), func(i int) []any { return userValues(&users[i]) })
	return fail(ctx, "add users", s.transact(ctx, func(ctx context.Context, tx pgx.Tx) error {
		return add(ctx, tx, users, args)
	}))
}

func (s *Store) addOrReplace(ctx context.Context, tx pgx.Tx, _ []store.User, args []any) error {
	_, err := tx.Exec(ctx, insertUsers+`DO UPDATE SET ha1_md5 = EXCLUDED.ha1_md5, ha1_sha256 = EXCLUDED.ha1_sha256, ha1_sha512_256 = EXCLUDED.ha1_sha512_256`, args...)
	return err
}

func (s *Store) addNew(ctx context.Context, tx pgx.Tx, users []store.User, args []any) error {
	rows, err := tx.Query(ctx, insertUsers+`DO NOTHING RETURNING aor`, args...)
	if err != nil {
		return err
	}
	aors, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(aors) == len(users) {
		return err
	}
	added := make(map[string]bool, len(aors))
	for _, aor := range aors {
		added[aor] = true
	}
	for _, u := range users {
		if !added[u.AOR] {
			return fmt.Errorf("user %s: %w", u.AOR, store.ErrExists)
		}
		delete(added, u.AOR) // a second one of that name exists already
	}
	return store.ErrExists
}

// distinct leaves one of several users of the same name, with the passwords of
// the last: one statement cannot change a row twice.
func distinct(users []store.User) []store.User {
	index := make(map[string]int, len(users))
	list := make([]store.User, 0, len(users))
	for _, u := range users {
		if i, ok := index[u.AOR]; ok {
			list[i].HA1MD5, list[i].HA1SHA256, list[i].HA1SHA512 = u.HA1MD5, u.HA1SHA256, u.HA1SHA512
			continue
		}
		index[u.AOR] = len(list)
		list = append(list, u)
	}
	return list
}

// SetUser implements store.Users.
func (s *Store) SetUser(ctx context.Context, u store.User) error {
	n, err := s.exec(ctx, `UPDATE users SET ha1_md5 = $2, ha1_sha256 = $3, ha1_sha512_256 = $4, display_name = $5, created = $6 WHERE aor = $1`,
		userValues(&u)...)
	if err == nil && n == 0 {
		err = store.ErrNotFound
	}
	return fail(ctx, fmt.Sprintf("user %q", u.AOR), err)
}

// RemoveUser implements store.Users.
func (s *Store) RemoveUser(ctx context.Context, aor string) error {
	return fail(ctx, fmt.Sprintf("user %q", aor), s.transact(ctx, func(ctx context.Context, tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `DELETE FROM users WHERE aor = $1`, aor)
		if err != nil {
			return absent(err)
		}
		if tag.RowsAffected() == 0 {
			return store.ErrNotFound
		}
		for _, query := range []string{
			`DELETE FROM documents WHERE xui = $1`,
			`DELETE FROM document_versions WHERE xui = $1`,
			`DELETE FROM publications WHERE aor = $1`,
			`DELETE FROM bindings WHERE aor = $1`,
			`DELETE FROM subscriptions WHERE watcher = $1`,
			`DELETE FROM watchers WHERE presentity = $1 OR watcher = $1`,
			`DELETE FROM messages WHERE recipient = $1`,
		} {
			if _, err := tx.Exec(ctx, query, aor); err != nil {
				return err
			}
		}
		return nil
	}))
}

// ListUsers implements store.Users.
func (s *Store) ListUsers(ctx context.Context, after string, limit int) ([]store.User, error) {
	limited, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	rows, err := s.pool.Query(limited, `SELECT `+userColumns+` FROM users WHERE aor > $1 ORDER BY aor LIMIT $2`, after, max(limit, 0))
	if err != nil {
		return nil, fail(ctx, "list users", err)
	}
	list, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (store.User, error) { return scanUser(r) })
	return list, fail(ctx, "list users", err)
}
