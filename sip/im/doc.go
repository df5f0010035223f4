// Package im relays MESSAGE (RFC 3428) to the registered contacts of a local
// user: it forks to every reachable contact and gives the sender the one best
// answer (RFC 3261 §16.7). What no contact can be reached for is stored and sent,
// in order and one at a time, when the user registers. Whom the user has blocked
// in the presence rules cannot write either.
package im
