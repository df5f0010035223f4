package storetest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"rollcall/internal/store"
)

const writers = 32

func document(xui, auid, path, body string) store.Document {
	return store.Document{DocumentKey: store.DocumentKey{XUI: xui, AUID: auid, Path: path},
		Body: []byte(body), ETag: fmt.Sprintf("e-%x", body), Modified: now()}
}

func testDocuments(t *testing.T, s store.Store) {
	ctx := context.Background()
	doc := document("sip:alice@example.com", "pidf-manipulation", "dir/perché.xml", "<p>\x00\xff</p>")
	if _, err := s.Document(ctx, doc.DocumentKey); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("absent document: %v", err)
	}
	if err := s.PutDocument(ctx, doc, "some", nil); !errors.Is(err, store.ErrETagMismatch) {
		t.Errorf("replacing an absent document: %v", err)
	}
	must(t, s.PutDocument(ctx, doc, "", nil))
	got, err := s.Document(ctx, doc.DocumentKey)
	must(t, err)
	equal(t, "document", got, doc)

	next := doc
	next.Body, next.ETag, next.Modified = []byte{}, "2", now()
	if err := s.PutDocument(ctx, next, "", nil); !errors.Is(err, store.ErrETagMismatch) {
		t.Errorf("creating a document that exists: %v", err)
	}
	if err := s.PutDocument(ctx, next, "wrong", nil); !errors.Is(err, store.ErrETagMismatch) {
		t.Errorf("replacing another version: %v", err)
	}
	got, err = s.Document(ctx, doc.DocumentKey)
	must(t, err)
	equal(t, "document after failed writes", got, doc)
	must(t, s.PutDocument(ctx, next, doc.ETag, nil))
	got, err = s.Document(ctx, doc.DocumentKey)
	must(t, err)
	equal(t, "document after replacement", got, next)
}

// Every version has exactly one successor: of all who hold one ETag one wins,
// and no increment is lost.
func testCompareAndSwap(t *testing.T, s store.Store) {
	ctx := context.Background()
	doc := document("sip:alice@example.com", "resource-lists", "index", "0")
	must(t, s.PutDocument(ctx, doc, "", nil))
	const each = 4
	var lost atomic.Int32
	successors := sync.Map{} // ETag -> writer that replaced it
	together(t, writers, func(w int) error {
		for range each {
			for {
				old, err := s.Document(ctx, doc.DocumentKey)
				if err != nil {
					return err
				}
				n, _ := strconv.Atoi(string(old.Body))
				next := old
				next.Body, next.ETag = []byte(strconv.Itoa(n+1)), fmt.Sprintf("%d-%d", w, n+1)
				err = s.PutDocument(ctx, next, old.ETag, nil)
				if errors.Is(err, store.ErrETagMismatch) {
					lost.Add(1)
					continue
				}
				if err != nil {
					return err
				}
				if other, twice := successors.LoadOrStore(old.ETag, w); twice {
					return fmt.Errorf("version %s was replaced by %d and by %d", old.ETag, other, w)
				}
				break
			}
		}
		return nil
	})
	got, err := s.Document(ctx, doc.DocumentKey)
	must(t, err)
	if string(got.Body) != strconv.Itoa(writers*each) {
		t.Errorf("counter is %s after %d increments: an update was lost", got.Body, writers*each)
	}
	t.Logf("%d attempts met another version", lost.Load())
}

func testCreationRace(t *testing.T, s store.Store) {
	ctx := context.Background()
	var won atomic.Int32
	together(t, writers, func(w int) error {
		doc := document("sip:alice@example.com", "resource-lists", "index", strconv.Itoa(w))
		err := s.PutDocument(ctx, doc, "", nil)
		if err == nil {
			won.Add(1)
			return nil
		}
		if errors.Is(err, store.ErrETagMismatch) {
			return nil
		}
		return err
	})
	if won.Load() != 1 {
		t.Errorf("%d writers created the document, want one", won.Load())
	}
}

func testDeleteDocument(t *testing.T, s store.Store) {
	ctx := context.Background()
	doc := document("sip:alice@example.com", "rls-services", "index", "<r/>")
	if err := s.DeleteDocument(ctx, doc.DocumentKey, "x", author); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("deleting an absent document: %v", err)
	}
	must(t, s.PutDocument(ctx, doc, "", []string{"sip:list@example.com"}))
	if err := s.DeleteDocument(ctx, doc.DocumentKey, "x", author); !errors.Is(err, store.ErrETagMismatch) {
		t.Errorf("deleting another version: %v", err)
	}
	must(t, s.DeleteDocument(ctx, doc.DocumentKey, doc.ETag, author))
	if _, err := s.Document(ctx, doc.DocumentKey); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("document after deletion: %v", err)
	}
	if _, err := s.Claimant(ctx, "sip:list@example.com"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("claim after deletion: %v", err)
	}
}

func testListDocuments(t *testing.T, s store.Store) {
	ctx := context.Background()
	put := func(xui, auid, path string) store.Document {
		d := document(xui, auid, path, xui+auid+path)
		must(t, s.PutDocument(ctx, d, "", nil))
		return d
	}
	a, b := "sip:alice@example.com", "sip:bob@example.com"
	rules := put(a, "pres-rules", "index")
	lists2 := put(a, "resource-lists", "z")
	lists1 := put(a, "resource-lists", "index")
	other := put(b, "resource-lists", "index")
	global := put("", "resource-lists", "index")
	noBodies := func(docs ...store.Document) []store.Document {
		for i := range docs {
			docs[i].Size, docs[i].Body = len(docs[i].Body), nil
		}
		return docs
	}
	for _, test := range []struct {
		xui, auid string
		want      []store.Document
	}{
		{a, "", noBodies(rules, lists1, lists2)},
		{a, "resource-lists", noBodies(lists1, lists2)},
		{b, "pres-rules", nil},
		{"", "", noBodies(global)},
	} {
		got, err := s.ListDocuments(ctx, test.xui, test.auid)
		must(t, err)
		equal(t, fmt.Sprintf("documents of %q in %q", test.xui, test.auid), got, test.want)
	}
	var got []store.Document
	must(t, s.AUIDDocuments(ctx, "resource-lists", "index", func(d store.Document) error {
		got = append(got, d)
		return nil
	}))
	equal(t, "documents of a usage: users only, with body", got, []store.Document{lists1, other})
	stop := errors.New("enough")
	if err := s.AUIDDocuments(ctx, "resource-lists", "index", func(store.Document) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("AUIDDocuments after an error of the callback: %v", err)
	}
}

func testClaims(t *testing.T, s store.Store) {
	ctx := context.Background()
	mine := document("sip:alice@example.com", "rls-services", "index", "1")
	theirs := document("sip:bob@example.com", "rls-services", "index", "1")
	must(t, s.PutDocument(ctx, mine, "", []string{"sip:x@example.com", "sip:y@example.com", "sip:x@example.com"}))
	by, err := s.Claimant(ctx, "sip:x@example.com")
	must(t, err)
	equal(t, "claimant", by, mine.DocumentKey)

	err = s.PutDocument(ctx, theirs, "", []string{"sip:z@example.com", "sip:y@example.com"})
	var claimed *store.ClaimedError
	if !errors.As(err, &claimed) || claimed.Claim != "sip:y@example.com" || claimed.By != mine.DocumentKey {
		t.Errorf("claiming what another holds: %v", err)
	}
	if _, err := s.Document(ctx, theirs.DocumentKey); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the refused document was written: %v", err)
	}
	if _, err := s.Claimant(ctx, "sip:z@example.com"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a claim of the refused document was written: %v", err)
	}
	// A new version gives up what it does not name any more.
	next := mine
	next.ETag = "2"
	must(t, s.PutDocument(ctx, next, mine.ETag, []string{"sip:x@example.com"}))
	must(t, s.PutDocument(ctx, theirs, "", []string{"sip:y@example.com"}))
	last := next
	last.ETag = "3"
	must(t, s.PutDocument(ctx, last, next.ETag, nil))
	if _, err := s.Claimant(ctx, "sip:x@example.com"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a claim that was given up: %v", err)
	}
	// A mismatch leaves claims alone.
	if err := s.PutDocument(ctx, last, "old", []string{"sip:q@example.com"}); !errors.Is(err, store.ErrETagMismatch) {
		t.Errorf("mismatch: %v", err)
	}
	if _, err := s.Claimant(ctx, "sip:q@example.com"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a claim of a mismatching version: %v", err)
	}
}

func testClaimsRace(t *testing.T, s store.Store) {
	ctx := context.Background()
	var won atomic.Int32
	together(t, writers, func(w int) error {
		doc := document(fmt.Sprintf("sip:u%d@example.com", w), "rls-services", "index", "1")
		claims := []string{"sip:a@example.com", "sip:b@example.com"}
		if w%2 == 0 { // the other order must not deadlock
			claims[0], claims[1] = claims[1], claims[0]
		}
		err := s.PutDocument(ctx, doc, "", claims)
		var claimed *store.ClaimedError
		switch {
		case err == nil:
			won.Add(1)
			return nil
		case errors.As(err, &claimed):
			return nil
		}
		return err
	})
	if won.Load() != 1 {
		t.Errorf("%d documents hold the same claims, want one", won.Load())
	}
}

// together runs fn for 0..n-1 at the same time.
func together(t *testing.T, n int, fn func(i int) error) {
	t.Helper()
	var wg sync.WaitGroup
	errs := make([]error, n)
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-start
			errs[i] = fn(i)
		})
	}
	close(start)
	wg.Wait()
	must(t, errors.Join(errs...))
}
