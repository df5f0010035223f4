package postgres

import (
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"rollcall/internal/store/row"
)

// reapLimit bounds the rows one transaction reaps.
const reapLimit = 5000

// table is a soft-state table with its statements.
type table[R, K any] struct {
	row.Table[R, K]
	upsert, drop, reap, load string
}

func newTable[R, K any](t row.Table[R, K]) table[R, K] {
	var zero R
	types := typesOf(t.Values(&zero))
	columns, key := strings.Join(t.Columns, ", "), strings.Join(t.Key, ", ")
	var set, match []string
	for _, c := range t.Columns[len(t.Key):] {
		set = append(set, c+" = EXCLUDED."+c)
	}
	for _, c := range t.Key {
		match = append(match, "t."+c+" = k."+c)
	}
	return table[R, K]{
		Table: t,
		// In order of the key, so that nodes that write the same rows wait for each
		// other instead of deadlocking.
		upsert: fmt.Sprintf(`INSERT INTO %s (%s) SELECT * FROM unnest(%s) AS r(%s) ORDER BY %s ON CONFLICT (%s) DO UPDATE SET %s`,
			t.Name, columns, parameters(types), columns, key, key, strings.Join(set, ", ")),
		drop: fmt.Sprintf(`DELETE FROM %s t USING unnest(%s) AS k(%s) WHERE %s`,
			t.Name, parameters(types[:len(t.Key)]), key, strings.Join(match, " AND ")),
		reap: fmt.Sprintf(`DELETE FROM %s WHERE ctid = ANY(ARRAY(SELECT ctid FROM %s WHERE expires < $1 LIMIT %d FOR UPDATE SKIP LOCKED))`,
			t.Name, t.Name, reapLimit),
		load: fmt.Sprintf(`SELECT %s FROM %s WHERE expires > $1`, columns, t.Name),
	}
}

func typesOf(values []any) []string {
	types := make([]string, len(values))
	for i, v := range values {
		switch v.(type) {
		case int64:
			types[i] = "bigint"
		case []byte:
			types[i] = "bytea"
		default:
			types[i] = "text"
		}
	}
	return types
}

// parameters returns "$1::text[], $2::bigint[], ...".
func parameters(types []string) string {
	var b strings.Builder
	for i, t := range types {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "$%d::%s[]", i+1, t)
	}
	return b.String()
}

// queue adds the statements that write rows and drops to a pipeline.
func (t *table[R, K]) queue(batch *pgx.Batch, rows []R, drops []K) {
	if len(rows) > 0 {
		batch.Queue(t.upsert, transpose(len(rows), func(i int) []any { return t.Values(&rows[i]) })...)
	}
	if len(drops) > 0 {
		batch.Queue(t.drop, transpose(len(drops), func(i int) []any { return t.KeyValues(drops[i]) })...)
	}
}

// transpose makes one array per column of n rows.
func transpose(n int, values func(i int) []any) []any {
	var columns []any
	for i := range n {
		for c, v := range values(i) {
			if i == 0 {
				columns = append(columns, nil)
			}
			switch v := v.(type) {
			case string:
				columns[c] = extend(columns[c], n, v)
			case int64:
				columns[c] = extend(columns[c], n, v)
			case []byte:
				columns[c] = extend(columns[c], n, v)
			}
		}
	}
	return columns
}

func extend[T any](column any, n int, v T) []T {
	list, ok := column.([]T)
	if !ok {
		list = make([]T, 0, n)
	}
	return append(list, v)
}
