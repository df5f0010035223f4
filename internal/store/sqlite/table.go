package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"rollcall/internal/store/row"
)

// tableWriter upserts and drops rows of one soft-state table.
type tableWriter[R, K any] struct {
	table        row.Table[R, K]
	upsert, drop *sql.Stmt
	reapUpTo     *sql.Stmt
}

// reapLimit bounds the rows one transaction reaps, so that others get their turn.
const reapLimit = 5000

func newTableWriter[R, K any](p *preparer, t row.Table[R, K]) tableWriter[R, K] {
	key := strings.Join(t.Key, ", ")
	var set []string
	for _, c := range t.Columns[len(t.Key):] {
		set = append(set, c+" = excluded."+c)
	}
	return tableWriter[R, K]{
		table: t,
		upsert: p.stmt(fmt.Sprintf(`INSERT INTO %s (%s) VALUES (%s) ON CONFLICT (%s) DO UPDATE SET %s`,
			t.Name, strings.Join(t.Columns, ", "), marks(len(t.Columns)), key, strings.Join(set, ", "))),
		drop: p.stmt(fmt.Sprintf(`DELETE FROM %s WHERE %s = ?`, t.Name, strings.Join(t.Key, " = ? AND "))),
		reapUpTo: p.stmt(fmt.Sprintf(`DELETE FROM %s WHERE (%s) IN (SELECT %s FROM %s WHERE expires < ? LIMIT %d)`,
			t.Name, key, key, t.Name, reapLimit)),
	}
}

func marks(n int) string { return strings.TrimSuffix(strings.Repeat("?, ", n), ", ") }

func (w *tableWriter[R, K]) write(ctx context.Context, rows []R, drops []K) error {
	for i := range rows {
		if _, err := w.upsert.ExecContext(ctx, w.table.Values(&rows[i])...); err != nil {
			return fmt.Errorf("%s: %w", w.table.Name, err)
		}
	}
	for _, k := range drops {
		if _, err := w.drop.ExecContext(ctx, w.table.KeyValues(k)...); err != nil {
			return fmt.Errorf("%s: %w", w.table.Name, err)
		}
	}
	return nil
}

// reap removes some rows that expired before the given time.
func (w *tableWriter[R, K]) reap(ctx context.Context, before int64) (int, error) {
	return affected(w.reapUpTo.ExecContext(ctx, before))
}

// affected returns how many rows a statement changed.
func affected(res sql.Result, err error) (int, error) {
	if err != nil {
		return 0, err
	}
	n, err := res.RowsAffected()
	return int(n), err
}
