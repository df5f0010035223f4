// Package pgtest gives tests a PostgreSQL of their own: the one named by
// ROLLCALL_TEST_POSTGRES, or a private cluster made from the installed binaries,
// which listens on a Unix socket only and goes away with the test process,
// however that ends.
package pgtest
