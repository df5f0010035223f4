// Package open turns a database URL of the configuration into a store.
package open
