// Package takeover reads accounts and XCAP documents out of what OpenXCAP (with
// OpenSIPS) and Kamailio store: tables subscriber and xcap, in a SQLite file, in
// a PostgreSQL database, or in a dump of a database. It decides nothing: what
// cannot be understood comes with the reason.
package takeover
