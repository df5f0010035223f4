package usage

import (
	"context"

	"rollcall/internal/auth"
	"rollcall/internal/store"
	"rollcall/internal/xmlscan"
)

// Usage is one application usage (RFC 4825 §5).
type Usage struct {
	AUID      string
	MIMEType  string
	DefaultNS string // default document namespace, RFC 4825 §5.2

	// Namespaces are those whose content the usage validates, for xcap-caps.
	Namespaces []string

	// FixedDocuments reports whether a document of that path may exist in a
	// user's tree; nil means any path.
	FixedDocuments func(path string) bool

	// Validate checks what the document alone decides, in the order of RFC 4825
	// §8.2.5: schema, uniqueness, other constraints. It is nil for a usage that
	// takes any well-formed document.
	Validate func(d *xmlscan.Doc) *Conflict

	// Constrain checks a valid document against its owner and against what else
	// is stored, and returns the strings that the document claims server-wide
	// (store.Documents.PutDocument). It is nil when there is nothing to check.
	// When PutDocument then fails with *store.ClaimedError another document was
	// quicker: running Constrain again names the field.
	Constrain func(ctx context.Context, env Env, key store.DocumentKey, d *xmlscan.Doc) (claims []string, c *Conflict, err error)

	// Global makes the documents of the global tree, Personal those of the
	// users' trees. Where one is nil documents are what clients stored; in the
	// global tree nobody can store any.
	Global, Personal Generator

	// GlobalReadable reports who may read the global tree; nil means any user.
	GlobalReadable func(who auth.Identity) bool

	// PublicRead says that anyone may read the documents of users, without
	// credentials.
	PublicRead bool

	// ReadOnly says that nobody writes documents of this usage.
	ReadOnly bool

	// AltNS are the namespaces to retry an unprefixed selector with, in order,
	// when it selects nothing in DefaultNS.
	AltNS []string
}

// Generator makes a document that is not stored but follows from what else the
// server knows; ok is false when there is none with that key. The entity-tag
// comes without quotes.
type Generator func(ctx context.Context, env Env, key store.DocumentKey) (body []byte, etag string, ok bool, err error)

// Generator returns what makes the document with that key, nil for documents
// that are stored.
func (u *Usage) Generator(key store.DocumentKey) Generator {
	if key.XUI == "" {
		return u.Global
	}
	return u.Personal
}

// Names of the children of xcap-error that a usage answers with (RFC 4825 §11).
const (
	SchemaValidationError = "schema-validation-error"
	UniquenessFailure     = "uniqueness-failure"
	ConstraintFailure     = "constraint-failure"
)

// Conflict says why a document is refused: the content of an xcap-error
// document (RFC 4825 §11).
type Conflict struct {
	Element string // child of xcap-error
	Phrase  string // for a person to read
	Exists  []Exists
}

// Exists names one field that is not unique.
type Exists struct {
	Field     string   // node selector as in a URI, percent-encoded, from the root element on
	AltValues []string // values that would be accepted
}

// Users looks up accounts.
type Users interface {
	// Get returns store.ErrNotFound when there is no such user.
	Get(ctx context.Context, aor string) (store.User, error)
}

// Watcher is one subscription to a user's presence, live or lately ended.
type Watcher struct {
	store.Watcher
	Terminated bool
}

// Env is what a usage may consult besides the document itself.
type Env struct {
	Documents store.Documents
	Users     Users
	Roots     []string                          // XCAP root URIs or root paths
	Domains   []string                          // SIP domains served
	Usages    []*Usage                          // all that the server supports
	Watchers  func(presentity string) []Watcher // nil where nobody watches
}

// Options chooses among the usages.
type Options struct {
	// GlobalReaders are the canonical AORs that may read rls-services/global/index.
	GlobalReaders []string
	// MaxIconBytes bounds the image of a pres-content document, decoded; 0
	// stands for DefaultIconBytes.
	MaxIconBytes int
	// TestUsages adds test-app, a usage without schema or default namespace.
	TestUsages bool
}

// All returns the usages the server supports.
func All(opt Options) []*Usage {
	usages := []*Usage{
		XCAPCaps(),
		ResourceLists(),
		RLSServices(opt.GlobalReaders),
		PresRules(),
		OMAPresRules(),
		DialogRules(),
		PIDFManipulation(),
		PresContent(opt.MaxIconBytes),
		XCAPDirectory(),
		Watchers(),
		GroupUsageList(),
		UserProfile(),
	}
	if opt.TestUsages {
		usages = append(usages, TestApp())
	}
	return usages
}
