// Package usage holds the XCAP application usages (RFC 4825 §5), one file each:
// what a document of the usage is called, which namespace unprefixed selectors
// mean, which documents are valid and which of the valid ones the server
// accepts. A usage knows nothing of HTTP: it judges a scanned document and
// answers with a Conflict, whose element is the child of xcap-error that tells
// the client what to mend. Validity is table-driven (schema.go): the tables are
// the schemas of the RFCs, written down as declarations.
//
// A further usage is one file with a function that returns it,
//
//	// Shopping is the usage com.example.shopping.
//	func Shopping() *Usage {
//		const ns = "urn:example:shopping"
//		item := simple(ns, anyString, required("amount", anyString))
//		s := newSchema(name{ns, "list"}, nil, declarations{
//			{ns, "list"}: group(ns, sequence(element(ns, "item", item).anyNumber(), others(ns).anyNumber())),
//		})
//		return &Usage{
//			AUID:       "com.example.shopping",
//			MIMEType:   "application/shopping+xml",
//			DefaultNS:  ns,
//			Namespaces: []string{ns},
//			Validate:   func(d *xmlscan.Doc) *Conflict { return s.validate(d) },
//		}
//	}
//
// and one line in All. Everything else follows from the fields: selectors,
// content types, xcap-caps, the user's directory, authorisation and quotas.
// What depends on the owner or on other documents goes into Constrain, what is
// made instead of stored into Global or Personal.
package usage
