package store

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Errors that callers decide on. Implementations wrap them with context.
var (
	// ErrNotFound: no such user or document.
	ErrNotFound = errors.New("not found")
	// ErrExists: the user to add is there already.
	ErrExists = errors.New("already exists")
	// ErrETagMismatch: the document is not in the version the caller expected
	// (changed, removed or created meanwhile). Nothing was written.
	ErrETagMismatch = errors.New("document changed meanwhile")
	// ErrUnavailable: the database cannot be reached or is shutting down.
	ErrUnavailable = errors.New("store unavailable")
)

// ClaimedError says that a string a document claims server-wide is held by
// another document. Nothing was written.
type ClaimedError struct {
	Claim string
	By    DocumentKey
}

func (e *ClaimedError) Error() string {
	return fmt.Sprintf("%q is already in use", e.Claim)
}

// User is an account. AOR is canonical (sipuri.AOR). HA1 values are lower-case
// hex of H(user:realm:password) with realm = the AOR's domain; the password
// itself is never stored.
type User struct {
	AOR         string
	HA1MD5      string
	HA1SHA256   string
	HA1SHA512   string // SHA-512-256; empty for accounts older than it
	DisplayName string
	Created     time.Time
}

// DocumentKey names a document: XUI is the owner's canonical AOR, empty for the
// global tree; Path is what follows the XUI (or "global"), decoded, without a
// leading slash, e.g. "index" or "oma_status-icon/index".
type DocumentKey struct {
	XUI  string
	AUID string
	Path string
}

// Document is one stored XML document with its strong entity-tag (without quotes).
type Document struct {
	DocumentKey
	Body     []byte
	ETag     string
	Modified time.Time
	Size     int    // of Body, where lists leave that out
	Origin   Origin // of this version; written to the history, read only from there
}

// Publication is one event-state publication (RFC 3903). Lineage is chosen at
// the initial PUBLISH and stays over refreshes and modifications; ETag is the
// current SIP-ETag.
type Publication struct {
	AOR         string
	Event       string
	Lineage     string
	ETag        string
	ContentType string
	Body        []byte
	Flow        string    // wire.Flow.Ref of the connection it was last renewed over, empty for datagrams
	Published   time.Time // when Body last changed
	Expires     time.Time
}

// PublicationKey identifies a publication over its life.
type PublicationKey struct{ AOR, Event, Lineage string }

// Key returns the publication's identity.
func (p Publication) Key() PublicationKey { return PublicationKey{p.AOR, p.Event, p.Lineage} }

// Binding is one registrar binding (RFC 3261 §10, RFC 5626). Its identity is
// ID: the registrar derives it from the contact URI or from instance and reg-id.
type Binding struct {
	AOR        string
	ID         string
	Contact    string // contact URI as registered
	Params     string // contact header parameters as sent, without expires, e.g. `;q=0.5;+sip.instance="<urn:...>"`
	Instance   string
	RegID      int
	Q          int // thousandths, 1000 when absent
	CallID     string
	CSeq       uint32
	Path       []string
	UserAgent  string
	Flow       string // wire.Flow.Ref of the flow it came over
	Direct     bool   // no proxy between us and the client on Flow
	Era        string // changes when the temporary GRUUs of the instance end (RFC 5627 §5.1)
	EraCSeq    uint32 // CSeq of the REGISTER that began Era
	Registered time.Time
	Updated    time.Time
	Expires    time.Time
}

// BindingKey identifies a binding.
type BindingKey struct{ AOR, ID string }

// Key returns the binding's identity.
func (b Binding) Key() BindingKey { return BindingKey{b.AOR, b.ID} }

// Subscription is the durable part of a subscription dialog (RFC 6665). ID is
// the local tag, unique over all time.
type Subscription struct {
	ID           string
	Event        string
	EventID      string
	Resource     string // canonical URI subscribed to
	Watcher      string // canonical AOR of the authenticated watcher, empty when anonymous
	DisplayName  string
	CallID       string
	LocalURI     string // To of the SUBSCRIBE as sent, without tag
	RemoteURI    string // From of the SUBSCRIBE as sent, without tag
	RemoteTag    string
	RemoteTarget string
	RouteSet     []string
	Contact      string // our Contact
	RemoteCSeq   uint32
	CSeqLease    uint32 // no NOTIFY CSeq above this has been sent
	VersionLease uint32 // no body version at or above this has been sent
	State        string // "active" or "pending"
	Sent         string // tag of the view last sent, best effort: may lag behind
	Accept       string
	Supported    string
	ContentType  string // of the body of the latest SUBSCRIBE
	Body         []byte
	Flow         string
	Device       int64  // which of the watcher's devices, 0 = unknown
	Rates        string // parameters of Event in force, e.g. ";max-rate=0.1", and of the notifier
	Created      time.Time
	Expires      time.Time
}

// Watcher is one entry of a presentity's watcher information (RFC 3857). It
// outlives the subscription it tells of while it is waiting.
type Watcher struct {
	Presentity  string
	Event       string // package watched: "presence"
	ID          string
	Watcher     string
	DisplayName string
	Status      string // pending, active, waiting
	Cause       string // winfo event: subscribe, approved, timeout, ...
	Since       time.Time
	Expires     time.Time // end of the subscription, or giveup deadline when waiting
}

// WatcherKey identifies a watcher record.
type WatcherKey struct{ Presentity, Event, ID string }

// Key returns the record's identity.
func (w Watcher) Key() WatcherKey { return WatcherKey{w.Presentity, w.Event, w.ID} }

// Batch is a set of soft-state changes written atomically. Rows are upserted
// whole by their key; drops of rows that are not there are no error. Within one
// batch a key occurs at most once.
type Batch struct {
	Publications      []Publication
	Bindings          []Binding
	Subscriptions     []Subscription
	Watchers          []Watcher
	Messages          []Message
	DropPublications  []PublicationKey
	DropBindings      []BindingKey
	DropSubscriptions []string
	DropWatchers      []WatcherKey
	DropMessages      []MessageKey
}

// Users is the account part of a store.
type Users interface {
	// User returns ErrNotFound when there is no such AOR.
	User(ctx context.Context, aor string) (User, error)
	// AddUsers adds all or none; ErrExists names the first that is there.
	// With replace, those that are there get new HA1 values instead.
	AddUsers(ctx context.Context, users []User, replace bool) error
	// SetUser replaces an existing user; ErrNotFound.
	SetUser(ctx context.Context, u User) error
	// RemoveUser removes the account and all it owns; ErrNotFound.
	RemoveUser(ctx context.Context, aor string) error
	// ListUsers returns up to limit users with AOR > after, in order of AOR.
	ListUsers(ctx context.Context, after string, limit int) ([]User, error)
}

// Documents is the XCAP part of a store.
type Documents interface {
	// Document returns ErrNotFound when it does not exist.
	Document(ctx context.Context, key DocumentKey) (Document, error)
	// PutDocument stores doc if the stored version has ETag expected ("" = does
	// not exist), else ErrETagMismatch. claims replaces the set of server-wide
	// unique strings this document holds; *ClaimedError when another holds one.
	// Check and write are atomic.
	PutDocument(ctx context.Context, doc Document, expected string, claims []string) error
	// DeleteDocument removes the document and its claims if it has ETag
	// expected; ErrETagMismatch otherwise, ErrNotFound when absent.
	DeleteDocument(ctx context.Context, key DocumentKey, expected string, origin Origin) error
	// ListDocuments returns the documents of one owner with Size instead of Body,
	// AUID empty = of all usages, in order of AUID and Path.
	ListDocuments(ctx context.Context, xui, auid string) ([]Document, error)
	// Claimant returns the document that holds claim; ErrNotFound.
	Claimant(ctx context.Context, claim string) (DocumentKey, error)
	// AUIDDocuments calls fn for every user's document of one usage and path,
	// with body, in order of XUI, until fn fails.
	AUIDDocuments(ctx context.Context, auid, path string, fn func(Document) error) error
}

// SoftState is the part of a store that expires.
type SoftState interface {
	// Commit writes the batch durably, together with the batches of other
	// callers (group commit), and returns when it is on disk or has failed.
	Commit(ctx context.Context, b Batch) error
	// Defer writes the batch soon, in order with Commits, without anyone
	// waiting. It may be lost in a crash. It blocks only when the queue is full.
	Defer(b Batch)
	// The Load functions call fn for every row that expires after now, for
	// recovery at start, until fn fails.
	LoadPublications(ctx context.Context, now time.Time, fn func(Publication) error) error
	LoadBindings(ctx context.Context, now time.Time, fn func(Binding) error) error
	LoadSubscriptions(ctx context.Context, now time.Time, fn func(Subscription) error) error
	LoadWatchers(ctx context.Context, now time.Time, fn func(Watcher) error) error
	// Reap removes every soft-state row that expired before the given time, and
	// the history of documents that were removed Options.Deleted before it, and
	// returns how many rows that were.
	Reap(ctx context.Context, before time.Time) (int, error)
}

// Store is everything.
type Store interface {
	Users
	Documents
	Messages
	History
	Certificates
	SoftState
	// Secret returns the named random secret of 32 octets, made at first use
	// and the same ever after, on every node.
	Secret(ctx context.Context, name string) ([]byte, error)
	// Ping reports whether the database answers.
	Ping(ctx context.Context) error
	// Close finishes queued writes and closes the database.
	Close() error
}

// CommitHook is told of every group commit: the number of batches in it, how
// long it took and its error. The wiring feeds metrics with it.
type CommitHook func(batches int, took time.Duration, err error)
