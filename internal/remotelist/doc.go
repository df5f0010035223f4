// Package remotelist reads resource lists of other servers over HTTP (RFC 4826
// §3.1, `external`), for the URLs that the operator allows and no others.
//
// Nobody waits for another server: what is asked for the first time is said to be
// on its way, fetched in the background and announced, and then kept up to date
// with conditional requests. While a server does not answer, what it said last
// stays in force. Everything is bounded: URLs, octets, redirects, requests at a
// time and how long each may take. Names that lead into private networks are not
// followed there.
package remotelist
