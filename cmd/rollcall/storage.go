package main

import (
	"context"
	"fmt"

	"rollcall/internal/config"
	"rollcall/internal/store"
	"rollcall/internal/store/open"
)

// openStore opens the database of a configuration and brings its schema up to
// date.
func openStore(ctx context.Context, place *config.Place, opt store.Options) (store.Store, error) {
	opt.History = place.DocumentHistory
	st, err := open.Open(ctx, place.Database, place.Data, &opt)
	if err != nil {
		return nil, databaseError{err}
	}
	return st, nil
}

// withStore runs fn of a command on the database of place.
func withStore(ctx context.Context, place *config.Place, fn func(store.Store) error) (err error) {
	if err := place.Normalize(); err != nil {
		return usageError{err}
	}
	st, err := openStore(ctx, place, store.Options{})
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
