package pgtest_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"rollcall/internal/store/pgtest"
)

func TestURLsAreSeparate(t *testing.T) {
	ctx := context.Background()
	for range 2 { // the second must not find the table of the first
		conn, err := pgx.Connect(ctx, pgtest.URL(t))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(ctx)
		if _, err := conn.Exec(ctx, "CREATE TABLE mine (x int)"); err != nil {
			t.Error(err)
		}
	}
}
