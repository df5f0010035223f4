package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"rollcall/internal/store"
)

// fail wraps an error with what was being done. What is not the fault of the
// rows (locked, disk full, no permission, closed) is store.ErrUnavailable.
func fail(doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case unavailable(err) && !errors.Is(err, store.ErrUnavailable):
		return fmt.Errorf("%s: %w: %w", doing, store.ErrUnavailable, err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// unavailable reports whether an error says something about the database rather
// than about what was read or written.
func unavailable(err error) bool {
	var e *sqlite.Error
	if errors.As(err, &e) {
		switch e.Code() & 0xff { // the primary result code
		case lib.SQLITE_CONSTRAINT, lib.SQLITE_TOOBIG, lib.SQLITE_MISMATCH, lib.SQLITE_RANGE, lib.SQLITE_ERROR:
			return false
		}
		return true
	}
	for _, answer := range []error{store.ErrNotFound, store.ErrExists, store.ErrETagMismatch,
		context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, answer) {
			return false
		}
	}
	var claimed *store.ClaimedError
	return !errors.As(err, &claimed)
}

// permanent reports whether trying again is of no use.
func permanent(err error) bool {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Code() & 0xff {
	case lib.SQLITE_CANTOPEN, lib.SQLITE_READONLY, lib.SQLITE_PERM, lib.SQLITE_NOTADB, lib.SQLITE_CORRUPT, lib.SQLITE_FULL:
		return true
	}
	return false
}

// explain says in plain words why a file cannot be opened.
func explain(path string, err error) error {
	var pathErr *fs.PathError
	var e *sqlite.Error
	switch {
	case errors.As(err, &pathErr): // names the file
		return pathErr
	case errors.As(err, &e) && e.Code()&0xff == lib.SQLITE_NOTADB:
		return fmt.Errorf("%s is not a database: %w", path, err)
	case errors.As(err, &e) && e.Code()&0xff == lib.SQLITE_BUSY:
		return fmt.Errorf("%s is locked by another program: %w", path, err)
	}
	return fmt.Errorf("%s: %w", path, err)
}
