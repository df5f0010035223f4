package sqlite

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // the driver

	"rollcall/internal/store"
	"rollcall/internal/store/groupcommit"
	"rollcall/migrations"
)

const (
	readers        = 4
	busyTimeout    = 10 * time.Second // for the lock, when another process writes
	migrationTries = 20               // while another process creates the same file
	writerCache    = 16000            // kB
	readerCache    = 4000             // kB of each: what is read often is kept by store/cached
)

// Store is a database file. It implements store.Store.
type Store struct {
	path   string
	opt    store.Options
	db     *sql.DB // readers
	engine *groupcommit.Engine
	read   readStatements

	writerDB *sql.DB // holds the one connection behind w
	w        *writer
}

var _ store.Store = (*Store)(nil)

// Open opens or creates the database file at path and brings its schema up to
// date. opt may be nil.
func Open(ctx context.Context, path string, opt *store.Options) (*Store, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("database file %s: %w", path, err)
	}
	s := &Store{path: abs}
	if opt != nil {
		s.opt = *opt
	}
	if err := s.open(ctx); err != nil {
		s.closeConnections()
		return nil, fmt.Errorf("database file: %w", explain(abs, err))
	}
	s.engine = groupcommit.New(groupcommit.Config{Write: s.w.write, Timeout: time.Minute, Hook: s.opt.Hook})
	return s, nil
}

func (s *Store) open(ctx context.Context) (err error) {
	if err := create(s.path); err != nil {
		return err
	}
	if s.writerDB, err = sql.Open("sqlite", dsn(s.path, writerCache, "")); err != nil {
		return err
	}
	s.writerDB.SetMaxOpenConns(1)
	if err := migrate(ctx, s.writerDB); err != nil {
		return err
	}
	if s.w, err = newWriter(ctx, s.writerDB, s.opt.History); err != nil {
		return err
	}
	if s.db, err = sql.Open("sqlite", dsn(s.path, readerCache, "&_pragma=query_only(1)")); err != nil {
		return err
	}
	s.db.SetMaxOpenConns(readers)
	s.db.SetMaxIdleConns(readers)
	return s.read.prepare(ctx, s.db)
}

// create makes an empty file if there is none. It will hold what passwords are
// checked with, so nobody else may read it; the files of the log follow suit.
func create(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

func dsn(path string, cache int, more string) string {
	return fmt.Sprintf("file:%s?_pragma=busy_timeout(%d)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)"+
		"&_pragma=foreign_keys(1)&_pragma=cache_size(-%d)&_txlock=immediate%s",
		(&url.URL{Path: filepath.ToSlash(path)}).EscapedPath(), busyTimeout.Milliseconds(), cache, more)
}

// migrate brings the schema up to date. Two processes may open a new file at
// the same time: whoever loses the race tries again and finds nothing to do.
func migrate(ctx context.Context, db *sql.DB) error {
	files, err := fs.Sub(migrations.SQLite, "sqlite")
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, files)
	if err != nil {
		return fmt.Errorf("migrations: %w", err)
	}
	for try := 1; ; try++ {
		if _, err = provider.Up(ctx); err == nil {
			return nil
		}
		if try == migrationTries || permanent(err) {
			return fmt.Errorf("migrations: %w", err)
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		}
	}
}

// Secret implements store.Store.
func (s *Store) Secret(ctx context.Context, name string) ([]byte, error) {
	fresh := make([]byte, 32)
	if _, err := rand.Read(fresh); err != nil {
		return nil, err
	}
	var secret []byte
	err := s.engine.Do(ctx, func(ctx context.Context) error {
		if _, err := s.w.conn.ExecContext(ctx,
			`INSERT INTO secrets (name, value) VALUES (?, ?) ON CONFLICT (name) DO NOTHING`, name, fresh); err != nil {
			return err
		}
		return s.w.conn.QueryRowContext(ctx, `SELECT value FROM secrets WHERE name = ?`, name).Scan(&secret)
	})
	if err != nil {
		return nil, fail("secret "+name, err)
	}
	return secret, nil
}

// Ping implements store.Store.
func (s *Store) Ping(ctx context.Context) error {
	var one int
	if err := s.db.QueryRowContext(ctx, `SELECT count(*) FROM secrets WHERE name = ''`).Scan(&one); err != nil {
		return fail("ping", err)
	}
	return nil
}

// Close implements store.Store.
func (s *Store) Close() error {
	s.engine.Close()
	return s.closeConnections()
}

func (s *Store) closeConnections() error {
	var errs []error
	if s.db != nil {
		errs = append(errs, s.db.Close())
	}
	if s.w != nil {
		errs = append(errs, s.w.close())
	}
	if s.writerDB != nil {
		errs = append(errs, s.writerDB.Close())
	}
	return errors.Join(errs...)
}
