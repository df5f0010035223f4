// Package cached keeps documents that are read again and again in memory, in
// front of a store. What was written through it is there before the write
// returns, so whoever reads afterwards reads that; that no update is lost stays
// the business of the store, which compares entity-tags. What others wrote to the
// same database is told by Forget, or seen when an entry is too old.
package cached
