package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"rollcall/internal/store"
	"rollcall/internal/store/row"
)

type userStatements struct {
	add, replace, set, remove *sql.Stmt
	owned                     []*sql.Stmt // what goes with a user, one parameter
}

func (u *userStatements) prepare(p *preparer) {
	const insert = `INSERT INTO users (aor, ha1_md5, ha1_sha256, ha1_sha512_256, display_name, created) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (aor) `
	u.add = p.stmt(insert + `DO NOTHING`)
	u.replace = p.stmt(insert + `DO UPDATE SET ha1_md5 = excluded.ha1_md5, ha1_sha256 = excluded.ha1_sha256, ha1_sha512_256 = excluded.ha1_sha512_256`)
	u.set = p.stmt(`UPDATE users SET ha1_md5 = ?2, ha1_sha256 = ?3, ha1_sha512_256 = ?4, display_name = ?5, created = ?6 WHERE aor = ?1`)
	u.remove = p.stmt(`DELETE FROM users WHERE aor = ?`)
	u.owned = []*sql.Stmt{
		p.stmt(`DELETE FROM documents WHERE xui = ?`),
		p.stmt(`DELETE FROM document_versions WHERE xui = ?`),
		p.stmt(`DELETE FROM publications WHERE aor = ?`),
		p.stmt(`DELETE FROM bindings WHERE aor = ?`),
		p.stmt(`DELETE FROM subscriptions WHERE watcher = ?`),
		p.stmt(`DELETE FROM watchers WHERE presentity = ?1 OR watcher = ?1`),
		p.stmt(`DELETE FROM messages WHERE recipient = ?`),
	}
}

// User implements store.Users.
func (s *Store) User(ctx context.Context, aor string) (store.User, error) {
	u, err := scanUser(s.read.user.QueryRowContext(ctx, aor))
	if errors.Is(err, sql.ErrNoRows) {
		err = store.ErrNotFound
	}
	if err != nil {
		return store.User{}, fail("user "+aor, err)
	}
	return u, nil
}

type scanner interface{ Scan(...any) error }

func scanUser(r scanner) (u store.User, err error) {
	err = r.Scan(&u.AOR, &u.HA1MD5, &u.HA1SHA256, &u.HA1SHA512, &u.DisplayName, row.ScanTime{To: &u.Created})
	return u, err
}

// AddUsers implements store.Users.
func (s *Store) AddUsers(ctx context.Context, users []store.User, replace bool) error {
	return fail("add users", s.engine.Do(ctx, func(ctx context.Context) error {
		add := s.w.users.add
		if replace {
			add = s.w.users.replace
		}
		for i := range users {
			u := &users[i]
			n, err := affected(add.ExecContext(ctx, u.AOR, u.HA1MD5, u.HA1SHA256, u.HA1SHA512, u.DisplayName, row.Time(u.Created)))
			if err != nil {
				return err
			}
			if n == 0 {
				return fmt.Errorf("user %s: %w", u.AOR, store.ErrExists)
			}
		}
		return nil
	}))
}

// SetUser implements store.Users.
func (s *Store) SetUser(ctx context.Context, u store.User) error {
	return fail("user "+u.AOR, s.engine.Do(ctx, func(ctx context.Context) error {
		n, err := affected(s.w.users.set.ExecContext(ctx, u.AOR, u.HA1MD5, u.HA1SHA256, u.HA1SHA512, u.DisplayName, row.Time(u.Created)))
		if err == nil && n == 0 {
			err = store.ErrNotFound
		}
		return err
	}))
}

// RemoveUser implements store.Users.
func (s *Store) RemoveUser(ctx context.Context, aor string) error {
	return fail("user "+aor, s.engine.Do(ctx, func(ctx context.Context) error {
		n, err := affected(s.w.users.remove.ExecContext(ctx, aor))
		if err != nil {
			return err
		}
		if n == 0 {
			return store.ErrNotFound
		}
		for _, stmt := range s.w.users.owned {
			if _, err := stmt.ExecContext(ctx, aor); err != nil {
				return err
			}
		}
		return nil
	}))
}

// ListUsers implements store.Users.
func (s *Store) ListUsers(ctx context.Context, after string, limit int) ([]store.User, error) {
	rows, err := s.db.QueryContext(ctx,
		`SELECT aor, ha1_md5, ha1_sha256, ha1_sha512_256, display_name, created FROM users WHERE aor > ? ORDER BY aor LIMIT ?`, after, max(limit, 0))
	if err != nil {
		return nil, fail("list users", err)
	}
	defer rows.Close()
	var list []store.User
	for rows.Next() {
		u, err := scanUser(rows)
		if err != nil {
			return nil, fail("list users", err)
		}
		list = append(list, u)
	}
	return list, fail("list users", rows.Err())
}
