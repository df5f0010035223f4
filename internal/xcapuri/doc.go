// Package xcapuri reads the URIs of RFC 4825 §6: the document selector that
// names a document below an XCAP root, the node selector that names an element,
// an attribute or the namespace bindings inside it, and the namespace bindings
// in the query. Node selectors are evaluated on a scanned document. Text is
// taken as it came over the wire and each part is percent-decoded exactly once,
// after it has been split off.
package xcapuri
