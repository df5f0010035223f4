package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"rollcall/internal/store"
)

// sample is a batch with n rows of each kind, all owned by one user.
func sample(name string, n int) store.Batch {
	aor := user(name).AOR
	var b store.Batch
	at := now()
	for i := range n {
		id := fmt.Sprintf("%s-%d", name, i)
		b.Publications = append(b.Publications, store.Publication{AOR: aor, Event: "presence", Lineage: id, ETag: "etag-" + id,
			ContentType: "application/pidf+xml", Body: []byte("<presence/>\x00\xff" + id), Flow: "tcp 1", Published: at, Expires: at.Add(time.Hour)})
		b.Bindings = append(b.Bindings, store.Binding{AOR: aor, ID: id, Contact: "sip:" + id + "@192.0.2.1:5060;transport=tcp",
			Params: `;q=0.5;+sip.instance="<urn:uuid:1>"`, Instance: "urn:uuid:1", RegID: 2, Q: 500, CallID: "call" + id, CSeq: 1<<32 - 1,
			Path: []string{"<sip:edge.example.com;lr;ob>", `"a, b" <sip:x>`}, UserAgent: "ünïcode", Flow: "udp 1 2",
			Direct: i%2 == 0, Era: "era", EraCSeq: 1<<32 - 1, Registered: at.Add(-time.Hour), Updated: at, Expires: at.Add(time.Hour)})
		b.Subscriptions = append(b.Subscriptions, store.Subscription{ID: id, Event: "presence", EventID: "7", Resource: "sip:peer@example.com",
			Watcher: aor, DisplayName: "D", CallID: "c", LocalURI: "<sip:peer@example.com>", RemoteURI: `"A" <` + aor + `>`,
			RemoteTag: "rt", RemoteTarget: "sip:a@192.0.2.7", RouteSet: []string{"<sip:p1;lr>", "<sip:p2;lr>"}, Contact: "sip:us",
			RemoteCSeq: 1<<31 - 1, CSeqLease: 1<<32 - 1, VersionLease: 3, State: "active", Sent: "tag", Accept: "a/b", Supported: "eventlist",
			ContentType: "t/x", Body: []byte{0, 1, 2}, Flow: "tcp 1", Device: -1 << 63, Rates: ";max-rate=0.1", Created: at, Expires: at.Add(time.Hour)})
		b.Watchers = append(b.Watchers, store.Watcher{Presentity: aor, Event: "presence", ID: id, Watcher: "sip:w" + id + "@example.com",
			DisplayName: "W", Status: "pending", Cause: "subscribe", Since: at, Expires: at.Add(time.Hour)})
		b.Messages = append(b.Messages, store.Message{Recipient: aor, ID: id, From: "sip:f@example.com", CallID: "c" + id, CSeq: 1<<32 - 1,
			ContentType: "text/plain", Head: []byte("Subject: \xff\r\n"), Body: []byte("hello\x00" + id), Received: at, Expires: at.Add(time.Hour)})
	}
	return b
}

func drops(b store.Batch) store.Batch {
	var d store.Batch
	for _, v := range b.Publications {
		d.DropPublications = append(d.DropPublications, v.Key())
	}
	for _, v := range b.Bindings {
		d.DropBindings = append(d.DropBindings, v.Key())
	}
	for _, v := range b.Subscriptions {
		d.DropSubscriptions = append(d.DropSubscriptions, v.ID)
	}
	for _, v := range b.Watchers {
		d.DropWatchers = append(d.DropWatchers, v.Key())
	}
	for _, v := range b.Messages {
		d.DropMessages = append(d.DropMessages, v.Key())
	}
	return d
}

func testRoundTrip(t *testing.T, s store.Store) {
	ctx := context.Background()
	want := sample("alice", 3)
	// Almost empty rows, and times far away.
	want.Publications = append(want.Publications, store.Publication{Expires: now().AddDate(200, 0, 0)})
	want.Bindings = append(want.Bindings, store.Binding{Expires: now().AddDate(200, 0, 0)})
	want.Subscriptions = append(want.Subscriptions, store.Subscription{Expires: now().AddDate(200, 0, 0)})
	want.Watchers = append(want.Watchers, store.Watcher{Expires: now().AddDate(200, 0, 0)})
	want.Messages = append(want.Messages, store.Message{Expires: now().AddDate(200, 0, 0)})
	must(t, s.Commit(ctx, want))
	equal(t, "rows", load(t, s, now()), rowsOf(want))
	must(t, s.Commit(ctx, store.Batch{}))
	// Finer and local times come back in UTC, cut to microseconds.
	at := time.Date(2031, 5, 6, 7, 8, 9, 123456789, time.FixedZone("", 3600))
	must(t, s.Commit(ctx, store.Batch{Publications: []store.Publication{{AOR: "fine", Expires: at, Published: at}}}))
	got := load(t, s, now()).Publications[store.PublicationKey{AOR: "fine"}]
	if utc := at.UTC().Truncate(time.Microsecond); got.Expires != utc || got.Published != utc {
		t.Errorf("%v came back as %v", at, got.Expires)
	}
}

func testUpsertAndDrop(t *testing.T, s store.Store) {
	ctx := context.Background()
	b := sample("alice", 3)
	must(t, s.Commit(ctx, b))
	for i := range 3 {
		b.Publications[i].Body, b.Publications[i].ETag = []byte("new"), "new"
		b.Bindings[i].Path, b.Bindings[i].CSeq = nil, 9
		b.Subscriptions[i].State, b.Subscriptions[i].Expires = "pending", now().Add(2*time.Hour)
		b.Watchers[i].Status = "waiting"
		b.Messages[i].Body, b.Messages[i].Expires = []byte("x"), now().Add(2*time.Hour)
	}
	must(t, s.Commit(ctx, b))
	equal(t, "rows after upsert", load(t, s, now()), rowsOf(b))
	must(t, s.Commit(ctx, drops(b)))
	equal(t, "rows after drop", load(t, s, now()), rowsOf(store.Batch{}))
	must(t, s.Commit(ctx, drops(b))) // dropping what is not there is no error
}

// Callers should not name a row twice in one batch; if one does, the last change
// counts, and a drop after all upserts.
func testTwiceInBatch(t *testing.T, s store.Store) {
	ctx := context.Background()
	b := sample("alice", 2)
	again := b.Publications[0]
	again.ETag = "again"
	b.Publications = append(b.Publications, again)
	b.DropWatchers = []store.WatcherKey{b.Watchers[1].Key()}
	must(t, s.Commit(ctx, b))
	want := b
	want.Watchers = b.Watchers[:1]
	equal(t, "rows", load(t, s, now()), rowsOf(want))
}

// What one batch writes is seen whole or not at all.
func testBatchAtomic(t *testing.T, s store.Store) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := make(chan error, 1)
	go func() {
		for i := 0; ctx.Err() == nil; i++ {
			b := sample("alice", 4)
			for j := range b.Publications {
				b.Publications[j].ETag = fmt.Sprint(i)
			}
			if err := s.Commit(context.Background(), b); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	for range 30 {
		seen := map[string]int{}
		must(t, s.LoadPublications(ctx, now(), func(p store.Publication) error { seen[p.ETag]++; return nil }))
		if len(seen) > 1 {
			t.Errorf("a reader saw parts of several batches: %v", seen)
			break
		}
	}
	cancel()
	must(t, <-done)
}

func testConcurrentCommits(t *testing.T, s store.Store) {
	const each = 20
	together(t, writers, func(w int) error {
		for i := range each {
			b := sample(fmt.Sprintf("u%d-%d", w, i), 1)
			if err := s.Commit(context.Background(), b); err != nil {
				return err
			}
			if i%2 == 1 {
				s.Defer(drops(b))
			}
		}
		return nil
	})
	must(t, s.Commit(context.Background(), sample("last", 1))) // after all that was deferred
	if got, want := len(load(t, s, now()).Subscriptions), writers*each/2+1; got != want {
		t.Errorf("%d subscriptions, want %d", got, want)
	}
}

// Writes of one caller happen in the order of its calls, deferred or not.
func testOrder(t *testing.T, s store.Store) {
	ctx := context.Background()
	b := sample("alice", 1)
	for i := range 50 {
		b.Publications[0].ETag = fmt.Sprint(i)
		s.Defer(b)
		s.Defer(drops(b))
		b.Publications[0].ETag = fmt.Sprint("committed ", i)
		must(t, s.Commit(ctx, b))
		if i%10 != 0 {
			continue
		}
		equal(t, "rows", load(t, s, now()), rowsOf(b))
	}
}

func testLoadAndReap(t *testing.T, s store.Store) {
	ctx := context.Background()
	at := now()
	alive, dead := sample("alive", 2), sample("dead", 3)
	for i := range 3 {
		dead.Publications[i].Expires = at.Add(-time.Minute)
		dead.Bindings[i].Expires = at.Add(-time.Minute)
		dead.Subscriptions[i].Expires = at.Add(-time.Minute)
		dead.Watchers[i].Expires = at.Add(-time.Minute)
		dead.Messages[i].Expires = at.Add(-time.Minute)
	}
	// The boundary: a row expires after now, or it does not.
	alive.Watchers[0].Expires = at.Add(time.Microsecond)
	dead.Watchers[0].Expires = at
	must(t, s.Commit(ctx, alive))
	must(t, s.Commit(ctx, dead))
	equal(t, "loaded", load(t, s, at), rowsOf(alive))
	n, err := s.Reap(ctx, at)
	must(t, err)
	if n != 14 { // all dead rows but the one that expires at this very moment
		t.Errorf("%d rows reaped, want 14", n)
	}
	n, err = s.Reap(ctx, at.Add(time.Microsecond))
	must(t, err)
	if n != 1 {
		t.Errorf("%d rows reaped a moment later, want 1", n)
	}
	equal(t, "left", load(t, s, time.Time{}), rowsOf(alive))
}

func testLoadError(t *testing.T, s store.Store) {
	ctx := context.Background()
	must(t, s.Commit(ctx, sample("alice", 5)))
	stop := errors.New("enough")
	calls := 0
	err := s.LoadWatchers(ctx, now(), func(store.Watcher) error { calls++; return stop })
	if !errors.Is(err, stop) || calls != 1 {
		t.Errorf("after %d calls: %v", calls, err)
	}
	// The callback may use the store.
	must(t, s.LoadSubscriptions(ctx, now(), func(v store.Subscription) error {
		v.State = "pending"
		return s.Commit(ctx, store.Batch{Subscriptions: []store.Subscription{v}})
	}))
}

// A commit whose context is over either has happened or has not; the answer says which.
func testCancelled(t *testing.T, s store.Store) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	b := sample("alice", 1)
	if err := s.Commit(ctx, b); !errors.Is(err, context.Canceled) {
		t.Errorf("commit after the end of its context: %v", err)
	}
	equal(t, "rows", load(t, s, now()), rowsOf(store.Batch{}))
	var written atomic.Int32
	together(t, writers, func(w int) error {
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(w)*100*time.Microsecond)
		defer cancel()
		err := s.Commit(ctx, sample(fmt.Sprint("w", w), 1))
		switch {
		case err == nil:
			written.Add(1)
		case !errors.Is(err, context.DeadlineExceeded):
			return err
		}
		return nil
	})
	must(t, s.Commit(context.Background(), b))
	if got := len(load(t, s, now()).Bindings); got != int(written.Load())+1 {
		t.Errorf("%d rows are there, %d callers were told so", got-1, written.Load())
	}
}

func testStrangeText(t *testing.T, s store.Store) {
	ctx := context.Background()
	for _, key := range []string{"\x00", "a\x00b", "\xff\xfe", "'; DROP TABLE users; --", "%", "_", "\U0010FFFF"} {
		if _, err := s.User(ctx, key); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("User(%q): %v", key, err)
		}
		if _, err := s.Document(ctx, store.DocumentKey{XUI: key, AUID: key, Path: key}); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("Document(%q): %v", key, err)
		}
		if _, err := s.Claimant(ctx, key); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("Claimant(%q): %v", key, err)
		}
		if list, err := s.ListDocuments(ctx, key, key); err != nil || len(list) != 0 {
			t.Errorf("ListDocuments(%q): %v", key, err)
		}
	}
	// Text that a database cannot keep fails alone, and is no reason to say 503.
	together(t, writers, func(w int) error {
		b := sample(fmt.Sprint("w", w), 1)
		if w%8 == 0 {
			b.Bindings[0].UserAgent = "\xff\x00"
		}
		err := s.Commit(ctx, b)
		if w%8 == 0 && !errors.Is(err, store.ErrUnavailable) {
			return nil
		}
		return err
	})
	if got := len(load(t, s, now()).Watchers); got < writers-writers/8 {
		t.Errorf("%d batches were written, want at least %d", got, writers-writers/8)
	}
}

func testMixedWriters(t *testing.T, s store.Store) {
	ctx := context.Background()
	together(t, writers, func(w int) error {
		name := fmt.Sprint("u", w)
		if err := s.AddUsers(ctx, []store.User{user(name)}, false); err != nil {
			return err
		}
		etag := ""
		for i := range 5 {
			if err := s.Commit(ctx, sample(name, 1)); err != nil {
				return err
			}
			doc := document(user(name).AOR, "resource-lists", "index", fmt.Sprint(i))
			if err := s.PutDocument(ctx, doc, etag, nil); err != nil {
				return err
			}
			etag = doc.ETag
			got, err := s.Document(ctx, doc.DocumentKey) // read your writes
			if err != nil || got.ETag != etag {
				return fmt.Errorf("read %q after writing %q: %w", got.ETag, etag, err)
			}
		}
		return nil
	})
	if got := len(load(t, s, now()).Publications); got != writers {
		t.Errorf("%d publications, want %d", got, writers)
	}
}
