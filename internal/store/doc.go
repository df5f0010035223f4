// Package store says what Rollcall keeps: users, documents, publications,
// bindings, subscriptions and watcher records, the errors a caller decides on,
// and the interface that every store fulfils. It knows no protocol. The
// implementations are store/sqlite (embedded default), store/postgres and
// store/memory (tests); store/storetest is the one suite all of them pass.
package store
