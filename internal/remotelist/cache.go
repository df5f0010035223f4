package remotelist

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"rollcall/internal/wheel"
)

// What may be kept, and how it is fetched.
const (
	maxURLs   = 1024
	maxOctets = 64 << 20 // of all lists together
	workers   = 4

	firstRetry = 30 * time.Second // doubled with each failure
	minFresh   = time.Minute
	maxFresh   = 24 * time.Hour
)

// ErrPending says that a list has been asked for and has not come yet.
var ErrPending = errors.New("is being fetched")

// ErrTooMany says that there is no room for another list.
var ErrTooMany = errors.New("too many lists of other servers are in use")

// Config is what a Cache is made of.
type Config struct {
	Prefixes []Prefix
	Wheel    *wheel.Wheel
	// Refresh is how long a list is taken to be fresh when its server does not say.
	Refresh time.Duration
	// Changed is told of a URL whose list, or the reason why there is none, changed.
	// It must not block for long.
	Changed func(url string)
}

// Cache keeps lists of other servers. It is safe for concurrent use.
type Cache struct {
	cfg    Config
	client *http.Client
	ctx    context.Context
	cancel context.CancelFunc
	queue  chan *entry
	done   sync.WaitGroup

	mu      sync.Mutex
	entries map[string]*entry
	octets  int
}

// entry is one list. All but the timer is guarded by Cache.mu.
type entry struct {
	url   string
	body  []byte // nil: there is none
	err   error  // why
	etag  string
	since string // Last-Modified
	used  time.Time
	fails int
	timer wheel.Timer
}

// New returns a Cache; Close ends it.
func New(cfg Config) *Cache {
	c := &Cache{cfg: cfg, entries: make(map[string]*entry), queue: make(chan *entry, 2*maxURLs)}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.client = newClient(cfg.Prefixes)
	for range workers {
		c.done.Go(c.work)
	}
	return c
}

// Close ends all fetching.
func (c *Cache) Close() {
	c.cancel()
	c.done.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.entries {
		c.cfg.Wheel.Cancel(&e.timer)
	}
	clear(c.entries)
	c.client.CloseIdleConnections()
}

// Canonical returns the one form of a URL that may be read; false: it may not.
func (c *Cache) Canonical(ref string) (string, bool) {
	u, ok := parse(ref)
	if !ok || !covered(c.cfg.Prefixes, u) {
		return "", false
	}
	return u.String(), true
}

// List returns what a canonical URL led to when it was last fetched, or why there
// is nothing. It does not wait.
func (c *Cache) List(url string) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[url]
	if e == nil {
		if len(c.entries) >= maxURLs && !c.evict() {
			return nil, ErrTooMany
		}
		e = &entry{url: url, err: ErrPending}
		c.entries[url] = e
		c.ask(e)
	}
	e.used = time.Now()
	return e.body, e.err
}

// idle is after what time a list that nobody looked at may make room.
const idle = 3 * time.Hour

// evict drops the list that nobody has looked at for longest. The caller holds mu.
func (c *Cache) evict() bool {
	var oldest *entry
	for _, e := range c.entries {
		if oldest == nil || e.used.Before(oldest.used) {
			oldest = e
		}
	}
	if oldest == nil || time.Since(oldest.used) < idle {
		return false
	}
	c.cfg.Wheel.Cancel(&oldest.timer)
	c.octets -= len(oldest.body)
	delete(c.entries, oldest.url)
	return true
}

// ask has an entry fetched. One is queued once: when it is made, or by its timer,
// which is set when it has been fetched.
func (c *Cache) ask(e *entry) {
	select {
	case c.queue <- e:
	default:
		c.cfg.Wheel.Set(&e.timer, time.Now().Add(firstRetry), func() { c.ask(e) })
	}
}

func (c *Cache) work() {
	for {
		select {
		case <-c.ctx.Done():
			return
		case e := <-c.queue:
			c.refresh(e)
		}
	}
}

// refresh fetches a list and tells whether that was news.
func (c *Cache) refresh(e *entry) {
	c.mu.Lock()
	if c.entries[e.url] != e {
		c.mu.Unlock()
		return
	}
	known := answer{body: e.body, etag: e.etag, since: e.since}
	c.mu.Unlock()
	got, err := c.fetch(e.url, known)
	if c.ctx.Err() != nil {
		return
	}
	if c.take(e, got, err) {
		c.cfg.Changed(e.url)
	}
}

// take keeps what was fetched and reports whether it is news.
func (c *Cache) take(e *entry, got answer, err error) (news bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.entries[e.url] != e {
		return false
	}
	if err == nil && c.octets-len(e.body)+len(got.body) > maxOctets {
		got, err = answer{}, ErrTooMany
	}
	var wait time.Duration
	switch {
	case err == nil:
		e.fails = 0
		wait = min(max(got.fresh, minFresh), maxFresh)
		if got.fresh == 0 {
			wait = max(c.cfg.Refresh, minFresh)
		}
	default:
		wait = min(firstRetry<<min(e.fails, 10), maxFresh/8)
		e.fails++
	}
	c.cfg.Wheel.Set(&e.timer, time.Now().Add(wait), func() { c.ask(e) })
	if err != nil && e.body != nil && !errors.Is(err, errNone) {
		return false // what was there last stays in force
	}
	news = !bytes.Equal(e.body, got.body) || (e.err == nil) != (err == nil) || err != nil && e.err.Error() != err.Error()
	c.octets += len(got.body) - len(e.body)
	e.body, e.err, e.etag, e.since = got.body, err, got.etag, got.since
	return news
}
