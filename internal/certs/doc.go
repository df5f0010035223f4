// Package certs has the certificates that servers show over TLS: read from files,
// and read anew when these change, or got from a certification authority over
// ACME (RFC 8555) and kept where every node finds them. All TLS listeners share
// one store of them.
package certs
