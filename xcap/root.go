package xcap

import (
	"context"
	"strings"

	"rollcall/internal/store"
	"rollcall/internal/xcapuri"
	"rollcall/xcap/usage"
)

// tree is what lies below one XCAP root. RFC 4825 §6.1: roots share nothing. The
// store knows the documents of the first root by their AUIDs; those of another
// root have its path in front, as in "/second/resource-lists", which no AUID can
// look like. The same holds for the keys that are announced on the bus: whoever
// waits for the documents of a usage hears of the first root's only.
type tree struct {
	store.Documents // with keys as seen from within the tree

	prefix string // of AUIDs in the store
	env    usage.Env
}

// newTrees makes the trees of all roots by the paths that requests are given.
func newTrees(cfg *Config) map[string]*tree {
	trees := make(map[string]*tree, len(cfg.Roots))
	for i, root := range cfg.Roots {
		path := strings.TrimSuffix(xcapuri.RootPath(root), "/")
		if trees[path] != nil {
			continue
		}
		t := &tree{Documents: cfg.Store}
		if i > 0 {
			t.prefix = path + "/"
		}
		t.env = usage.Env{Documents: t, Users: cfg.Users, Roots: cfg.Roots[i : i+1], Domains: cfg.Domains, Usages: cfg.Usages, Watchers: cfg.Watchers}
		trees[path] = t
	}
	return trees
}

// stored is the key by which everyone outside of the tree knows a document.
func (t *tree) stored(key store.DocumentKey) store.DocumentKey {
	key.AUID = t.prefix + key.AUID
	return key
}

// seen is the key by which the tree knows a stored document. ok is false for one
// of another tree, whose key then is like none in this one.
func (t *tree) seen(key store.DocumentKey) (inside store.DocumentKey, ok bool) {
	auid, ok := strings.CutPrefix(key.AUID, t.prefix)
	ok = ok && !strings.Contains(auid, "/")
	if ok {
		key.AUID = auid
	} else {
		key.AUID = "/" + key.AUID
	}
	return key, ok
}

// Document implements store.Documents.
func (t *tree) Document(ctx context.Context, key store.DocumentKey) (store.Document, error) {
	doc, err := t.Documents.Document(ctx, t.stored(key))
	doc.DocumentKey = key
	return doc, err
}

// PutDocument implements store.Documents.
func (t *tree) PutDocument(ctx context.Context, doc store.Document, expected string, claims []string) error {
	doc.DocumentKey = t.stored(doc.DocumentKey)
	return t.Documents.PutDocument(ctx, doc, expected, claims)
}

// DeleteDocument implements store.Documents.
func (t *tree) DeleteDocument(ctx context.Context, key store.DocumentKey, expected string, origin store.Origin) error {
	return t.Documents.DeleteDocument(ctx, t.stored(key), expected, origin)
}

// ListDocuments implements store.Documents.
func (t *tree) ListDocuments(ctx context.Context, xui, auid string) ([]store.Document, error) {
	if auid != "" {
		auid = t.prefix + auid
	}
	docs, err := t.Documents.ListDocuments(ctx, xui, auid)
	own := docs[:0]
	for _, doc := range docs {
		var ok bool
		if doc.DocumentKey, ok = t.seen(doc.DocumentKey); ok {
			own = append(own, doc)
		}
	}
	return own, err
}

// Claimant implements store.Documents. RFC 4826 §4.4.5: what is unique is so
// over all roots, the one thing that they know of each other.
func (t *tree) Claimant(ctx context.Context, claim string) (store.DocumentKey, error) {
	key, err := t.Documents.Claimant(ctx, claim)
	if err == nil {
		key, _ = t.seen(key)
	}
	return key, err
}

// AUIDDocuments implements store.Documents.
func (t *tree) AUIDDocuments(ctx context.Context, auid, path string, fn func(store.Document) error) error {
	return t.Documents.AUIDDocuments(ctx, t.prefix+auid, path, func(doc store.Document) error {
		doc.AUID = auid
		return fn(doc)
	})
}
