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

// keep is how many versions the stores under test remember.
const keep = 5

func options() *store.Options { return &store.Options{History: keep, Deleted: time.Hour} }

var author = store.Origin{By: "sip:alice@example.com", Client: "Blink 6.0", Address: "192.0.2.7", Method: "PUT"}

func version(number int, d store.Document) store.Version {
	d.Size = len(d.Body)
	return store.Version{Document: d, Number: number}
}

func bare(v store.Version) store.Version {
	v.Body = nil
	return v
}

func testHistory(t *testing.T, s store.Store) {
	ctx := context.Background()
	var want []store.Version // newest first
	etag := ""
	key := document("sip:alice@example.com", "resource-lists", "index", "").DocumentKey
	for i := 1; i <= keep+2; i++ {
		doc := document(key.XUI, key.AUID, key.Path, fmt.Sprintf("<v%d>\x00\xff</v>", i))
		doc.Origin = author
		doc.Origin.Client = fmt.Sprintf("client %d", i)
		must(t, s.PutDocument(ctx, doc, etag, nil))
		etag = doc.ETag
		want = append([]store.Version{version(i, doc)}, want[:min(len(want), keep-1)]...)
	}
	got, err := s.Versions(ctx, key)
	must(t, err)
	var list []store.Version
	for _, v := range want {
		list = append(list, bare(v))
	}
	equal(t, "the newest versions, newest first", got, list)
	for _, v := range want {
		got, err := s.Version(ctx, key, v.Number)
		must(t, err)
		equal(t, fmt.Sprintf("version %d", v.Number), got, v)
	}
	for _, number := range []int{-1, 0, 1, 2, keep + 3} {
		if _, err := s.Version(ctx, key, number); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("version %d: %v, want ErrNotFound", number, err)
		}
	}
	// What the document itself says is not changed by having a history.
	current, err := s.Document(ctx, key)
	must(t, err)
	plain := want[0].Document
	plain.Origin, plain.Size = store.Origin{}, 0
	equal(t, "current document", current, plain)
	other := key
	other.Path = "other"
	got, err = s.Versions(ctx, other)
	must(t, err)
	equal(t, "history of a document that never was", got, []store.Version(nil))
}

// What was not written is not remembered.
func testHistoryOfFailures(t *testing.T, s store.Store) {
	ctx := context.Background()
	doc := document("sip:alice@example.com", "rls-services", "index", "1")
	taken := document("sip:bob@example.com", "rls-services", "index", "1")
	must(t, s.PutDocument(ctx, taken, "", []string{"sip:x@example.com"}))
	if err := s.PutDocument(ctx, doc, "", []string{"sip:x@example.com"}); err == nil {
		t.Error("a claim was taken twice")
	}
	if err := s.PutDocument(ctx, doc, "other", nil); !errors.Is(err, store.ErrETagMismatch) {
		t.Errorf("mismatch: %v", err)
	}
	if err := s.PutDocument(ctx, taken, "", nil); !errors.Is(err, store.ErrETagMismatch) {
		t.Errorf("creating again: %v", err)
	}
	if err := s.DeleteDocument(ctx, taken.DocumentKey, "other", author); !errors.Is(err, store.ErrETagMismatch) {
		t.Errorf("mismatch: %v", err)
	}
	for _, d := range []struct {
		key  store.DocumentKey
		want int
	}{{doc.DocumentKey, 0}, {taken.DocumentKey, 1}} {
		if got, err := s.Versions(ctx, d.key); err != nil || len(got) != d.want {
			t.Errorf("history of %s: %d versions, %v, want %d", d.key.XUI, len(got), err, d.want)
		}
	}
}

// A removed document can be brought back until its time is over, and its
// numbers go on.
func testHistoryOfDeleted(t *testing.T, s store.Store) {
	ctx := context.Background()
	first := document("sip:alice@example.com", "resource-lists", "index", "<a/>")
	must(t, s.PutDocument(ctx, first, "", nil))
	kept := document("sip:bob@example.com", "resource-lists", "index", "<b/>")
	must(t, s.PutDocument(ctx, kept, "", nil))
	by := author
	by.Method = "DELETE"
	start := now()
	must(t, s.DeleteDocument(ctx, first.DocumentKey, first.ETag, by))
	got, err := s.Versions(ctx, first.DocumentKey)
	must(t, err)
	if len(got) != 2 || !got[0].Deleted || got[0].Number != 2 || got[0].Origin != by || got[0].ETag != "" || got[0].Size != 0 {
		t.Fatalf("history after removal: %+v", got)
	}
	if at := got[0].Modified; at.Before(start) || at.After(time.Now()) {
		t.Errorf("removed at %v, now is %v", at, start)
	}
	body, err := s.Version(ctx, first.DocumentKey, 1)
	must(t, err)
	equal(t, "body to bring back", string(body.Body), "<a/>")

	if _, err := s.Reap(ctx, now().Add(59*time.Minute)); err != nil {
		t.Fatal(err)
	}
	if got, _ = s.Versions(ctx, first.DocumentKey); len(got) != 2 {
		t.Errorf("history was removed before its time: %+v", got)
	}
	// Once the document is there again, its removal long ago means nothing.
	again := document(first.XUI, first.AUID, first.Path, "<c/>")
	must(t, s.PutDocument(ctx, again, "", nil))
	if _, err := s.Reap(ctx, now().Add(2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if got, _ = s.Versions(ctx, first.DocumentKey); len(got) != 3 || got[0].Number != 3 {
		t.Errorf("history of a document that was brought back: %+v", got)
	}
	must(t, s.DeleteDocument(ctx, again.DocumentKey, again.ETag, by))
	n, err := s.Reap(ctx, now().Add(2*time.Hour))
	must(t, err)
	if got, _ = s.Versions(ctx, first.DocumentKey); len(got) != 0 || n != 4 {
		t.Errorf("after its time, %d rows reaped, left: %+v", n, got)
	}
	if got, _ = s.Versions(ctx, kept.DocumentKey); len(got) != 1 {
		t.Errorf("history of another document: %+v", got)
	}
}

func testHistoryOfRemovedUser(t *testing.T, s store.Store) {
	ctx := context.Background()
	must(t, s.AddUsers(ctx, []store.User{user("alice"), user("bob")}, false))
	a, b := document(user("alice").AOR, "resource-lists", "index", "<a/>"), document(user("bob").AOR, "resource-lists", "index", "<a/>")
	must(t, s.PutDocument(ctx, a, "", nil))
	must(t, s.PutDocument(ctx, b, "", nil))
	must(t, s.RemoveUser(ctx, a.XUI))
	for key, want := range map[store.DocumentKey]int{a.DocumentKey: 0, b.DocumentKey: 1} {
		if got, err := s.Versions(ctx, key); err != nil || len(got) != want {
			t.Errorf("%s: %d versions, %v, want %d", key.XUI, len(got), err, want)
		}
	}
}

// Writers who race for one document leave a history without gaps.
func testHistoryRace(t *testing.T, s store.Store) {
	ctx := context.Background()
	key := document("sip:alice@example.com", "resource-lists", "index", "").DocumentKey
	together(t, 8, func(w int) error {
		for i := range 10 {
			err := rewrite(ctx, s, key, fmt.Sprintf("%d-%d", w, i), i%3 == 2)
			if err != nil {
				return err
			}
		}
		return nil
	})
	got, err := s.Versions(ctx, key)
	must(t, err)
	for i, v := range got {
		if v.Number != 80-i {
			t.Errorf("version %d in place %d, want %d", v.Number, i, 80-i)
		}
	}
	if len(got) != keep {
		t.Errorf("%d versions, want %d", len(got), keep)
	}
}

// rewrite replaces or removes the document until it wins; what is not there to
// be removed is created.
func rewrite(ctx context.Context, s store.Store, key store.DocumentKey, etag string, remove bool) error {
	for {
		old, err := s.Document(ctx, key)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		if remove && err == nil {
			err = s.DeleteDocument(ctx, key, old.ETag, author)
		} else {
			err = s.PutDocument(ctx, store.Document{DocumentKey: key, ETag: etag, Body: []byte(etag), Modified: now()}, old.ETag, nil)
		}
		if !errors.Is(err, store.ErrETagMismatch) && !errors.Is(err, store.ErrNotFound) {
			return err
		}
	}
}

// A document from before there was a history can be brought back, too; a store
// that keeps none does not lose what another run remembered.
func testHistorySwitched(t *testing.T, place Place) {
	ctx := context.Background()
	a := document("sip:alice@example.com", "resource-lists", "index", "<old/>")
	b := document("sip:bob@example.com", "resource-lists", "index", "<old/>")
	s := reopen(t, place, nil)
	must(t, s.PutDocument(ctx, a, "", nil))
	must(t, s.PutDocument(ctx, b, "", nil))
	if got, err := s.Versions(ctx, a.DocumentKey); err != nil || len(got) != 0 {
		t.Errorf("history when none is kept: %+v, %v", got, err)
	}
	must(t, s.Close())

	s = reopen(t, place, options())
	next := document(a.XUI, a.AUID, a.Path, "<new/>")
	must(t, s.PutDocument(ctx, next, a.ETag, nil))
	must(t, s.DeleteDocument(ctx, b.DocumentKey, b.ETag, author))
	for _, d := range []store.Document{a, b} {
		got, err := s.Version(ctx, d.DocumentKey, 1)
		must(t, err)
		equal(t, "version from before", got, version(1, d))
	}
	must(t, s.Close())

	s = reopen(t, place, &store.Options{})
	third := document(a.XUI, a.AUID, a.Path, "<third/>")
	must(t, s.PutDocument(ctx, third, next.ETag, nil))
	must(t, s.Close())
	s = reopen(t, place, &store.Options{History: 2})
	fourth := document(a.XUI, a.AUID, a.Path, "<fourth/>")
	must(t, s.PutDocument(ctx, fourth, third.ETag, nil))
	got, err := s.Versions(ctx, a.DocumentKey)
	must(t, err)
	equal(t, "history after a gap", got, []store.Version{bare(version(4, fourth)), bare(version(3, third))})
	must(t, s.Close())
}

// What a client says of itself ends up in a terminal.
func testOrigin(t *testing.T, s store.Store) {
	doc := document("sip:alice@example.com", "resource-lists", "index", "<a/>")
	doc.Origin = store.Origin{Client: "a\x1b[31m\x00\xffé" + strings.Repeat("ü", 500)}.Cut()
	must(t, s.PutDocument(context.Background(), doc, "", nil))
	got, err := s.Version(context.Background(), doc.DocumentKey, 1)
	must(t, err)
	if c := got.Origin.Client; !strings.HasPrefix(c, "a[31mé") || len(c) > 120 {
		t.Errorf("client kept as %q (%d bytes)", c, len(c))
	}
}
