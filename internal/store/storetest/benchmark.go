package storetest

import (
	"bytes"
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"rollcall/internal/store"
)

// Benchmark measures the writes that matter: publications of 1 kB and documents
// by many callers, bulk import of users, and reading one document.
func Benchmark(b *testing.B, open func(b *testing.B, opt *store.Options) store.Store) {
	for _, callers := range []int{1, 16, 128} {
		b.Run(fmt.Sprintf("Commit/callers=%d", callers), func(b *testing.B) { benchCommit(b, open(b, nil), callers) })
	}
	for _, history := range []int{0, 20} {
		b.Run(fmt.Sprintf("PutDocument/callers=16/history=%d", history), func(b *testing.B) {
			benchPutDocument(b, open(b, &store.Options{History: history}), 16)
		})
	}
	b.Run("Document", func(b *testing.B) { benchDocument(b, open(b, nil)) })
	b.Run("AddUsers/5000", func(b *testing.B) { benchAddUsers(b, open(b, nil)) })
	b.Run("Load/20000", func(b *testing.B) { benchLoad(b, open(b, nil)) })
}

func publication(i int) store.Publication {
	at := now()
	return store.Publication{AOR: fmt.Sprintf("sip:user%05d@example.com", i), Event: "presence", Lineage: "0123456789abcdef", ETag: fmt.Sprint(at.UnixNano()),
		ContentType: "application/pidf+xml", Body: bytes.Repeat([]byte("x"), 1024), Published: at, Expires: at.Add(time.Hour)}
}

// parallel shares b.N calls of fn among callers.
func parallel(b *testing.B, callers int, fn func(caller, i int) error) {
	b.ReportAllocs()
	b.ResetTimer()
	var next atomic.Int64
	done := make(chan error, callers)
	for c := range callers {
		go func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= b.N {
					done <- nil
					return
				}
				if err := fn(c, i); err != nil {
					done <- err
					return
				}
			}
		}()
	}
	for range callers {
		if err := <-done; err != nil {
			b.Error(err)
		}
	}
	b.StopTimer()
}

func benchCommit(b *testing.B, s store.Store, callers int) {
	defer s.Close()
	parallel(b, callers, func(_, i int) error {
		return s.Commit(context.Background(), store.Batch{Publications: []store.Publication{publication(i % 20000)}})
	})
}

func benchPutDocument(b *testing.B, s store.Store, callers int) {
	defer s.Close()
	etags := make([]string, callers)
	parallel(b, callers, func(c, i int) error {
		doc := document(fmt.Sprintf("sip:user%d@example.com", c), "resource-lists", "index", "")
		doc.Body, doc.ETag = bytes.Repeat([]byte("x"), 4096), fmt.Sprint(i)
		err := s.PutDocument(context.Background(), doc, etags[c], nil)
		etags[c] = doc.ETag
		return err
	})
}

func benchDocument(b *testing.B, s store.Store) {
	defer s.Close()
	doc := document("sip:alice@example.com", "resource-lists", "index", "x")
	if err := s.PutDocument(context.Background(), doc, "", nil); err != nil {
		b.Fatal(err)
	}
	parallel(b, 8, func(_, _ int) error {
		_, err := s.Document(context.Background(), doc.DocumentKey)
		return err
	})
}

func benchAddUsers(b *testing.B, s store.Store) {
	defer s.Close()
	parallel(b, 1, func(_, i int) error {
		return s.AddUsers(context.Background(), Bulk(fmt.Sprintf("u%d-", i), 5000), false)
	})
}

func benchLoad(b *testing.B, s store.Store) {
	defer s.Close()
	for i := range 20 {
		var batch store.Batch
		for j := range 1000 {
			batch.Publications = append(batch.Publications, publication(i*1000+j))
		}
		if err := s.Commit(context.Background(), batch); err != nil {
			b.Fatal(err)
		}
	}
	parallel(b, 1, func(_, _ int) error {
		return s.LoadPublications(context.Background(), now(), func(store.Publication) error { return nil })
	})
}
