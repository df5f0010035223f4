package policy

import (
	"context"
	"time"

	"rollcall/internal/store"
)

// Namespaces of the elements of rule documents.
const (
	nsCommon   = "urn:ietf:params:xml:ns:common-policy"
	nsPresence = "urn:ietf:params:xml:ns:pres-rules"
	nsOMA      = "urn:oma:xml:xdm:common-policy"
	nsAG       = "urn:ag-projects:xml:ns:common-policy"

	nsDialogRules   = "http://openxcap.org/ns/dialog-rules"
	nsAGDialogRules = "urn:ag-projects:xml:ns:dialog-rules"
)

// Application usages whose documents are rules.
const (
	AUIDPresRules    = "pres-rules"
	AUIDOMAPresRules = "org.openmobilealliance.pres-rules"
	AUIDDialogRules  = "org.openxcap.dialog-rules"
)

// Handling is how a subscription is treated (RFC 5025 §3.2.1). The numbers are
// those of the RFC: the highest of all applicable rules wins.
type Handling int

// The values of sub-handling.
const (
	Block       Handling = 0
	Confirm     Handling = 10
	PoliteBlock Handling = 20
	Allow       Handling = 30
)

// String returns the token rule documents use.
func (h Handling) String() string {
	switch h {
	case Confirm:
		return "confirm"
	case PoliteBlock:
		return "polite-block"
	case Allow:
		return "allow"
	default:
		return "block"
	}
}

// Request asks whether Watcher may see Presentity.
type Request struct {
	Presentity string // canonical address-of-record
	Watcher    string // canonical address-of-record, empty when anonymous
	// Sphere is the presentity's sphere, empty when undefined (RFC 5025 §3.1.2).
	Sphere string
	Now    time.Time
}

// Decision is the answer.
type Decision struct {
	Handling Handling
	// Transform is what the watcher sees of the document; set if Handling is Allow.
	Transform *Transformation
	// NoPolicy tells that the presentity has no rule document at all, Ruled that
	// some rule applies.
	NoPolicy, Ruled bool
	// Operator names what of the Tenant decided instead of the rules, if anything:
	// no-document, no-rule, floor or ceiling.
	Operator string
	// Until is when the decision may change by the passing of time, zero if never.
	Until time.Time
	// Reasons say how every rule fared; only Explain fills them.
	Reasons []Reason
}

// Reason is how one rule fared in a decision.
type Reason struct {
	Document store.DocumentKey
	Rule     string // its id
	Matched  bool   // all conditions are true
	Counted  bool   // and no rule of higher precedence set it aside
	Operator bool   // it is not the user's rule, but the operator's
	Handling Handling
	Why      string
}

// Documents is where rule documents are read.
type Documents interface {
	// Document returns store.ErrNotFound when it does not exist.
	Document(ctx context.Context, key store.DocumentKey) (store.Document, error)
	// ListDocuments returns the documents of a user and usage without bodies.
	ListDocuments(ctx context.Context, xui, auid string) ([]store.Document, error)
}

// Provide says what an allow rule without transformations provides.
type Provide int

// Values of Provide.
const (
	ProvideNone Provide = iota // nothing: RFC 5025 as it is written
	ProvideAll                 // the whole document
)

// Options adjust an Engine. The zero value is as the RFCs say.
type Options struct {
	// ProvideDefault is for IETF documents. In OMA documents an allow rule
	// without transformations always provides everything: clients that write
	// these never add any.
	ProvideDefault Provide
	// AUIDs are the application usages whose documents are the rules. None means
	// those of presence.
	AUIDs []string
	// Tenants are what the operator decides; without them the RFCs do.
	Tenants Tenants
	// CacheSize bounds the compiled rules kept, counted in rules and list
	// members. Zero means DefaultCacheSize.
	CacheSize int
}

// DefaultCacheSize is some 100 MB of compiled rules at worst.
const DefaultCacheSize = 1 << 20
