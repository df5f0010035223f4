// Package eventfilter reads the filters that a watcher sends with a SUBSCRIBE
// (RFC 4661) and applies them to state documents (RFC 4660): what of a document is
// delivered, and which changes are worth telling. Expressions are the part of
// XPath that RFC 4661 §5 has, evaluated over the index of a document one step at a
// time for all nodes together, so that none can take longer than its steps times
// the size of the document. What is cut out leaves the rest as it was written.
package eventfilter
