package pidf

import (
	"sync"
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
	Src    []byte
	Doc    *xmlscan.Doc // index of Src; nil of a compact one

	Tuples, Persons, Devices, Notes, Others []Component

	pieces  []piece   // its components in order of kind, ready to be composed
	devices []string  // that it speaks of, in order
	end     time.Time // the last instant it names as an end, zero when it names none
}

// Input is one publication. Lineage names it over its whole life and orders
// publications: the one with the lower lineage keeps its ids when two clash.
type Input struct {
	Lineage   string
	Doc       *Document
	Published time.Time // when the document last changed
	// PersonsSince is since when it says of persons what it says; zero: since
	// Published.
	PersonsSince time.Time
}

// Registration is a registrar binding as far as presence tells of it.
type Registration struct {
	ID       string
	Contact  string // address-of-record to show; empty for that of the presentity
	Instance string // instance URN without brackets, may be empty
	Q        int    // thousandths, 1000 when absent
	Expires  time.Time
}

// Conflict says whose word counts when persons disagree.
type Conflict uint8

// Rules for persons that disagree.
const (
	Newest      Conflict = iota // who spoke last
	Restrictive                 // who wants to be left alone most, then who spoke last
)

// Composition is all that is known of a presentity at one instant.
type Composition struct {
	AOR           string
	Soft          []Input
	Hard          *Document
	Override      *Document // what the user wants said, whatever devices publish
	Registrations []Registration
	OnPhone       bool // there is a confirmed call
	Conflict      Conflict
	Lead          string    // lineage whose persons come first all the same; empty: none
	Now           time.Time // decides which elements are over; zero: none
	Trace         bool      // have Composed.Origins told
}

// Composed is the presence document of a presentity. It is immutable.
type Composed struct {
	AOR  string
	Body []byte

	Sphere string    // lower-case token all persons that tell agree on, else empty
	Until  time.Time // when composing again gives something else, zero: never
	Lead   string    // lineage that comes first of several that speak of the person
	// Overridden says that Composition.Override is in force.
	Overridden bool
	Origins    []Origin // in the order of Body, when they were asked for

	components []Component // in the order of Body, without places
	once       sync.Once
	index      *Document
}

// Index returns where the components are in Body. It is made when it is first
// asked for: who may see everything needs none.
func (c *Composed) Index() *Document {
	c.once.Do(func() {
		lim := xmlscan.Limits{Bytes: 2 * maxBody, Elements: 2 * maxElements}
		d, err := xmlscan.Scan(c.Body, lim)
		if err != nil { // cannot be: it is made of documents that were scanned
			d, _ = xmlscan.Scan(Offline(c.AOR, OfflineTupleID(c.AOR)), lim)
			c.components = []Component{{Kind: Tuple, ID: OfflineTupleID(c.AOR)}}
		}
		c.index = &Document{Entity: c.AOR, Doc: d}
		n := 0
		for i := range d.Children(0) {
			comp := c.components[n]
			comp.Elem = i
			list := c.index.componentsOf(comp.Kind)
			*list = append(*list, comp)
			n++
		}
	})
	return c.index
}

// Origin tells where a component, or a child that a person got from another, is
// from.
type Origin struct {
	Kind    Kind
	Element string // name of the child element; empty: the component
	ID      string // of the component
	Source  Source
	Lineage string    // of a publication
	Since   time.Time // how old it is; zero: not known
}

// Source is a kind of input.
type Source uint8

// Kinds of input.
const (
	FromPublication Source = iota
	FromHard
	FromOverride
	FromRegistration
	FromCall
	FromNobody // there is no other state
)
