package event

import (
	"sync/atomic"
	"time"

	"rollcall/internal/store"
	"rollcall/internal/wheel"
	"rollcall/sip/wire"
)

// Subscription is one subscription and its dialog. It belongs to the shard of
// its resource; packages read the exported fields there and use the methods.
type Subscription struct {
	ID          string // local tag of the dialog, unique over all time
	Event       string
	EventID     string // id parameter of Event
	Resource    string // canonical URI subscribed to
	Watcher     string // canonical AOR, "" when anonymous
	DisplayName string
	Kind        string // "plain" or "list"; Open may set it

	// Of the most recent SUBSCRIBE.
	Accept      []string // media ranges in lower case, e.g. "a/b" or "a/b;q=0.5"; empty when none was sent
	Supported   []string // option-tags that the package or eventlist define
	ContentType string
	Body        []byte // stays when a refresh has none; see BodyReader. The package may rewrite it
	BodyNew     bool   // it came with the newest SUBSCRIBE
	Flow        *wire.Flow

	Created  time.Time
	Expires  time.Time
	Fetch    bool // a poll (RFC 6665 §4.4.3): one NOTIFY, nothing is kept
	Restored bool // taken over from an earlier run
	Simple   bool // the newest SUBSCRIBE is of a client that Terms.Simple names
	Deflate  bool // the newest SUBSCRIBE asks for deflated bodies
	Shard    int

	n      *Notifier
	entry  *entry
	source Source
	index  int32 // in the list of its resource

	dialog dialog
	out    *wire.Flow // what NOTIFY goes over; nil when it is gone

	device   uint64 // what tells the watcher's devices apart
	special  *special
	state    State  // last sent
	sent     string // Tag of the view last sent
	lease    lease
	sending  sending
	timer    wheel.Timer
	nextSlot int64 // pacing: when the next one is due, Unix nanoseconds

	posted atomic.Bool // a Changed is on its way to the shard
}

// sending is what the NOTIFY sender remembers of one subscription.
type sending struct {
	open     bool // the 200 is out: NOTIFY may follow
	over     bool // terminated; only the final NOTIFY may still go
	inFlight bool
	owed     bool // a SUBSCRIBE waits for its NOTIFY
	news     bool // the view may have changed
	full     bool // the watcher may have missed something: next view is complete
	hold     bool // the watcher asked for patience: no news before retry
	beat     bool // a NOTIFY is due though nothing may have changed
	unsaved  bool // state and sent wait to be written
	stored   bool // a row may have been written that names a view as seen
	astray   bool // waits for a connection to its watcher
	tries    uint8
	status   uint16 // answer to the newest NOTIFY
	failure  string // what became of it instead, a label of judge; "" is nothing bad
	notified int64  // when it was sent, Unix nanoseconds
	attempt  uint32 // counts NOTIFY requests; answers to abandoned ones are ignored
	retry    int64  // when what failed, or waits from a restart, is tried again; Unix nanoseconds
	final    *final
}

// final is the last word to a watcher.
type final struct {
	reason     string
	retryAfter time.Duration
	view       View // body, when there is one
}

// Changed says that the view may have changed. It may be called on any
// goroutine, as often as one likes.
func (s *Subscription) Changed() {
	if s.n == nil || !s.posted.CompareAndSwap(false, true) {
		return
	}
	s.n.cfg.Pool.Post(s.Shard, func() {
		s.posted.Store(false)
		s.n.noticed(s)
	})
}

// NextVersion returns the version of the next body: 0 first, then one more at
// each call, never less than one that has been sent, restarts included. A view
// that is not sent after all takes its version back.
func (s *Subscription) NextVersion() uint32 {
	v := s.lease.version
	s.lease.version++
	return v
}

// Accepts reports whether the most recent SUBSCRIBE takes bodies of mediaType.
// Without Accept that is the package's default type (RFC 6665 §3.1.3).
func (s *Subscription) Accepts(mediaType string) bool {
	if len(s.Accept) == 0 {
		return s.entry == nil || len(s.entry.terms.ContentTypes) == 0 || s.entry.terms.ContentTypes[0] == mediaType
	}
	return accepts(s.Accept, mediaType)
}

// Prefers reports whether the most recent SUBSCRIBE names mediaType in Accept, and
// wants it at least as much as another one (RFC 3261 §20.1).
func (s *Subscription) Prefers(mediaType, other string) bool {
	q := wanted(s.Accept, mediaType)
	return q > 0 && names(s.Accept, mediaType) && q >= wanted(s.Accept, other)
}

// live reports whether s can still get anything but its final NOTIFY.
func (s *Subscription) live() bool { return s.sending.open && !s.sending.over }

// shown is the tag of the view that the watcher has for certain, "" when what it
// was sent last may still be lost.
func (s *Subscription) shown() string {
	if s.sending.inFlight {
		return ""
	}
	return s.sent
}

// row is the durable form of s.
func (s *Subscription) row() store.Subscription {
	s.sending.stored = s.sending.stored || s.shown() != ""
	return store.Subscription{
		ID: s.ID, Event: s.Event, EventID: s.EventID,
		Resource: s.Resource, Watcher: s.Watcher, DisplayName: s.DisplayName,
		CallID: s.dialog.callID(), LocalURI: s.dialog.localURI(), RemoteURI: s.dialog.remoteURI(),
		RemoteTag: s.dialog.remoteTag(), RemoteTarget: s.dialog.target, RouteSet: s.dialog.routes,
		Contact: s.dialog.contact.Value(), RemoteCSeq: s.dialog.remoteCSeq,
		CSeqLease: s.lease.cseqCeiling, VersionLease: s.lease.versionCeiling,
		State: s.state.String(), Sent: s.shown(),
		Accept: joinList(s.Accept), Supported: joinList(s.Supported),
		ContentType: s.ContentType, Body: s.Body, Flow: flowRef(s.Flow),
		Device: int64(s.device), Rates: s.paramsText(),
		Created: s.Created, Expires: s.Expires,
	}
}
