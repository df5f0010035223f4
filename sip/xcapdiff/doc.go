// Package xcapdiff is the event package xcap-diff (RFC 5875): a watcher names
// documents, collections of documents, elements and attributes in the body of
// its SUBSCRIBE and hears when they are created, changed or removed. Nothing is
// queued: news makes a subscription look at the entity-tags as they are now, and
// what differs from what its watcher was told last is reported, one document per
// NOTIFY. Reports name versions; to watchers that ask for it they carry patches,
// made from the history of the document (RFC 5875 §4.3).
package xcapdiff
