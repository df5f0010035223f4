package events

import (
	"context"
	"errors"
	"sync"
	"time"

	"rollcall/internal/bus"
	"rollcall/internal/httpauth"
	"rollcall/internal/store"
	"rollcall/internal/wheel"
)

// Documents are the documents that users store.
type Documents interface {
	ListDocuments(ctx context.Context, xui, auid string) ([]store.Document, error)
}

// Users are the accounts; store.ErrNotFound when there is none.
type Users interface {
	Get(ctx context.Context, aor string) (store.User, error)
}

// Watcher is one who watches a user's presence.
type Watcher struct {
	ID          string
	Watcher     string // canonical AOR
	DisplayName string
	Status      string // pending, active, waiting or terminated
	Event       string // what led to it (RFC 3857 §4.7.1)
}

// Member is one entry of a user's lists.
type Member struct {
	URI, Name string
	Problem   string // why nothing can be known of it, empty if something can
}

// View is the presence of a member as a watcher is shown it.
type View struct {
	State  string // active, pending or terminated (RFC 6665 §4.1.3)
	Reason string // when terminated
	Body   []byte // PIDF, when active
	Tag    string // of the body
}

// Watch is a watcher of a presentity. Changed may be called on any goroutine.
type Watch struct {
	ID, Presentity, Watcher string
	Expires                 time.Time
	Changed                 func()
}

// Presence decides and tells what is to be seen of presentities.
type Presence interface {
	View(ctx context.Context, presentity, watcher string) View
	Watch(w Watch)
	Unwatch(presentity, id string)
}

// Config is what a Hub needs. Zero limits and times have defaults.
type Config struct {
	Gate      *httpauth.Gate
	Users     Users
	Documents Documents
	// Owners are the other users some of whose documents a user may read.
	Owners func(user string) []string
	// Readable reports whether a user may read a document.
	Readable func(user string, key store.DocumentKey) bool
	Watchers func(presentity string) []Watcher
	// Members are those of all lists that a user has for presence.
	Members  func(ctx context.Context, owner string) ([]Member, error)
	Presence Presence
	Wheel    *wheel.Wheel
	// Streams is told how many more, or fewer, there are; nil: nobody is.
	Streams func(change float64)

	KeepAlive time.Duration // between signs of life, 15 s
	Linger    time.Duration // that a table stays after its last client left, 1 minute
	PerUser   int           // streams of one user at a time, 8
	Total     int           // streams at a time, 2000
}

const (
	defaultKeepAlive = 15 * time.Second
	defaultLinger    = time.Minute
	defaultPerUser   = 8
	defaultTotal     = 2000
)

// Hub is the handler of the stream. It is safe for concurrent use.
type Hub struct {
	cfg     Config
	stopped chan struct{}

	mu      sync.Mutex
	feeds   map[feedKey]*feed
	byOwner map[string]map[*feed]struct{} // of documents that are told of
	byUser  map[string]map[*feed]struct{}
	streams map[string]int // by user
	total   int
	closed  bool
}

// feedKey: streams of one user that show the same share a table.
type feedKey struct {
	user  string
	kinds kinds
}

// New returns a Hub.
func New(cfg Config) *Hub {
	if cfg.KeepAlive <= 0 {
		cfg.KeepAlive = defaultKeepAlive
	}
	if cfg.Linger <= 0 {
		cfg.Linger = defaultLinger
	}
	if cfg.PerUser <= 0 {
		cfg.PerUser = defaultPerUser
	}
	if cfg.Total <= 0 {
		cfg.Total = defaultTotal
	}
	if cfg.Streams == nil {
		cfg.Streams = func(float64) {}
	}
	return &Hub{
		cfg: cfg, stopped: make(chan struct{}), feeds: make(map[feedKey]*feed),
		byOwner: make(map[string]map[*feed]struct{}), byUser: make(map[string]map[*feed]struct{}), streams: make(map[string]int),
	}
}

// Stop ends all streams and takes no more.
func (h *Hub) Stop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.closed {
		h.closed = true
		close(h.stopped)
	}
}

// DocumentChanged tells of a document that was written. It may be called on any
// goroutine, as may the following.
func (h *Hub) DocumentChanged(e bus.DocumentChanged) {
	if e.OldETag == e.NewETag && e.NewETag != "" {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for f := range h.byOwner[e.Key.XUI] {
		f.mark(func(n *news) { n.documents = true })
	}
	if e.Key.AUID != "rls-services" && e.Key.AUID != "resource-lists" {
		return
	}
	// Lists refer to lists of the same user, and to those that are everybody's.
	concerned := h.byUser[e.Key.XUI]
	if e.Key.XUI == "" {
		concerned = h.all()
	}
	for f := range concerned {
		f.mark(func(n *news) { n.roster = true })
	}
}

func (h *Hub) all() map[*feed]struct{} {
	all := make(map[*feed]struct{}, len(h.feeds))
	for _, f := range h.feeds {
		all[f] = struct{}{}
	}
	return all
}

// WatchersChanged tells that others watch a user's presence now.
func (h *Hub) WatchersChanged(presentity string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for f := range h.byUser[presentity] {
		f.mark(func(n *news) { n.watchers = true })
	}
}

// UserChanged tells that an account was added, changed or removed.
func (h *Hub) UserChanged(aor string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for f := range h.byUser[aor] {
		f.mark(func(n *news) { n.roster, n.documents = true, true })
		f.checkAccounts()
	}
	for f := range h.byOwner[aor] {
		f.mark(func(n *news) { n.documents = true })
	}
}

// Errors of enter.
var (
	errStopping = errors.New("the server is stopping")
	errFull     = errors.New("there are too many streams")
	errTooMany  = errors.New("you have too many streams")
)

// enter adds a stream to the table of its user, which is made if need be.
func (h *Hub) enter(user string, shown kinds, st *stream) (*feed, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.closed:
		return nil, errStopping
	case h.total >= h.cfg.Total:
		return nil, errFull
	case h.streams[user] >= h.cfg.PerUser:
		return nil, errTooMany
	}
	h.total++
	h.streams[user]++
	h.cfg.Streams(1)
	key := feedKey{user, shown}
	f := h.feeds[key]
	if f == nil {
		f = newFeed(h, key)
		h.feeds[key] = f
		index(h.byUser, user, f)
		for _, owner := range f.owners {
			index(h.byOwner, owner, f)
		}
	}
	h.cfg.Wheel.Cancel(&f.end)
	f.enter(st)
	return f, nil
}

// leave takes a stream out again. Its table stays for a while.
func (h *Hub) leave(f *feed, st *stream) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.total--
	h.cfg.Streams(-1)
	if h.streams[f.key.user]--; h.streams[f.key.user] == 0 {
		delete(h.streams, f.key.user)
	}
	if f.leave(st) == 0 {
		h.cfg.Wheel.Set(&f.end, time.Now().Add(h.cfg.Linger), func() { h.drop(f) })
	}
}

// drop forgets a table unless somebody has come back.
func (h *Hub) drop(f *feed) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if f.busy() || h.feeds[f.key] != f {
		return
	}
	delete(h.feeds, f.key)
	remove(h.byUser, f.key.user, f)
	for _, owner := range f.owners {
		remove(h.byOwner, owner, f)
	}
	f.close()
}

func index(m map[string]map[*feed]struct{}, k string, f *feed) {
	if m[k] == nil {
		m[k] = make(map[*feed]struct{})
	}
	m[k][f] = struct{}{}
}

func remove(m map[string]map[*feed]struct{}, k string, f *feed) {
	delete(m[k], f)
	if len(m[k]) == 0 {
		delete(m, k)
	}
}
