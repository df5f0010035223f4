// Package reg is the event package reg: the registrations of an
// address-of-record (RFC 3680) with its GRUUs (RFC 5628), for its owner. Each
// subscription remembers what its subscriber has been told; a document is the
// difference to that, or everything after a SUBSCRIBE.
package reg
