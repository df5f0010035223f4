// Package row says how the soft-state types of a store lie in database tables:
// names of tables and columns, and the way of every value there and back. Each
// dialect makes its statements from it, so a new column is written down once.
package row
