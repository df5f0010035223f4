// Package sqlite is the embedded store: one database file in WAL mode with
// synchronous=FULL, one connection that writes, fed by the group-commit engine
// with all writes of the process, and a few that read. Another process, such as
// the command line tool, may use the same file meanwhile.
package sqlite
