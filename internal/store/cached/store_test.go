package cached_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/internal/store"
	"rollcall/internal/store/cached"
	"rollcall/internal/store/memory"
	"rollcall/internal/store/storetest"
)

const ttl = 5 * time.Second

func TestStore(t *testing.T) {
	storetest.Run(t, func(_ *testing.T, opt *store.Options) store.Store {
		s := memory.New()
		s.Remember(opt.History, opt.Deleted)
		return cached.New(s, 1<<20, ttl)
	})
}

var index = store.DocumentKey{XUI: "sip:amy@example.test", AUID: "resource-lists", Path: "index"}

func document(etag string) store.Document {
	return store.Document{DocumentKey: index, ETag: etag, Body: []byte("<" + etag + "/>")}
}

// counting counts how often the database is asked.
type counting struct {
	store.Store
	reads int
	held  chan struct{} // when not nil, reads come back after it is closed
}

func (c *counting) Document(ctx context.Context, key store.DocumentKey) (store.Document, error) {
	c.reads++
	d, err := c.Store.Document(ctx, key)
	if c.held != nil {
		<-c.held
	}
	return d, err
}

func etag(t *testing.T, s store.Store) string {
	t.Helper()
	d, err := s.Document(t.Context(), index)
	if errors.Is(err, store.ErrNotFound) {
		return "none"
	}
	if err != nil {
		t.Fatal(err)
	}
	return d.ETag
}

func put(t *testing.T, s store.Store, etag, expected string) {
	t.Helper()
	if err := s.PutDocument(t.Context(), document(etag), expected, nil); err != nil {
		t.Fatal(err)
	}
}

func TestReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		below := &counting{Store: memory.New()}
		s := cached.New(below, 1<<20, ttl)
		expect := func(name, tag string, reads int) {
			t.Helper()
			if got := etag(t, s); got != tag || below.reads != reads {
				t.Errorf("%s: %s after %d reads, want %s after %d", name, got, below.reads, tag, reads)
			}
		}
		expect("not there", "none", 1)
		put(t, s, "a", "")
		expect("written through the cache", "a", 1)
		put(t, below.Store, "b", "a")
		expect("written behind its back", "a", 1)
		time.Sleep(ttl)
		expect("looked at again after its time", "b", 2)
		put(t, below.Store, "c", "b")
		s.Forget(index)
		expect("told of", "c", 3)
		put(t, below.Store, "d", "c")
		if err := s.PutDocument(t.Context(), document("e"), "c", nil); !errors.Is(err, store.ErrETagMismatch) {
			t.Error(err)
		}
		expect("a lost race shows what there is", "d", 4)
		s.ForgetUser(index.XUI)
		expect("all of a user", "d", 5)
		if err := s.DeleteDocument(t.Context(), index, "d", store.Origin{}); err != nil {
			t.Fatal(err)
		}
		expect("removed", "none", 6)
	})
}

// What a reader got before a write must not be kept after it.
func TestReadDuringWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		below := &counting{Store: memory.New(), held: make(chan struct{})}
		s := cached.New(below, 1<<20, time.Hour)
		put(t, below.Store, "a", "")
		var wg sync.WaitGroup
		wg.Go(func() { etag(t, s) })
		synctest.Wait() // it has read
		put(t, s, "b", "a")
		s.Forget(index) // so that only the reader could have left something
		close(below.held)
		wg.Wait()
		if got := etag(t, s); got != "b" {
			t.Errorf("%s after a write of b", got)
		}
	})
}

// Writers and readers of one document: what a writer was answered is what it
// reads, unless somebody wrote after it.
func TestReadYourWrites(t *testing.T) {
	s := cached.New(memory.New(), 1<<20, time.Hour)
	put(t, s, "0", "")
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 200 {
				d, err := s.Document(t.Context(), index)
				if err != nil {
					t.Error(err)
					return
				}
				mine := fmt.Sprintf("%d-%d", w, i)
				err = s.PutDocument(t.Context(), document(mine), d.ETag, nil)
				if err != nil && !errors.Is(err, store.ErrETagMismatch) {
					t.Error(err)
				}
				if again, _ := s.Document(t.Context(), index); err == nil && again.ETag == d.ETag {
					t.Errorf("%s was replaced by %s, but is there still", d.ETag, mine)
				}
			}
		})
	}
	wg.Wait()
	last, _ := s.Document(t.Context(), index)
	if truth, _ := s.Store.Document(t.Context(), index); truth.ETag != last.ETag {
		t.Errorf("%s in the cache, %s in the store", last.ETag, truth.ETag)
	}
}
