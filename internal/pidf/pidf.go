package pidf

import (
	"time"

	"rollcall/internal/xmlscan"
)

// Namespaces of presence documents.
const (
	Namespace   = "urn:ietf:params:xml:ns:pidf"
	DataModel   = "urn:ietf:params:xml:ns:pidf:data-model"
	RPID        = "urn:ietf:params:xml:ns:pidf:rpid"
	CIPID       = "urn:ietf:params:xml:ns:pidf:cipid"
	Caps        = "urn:ietf:params:xml:ns:pidf:caps"
	TimedStatus = "urn:ietf:params:xml:ns:pidf:timed-status"
)

// Media types of presence documents. AliasType is the name that was in use
// before RFC 3863 and is accepted as input.
const (
	ContentType = "application/pidf+xml"
	AliasType   = "application/cpim-pidf+xml"
)

// Kind says what a component of a presence document is.
type Kind uint8

// Kinds of component, in the order in which a document has them (RFC 3863
// §4.1.1; persons and devices are foreign elements there).
const (
	Tuple Kind = iota
	Note
	Person
	Device
	Other
)

// String names the kind.
func (k Kind) String() string {
	return [...]string{"tuple", "note", "person", "device", "other"}[k]
}

// Component is a child element of the presence element.
type Component struct {
	Kind        Kind
	Elem        int    // index in Doc.Elements
	ID          string // as it stands in the document; empty for notes and others
	PublishedID string // as the publisher wrote it, empty when there was none
}

// Document is a parsed presence document over its source bytes.
type Document struct {
	Entity string // canonical address-of-record, or as written when it is none
	Doc    *xmlscan.Doc

	Tuples, Persons, Devices, Notes, Others []Component
}

// Input is one publication. Lineage names it over its whole life and orders
// publications: the one with the lower lineage keeps its ids when two clash.
type Input struct {
	Lineage   string
	Doc       *Document
	Published time.Time // when the document last changed
}

// Registration is a registrar binding as far as presence tells of it.
type Registration struct {
	ID       string
	Contact  string // address-of-record to show; empty for that of the presentity
	Instance string // instance URN without brackets, may be empty
	Q        int    // thousandths, 1000 when absent
	Expires  time.Time
}

// Composition is all that is known of a presentity at one instant.
type Composition struct {
	AOR           string
	Soft          []Input
	Hard          *Document
	Registrations []Registration
	Now           time.Time // decides which elements are over; zero: none
}

// Composed is the presence document of a presentity. It is immutable.
type Composed struct {
	AOR  string
	Body []byte
	Doc  *xmlscan.Doc // index of Body

	Tuples, Persons, Devices, Notes, Others []Component

	Sphere string    // lower-case token all persons that tell agree on, else empty
	Until  time.Time // when composing again gives something else, zero: never
}
