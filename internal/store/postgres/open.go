package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"rollcall/internal/store"
	"rollcall/internal/store/groupcommit"
	"rollcall/internal/store/row"
	"rollcall/migrations"
)

const (
	connectTimeout = 5 * time.Second
	pingTimeout    = 3 * time.Second
	readTimeout    = 5 * time.Second
	writeTimeout   = 10 * time.Second
	poolSize       = 16 // unless the URL says pool_max_conns
	migrationWait  = 60 // seconds, while another node migrates
)

// Store is a PostgreSQL database. It implements store.Store.
type Store struct {
	pool   *pgxpool.Pool
	engine *groupcommit.Engine
	tables tables
	opt    store.Options
}

var _ store.Store = (*Store)(nil)

// Open connects to the database at url (postgres://..., or a list of key=value)
// and brings its schema up to date. opt may be nil.
func Open(ctx context.Context, url string, opt *store.Options) (*Store, error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		// The error of the parser repeats the URL without its password.
		return nil, fmt.Errorf("database URL: %w", err)
	}
	cfg.ConnConfig.ConnectTimeout = connectTimeout
	if cfg.ConnConfig.RuntimeParams["application_name"] == "" {
		cfg.ConnConfig.RuntimeParams["application_name"] = "rollcall"
	}
	if !strings.Contains(url, "pool_max_conns") {
		cfg.MaxConns = poolSize
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	if err := migrate(ctx, pool); err != nil {
		pool.Close()
		where := fmt.Sprintf("%s:%d/%s", cfg.ConnConfig.Host, cfg.ConnConfig.Port, cfg.ConnConfig.Database)
		return nil, fail(ctx, "database "+where, err)
	}
	s := &Store{pool: pool, tables: newTables()}
	if opt != nil {
		s.opt = *opt
	}
	s.engine = groupcommit.New(groupcommit.Config{Write: s.writeGroup, Timeout: writeTimeout, Hook: s.opt.Hook})
	return s, nil
}

// migrate brings the schema up to date, one node at a time.
func migrate(ctx context.Context, pool *pgxpool.Pool) error {
	if err := ping(ctx, pool); err != nil {
		return err // a plainer error than that of the migrations
	}
	files, err := fs.Sub(migrations.Postgres, "postgres")
	if err != nil {
		return err
	}
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, migrationWait))
	if err != nil {
		return fmt.Errorf("migrations: %w", err)
	}
	db := stdlib.OpenDBFromPool(pool)
	defer db.Close()
	provider, err := goose.NewProvider(goose.DialectPostgres, db, files, goose.WithSessionLocker(locker))
	if err != nil {
		return fmt.Errorf("migrations: %w", err)
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrations: %w", err)
	}
	return nil
}

// tables are the soft-state tables with their statements.
type tables struct {
	publications  table[store.Publication, store.PublicationKey]
	bindings      table[store.Binding, store.BindingKey]
	subscriptions table[store.Subscription, string]
	watchers      table[store.Watcher, store.WatcherKey]
	messages      table[store.Message, store.MessageKey]
	waiting       table[store.WaitingMessage, store.MessageKey] // of messages, for reading only
}

func newTables() tables {
	return tables{newTable(row.Publications()), newTable(row.Bindings()), newTable(row.Subscriptions()), newTable(row.Watchers()),
		newTable(row.Messages()), newTable(row.WaitingMessages())}
}

// Secret implements store.Store.
func (s *Store) Secret(ctx context.Context, name string) ([]byte, error) {
	fresh := make([]byte, 32)
	if _, err := rand.Read(fresh); err != nil {
		return nil, err
	}
	limited, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	_, err := s.pool.Exec(limited, `INSERT INTO secrets (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING`, name, fresh)
	if err != nil {
		return nil, fail(ctx, "secret "+name, err)
	}
	var secret []byte
	if err := s.pool.QueryRow(limited, `SELECT value FROM secrets WHERE name = $1`, name).Scan(&secret); err != nil {
		return nil, fail(ctx, "secret "+name, err)
	}
	return secret, nil
}

// Ping implements store.Store.
func (s *Store) Ping(ctx context.Context) error { return fail(ctx, "ping", ping(ctx, s.pool)) }

func ping(ctx context.Context, pool *pgxpool.Pool) error {
	ctx, cancel := context.WithTimeout(ctx, max(pingTimeout, connectTimeout))
	defer cancel()
	return pool.Ping(ctx)
}

// Close implements store.Store.
func (s *Store) Close() error {
	if s == nil {
		return errors.New("store was not opened")
	}
	s.engine.Close()
	s.pool.Close()
	return nil
}
