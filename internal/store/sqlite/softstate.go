package sqlite

import (
	"context"
	"fmt"
	"strings"
	"time"

	"rollcall/internal/store"
	"rollcall/internal/store/row"
)

// Commit implements store.SoftState.
func (s *Store) Commit(ctx context.Context, b store.Batch) error { return s.engine.Commit(ctx, b) }

// Defer implements store.SoftState.
func (s *Store) Defer(b store.Batch) { s.engine.Defer(b) }

// LoadPublications implements store.SoftState.
func (s *Store) LoadPublications(ctx context.Context, now time.Time, fn func(store.Publication) error) error {
	return load(ctx, s, row.Publications(), now, fn)
}

// LoadBindings implements store.SoftState.
func (s *Store) LoadBindings(ctx context.Context, now time.Time, fn func(store.Binding) error) error {
	return load(ctx, s, row.Bindings(), now, fn)
}

// LoadSubscriptions implements store.SoftState.
func (s *Store) LoadSubscriptions(ctx context.Context, now time.Time, fn func(store.Subscription) error) error {
	return load(ctx, s, row.Subscriptions(), now, fn)
}

// LoadWatchers implements store.SoftState.
func (s *Store) LoadWatchers(ctx context.Context, now time.Time, fn func(store.Watcher) error) error {
	return load(ctx, s, row.Watchers(), now, fn)
}

func load[R, K any](ctx context.Context, s *Store, t row.Table[R, K], now time.Time, fn func(R) error) error {
	query := fmt.Sprintf(`SELECT %s FROM %s WHERE expires > ?`, strings.Join(t.Columns, ", "), t.Name)
	rows, err := s.db.QueryContext(ctx, query, row.Time(now))
	if err != nil {
		return fail("load "+t.Name, err)
	}
	defer rows.Close()
	for rows.Next() {
		var r R
		if err := rows.Scan(t.Targets(&r)...); err != nil {
			return fail("load "+t.Name, err)
		}
		if err := fn(r); err != nil {
			return err
		}
	}
	return fail("load "+t.Name, rows.Err())
}

// Reap implements store.SoftState.
func (s *Store) Reap(ctx context.Context, before time.Time) (int, error) {
	total := 0
	for _, reap := range []func(context.Context, int64) (int, error){
		s.w.publications.reap, s.w.bindings.reap, s.w.subscriptions.reap, s.w.watchers.reap, s.w.messages.reap,
	} {
		for n := reapLimit; n == reapLimit; total += n {
			err := s.engine.Do(ctx, func(ctx context.Context) (err error) {
				n, err = reap(ctx, row.Time(before))
				return err
			})
			if err != nil {
				return total, fail("reap", err)
			}
		}
	}
	n, err := s.reapHistory(ctx, before)
	return total + n, fail("reap history", err)
}
