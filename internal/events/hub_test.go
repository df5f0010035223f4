package events

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"rollcall/internal/auth"
	"rollcall/internal/bus"
	"rollcall/internal/httpauth"
	"rollcall/internal/metrics"
	"rollcall/internal/store"
	"rollcall/internal/store/memory"
	"rollcall/internal/wheel"
)

const (
	amy = "sip:amy@example.test"
	bo  = "sip:bo@example.test"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// discard is a response that nobody reads.
type discard struct{ http.ResponseWriter }

// rig is a hub with a store and presence of its own.
type rig struct {
	t       *testing.T
	hub     *Hub
	store   *memory.Store
	users   *auth.Users
	open    int
	mu      sync.Mutex
	watches map[string]Watch // by id
	members []Member
	views   map[string]View
	who     []Watcher
}

func newRig(t *testing.T, more func(*Config)) *rig {
	r := &rig{t: t, store: memory.New(), watches: map[string]Watch{}, views: map[string]View{}}
	for _, aor := range []string{amy, bo} {
		u, err := auth.NewUser(aor, "secret")
		if err != nil {
			t.Fatal(err)
		}
		if err := r.store.AddUsers(t.Context(), []store.User{u}, false); err != nil {
			t.Fatal(err)
		}
	}
	r.users = auth.NewUsers(r.store, time.Second)
	w := wheel.New(50 * time.Millisecond)
	t.Cleanup(w.Stop)
	cfg := Config{
		Gate: &httpauth.Gate{
			Auth: auth.New([]byte("secret"), r.users), Throttle: auth.NewThrottle(), Metrics: metrics.New(),
			Domains: []string{"example.test"}, Trust: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")},
		},
		Users: r.users, Documents: r.store, Presence: r, Wheel: w,
		Owners:   func(string) []string { return nil },
		Readable: func(user string, key store.DocumentKey) bool { return user == key.XUI },
		Watchers: func(string) []Watcher { r.mu.Lock(); defer r.mu.Unlock(); return r.who },
		Members: func(context.Context, string) ([]Member, error) {
			r.mu.Lock()
			defer r.mu.Unlock()
			return r.members, nil
		},
		Streams: func(change float64) { r.mu.Lock(); r.open += int(change); r.mu.Unlock() },
	}
	if more != nil {
		more(&cfg)
	}
	r.hub = New(cfg)
	return r
}

func (r *rig) View(_ context.Context, presentity, _ string) View {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.views[presentity]
}

func (r *rig) Watch(w Watch) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.watches[w.ID] = w
}

func (r *rig) Unwatch(_, id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.watches, id)
}

// shows changes what there is to see of somebody.
func (r *rig) shows(uri string, v View) {
	r.mu.Lock()
	r.views[uri] = v
	var told []func()
	for _, w := range r.watches {
		if w.Presentity == uri {
			told = append(told, w.Changed)
		}
	}
	r.mu.Unlock()
	for _, changed := range told {
		changed()
	}
}

func (r *rig) watched() []Watch {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Values(r.watches))
}

func (r *rig) watching() int { return len(r.watched()) }

// watchedBy changes who watches amy.
func (r *rig) watchedBy(who ...Watcher) {
	r.mu.Lock()
	r.who = who
	r.mu.Unlock()
	r.hub.WatchersChanged(amy)
}

// put stores a document as amy does.
func (r *rig) put(path, etag, expected string) {
	r.t.Helper()
	key := store.DocumentKey{XUI: amy, AUID: "resource-lists", Path: path}
	if err := r.store.PutDocument(r.t.Context(), store.Document{DocumentKey: key, ETag: etag, Body: []byte("<a/>")}, expected, nil); err != nil {
		r.t.Fatal(err)
	}
	r.hub.DocumentChanged(bus.DocumentChanged{Key: key, OldETag: expected, NewETag: etag})
}

// client is one that reads what it is sent. Until full it takes everything.
type client struct {
	mu     sync.Mutex
	head   http.Header
	status int
	text   strings.Builder
	close  context.CancelFunc
	done   chan struct{}
	held   atomic.Pointer[chan struct{}] // when it is there, nothing is read until it is closed
}

func (c *client) Header() http.Header { return c.head }

func (c *client) WriteHeader(status int) { c.status = status }

func (c *client) Write(b []byte) (int, error) {
	if held := c.held.Load(); held != nil {
		<-*held
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.Write(b)
}

// Flush implements http.Flusher.
func (c *client) Flush() {}

// got returns what came since the last call.
func (c *client) got() string {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.text.String()
	c.text.Reset()
	return s
}

func (r *rig) connect(user, target, lastID string) *client {
	ctx, cancel := context.WithCancel(r.t.Context())
	req := httptest.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	req.RemoteAddr = "192.0.2.1:5000"
	req.Header.Set(httpauth.AssertedIdentity, user)
	if lastID != "" {
		req.Header.Set("Last-Event-ID", lastID)
	}
	c := &client{head: http.Header{}, close: cancel, done: make(chan struct{})}
	go func() {
		defer close(c.done)
		r.hub.ServeHTTP(c, req)
	}()
	return c
}

// lastID is that of the newest event in a text.
func lastID(text string) string {
	_, id, _ := strings.Cut(text[strings.LastIndex(text, "\nid: ")+1:], " ")
	id, _, _ = strings.Cut(id, "\n")
	return id
}

func (r *rig) contains(got string, wants ...string) {
	r.t.Helper()
	for _, want := range wants {
		if !strings.Contains(got, want) {
			r.t.Errorf("no %s in\n%s", want, got)
		}
	}
}

func TestStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.members = []Member{{URI: bo, Name: "Bo"}, {URI: "tel:1", Problem: "noresource"}}
		r.views[bo] = View{State: "pending", Tag: "p"}
		r.put("index", "a", "")
		c := r.connect(amy, "/events", "")
		first := c.got()
		r.contains(first, "retry: 3000\n", "event: reset\n", `{"document":"resource-lists/users/sip:amy@example.test/index","change":"exists","new_etag":"a"}`,
			`{"uri":"sip:bo@example.test","name":"Bo","state":"pending"}`, `{"uri":"tel:1","state":"terminated","reason":"noresource"}`, "event: ready\n")
		r.shows(bo, View{State: "active", Tag: "q", Body: []byte(`<presence xmlns="urn:ietf:params:xml:ns:pidf"><tuple id="a"><status><basic>open</basic></status><note>hi</note></tuple></presence>`)})
		r.contains(c.got(), `"state":"active","basic":"open","note":"hi","pidf":"<presence`)
		r.shows(bo, r.View(t.Context(), bo, amy))
		if got := c.got(); got != "" {
			t.Errorf("the same again: %s", got)
		}
		r.watchedBy(Watcher{ID: "w1", Watcher: bo, Status: "pending", Event: "subscribe"})
		now := c.got()
		r.contains(now, `event: watcher`, `{"id":"w1","watcher":"sip:bo@example.test","status":"pending","event":"subscribe"}`)
		time.Sleep(defaultKeepAlive)
		if got := c.got(); got != ":\n\n" {
			t.Errorf("sign of life %q", got)
		}

		// Gone for less than the table lingers.
		c.close()
		<-c.done
		r.put("index", "b", "a")
		r.put("index", "c", "b")
		r.watchedBy()
		time.Sleep(defaultLinger / 2)
		c = r.connect(amy, "/events", lastID(now))
		now = c.got()
		r.contains(now, `"change":"changed","new_etag":"c","previous_etag":"a"`, `"status":"terminated","event":"timeout"`, "event: ready")
		if strings.Contains(now, "reset") || strings.Contains(now, bo+`","name`) {
			t.Errorf("told again:\n%s", now)
		}

		// Gone for longer.
		c.close()
		<-c.done
		time.Sleep(2 * defaultLinger)
		if r.watching() != 0 {
			t.Error("still watching")
		}
		c = r.connect(amy, "/events", lastID(now))
		r.contains(c.got(), `{"reason":"unknown id"}`, `"change":"exists","new_etag":"c"`)

		// A removed account, and one whose password was changed, have no streams.
		if err := r.store.RemoveUser(t.Context(), amy); err != nil {
			t.Fatal(err)
		}
		r.users.Forget(amy)
		r.hub.UserChanged(amy)
		<-c.done
		r.hub.Stop()
		if c = r.connect(bo, "/events", ""); c.got() == "" || c.status != 503 || c.head.Get("Retry-After") == "" {
			t.Errorf("a stopping server: %d %v", c.status, c.head)
		}
		if r.open != 0 {
			t.Errorf("%d streams", r.open)
		}
		time.Sleep(2 * defaultLinger)
	})
}

// Members stay watched as long as there is a stream, and no longer.
func TestWatching(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.members = []Member{{URI: bo}}
		only := r.connect(amy, "/events?show=documents", "")
		if only.got(); r.watching() != 0 {
			t.Error("watches members nobody wants to see")
		}
		c := r.connect(amy, "/events?show=presence,watchers", "")
		for range 4 {
			if c.got(); r.watching() != 1 {
				t.Fatalf("%d watched", r.watching())
			}
			for _, w := range r.watched() {
				if left := time.Until(w.Expires); left < time.Minute {
					t.Errorf("ends in %v", left)
				}
			}
			time.Sleep(5 * time.Minute)
		}
		r.mu.Lock()
		r.members = nil
		r.mu.Unlock()
		r.hub.DocumentChanged(bus.DocumentChanged{Key: store.DocumentKey{XUI: amy, AUID: "resource-lists", Path: "index"}, NewETag: "x"})
		r.contains(c.got(), `{"uri":"sip:bo@example.test","removed":true}`)
		if r.watching() != 0 {
			t.Error("watches who is on no list")
		}
		r.hub.Stop()
		<-c.done
		<-only.done
		time.Sleep(2 * defaultLinger)
	})
}

func TestLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *Config) { c.PerUser, c.Total = 2, 3 })
		var open []*client
		for _, want := range []struct {
			user   string
			status int
		}{{amy, 200}, {amy, 200}, {amy, 429}, {bo, 200}, {bo, 503}} {
			c := r.connect(want.user, "/events", "")
			if c.got(); c.status != want.status || (want.status != 200) != (c.head.Get("Retry-After") != "") {
				t.Errorf("%s: %d, want %d", want.user, c.status, want.status)
			}
			open = append(open, c)
		}
		for _, c := range open {
			c.close()
			<-c.done
		}
		synctest.Wait()
		if len(r.hub.streams) != 0 || r.hub.total != 0 {
			t.Errorf("%v, %d", r.hub.streams, r.hub.total)
		}
		time.Sleep(2 * defaultLinger)
		synctest.Wait()
		if len(r.hub.feeds)+len(r.hub.byOwner)+len(r.hub.byUser) != 0 {
			t.Error("tables are left")
		}
		if c := r.connect("sip:nobody@example.test", "/events", ""); c.got() == "" || c.status != 403 {
			t.Errorf("nobody: %d", c.status)
		}
	})
}

// A client that reads nothing costs no more than its table, and is told to begin
// anew when it has missed the end of too many things.
func TestSlowClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		c := r.connect(amy, "/events?show=watchers", "")
		c.got()
		held := make(chan struct{})
		c.held.Store(&held)
		stays := Watcher{ID: "stays", Watcher: bo, Status: "active", Event: "subscribe"}
		r.watchedBy(stays)
		synctest.Wait() // the stream is stuck with that
		for i := range maxGone + 20 {
			r.watchedBy(stays, Watcher{ID: fmt.Sprint("w", i), Watcher: bo, Status: "active", Event: "subscribe"})
			// Another stream keeps the table up to date.
			other := r.connect(amy, "/events?show=watchers", "")
			other.close()
			<-other.done
		}
		for _, f := range r.hub.feeds {
			if f.table.gone > maxGone {
				t.Errorf("%d remembered", f.table.gone)
			}
		}
		close(held)
		r.contains(c.got(), `{"reason":"too far behind"}`, `"id":"stays"`)
		c.close()
		<-c.done
		time.Sleep(2 * defaultLinger)
	})
}

func TestStoreAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		c := r.connect(amy, "/events?show=documents", "")
		c.got()
		r.put("index", "a", "")
		r.contains(c.got(), `"change":"created","new_etag":"a"`)
		r.store.Fail(store.ErrUnavailable)
		r.hub.DocumentChanged(bus.DocumentChanged{Key: store.DocumentKey{XUI: amy, AUID: "x", Path: "y"}})
		if got := c.got(); got != "" {
			t.Errorf("what cannot be read is told: %s", got)
		}
		r.store.Fail(nil)
		r.put("index", "b", "a")
		time.Sleep(readAgain)
		r.contains(c.got(), `"new_etag":"b","previous_etag":"a"`)
		r.hub.Stop()
		<-c.done
		time.Sleep(2 * defaultLinger)
	})
}
