package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"rollcall/internal/store"
)

// SQLSTATE codes (PostgreSQL appendix A) that are treated apart.
const (
	serializationFailure = "40001"
	deadlockDetected     = "40P01"
	notInRepertoire      = "22021" // text with NUL or not in UTF-8
	uniqueViolation      = "23505"
)

// fail wraps an error with what was being done. ctx is that of the caller: its
// end is the caller's own doing; all else that is not the fault of the rows is
// store.ErrUnavailable.
func fail(ctx context.Context, doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w", doing, ctx.Err())
	case answer(err), dataError(err), errors.Is(err, store.ErrUnavailable):
		return fmt.Errorf("%s: %w", doing, err)
	}
	return fmt.Errorf("%s: %w: %w", doing, store.ErrUnavailable, err)
}

// answer reports whether an error is one of those the store promises.
func answer(err error) bool {
	var claimed *store.ClaimedError
	return errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrExists) ||
		errors.Is(err, store.ErrETagMismatch) || errors.As(err, &claimed)
}

// dataError reports whether the database refused the values: data exception,
// integrity constraint violation, program limit exceeded.
func dataError(err error) bool {
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		return false
	}
	return strings.HasPrefix(e.Code, "22") || strings.HasPrefix(e.Code, "23") || strings.HasPrefix(e.Code, "54")
}

// absent turns what a query for one row gives when there is none into
// store.ErrNotFound; no row has a key that is not proper text.
func absent(err error) error {
	var e *pgconn.PgError
	if errors.Is(err, pgx.ErrNoRows) || errors.As(err, &e) && e.Code == notInRepertoire {
		return store.ErrNotFound
	}
	return err
}

// passing reports whether the same transaction may succeed when tried again at once.
func passing(err error) bool {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code == serializationFailure || e.Code == deadlockDetected ||
			e.Code == uniqueViolation && e.TableName == "document_versions"
	}
	return pgconn.SafeToRetry(err)
}

// attempts bounds how often a transaction is tried.
const attempts = 3

// retry runs a transaction until it does not fail in passing.
func retry(ctx context.Context, fn func() error) error {
	var err error
	for range attempts {
		if err = fn(); err == nil || !passing(err) || ctx.Err() != nil {
			break
		}
	}
	return err
}
