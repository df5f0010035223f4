package migrations

import "embed"

// SQLite holds the migrations of the embedded database, in directory "sqlite".
//
//go:embed sqlite/*.sql
var SQLite embed.FS

// Postgres holds the migrations of PostgreSQL, in directory "postgres".
//
//go:embed postgres/*.sql
var Postgres embed.FS
