package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"rollcall/internal/config"
	"rollcall/internal/store"
	"rollcall/internal/store/postgres"
	"rollcall/internal/store/sqlite"
)

// openStore opens the database of a configuration and brings its schema up to
// date. hook may be nil.
func openStore(ctx context.Context, place *config.Place, hook store.CommitHook) (store.Store, error) {
	if place.Postgres() {
		st, err := postgres.Open(ctx, place.Database, hook)
		if err != nil {
			return nil, databaseError{fmt.Errorf("PostgreSQL: %w", err)}
		}
		return st, nil
	}
	file := place.SQLiteFile()
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return nil, databaseError{fmt.Errorf("data directory: %w", err)}
	}
	st, err := sqlite.Open(ctx, file, hook)
	if err != nil {
		return nil, databaseError{fmt.Errorf("%s: %w", file, err)}
	}
	return st, nil
}

// withStore runs fn of a command on the database of place.
func withStore(ctx context.Context, place *config.Place, fn func(store.Store) error) (err error) {
	if err := place.Normalize(); err != nil {
		return usageError{err}
	}
	st, err := openStore(ctx, place, nil)
	if err != nil {
		return err
	}
	defer func() {
		if e := st.Close(); err == nil && e != nil {
			err = fmt.Errorf("closing the database: %w", e)
		}
	}()
	return fn(st)
}
