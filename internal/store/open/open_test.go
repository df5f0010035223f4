package open_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rollcall/internal/store"
	"rollcall/internal/store/open"
	"rollcall/internal/store/pgtest"
)

func TestSQLite(t *testing.T) {
	dir := t.TempDir()
	for _, test := range []struct{ url, file string }{
		{"", "data/rollcall.db"},
		{"sqlite:", "data/rollcall.db"},
		{"sqlite:other.db", "data/other.db"},
		{"sqlite:" + dir + "/abs.db", "abs.db"},
		{"sqlite://" + dir + "/abs2.db", "abs2.db"},
	} {
		s, err := open.Open(context.Background(), test.url, filepath.Join(dir, "data"), nil)
		if err != nil {
			t.Errorf("%q: %v", test.url, err)
			continue
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(filepath.Join(dir, test.file)); err != nil {
			t.Errorf("%q: %v", test.url, err)
		}
	}
}

func TestPostgres(t *testing.T) {
	s, err := open.Open(context.Background(), pgtest.URL(t), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Ping(context.Background()), s.Close()); err != nil {
		t.Error(err)
	}
}

// The person who reads the message must know what to do.
func TestMessages(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ url, dataDir, want string }{
		{"mysql://localhost/x", dir, `"mysql"`},
		{"postgres://bob:geheim@127.0.0.1:1/rollcall", dir, "127.0.0.1:1/rollcall: store unavailable"},
		{"postgres://bob:geheim@[/rollcall", dir, "database URL"},
		{"sqlite:", filepath.Join(file, "sub"), "data directory"},
		{"sqlite:" + dir + "/missing/x.db", dir, "missing/x.db: no such file or directory"},
	} {
		s, err := open.Open(context.Background(), test.url, test.dataDir, nil)
		if err == nil {
			t.Errorf("%q: opened", test.url)
			_ = s.Close()
			continue
		}
		if !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%q: %v, want it to say %q and no password", test.url, err, test.want)
		}
	}
	_, err := open.Open(context.Background(), "postgres://127.0.0.1:1/x", dir, nil)
	if !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("%v is not ErrUnavailable", err)
	}
}
