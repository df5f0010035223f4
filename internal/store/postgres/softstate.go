package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"rollcall/internal/store"
	"rollcall/internal/store/groupcommit"
	"rollcall/internal/store/row"
)

// Commit implements store.SoftState.
func (s *Store) Commit(ctx context.Context, b store.Batch) error { return s.engine.Commit(ctx, b) }

// Defer implements store.SoftState.
func (s *Store) Defer(b store.Batch) { s.engine.Defer(b) }

// writeGroup implements groupcommit.Write. All statements go out in one
// pipeline, which PostgreSQL runs as one transaction.
func (s *Store) writeGroup(ctx context.Context, b *store.Batch, _ []groupcommit.Task) ([]error, error) {
	err := retry(ctx, func() error {
		batch := &pgx.Batch{}
		s.tables.publications.queue(batch, b.Publications, b.DropPublications)
		s.tables.bindings.queue(batch, b.Bindings, b.DropBindings)
		s.tables.subscriptions.queue(batch, b.Subscriptions, b.DropSubscriptions)
		s.tables.watchers.queue(batch, b.Watchers, b.DropWatchers)
		s.tables.messages.queue(batch, b.Messages, b.DropMessages)
		if batch.Len() == 0 {
			return s.pool.Ping(ctx) // to see whether the database is back
		}
		return s.pool.SendBatch(ctx, batch).Close()
	})
	return nil, fail(context.Background(), "commit", err)
}

// LoadPublications implements store.SoftState.
func (s *Store) LoadPublications(ctx context.Context, now time.Time, fn func(store.Publication) error) error {
	return load(ctx, s, &s.tables.publications, now, fn)
}

// LoadBindings implements store.SoftState.
func (s *Store) LoadBindings(ctx context.Context, now time.Time, fn func(store.Binding) error) error {
	return load(ctx, s, &s.tables.bindings, now, fn)
}

// LoadSubscriptions implements store.SoftState.
func (s *Store) LoadSubscriptions(ctx context.Context, now time.Time, fn func(store.Subscription) error) error {
	return load(ctx, s, &s.tables.subscriptions, now, fn)
}

// LoadWatchers implements store.SoftState.
func (s *Store) LoadWatchers(ctx context.Context, now time.Time, fn func(store.Watcher) error) error {
	return load(ctx, s, &s.tables.watchers, now, fn)
}

func load[R, K any](ctx context.Context, s *Store, t *table[R, K], now time.Time, fn func(R) error) error {
	rows, err := s.pool.Query(ctx, t.load, row.Time(now))
	if err != nil {
		return fail(ctx, "load "+t.Name, err)
	}
	defer rows.Close()
	for rows.Next() {
		var r R
		if err := rows.Scan(t.Targets(&r)...); err != nil {
			return fail(ctx, "load "+t.Name, err)
		}
		if err := fn(r); err != nil {
			return err
		}
	}
	return fail(ctx, "load "+t.Name, rows.Err())
}

// Reap implements store.SoftState.
func (s *Store) Reap(ctx context.Context, before time.Time) (int, error) {
	total := 0
	for _, query := range []string{s.tables.publications.reap, s.tables.bindings.reap, s.tables.subscriptions.reap, s.tables.watchers.reap, s.tables.messages.reap} {
		for n := reapLimit; n == reapLimit; total += n {
			var err error
			if n, err = s.exec(ctx, query, row.Time(before)); err != nil {
				return total, fail(ctx, "reap", err)
			}
		}
	}
	n, err := s.reapHistory(ctx, before)
	return total + n, fail(ctx, "reap history", err)
}

// exec runs one statement that writes, within the time for it.
func (s *Store) exec(ctx context.Context, query string, args ...any) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	n := 0
	err := retry(ctx, func() error {
		tag, err := s.pool.Exec(ctx, query, args...)
		n = int(tag.RowsAffected())
		return err
	})
	return n, err
}

// transact runs fn in a transaction, within the time for it.
func (s *Store) transact(ctx context.Context, fn func(context.Context, pgx.Tx) error) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	return retry(ctx, func() error {
		return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error { return fn(ctx, tx) })
	})
}
