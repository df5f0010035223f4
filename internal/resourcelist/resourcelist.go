package resourcelist

import (
	"context"
	"errors"

	"rollcall/internal/store"
	"rollcall/internal/xmlscan"
)

// Namespaces and application usage of RFC 4826.
const (
	Namespace    = "urn:ietf:params:xml:ns:resource-lists"
	NamespaceRLS = "urn:ietf:params:xml:ns:rls-services"
	AUID         = "resource-lists"
)

// Defaults of a Resolver whose limits are zero.
const (
	DefaultMaxEntries = 10000
	DefaultMaxDepth   = 32
)

// maxReferences bounds the references followed while one list is read: each
// may cost a look at the store.
const maxReferences = 256

// ErrUnresolved is wrapped by the error of a reference that does not lead to a
// list: it is malformed, foreign, forbidden or damaged. Errors that do not wrap
// it are those of the store.
var ErrUnresolved = errors.New("reference cannot be resolved")

// ErrAbsent is the ErrUnresolved of a reference whose document or element does
// not exist.
var ErrAbsent = &unresolved{"does not exist", true}

type unresolved struct {
	why    string
	absent bool
}

func (e *unresolved) Error() string { return e.why }

func (e *unresolved) Is(target error) bool {
	return target == ErrUnresolved || e.absent && target == error(ErrAbsent)
}

// Name is the display-name of an entry or a list.
type Name struct {
	DisplayName string // empty: it has none
	Lang        string // xml:lang
}

// Entry is one member of a flat list.
type Entry struct {
	// URI is the canonical address-of-record of the member. With a Problem it
	// is the reference as it stands in the document.
	URI string
	Name
	// Problem says why this could not be resolved, empty if it could.
	Problem string
	// Reference tells that the Problem is with a list or a reference, not
	// with an entry: there may be members nobody knows of.
	Reference bool
	// Absent tells that the Problem is a reference to something that does not exist.
	Absent bool
}

// List is a flattened list. Duplicates are collapsed, the first display name wins.
type List struct {
	Name
	Entries []Entry
	// Deps are all documents that were looked at, whether they exist or not.
	Deps []store.DocumentKey
	// Truncated tells that there were more entries than MaxEntries.
	Truncated bool
}

// Documents is where documents are read.
type Documents interface {
	// Document returns store.ErrNotFound when it does not exist.
	Document(ctx context.Context, key store.DocumentKey) (store.Document, error)
}

// Resolver flattens lists. It is safe for concurrent use.
type Resolver struct {
	Docs Documents
	// Roots are the XCAP root paths under which references are ours.
	Roots []string
	// MaxEntries bounds the members of one list, MaxDepth how deep lists may
	// nest, references included. Zero means the default.
	MaxEntries, MaxDepth int
	// Remote has the lists of other servers; nil: there are none.
	Remote Remote
}

// Ref flattens the list that ref names: an absolute URL or a path relative to
// the XCAP root. The error wraps ErrUnresolved or is that of the store; Deps
// are filled even then.
func (r *Resolver) Ref(ctx context.Context, ref, ownerXUI string) (List, error) {
	return r.Session(ownerXUI).Ref(ctx, ref)
}

// Inline flattens the list that stands at element elem of d.
func (r *Resolver) Inline(ctx context.Context, d *xmlscan.Doc, elem int, ownerXUI string) (List, error) {
	return r.Session(ownerXUI).Inline(ctx, d, elem)
}

// Documents flattens all lists of docs, resource-lists documents, into one: what
// recipient lists mean (RFC 5363 §4.1).
func (r *Resolver) Documents(ctx context.Context, docs []*xmlscan.Doc, ownerXUI string) (List, error) {
	return r.Session(ownerXUI).Documents(ctx, docs)
}

// Session resolves several lists of one owner and reads each document once. It
// is not safe for concurrent use.
func (r *Resolver) Session(ownerXUI string) *Session {
	s := &Session{
		docs:       r.Docs,
		remote:     r.Remote,
		roots:      r.Roots,
		owner:      ownerXUI,
		maxEntries: r.MaxEntries,
		maxDepth:   r.MaxDepth,
		loaded:     make(map[store.DocumentKey]loaded),
	}
	if s.maxEntries <= 0 {
		s.maxEntries = DefaultMaxEntries
	}
	if s.maxDepth <= 0 {
		s.maxDepth = DefaultMaxDepth
	}
	return s
}
