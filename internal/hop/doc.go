// Package hop knows from where a request came: which peers are trusted and, over
// HTTP, what these say of their own peers.
package hop
