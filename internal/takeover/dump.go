package takeover

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"rollcall/internal/sqldump"
)

// dump is a file of SQL. It is read once for every table.
type dump struct {
	name string
	gzip bool
}

func (d *dump) close() error { return nil }

func (d *dump) each(ctx context.Context, table string, fn func(*sqldump.Row) error) (found bool, err error) {
	f, err := os.Open(d.name)
	if err != nil {
		return false, err
	}
	defer f.Close()
	var in io.Reader = f
	if d.gzip {
		if in, err = gzip.NewReader(f); err != nil {
			return false, fmt.Errorf("%s: %w", d.name, err)
		}
	}
	r := sqldump.NewReader(in, func(name string) bool {
		match := name == table
		found = found || match
		return match
	})
	for {
		row, err := r.Next()
		switch {
		case errors.Is(err, io.EOF):
			return found, nil
		case err != nil:
			return found, fmt.Errorf("%s: %w", d.name, err)
		case row.Columns == nil:
			return found, fmt.Errorf("%s: line %d: the columns of table %s are not known; make a dump that has CREATE TABLE in it, or use --complete-insert", d.name, row.Line, table)
		case !slices.Contains(row.Columns, "username"):
			return found, fmt.Errorf("%s: line %d: table %s has no column username", d.name, row.Line, table)
		}
		if err := errors.Join(ctx.Err(), fn(&row)); err != nil {
			return found, err
		}
	}
}
