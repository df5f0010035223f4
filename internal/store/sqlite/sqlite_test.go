package sqlite_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"rollcall/internal/store"
	"rollcall/internal/store/sqlite"
	"rollcall/internal/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t testing.TB, path string, opt *store.Options) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(context.Background(), path, opt)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T, opt *store.Options) store.Store {
		return open(t, filepath.Join(t.TempDir(), "rollcall.db"), opt)
	})
}

func TestDurable(t *testing.T) {
	storetest.RunDurable(t, func(t *testing.T) storetest.Place {
		path := filepath.Join(t.TempDir(), "a dir?with#odd%41chars.db")
		return func(opt *store.Options) (store.Store, error) { return sqlite.Open(context.Background(), path, opt) }
	})
}

func TestOpenFails(t *testing.T) {
	dir := t.TempDir()
	garbage := filepath.Join(dir, "garbage.db")
	if err := os.WriteFile(garbage, []byte("this is not a database, it is a text of some length"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{
		"no directory":   filepath.Join(dir, "missing", "x.db"),
		"is a directory": dir,
		"not a database": garbage,
	} {
		s, err := sqlite.Open(context.Background(), path, nil)
		if err == nil {
			t.Errorf("%s: opened", name)
			_ = s.Close()
		} else if !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v: the message does not name the file", name, err)
		}
	}
}

// The file holds what passwords are checked with.
func TestFileIsPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rollcall.db")
	s := open(t, path, nil)
	defer s.Close()
	for _, suffix := range []string{"", "-wal", "-shm"} {
		info, err := os.Stat(path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s%s has mode %v", path, suffix, info.Mode())
		}
	}
}

func BenchmarkStore(b *testing.B) {
	storetest.Benchmark(b, func(b *testing.B, opt *store.Options) store.Store {
		return open(b, filepath.Join(b.TempDir(), "rollcall.db"), opt)
	})
}
