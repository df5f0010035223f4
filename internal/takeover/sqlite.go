package takeover

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"net/url"
	"path/filepath"

	_ "modernc.org/sqlite" // the driver

	"rollcall/internal/sqldump"
)

// sqliteFile is a SQLite database, opened for reading only.
type sqliteFile struct{ db *sql.DB }

func openSQLite(name string) (tables, error) {
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: filepath.ToSlash(name)}).EscapedPath()+"?mode=ro&_pragma=query_only(1)&_pragma=busy_timeout(5000)")
	if err != nil {
		return nil, err
	}
	return &sqliteFile{db}, nil
}

func (s *sqliteFile) close() error { return s.db.Close() }

func (s *sqliteFile) each(ctx context.Context, table string, fn func(*sqldump.Row) error) (found bool, err error) {
	var n int
	err = s.db.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_master WHERE name = ? AND type IN ('table', 'view')`, table).Scan(&n)
	if err != nil || n == 0 {
		return false, err
	}
	rows, err := s.db.QueryContext(ctx, `SELECT * FROM `+table)
	if err != nil {
		return true, err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return true, err
	}
	values, targets := make([]any, len(columns)), make([]any, len(columns))
	for i := range values {
		targets[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(targets...); err != nil {
			return true, err
		}
		if err := fn(rowOf(table, columns, values)); err != nil {
			return true, err
		}
	}
	return true, rows.Err()
}

// rowOf makes a row of what a driver returned.
func rowOf(table string, columns []string, values []any) *sqldump.Row {
	row := &sqldump.Row{Table: table, Columns: columns, Values: make([]sqldump.Value, len(values))}
	for i, v := range values {
		switch v := v.(type) {
		case nil:
			row.Values[i].Null = true
		case []byte:
			row.Values[i].Bytes = append([]byte{}, v...)
		case string:
			row.Values[i].Bytes = []byte(v)
		case driver.Valuer: // numeric
			text, err := v.Value()
			row.Values[i] = sqldump.Value{Bytes: fmt.Append(nil, text), Null: err != nil || text == nil}
		default:
			row.Values[i].Bytes = fmt.Append(nil, v)
		}
	}
	return row
}
