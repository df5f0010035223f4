package xcap

import (
	"hash/maphash"
	"sync"
	"unsafe"

	"rollcall/internal/recent"
	"rollcall/internal/store"
	"rollcall/internal/xmlscan"
)

const (
	scannedShards = 16
	scannedBytes  = 1 << 20 // per shard and generation
)

// scanned keeps the index of documents that were lately read or written in part,
// so that the next part costs no scan. A version of a document never changes and
// an entity-tag is never used twice, so nothing has to be told when one is
// replaced: it is asked for no more and forgotten. It is safe for concurrent use.
type scanned struct {
	seed   maphash.Seed
	shards [scannedShards]scannedShard
}

// version names one version of a document.
type version struct {
	store.DocumentKey
	etag string
}

type scannedShard struct {
	mu   sync.Mutex
	docs recent.Weighed[version, *xmlscan.Doc]
}

func newScanned() *scanned {
	c := &scanned{seed: maphash.MakeSeed()}
	for i := range c.shards {
		c.shards[i].docs = recent.NewWeighed[version, *xmlscan.Doc](scannedBytes)
	}
	return c
}

// scan returns the index of a document of the given key in the store.
func (c *scanned) scan(key store.DocumentKey, doc store.Document, lim xmlscan.Limits) (*xmlscan.Doc, error) {
	v := version{key, doc.ETag}
	s := c.shard(v)
	s.mu.Lock()
	d, young, ok := s.docs.Get(v)
	if ok && !young {
		s.docs.Put(v, d, footprint(d))
	}
	s.mu.Unlock()
	if ok {
		return d, nil
	}
	d, err := xmlscan.Scan(doc.Body, lim)
	if err == nil {
		c.keep(key, doc.ETag, d)
	}
	return d, err
}

// keep remembers a document that was stored.
func (c *scanned) keep(key store.DocumentKey, etag string, d *xmlscan.Doc) {
	v := version{key, etag}
	s := c.shard(v)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.docs.Put(v, d, footprint(d))
}

func (c *scanned) shard(v version) *scannedShard {
	return &c.shards[maphash.String(c.seed, v.etag)%scannedShards]
}

// footprint is about what a document takes of memory.
func footprint(d *xmlscan.Doc) int {
	return 2048 + cap(d.Src) + cap(d.Elements)*int(unsafe.Sizeof(xmlscan.Element{})) + cap(d.Attrs)*int(unsafe.Sizeof(xmlscan.Attr{}))
}
