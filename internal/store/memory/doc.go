// Package memory is a store that forgets: everything is kept in maps under one
// lock. It is the reference the databases are compared with and what unit tests
// of other packages run on; it can be told to fail.
package memory
