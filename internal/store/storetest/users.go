package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"rollcall/internal/store"
)

func user(name string) store.User {
	return store.User{AOR: "sip:" + name + "@example.com", HA1MD5: "m-" + name, HA1SHA256: "s-" + name, HA1SHA512: "t-" + name,
		DisplayName: "Name of " + name, Created: now()}
}

func testUsers(t *testing.T, s store.Store) {
	ctx := context.Background()
	if _, err := s.User(ctx, "sip:alice@example.com"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a user who does not exist: %v", err)
	}
	alice, zoe, bob := user("alice"), user("Zoe"), user("bob")
	must(t, s.AddUsers(ctx, []store.User{alice, zoe, bob}, false))
	got, err := s.User(ctx, alice.AOR)
	must(t, err)
	equal(t, "alice", got, alice)

	// Octet order: upper case before lower case.
	list, err := s.ListUsers(ctx, "", 10)
	must(t, err)
	equal(t, "all users", list, []store.User{zoe, alice, bob})
	list, err = s.ListUsers(ctx, zoe.AOR, 1)
	must(t, err)
	equal(t, "second page", list, []store.User{alice})
	list, err = s.ListUsers(ctx, bob.AOR, 5)
	must(t, err)
	equal(t, "after the last", list, []store.User(nil))

	alice.DisplayName, alice.HA1MD5 = "Alice", "other"
	must(t, s.SetUser(ctx, alice))
	got, err = s.User(ctx, alice.AOR)
	must(t, err)
	equal(t, "alice after SetUser", got, alice)
	if err := s.SetUser(ctx, user("nobody")); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("SetUser of an unknown user: %v", err)
	}
}

func testAddUsersAllOrNone(t *testing.T, s store.Store) {
	ctx := context.Background()
	must(t, s.AddUsers(ctx, []store.User{user("bob"), user("dave")}, false))
	err := s.AddUsers(ctx, []store.User{user("alice"), user("dave"), user("bob")}, false)
	if !errors.Is(err, store.ErrExists) || !strings.Contains(err.Error(), "sip:dave@example.com") {
		t.Errorf("AddUsers: %v, want ErrExists naming dave, the first", err)
	}
	if _, err := s.User(ctx, user("alice").AOR); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("alice was added though the call failed: %v", err)
	}
	err = s.AddUsers(ctx, []store.User{user("eve"), user("eve")}, false)
	if !errors.Is(err, store.ErrExists) {
		t.Errorf("the same user twice: %v, want ErrExists", err)
	}
	must(t, s.AddUsers(ctx, nil, false))
}

func testReplaceUsers(t *testing.T, s store.Store) {
	ctx := context.Background()
	bob := user("bob")
	must(t, s.AddUsers(ctx, []store.User{bob}, false))
	again := user("bob")
	again.HA1MD5, again.HA1SHA256, again.HA1SHA512, again.DisplayName, again.Created = "x", "y", "z", "", now().Add(time.Hour)
	carol := user("carol")
	must(t, s.AddUsers(ctx, []store.User{again, carol}, true))
	bob.HA1MD5, bob.HA1SHA256, bob.HA1SHA512 = "x", "y", "z" // the rest stays
	list, err := s.ListUsers(ctx, "", 10)
	must(t, err)
	equal(t, "users", list, []store.User{bob, carol})
	first, second := user("dan"), user("dan")
	second.HA1MD5 = "second"
	must(t, s.AddUsers(ctx, []store.User{first, second}, true))
	got, err := s.User(ctx, first.AOR)
	must(t, err)
	if got.HA1MD5 != "second" {
		t.Errorf("the last of equal users wins: got %q", got.HA1MD5)
	}
}

// Whoever gets the name of a removed user must find nothing of the old one.
func testRemoveUser(t *testing.T, s store.Store) {
	ctx := context.Background()
	must(t, s.AddUsers(ctx, []store.User{user("alice"), user("bob")}, false))
	keep := sample("bob", 1)
	must(t, s.Commit(ctx, keep))
	must(t, s.Commit(ctx, sample("alice", 1)))
	for _, name := range []string{"alice", "bob"} {
		doc := document(user(name).AOR, "resource-lists", "index", "<a/>")
		must(t, s.PutDocument(ctx, doc, "", []string{"sip:friends-" + name + "@example.com"}))
	}
	must(t, s.RemoveUser(ctx, user("alice").AOR))
	equal(t, "rows left", load(t, s, now()), rowsOf(keep))
	if _, err := s.User(ctx, user("alice").AOR); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the user is still there: %v", err)
	}
	list, err := s.ListDocuments(ctx, user("alice").AOR, "")
	must(t, err)
	equal(t, "documents left", list, []store.Document(nil))
	if _, err := s.Claimant(ctx, "sip:friends-alice@example.com"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the claim is still there: %v", err)
	}
	if _, err := s.Claimant(ctx, "sip:friends-bob@example.com"); err != nil {
		t.Errorf("another user's claim is gone: %v", err)
	}
	if err := s.RemoveUser(ctx, user("alice").AOR); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("removing again: %v", err)
	}
}

// Bulk returns n users for tests and benchmarks of bulk import.
func Bulk(prefix string, n int) []store.User {
	users := make([]store.User, n)
	for i := range users {
		users[i] = user(fmt.Sprintf("%s%06d", prefix, i))
	}
	return users
}
