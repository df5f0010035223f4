// Package httpd is what every HTTP request passes on its way to a handler that
// knows what it is about: listeners with limits, TLS and HTTP/2, deadlines,
// request identifiers, the access log, cross-origin requests, and the pages that
// tell where the XCAP root is.
package httpd
