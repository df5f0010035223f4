// Package winfo is the event package presence.winfo: watcher information (RFC
// 3857) about the presence package, as documents of RFC 3858. The owner of a
// presence resource learns who watches it, and who waits for a decision. Each
// subscription remembers what its subscriber has been told; a document is the
// difference to that, or everything after a SUBSCRIBE.
package winfo
