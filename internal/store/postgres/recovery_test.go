package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"rollcall/internal/store"
	"rollcall/internal/store/pgtest"
)

// wire stands between a store and its database and can be cut.
type wire struct {
	listener net.Listener
	network  string
	address  string
	wg       sync.WaitGroup

	mu    sync.Mutex
	cut   bool
	conns []net.Conn
}

// lay returns a wire to the database at base and the URL that leads over it.
func lay(t *testing.T, base string) (*wire, string) {
	t.Helper()
	cfg, err := pgx.ParseConfig(base)
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{}
	w.network, w.address = pgNetwork(cfg.Host, cfg.Port)
	if w.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	w.wg.Go(w.accept)
	t.Cleanup(func() {
		w.listener.Close()
		w.set(true)
		w.wg.Wait()
	})
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	query := u.Query()
	query.Del("host")
	query.Set("sslmode", "disable")
	u.Host, u.RawQuery = w.listener.Addr().String(), query.Encode()
	return w, u.String()
}

func (w *wire) accept() {
	for {
		client, err := w.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial(w.network, w.address)
		w.mu.Lock()
		if w.cut || err != nil {
			client.Close()
			if err == nil {
				server.Close()
			}
			w.mu.Unlock()
			continue
		}
		w.conns = append(w.conns, client, server)
		w.mu.Unlock()
		for _, pair := range [][2]net.Conn{{client, server}, {server, client}} {
			w.wg.Go(func() {
				_, _ = io.Copy(pair[0], pair[1])
				pair[0].Close()
			})
		}
	}
}

// set cuts the wire, or mends it.
func (w *wire) set(cut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = cut
	if cut {
		for _, c := range w.conns {
			c.Close()
		}
		w.conns = nil
	}
}

// While the database is away everything fails as unavailable, and when it is
// back everything works without a restart.
func TestDatabaseGoesAndComesBack(t *testing.T) {
	w, url := lay(t, pgtest.URL(t))
	s := open(t, url, nil)
	defer s.Close()
	ctx := context.Background()
	user := store.User{AOR: "sip:alice@example.com"}
	if err := s.AddUsers(ctx, []store.User{user}, false); err != nil {
		t.Fatal(err)
	}
	row := store.Binding{AOR: user.AOR, ID: "1", Expires: time.Now().Add(time.Hour)}
	key := store.DocumentKey{XUI: user.AOR, AUID: "a", Path: "p"}
	operations := map[string]func() error{
		"Commit":       func() error { return s.Commit(ctx, store.Batch{Bindings: []store.Binding{row}}) },
		"Ping":         func() error { return s.Ping(ctx) },
		"User":         func() error { _, err := s.User(ctx, user.AOR); return err },
		"SetUser":      func() error { return s.SetUser(ctx, user) },
		"ListUsers":    func() error { _, err := s.ListUsers(ctx, "", 1); return err },
		"Claimant":     func() error { _, err := s.Claimant(ctx, "c"); return err },
		"Document":     func() error { _, err := s.Document(ctx, key); return err },
		"Reap":         func() error { _, err := s.Reap(ctx, time.Now()); return err },
		"LoadBindings": func() error { return s.LoadBindings(ctx, time.Now(), func(store.Binding) error { return nil }) },
		"PutDocument": func() error {
			return s.PutDocument(ctx, store.Document{DocumentKey: key, ETag: "1"}, "x", []string{"c"})
		},
	}
	healthy := func(err error) bool {
		return err == nil || errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrETagMismatch)
	}
	for name, do := range operations {
		if err := do(); !healthy(err) {
			t.Errorf("%s before: %v", name, err)
		}
	}
	w.set(true)
	for name, do := range operations {
		start := time.Now()
		if err := do(); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s while the database is away: %v", name, err)
		}
		if took := time.Since(start); took > connectPatience {
			t.Errorf("%s took %v to fail", name, took)
		}
	}
	w.set(false)
	for name, do := range operations {
		if err := do(); !healthy(err) {
			t.Errorf("%s after: %v", name, err)
		}
	}
}

// connectPatience is far more than a refused connection takes.
const connectPatience = 10 * time.Second

func pgNetwork(host string, port uint16) (network, address string) {
	if strings.HasPrefix(host, "/") {
		return "unix", fmt.Sprintf("%s/.s.PGSQL.%d", host, port)
	}
	return "tcp", net.JoinHostPort(host, fmt.Sprint(port))
}
