// Package winfo is the event template-package winfo: watcher information (RFC 3857)
// about another event package, as documents of RFC 3858. The owner of a resource
// learns who watches it, and who waits for a decision; a watcher learns how its own
// subscriptions stand. A Table runs the state machine of the watchers of one
// resource, with one entry for whatever the same one watches with; Records keeps the
// tables of a package that has none itself. Each subscription remembers what its
// subscriber has been told; a document is the difference to that, or everything
// after a SUBSCRIBE.
package winfo
