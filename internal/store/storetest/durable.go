package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"rollcall/internal/store"
)

func testSecrets(t *testing.T, s store.Store) {
	ctx := context.Background()
	first, err := s.Secret(ctx, "nonce")
	must(t, err)
	if len(first) != 32 || bytes.Equal(first, make([]byte, 32)) {
		t.Errorf("secret %x", first)
	}
	other, err := s.Secret(ctx, "other")
	must(t, err)
	if bytes.Equal(first, other) {
		t.Error("two names have the same secret")
	}
	together(t, 8, func(int) error {
		again, err := s.Secret(ctx, "nonce")
		if err == nil && !bytes.Equal(first, again) {
			err = errors.New("the secret changed")
		}
		return err
	})
}

func testPing(t *testing.T, s store.Store) {
	must(t, s.Ping(context.Background()))
}

// After Close callers get ErrUnavailable, not a crash.
func testClosed(t *testing.T, s store.Store) {
	ctx := context.Background()
	must(t, s.Close())
	_, userErr := s.User(ctx, "sip:alice@example.com")
	for what, err := range map[string]error{
		"Commit":      s.Commit(ctx, sample("alice", 1)),
		"PutDocument": s.PutDocument(ctx, document("a", "b", "c", "d"), "", nil),
		"User":        userErr,
		"Ping":        s.Ping(ctx),
	} {
		if !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s after Close: %v, want ErrUnavailable", what, err)
		}
	}
	s.Defer(sample("alice", 1))
}

func reopen(t *testing.T, place Place, opt *store.Options) store.Store {
	t.Helper()
	s, err := place(opt)
	must(t, err)
	return s
}

func testReopen(t *testing.T, place Place) {
	ctx := context.Background()
	s := reopen(t, place, options())
	batch, alice := sample("alice", 5), user("alice")
	doc := document(alice.AOR, "resource-lists", "index", "<x/>")
	must(t, s.AddUsers(ctx, []store.User{alice}, false))
	must(t, s.Commit(ctx, batch))
	must(t, s.PutDocument(ctx, doc, "", []string{"sip:list@example.com"}))
	secret, err := s.Secret(ctx, "nonce")
	must(t, err)
	must(t, s.Close())

	s = reopen(t, place, options())
	defer s.Close()
	got, err := s.User(ctx, alice.AOR)
	must(t, err)
	equal(t, "user", got, alice)
	equal(t, "rows", load(t, s, now()), rowsOf(batch))
	d, err := s.Document(ctx, doc.DocumentKey)
	must(t, err)
	equal(t, "document", d, doc)
	by, err := s.Claimant(ctx, "sip:list@example.com")
	must(t, err)
	equal(t, "claimant", by, doc.DocumentKey)
	again, err := s.Secret(ctx, "nonce")
	must(t, err)
	equal(t, "secret", again, secret)
}

func testCloseFlushes(t *testing.T, place Place) {
	s := reopen(t, place, options())
	for i := range 100 {
		s.Defer(sample(fmt.Sprint("u", i), 1))
	}
	must(t, s.Close())
	s = reopen(t, place, options())
	defer s.Close()
	if got := len(load(t, s, now()).Publications); got != 100 {
		t.Errorf("%d of 100 deferred rows were written before Close returned", got)
	}
}

// The command line tool writes while the server runs.
func testTwoStores(t *testing.T, place Place) {
	ctx := context.Background()
	a, b := reopen(t, place, options()), reopen(t, place, options())
	defer a.Close()
	defer b.Close()
	together(t, writers, func(w int) error {
		s := a
		if w%2 == 0 {
			s = b
		}
		name := fmt.Sprint("u", w)
		if err := s.AddUsers(ctx, []store.User{user(name)}, false); err != nil {
			return err
		}
		return s.Commit(ctx, sample(name, 2))
	})
	for i, s := range []store.Store{a, b} {
		list, err := s.ListUsers(ctx, "", 100)
		must(t, err)
		if rows := load(t, s, now()); len(list) != writers || len(rows.Bindings) != 2*writers {
			t.Errorf("store %d sees %d users and %d bindings, want %d and %d", i, len(list), len(rows.Bindings), writers, 2*writers)
		}
	}
	one, err := a.Secret(ctx, "nonce")
	must(t, err)
	two, err := b.Secret(ctx, "nonce")
	must(t, err)
	equal(t, "secret on both", one, two)
}

// Server and command line tool may be the first to open a database together.
func testOpenTogether(t *testing.T, place Place) {
	together(t, 4, func(int) error {
		s, err := place(options())
		if err != nil {
			return err
		}
		return errors.Join(s.Ping(context.Background()), s.Close())
	})
}
