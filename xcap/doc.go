// Package xcap is the HTTP face: an XCAP server (RFC 4825). A request names a
// document, or an element, attribute or the namespace bindings inside one. It
// is authenticated, judged by the application usage it addresses, and turned
// into one atomic read, edit, validate and compare-and-swap of a document.
// Edits are splices of the stored bytes: whatever lies outside the edited node
// stays as its author wrote it. Each file is one step of that way.
package xcap
