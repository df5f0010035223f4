package xcapdiff

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"rollcall/internal/store"
	"rollcall/internal/xcapuri"
	"rollcall/internal/xmlscan"
)

// item is one resource as it is, or as a watcher was told it is.
type item struct {
	kind    kind
	sel     string
	key     store.DocumentKey
	etag    string // of the document
	digest  string // of an element or attribute
	content []byte // of an element or attribute, rendered; nil when not looked at
	gone    bool   // was told to be there before
}

func byResource(a, b item) int {
	return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.sel, b.sel))
}

// same reports whether a watcher who was told a need not be told b.
func (a item) same(b item) bool {
	if a.kind == document {
		return a.etag == b.etag
	}
	return a.digest == b.digest
}

// look finds what exists now of the targets, in order. Elements and attributes of
// documents that are in the version told last are not read again unless full.
func (src *source) look(ctx context.Context, full bool) ([]item, error) {
	found, err := src.documents(ctx)
	if err != nil {
		return nil, err
	}
	var items []item
	reported := make(map[store.DocumentKey]bool)
	for i := range src.targets {
		t := &src.targets[i]
		if etag, ok := found[t.key]; t.kind == document && ok && !reported[t.key] {
			reported[t.key] = true
			items = append(items, item{sel: t.sel, key: t.key, etag: etag})
		}
	}
	for key, etag := range found {
		// RFC 5875 §4.7: nothing twice.
		if !reported[key] && src.collects(key) {
			items = append(items, item{sel: path(key), key: key, etag: etag})
		}
	}
	parts, err := src.parts(ctx, found, full)
	if err != nil {
		return nil, err
	}
	items = append(items, parts...)
	slices.SortFunc(items, byResource)
	return items, nil
}

func (src *source) collects(key store.DocumentKey) bool {
	return slices.ContainsFunc(src.targets, func(t target) bool { return t.holds(key) })
}

// path is the relative URI of a document.
func path(key store.DocumentKey) string {
	return xcapuri.Request{AUID: key.AUID, XUI: key.XUI, Path: key.Path, Global: key.XUI == ""}.DocumentURI()[1:]
}

// documents returns the entity-tags of the documents that targets may concern and
// the watcher may read.
func (src *source) documents(ctx context.Context) (map[store.DocumentKey]string, error) {
	found := make(map[store.DocumentKey]string)
	listed := make(map[string]bool)
	for i := range src.targets {
		key := src.targets[i].key
		if src.computed(key) {
			if err := src.compute(ctx, &src.targets[i], found); err != nil {
				return nil, err
			}
			continue
		}
		if listed[key.XUI] {
			continue
		}
		listed[key.XUI] = true
		docs, err := src.s.cfg.Documents.ListDocuments(ctx, key.XUI, "")
		if err != nil {
			return nil, fmt.Errorf("listing documents of %s: %w", key.XUI, err)
		}
		for _, doc := range docs {
			if src.s.readable(src.sub.Watcher, doc.DocumentKey) {
				found[doc.DocumentKey] = doc.ETag
			}
		}
	}
	return found, nil
}

// computedNames are those that documents can have which are made when they are
// read.
var computedNames = [...]string{"index", "directory.xml"}

// compute finds what there is of a target whose documents are made when they are
// read.
func (src *source) compute(ctx context.Context, t *target, found map[store.DocumentKey]string) error {
	keys := []store.DocumentKey{t.key}
	if t.kind == collection {
		keys = keys[:0]
		for _, name := range computedNames {
			keys = append(keys, store.DocumentKey{XUI: t.key.XUI, AUID: t.key.AUID, Path: t.key.Path + name})
		}
	}
	for _, key := range keys {
		doc, ok, err := src.read(ctx, key)
		if err != nil {
			return err
		}
		if ok {
			found[key] = doc.ETag
		}
	}
	return nil
}

// computed reports whether documents of that kind are made when they are read.
func (src *source) computed(key store.DocumentKey) bool {
	return key.XUI == "" || src.s.cfg.Usages[key.AUID].Personal != nil
}

// read returns a document, if there is one that the watcher may read.
func (src *source) read(ctx context.Context, key store.DocumentKey) (doc store.Document, ok bool, err error) {
	u := src.s.cfg.Usages[key.AUID]
	switch {
	case key.XUI == "" && u.Global == nil:
		return doc, false, nil
	case key.XUI == "":
		doc, ok, err = u.Global(ctx, src.sub.Watcher, key.Path)
	case u.Personal != nil:
		doc, ok, err = u.Personal(ctx, key)
	default:
		doc, err = src.s.cfg.Documents.Document(ctx, key)
		ok = err == nil
	}
	if errors.Is(err, store.ErrNotFound) {
		return doc, false, nil
	}
	if err != nil {
		return doc, false, fmt.Errorf("reading %s of %s: %w", key.AUID, key.XUI, err)
	}
	return doc, ok, nil
}

// parts evaluates the targets that name elements and attributes.
func (src *source) parts(ctx context.Context, found map[store.DocumentKey]string, full bool) ([]item, error) {
	var items []item
	scanned := make(map[store.DocumentKey]*xmlscan.Doc)
	for i := range src.targets {
		t := &src.targets[i]
		etag, ok := found[t.key]
		if !ok || t.kind != element && t.kind != attribute {
			continue
		}
		if old, known := src.lookup(item{kind: t.kind, sel: t.sel}); known && !old.gone && !full && old.etag == etag {
			items = append(items, old)
			continue
		}
		d, ok := scanned[t.key]
		if !ok {
			var err error
			if d, err = src.scan(ctx, t.key); err != nil {
				return nil, err
			}
			scanned[t.key] = d
		}
		if d == nil {
			continue
		}
		if content, ok := t.render(d); ok {
			sum := sha256.Sum256(content)
			items = append(items, item{kind: t.kind, sel: t.sel, key: t.key, etag: etag, digest: hex.EncodeToString(sum[:8]), content: content})
		}
	}
	return items, nil
}

// scan reads a document; nil when it is gone meanwhile or cannot be read as XML.
func (src *source) scan(ctx context.Context, key store.DocumentKey) (*xmlscan.Doc, error) {
	doc, ok, err := src.read(ctx, key)
	if err != nil || !ok {
		return nil, err
	}
	limits := xmlscan.DefaultLimits()
	limits.Bytes = max(limits.Bytes, len(doc.Body))
	d, err := xmlscan.Scan(doc.Body, limits)
	if err != nil {
		return nil, nil
	}
	return d, nil
}

// maxValue bounds the value of an attribute that is reported.
const maxValue = 32 << 10

// render returns what the target selects, as it goes into a report.
func (t *target) render(d *xmlscan.Doc) ([]byte, bool) {
	for _, n := range t.nodes {
		m, err := n.Eval(d)
		if errors.Is(err, xcapuri.ErrNoMatch) {
			continue
		}
		if err != nil {
			return nil, false
		}
		if t.kind == attribute {
			value := d.AttrValue(&d.Attrs[m.Attr])
			return xmlscan.Escape([]byte{}, value), len(value) <= maxValue
		}
		return inScope(d, m.Elem), true
	}
	return nil, false
}
