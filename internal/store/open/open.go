package open

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"rollcall/internal/store"
	"rollcall/internal/store/postgres"
	"rollcall/internal/store/sqlite"
)

// DefaultFile is the name of the embedded database in the data directory.
const DefaultFile = "rollcall.db"

// Open opens the database that databaseURL names:
//
//	(empty) or sqlite:       the file rollcall.db in dataDir
//	sqlite:/path/file.db     that file; a relative path starts at dataDir
//	postgres://user@host/db  a PostgreSQL database
//
// Directories that the default file needs are made. opt may be nil.
func Open(ctx context.Context, databaseURL, dataDir string, opt *store.Options) (store.Store, error) {
	scheme, rest, _ := strings.Cut(databaseURL, ":")
	switch strings.ToLower(scheme) {
	case "", "sqlite":
		return openSQLite(ctx, rest, dataDir, opt)
	case "postgres", "postgresql":
		s, err := postgres.Open(ctx, databaseURL, opt)
		if err != nil {
			return nil, err
		}
		return s, nil
	}
	return nil, fmt.Errorf("database URL with scheme %q: want sqlite:, sqlite:/path/to/file.db or postgres://user@host/database", scheme)
}

func openSQLite(ctx context.Context, path, dataDir string, opt *store.Options) (store.Store, error) {
	path = strings.TrimPrefix(path, "//") // sqlite:///path/file.db is common, too
	if path == "" {
		path = DefaultFile
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(dataDir, path)
		if err := makeDirectory(filepath.Dir(path)); err != nil {
			return nil, err
		}
	}
	s, err := sqlite.Open(ctx, path, opt)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// makeDirectory makes a directory that only its owner can enter.
func makeDirectory(dir string) error {
	err := os.MkdirAll(dir, 0o700)
	if errors.Is(err, os.ErrPermission) {
		return fmt.Errorf("no permission to create the data directory: %w", err)
	}
	if err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	return nil
}
