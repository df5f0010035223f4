// Package resourcelist turns the lists of RFC 4826 into flat lists of members.
//
// A `list` element holds entries, nested lists and references to entries and
// lists elsewhere. Reading it means following all of these: the result names
// every member once, in document order, and says for everything that could not
// be followed exactly why. It also names every document that was looked at, the
// missing ones included, so that the reader knows which changes concern it.
// References are resolved by path below our own XCAP roots, whatever host they
// name, and only into the owner's own tree or the global tree: a list is never a
// way to read documents that its owner may not read. Lists of other servers are
// read where a Remote has them.
package resourcelist
