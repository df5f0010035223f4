// Package hop knows from where an HTTP request came: the peer of the connection
// or, where that is a front end that is trusted, what it says of its own peer.
package hop
