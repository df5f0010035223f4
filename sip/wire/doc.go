// Package wire is where SIP messages come in and go out. It owns sockets (UDP,
// TCP, TLS, WebSocket), framing, the filter in front of the message parser and the
// validation behind it, server transactions (a cache of rendered responses) and
// client transactions (a table on a timing wheel, no goroutine each). To the rest
// of the server a message is a Request that came over a Flow, valid as far as RFC
// 3261 can tell without knowing the method; header text that must be echoed is
// kept byte for byte. What repeats something known, a retransmission or the answer
// to a request of ours, is recognised by a scan and not parsed. It is the only
// package that knows the SIP library.
package wire
