package postgres_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.uber.org/goleak"

	"rollcall/internal/store"
	"rollcall/internal/store/pgtest"
	"rollcall/internal/store/postgres"
	"rollcall/internal/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t testing.TB, url string, opt *store.Options) *postgres.Store {
	t.Helper()
	s, err := postgres.Open(context.Background(), url, opt)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T, opt *store.Options) store.Store { return open(t, pgtest.URL(t), opt) })
}

func TestDurable(t *testing.T) {
	storetest.RunDurable(t, func(t *testing.T) storetest.Place {
		url := pgtest.URL(t)
		return func(opt *store.Options) (store.Store, error) { return postgres.Open(context.Background(), url, opt) }
	})
}

func TestOpenFails(t *testing.T) {
	for name, url := range map[string]string{
		"nobody listens":     "postgres://user:geheim@127.0.0.1:1/rollcall",
		"no such socket":     "postgres:///x?host=/nonexistent",
		"not a database URL": "postgres://[",
	} {
		start := time.Now()
		_, err := postgres.Open(context.Background(), url, nil)
		if err == nil {
			t.Errorf("%s: opened", name)
			continue
		}
		if name != "not a database URL" && !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s: %v, want ErrUnavailable", name, err)
		}
		t.Logf("%s after %v: %v", name, time.Since(start), err)
	}
}

func BenchmarkStore(b *testing.B) {
	storetest.Benchmark(b, func(b *testing.B, opt *store.Options) store.Store { return open(b, pgtest.URL(b), opt) })
}
