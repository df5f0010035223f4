// Package usage holds the XCAP application usages (RFC 4825 §5), one file each:
// what a document of the usage is called, which namespace unprefixed selectors
// mean, which documents are valid and which of the valid ones the server
// accepts. A usage knows nothing of HTTP: it judges a scanned document and
// answers with a Conflict, whose element is the child of xcap-error that tells
// the client what to mend. Validity is table-driven (schema.go): the tables are
// the schemas of the RFCs, written down as declarations.
package usage
