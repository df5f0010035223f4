package cached

import (
	"context"
	"hash/maphash"
	"sync"
	"time"

	"rollcall/internal/recent"
	"rollcall/internal/store"
)

const (
	shards   = 32
	slots    = 64  // of each shard, for changes
	overhead = 512 // of an entry, besides what the document takes
)

// Store is a store whose documents are cached. Their bodies are shared: nobody
// may write to them. It is safe for concurrent use.
type Store struct {
	store.Store

	ttl    time.Duration
	seed   maphash.Seed
	shards [shards]shard
}

// shard holds the documents of some users.
type shard struct {
	mu      sync.Mutex
	entries recent.Weighed[store.DocumentKey, entry]
	// changes count, by a hash of the document, what may have outdated a read or a
	// write that is under way.
	changes [slots]uint64
}

type entry struct {
	doc    store.Document
	loaded time.Time
}

// New returns a cache of about so many bytes in front of st. After ttl a document
// is read again, however often it is asked for.
func New(st store.Store, bytes int, ttl time.Duration) *Store {
	s := &Store{Store: st, ttl: ttl, seed: maphash.MakeSeed()}
	for i := range s.shards {
		s.shards[i].entries = recent.NewWeighed[store.DocumentKey, entry](bytes / shards / 2)
	}
	return s
}

func (s *Store) shard(xui string) *shard {
	return &s.shards[maphash.String(s.seed, xui)%shards]
}

// changes returns where the changes of a document are counted.
func (s *Store) changes(sh *shard, key store.DocumentKey) *uint64 {
	return &sh.changes[maphash.Comparable(s.seed, key)%slots]
}

// Document implements store.Documents.
func (s *Store) Document(ctx context.Context, key store.DocumentKey) (store.Document, error) {
	sh := s.shard(key.XUI)
	changes := s.changes(sh, key)
	now := time.Now()
	sh.mu.Lock()
	doc, ok := sh.get(key, now.Add(-s.ttl))
	before := *changes
	sh.mu.Unlock()
	if ok {
		return doc, nil
	}
	doc, err := s.Store.Document(ctx, key)
	if err == nil {
		sh.mu.Lock()
		if *changes == before {
			sh.keep(doc, now)
		}
		sh.mu.Unlock()
	}
	return doc, err
}

// PutDocument implements store.Documents.
func (s *Store) PutDocument(ctx context.Context, doc store.Document, expected string, claims []string) error {
	sh := s.shard(doc.XUI)
	changes := s.changes(sh, doc.DocumentKey)
	sh.mu.Lock()
	before := *changes
	sh.mu.Unlock()
	now := time.Now()
	err := s.Store.PutDocument(ctx, doc, expected, claims)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	// Of two writes at a time it is not known here which came last.
	alone := *changes == before
	*changes++
	sh.entries.Remove(doc.DocumentKey)
	if err == nil && alone {
		// As it would be read from the database.
		doc.Origin, doc.Size, doc.Modified = store.Origin{}, 0, time.UnixMicro(doc.Modified.UnixMicro()).UTC()
		sh.keep(doc, now)
	}
	return err
}

// DeleteDocument implements store.Documents.
func (s *Store) DeleteDocument(ctx context.Context, key store.DocumentKey, expected string, origin store.Origin) error {
	err := s.Store.DeleteDocument(ctx, key, expected, origin)
	s.Forget(key)
	return err
}

// RemoveUser implements store.Users.
func (s *Store) RemoveUser(ctx context.Context, aor string) error {
	err := s.Store.RemoveUser(ctx, aor)
	s.ForgetUser(aor)
	return err
}

// Forget makes the next reader of a document look into the database.
func (s *Store) Forget(key store.DocumentKey) {
	sh := s.shard(key.XUI)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	*s.changes(sh, key)++
	sh.entries.Remove(key)
}

// ForgetUser does so for all documents of a user.
func (s *Store) ForgetUser(xui string) {
	sh := s.shard(xui)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	for i := range sh.changes {
		sh.changes[i]++
	}
	sh.entries.RemoveFunc(func(key store.DocumentKey) bool { return key.XUI == xui })
}

// get returns a document that was not read before the given time.
func (sh *shard) get(key store.DocumentKey, since time.Time) (store.Document, bool) {
	e, young, ok := sh.entries.Get(key)
	if !ok || !e.loaded.After(since) {
		return store.Document{}, false
	}
	if !young {
		sh.keep(e.doc, e.loaded)
	}
	return e.doc, true
}

func (sh *shard) keep(doc store.Document, loaded time.Time) {
	sh.entries.Put(doc.DocumentKey, entry{doc, loaded}, overhead+len(doc.Body))
}
