// Package im relays MESSAGE (RFC 3428) to the registered contacts of a local
// user: it forks to every reachable contact and gives the sender the one best
// answer (RFC 3261 §16.7). It keeps no messages.
package im
