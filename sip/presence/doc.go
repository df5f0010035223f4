// Package presence is the presence agent: it takes publications (RFC 3903), has
// them composed with what the registrar and the stored documents say, and shows
// each watcher what the presentity's rules let that watcher see (RFC 3856,
// RFC 5025), as an event package and in process for lists. It also keeps the
// record of who watches whom that watcher information is made of (RFC 3857).
//
// All state of one presentity belongs to the shard of its address-of-record.
// What others need is published as an immutable snapshot: the composed document
// with the views rendered of it so far. A view is a decision of the policy, made
// anew each time, applied to that snapshot; so a change of the rules shows in
// the next view, and a change of state costs one composition however many watch.
// What is made of a view for those who want differences (RFC 5263) or have sent
// filters (RFC 4660) is kept with it, and shared likewise.
package presence
