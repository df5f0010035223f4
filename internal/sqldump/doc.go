// Package sqldump reads rows out of SQL dumps as mysqldump, mariadb-dump,
// pg_dump and the sqlite3 shell write them, without a database: INSERT and
// REPLACE statements of one or many rows, and COPY blocks. It reads a stream
// once, skips whatever is not a row of a wanted table, and keeps no more than
// one row in memory. It is no SQL parser: an expression that is not a literal is
// an error.
package sqldump
