// Package migrations holds the database schema as goose migrations, one
// directory per dialect, file for file the same. Times are microseconds since
// 1970, lists of strings are JSON arrays.
package migrations
