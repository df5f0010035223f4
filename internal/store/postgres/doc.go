// Package postgres is the store for production and for several nodes. Soft state
// goes through the group-commit engine as one unnest upsert per table in a
// single round trip; documents are compared and swapped by one statement on a
// connection of the pool. When the database is away operations fail quickly with
// store.ErrUnavailable and work again as soon as it is back.
package postgres
