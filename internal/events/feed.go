package events

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"sync"
	"time"

	"rollcall/internal/wheel"
)

// kinds are what a stream shows.
type kinds uint8

const (
	showDocuments kinds = 1 << iota
	showWatchers
	showPresence

	showAll = showDocuments | showWatchers | showPresence
)

// names are what a request calls the kinds.
var names = map[string]kinds{"documents": showDocuments, "watchers": showWatchers, "presence": showPresence}

const (
	readTimeout = 10 * time.Second
	readAgain   = 5 * time.Second  // after a failure
	watchFor    = 10 * time.Minute // members, unless renewed
	renewEvery  = 4 * time.Minute
)

// feed is what one user is told of: a table and what fills it.
type feed struct {
	hub    *Hub
	key    feedKey
	owners []string // of documents that are told of
	end    wheel.Timer

	// Whoever holds mu may wait for the store and for presence, but not for hub.mu.
	mu      sync.Mutex
	table   table
	members map[string]*member // by address
	renewed time.Time          // when members were watched last
	closed  bool

	newsMu  sync.Mutex
	news    news
	streams map[*stream]struct{}
}

// news is what may have changed since the table was filled.
type news struct {
	documents, watchers, roster bool
	members                     map[string]struct{}
}

func newFeed(h *Hub, key feedKey) *feed {
	f := &feed{
		hub: h, key: key, table: newTable(rand.Text()[:8]),
		members: make(map[string]*member), streams: make(map[*stream]struct{}),
		news: news{documents: true, watchers: true, roster: true},
	}
	if key.kinds&showDocuments != 0 {
		f.owners = append([]string{key.user}, h.cfg.Owners(key.user)...)
	}
	return f
}

func (f *feed) shows(k kinds) bool { return f.key.kinds&k != 0 }

// mark notes that something may have changed and wakes the streams.
func (f *feed) mark(what func(*news)) {
	f.newsMu.Lock()
	defer f.newsMu.Unlock()
	what(&f.news)
	for st := range f.streams {
		st.wakeUp()
	}
}

// checkAccounts has the streams look whether they may go on.
func (f *feed) checkAccounts() {
	f.newsMu.Lock()
	defer f.newsMu.Unlock()
	for st := range f.streams {
		st.suspect.Store(true)
		st.wakeUp()
	}
}

func (f *feed) enter(st *stream) {
	f.newsMu.Lock()
	defer f.newsMu.Unlock()
	f.streams[st] = struct{}{}
}

func (f *feed) leave(st *stream) (left int) {
	f.newsMu.Lock()
	defer f.newsMu.Unlock()
	delete(f.streams, st)
	return len(f.streams)
}

func (f *feed) busy() bool {
	f.newsMu.Lock()
	defer f.newsMu.Unlock()
	return len(f.streams) > 0
}

func (f *feed) take() news {
	f.newsMu.Lock()
	defer f.newsMu.Unlock()
	n := f.news
	f.news = news{}
	return n
}

// putBack keeps what could not be looked at for the next time.
func (f *feed) putBack(n news) {
	f.newsMu.Lock()
	defer f.newsMu.Unlock()
	f.news.documents = f.news.documents || n.documents
	f.news.roster = f.news.roster || n.roster
}

// refresh brings the table up to date with all that was marked before. It
// reports false when that is to be tried again.
func (f *feed) refresh(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	f.mu.Lock()
	defer f.mu.Unlock()
	n := f.take()
	var failed news
	var errs []error
	try := func(k kinds, marked bool, look func(context.Context) error, again *bool) {
		if !marked || !f.shows(k) {
			return
		}
		if err := look(ctx); err != nil {
			errs = append(errs, err)
			*again = true
		}
	}
	try(showDocuments, n.documents, f.lookAtDocuments, &failed.documents)
	try(showPresence, n.roster, f.lookAtRoster, &failed.roster)
	if n.watchers && f.shows(showWatchers) {
		f.lookAtWatchers()
	}
	for uri := range n.members {
		f.lookAt(ctx, uri)
	}
	f.renew()
	if err := errors.Join(errs...); err != nil {
		f.putBack(failed)
		if ctx.Err() == nil || errors.Is(ctx.Err(), context.DeadlineExceeded) {
			slog.Warn("events: not everything could be looked at", "user", f.key.user, "error", err)
		}
		return false
	}
	return true
}

// close ends the watching of members. The caller sees to it that nobody comes
// back.
func (f *feed) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	for uri, m := range f.members {
		f.unwatch(uri, m)
	}
}
