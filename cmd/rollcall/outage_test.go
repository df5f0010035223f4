package main

import (
	"database/sql"
	"errors"
	"io"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"rollcall/internal/store/pgtest"
)

// cable is the connection to a database server that can be pulled.
type cable struct {
	listen string
	to     string // path of the socket of the server

	mu    sync.Mutex
	ln    net.Listener
	conns []net.Conn
	hung  bool
}

// throughCable returns the URL of an empty database behind a cable.
func throughCable(t *testing.T) (*cable, string) {
	t.Helper()
	u, err := url.Parse(pgtest.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	query := u.Query()
	if query.Get("host") == "" {
		t.Skip("only a server on a Unix socket can be cut off")
	}
	const socket = ".s.PGSQL.5432"
	dir := t.TempDir()
	c := &cable{listen: filepath.Join(dir, socket), to: filepath.Join(query.Get("host"), socket)}
	query.Set("host", dir)
	u.RawQuery = query.Encode()
	c.plug(t)
	t.Cleanup(c.pull)
	return c, u.String()
}

// plug lets connections through.
func (c *cable) plug(t *testing.T) {
	t.Helper()
	ln, err := net.Listen("unix", c.listen)
	if err != nil {
		t.Fatal(err)
	}
	c.mu.Lock()
	c.ln, c.hung = ln, false
	c.mu.Unlock()
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			c.connect(conn)
		}
	}()
}

func (c *cable) connect(conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conns = append(c.conns, conn)
	if c.hung {
		return
	}
	server, err := net.Dial("unix", c.to)
	if err != nil {
		conn.Close()
		return
	}
	c.conns = append(c.conns, server)
	go c.pass(conn, server)
	go c.pass(server, conn)
}

func (c *cable) pass(from, to net.Conn) {
	defer to.Close()
	b := make([]byte, 64<<10)
	for {
		n, err := from.Read(b)
		if err != nil {
			return
		}
		c.mu.Lock()
		hung := c.hung
		c.mu.Unlock()
		if hung {
			_, _ = io.Copy(io.Discard, from)
			return
		}
		if _, err := to.Write(b[:n]); err != nil {
			return
		}
	}
}

// pull ends all connections and refuses new ones, like a server that is stopped.
func (c *cable) pull() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ln != nil {
		c.ln.Close()
	}
	for _, conn := range c.conns {
		conn.Close()
	}
	c.ln, c.conns = nil, nil
}

// hang swallows everything, like a network that is gone.
func (c *cable) hang() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hung = true
}

// While the database is away what must be durable gets 503, the rest goes on; when
// it is back everything is as it was.
func TestDatabaseOutage(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		begin  func(*cable)
		writes int // tried meanwhile
		last   time.Duration
	}{
		// Longer than accounts are remembered without being looked up.
		{"PostgreSQL stopped", (*cable).pull, 3, userTTL + 2*time.Second},
		{"PostgreSQL unreachable", (*cable).hang, 1, 0}, // each write takes its time
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cable, database := throughCable(t)
			s := start(t, []string{"--database", database, "--data", t.TempDir(), "--domain", domain}, "--pacing", "off")
			o := newOutage(t, s)
			tt.begin(cable)
			o.during(tt.writes, tt.last)
			cable.pull()
			cable.plug(t)
			o.after()
			s.terminate()
		})
	}
	t.Run("SQLite locked", func(t *testing.T) {
		t.Parallel()
		data := t.TempDir()
		s := start(t, []string{"--data", data, "--domain", domain}, "--pacing", "off")
		o := newOutage(t, s)
		unlock := lockDatabase(t, filepath.Join(data, "rollcall.db"))
		o.during(1, 0)
		unlock()
		o.after()
		s.terminate()
	})
}

// lockDatabase keeps everybody else from writing to a SQLite file.
func lockDatabase(t *testing.T, file string) (unlock func()) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+file+"?_pragma=busy_timeout(5000)&_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := errors.Join(tx.Rollback(), db.Close()); err != nil {
			t.Error(err)
		}
	}
}

// outage is what goes on while a database is away.
type outage struct {
	t          *testing.T
	s          *server
	alice, bob *sipClient
	watch      *dialog
	tag        string
}

func newOutage(t *testing.T, s *server) *outage {
	o := &outage{t: t, s: s, alice: dialSIP(t, "tcp", s.sip, "alice", password("alice")), bob: dialSIP(t, "tcp", s.sip, "bob", password("bob"))}
	newXCAPClient(t, s.xcapRoot, "bob", password("bob")).put(201, "pres-rules/users/"+o.bob.aor()+"/index", typeRules, openRules)
	o.alice.register(600)
	o.bob.register(600)
	o.watch = o.alice.watch(o.bob)
	o.watch.notify()
	o.tag = publish(o.bob, tupleOf("before", "open"))
	o.watch.shown(`"before"`, "")
	return o
}

// durable are the requests that change what has to outlive the process.
func (o *outage) durable() []request {
	return []request{
		binding(o.bob, "Contact: <sip:b@192.0.2.1>", "Expires: 600"),
		publishing(o.bob, pidfOf(o.bob, tupleOf("during", "open")), "SIP-If-Match: "+o.tag),
		subscribing(o.bob, o.alice.aor()),
	}
}

func (o *outage) during(writes int, last time.Duration) {
	o.t.Helper()
	for _, r := range o.durable()[:writes] {
		if m := o.bob.want(503, r); m.get("Retry-After") == "" {
			o.t.Errorf("no Retry-After in\n%s", m)
		}
	}
	time.Sleep(last)
	// Registered is who was; they reach each other.
	if got := contacts(o.bob.want(200, binding(o.bob))); strings.Count(got, "expires=") != 1 {
		o.t.Errorf("bindings: %s", got)
	}
	text(o.t, o.alice, o.bob.aor(), o.bob)
	if len(o.alice.in)+len(o.alice.requests) != 0 {
		o.t.Error("the watcher was told something")
	}
}

func (o *outage) after() {
	o.t.Helper()
	deadline := time.Now().Add(patience)
	for _, r := range o.durable() {
		for {
			m := o.bob.do(r)
			if m.status() == 200 {
				break
			}
			if m.status() != 503 || time.Now().After(deadline) {
				o.t.Fatalf("%s after the outage:\n%s", r.method, m)
			}
			time.Sleep(200 * time.Millisecond)
		}
	}
	o.watch.shown(`"during"`, `"before"`) // one NOTIFY, and that
	o.alice.silent(200 * time.Millisecond)
	o.watch.refresh(o.alice, 600)
	o.watch.shown(`"during"`, "")
}
