// Package auth knows who is asking: HTTP digest (RFC 7616, RFC 3261 §22) for SIP
// and HTTP alike, and Basic (RFC 7617) where it is allowed, over accounts that keep only H(user:realm:password). Nonces
// are signed, not stored, so a challenge costs no memory and survives a restart;
// what is remembered, in bounded tables, are the nonce counts already used and
// the sources that keep guessing.
package auth
