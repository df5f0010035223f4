package usage

import "rollcall/internal/xmlscan"

const (
	nsPIDF      = "urn:ietf:params:xml:ns:pidf"
	nsDataModel = "urn:ietf:params:xml:ns:pidf:data-model"
)

// PIDFManipulation is the pidf-manipulation usage (RFC 4827).
func PIDFManipulation() *Usage {
	s := newSchema(name{nsPIDF, "presence"}, []attribute{{name{nsPIDF, "mustUnderstand"}, boolean, false}},
		pidfDeclarations(), dataModelDeclarations())
	return &Usage{
		AUID:       "pidf-manipulation",
		MIMEType:   "application/pidf+xml",
		DefaultNS:  nsPIDF,
		Namespaces: []string{nsPIDF, nsDataModel},
		// RFC 4827 §9: one document per user, named index. Besides it there is ours that
		// counts whatever devices publish.
		FixedDocuments: func(path string) bool { return path == "index" || path == "override" },
		Validate:       func(d *xmlscan.Doc) *Conflict { return s.validate(d) },
	}
}

// pidfDeclarations is the schema of RFC 3863 §4.4.
func pidfDeclarations() declarations {
	const ns = nsPIDF
	foreign := others(ns).anyNumber()
	notes := element(ns, "note", simple(ns, anyString, xmlLang)).anyNumber()
	status := group(ns, sequence(
		element(ns, "basic", simple(ns, enumeration(false, "open", "closed"))).optional(),
		foreign,
	))
	tuple := group(ns, sequence(
		element(ns, "status", status),
		foreign,
		element(ns, "contact", simple(ns, anyURI, optional("priority", qvalue))).optional(),
		notes,
		element(ns, "timestamp", simple(ns, dateTime)).optional(),
	), required("id", xmlID))
	presence := group(ns, sequence(element(ns, "tuple", tuple).anyNumber(), notes, foreign), required("entity", anyURI))
	return declarations{{ns, "presence"}: presence}
}

// dataModelDeclarations is the schema of RFC 4479 §5.
func dataModelDeclarations() declarations {
	const ns = nsDataModel
	foreign := others(ns).anyNumber()
	deviceID := simple(ns, anyURI)
	notes := element(ns, "note", simple(ns, anyString, xmlLang)).anyNumber()
	timestamp := element(ns, "timestamp", simple(ns, dateTime)).optional()
	return declarations{
		{ns, "deviceID"}: deviceID,
		{ns, "device"}: group(ns, sequence(foreign, element(ns, "deviceID", deviceID), notes, timestamp),
			required("id", xmlID)),
		{ns, "person"}: group(ns, sequence(foreign, notes, timestamp), required("id", xmlID)),
	}
}
