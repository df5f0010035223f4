package takeover

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"rollcall/internal/sqldump"
)

const connectTimeout = 10 * time.Second

// postgres is a PostgreSQL database, read in one transaction per table.
type postgres struct{ conn *pgx.Conn }

func openPostgres(ctx context.Context, url string) (tables, error) {
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("database URL: %w", err) // without its password
	}
	cfg.ConnectTimeout = connectTimeout
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return &postgres{conn}, nil
}

func (p *postgres) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	return p.conn.Close(ctx)
}

func (p *postgres) each(ctx context.Context, table string, fn func(*sqldump.Row) error) (found bool, err error) {
	if err := p.conn.QueryRow(ctx, `SELECT to_regclass($1) IS NOT NULL`, table).Scan(&found); err != nil || !found {
		return false, err
	}
	rows, err := p.conn.Query(ctx, `SELECT * FROM `+table) // a constant of ours
	if err != nil {
		return true, err
	}
	defer rows.Close()
	var columns []string
	for _, f := range rows.FieldDescriptions() {
		columns = append(columns, f.Name)
	}
	for rows.Next() {
		values, err := rows.Values()
		if err != nil {
			return true, err
		}
		if err := fn(rowOf(table, columns, values)); err != nil {
			return true, err
		}
	}
	return true, rows.Err()
}
