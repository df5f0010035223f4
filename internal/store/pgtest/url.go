package pgtest

import (
	"context"
	"crypto/rand"
	"errors"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Environment names the variable with the URL of a server to use instead of a
// private one. Its user must be allowed to create schemas.
const Environment = "ROLLCALL_TEST_POSTGRES"

// private starts one cluster per test binary.
var private = sync.OnceValues(startCluster)

// URL returns the URL of an empty schema that is dropped when the test ends.
// Where there is no PostgreSQL the test is skipped, but fails when CI=true.
func URL(t testing.TB) string {
	t.Helper()
	base := os.Getenv(Environment)
	if base == "" {
		var err error
		base, err = private()
		switch {
		case errors.Is(err, errNoPostgres) && os.Getenv("CI") != "true":
			t.Skipf("%v; install PostgreSQL or set %s", err, Environment)
		case err != nil:
			t.Fatalf("private PostgreSQL: %v", err)
		}
	}
	schema := "test_" + strings.ToLower(rand.Text()[:16])
	execute(t, base, "CREATE SCHEMA "+schema)
	t.Cleanup(func() { execute(t, base, "DROP SCHEMA "+schema+" CASCADE") })
	return withSearchPath(t, base, schema)
}

func execute(t testing.TB, base, query string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, base)
	if err != nil {
		t.Fatalf("PostgreSQL for tests: %v", err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, query); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

func withSearchPath(t testing.TB, base, schema string) string {
	t.Helper()
	u, err := url.Parse(base)
	if err != nil || u.Scheme == "" {
		t.Fatalf("%s must be of the form postgres://...", Environment)
	}
	query := u.Query()
	query.Set("search_path", schema)
	u.RawQuery = query.Encode()
	return u.String()
}
