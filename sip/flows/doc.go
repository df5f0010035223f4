// Package flows knows which addresses have state that came over which
// connection, so that its owner hears of the end of a connection once for each
// of them (RFC 5626 §7: with a flow go all bindings on it).
package flows
