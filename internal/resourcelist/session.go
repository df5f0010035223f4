package resourcelist

import (
	"context"
	"errors"
	"fmt"

	"rollcall/internal/store"
	"rollcall/internal/xcapuri"
	"rollcall/internal/xmlscan"
)

// Session is the reading of some lists on behalf of one owner.
type Session struct {
	docs                 Documents
	remote               Remote
	roots                []string
	owner                string
	maxEntries, maxDepth int
	loaded               map[store.DocumentKey]loaded
	references           int
}

// loaded is a document as read: no doc when it is absent or damaged.
type loaded struct {
	doc *xmlscan.Doc
	err error
}

// Ref is Resolver.Ref within this session.
func (s *Session) Ref(ctx context.Context, ref string) (List, error) {
	w := s.walk()
	doc, elem, ok, err := w.away(ref)
	if !ok {
		doc, elem, err = w.follow(ctx, ref)
	}
	if err != nil {
		return w.list(), err
	}
	if doc.Is(elem, Namespace, "entry") {
		w.entry(doc, elem, Name{})
		return w.list(), nil
	}
	if !doc.Is(elem, Namespace, "list") {
		return w.list(), &unresolved{why: "names neither a list nor an entry"}
	}
	w.name = nameOf(doc, elem)
	err = w.descend(ctx, doc, elem, 1)
	return w.list(), err
}

// Inline is Resolver.Inline within this session.
func (s *Session) Inline(ctx context.Context, doc *xmlscan.Doc, elem int) (List, error) {
	// RFC 4826 §4.1: the list of a service is of the rls-services namespace,
	// what it holds is of resource-lists.
	if !doc.Is(elem, NamespaceRLS, "list") && !doc.Is(elem, Namespace, "list") {
		return List{}, &unresolved{why: "is not a list"}
	}
	w := s.walk()
	w.name = nameOf(doc, elem)
	err := w.descend(ctx, doc, elem, 1)
	return w.list(), err
}

// Documents is Resolver.Documents within this session.
func (s *Session) Documents(ctx context.Context, docs []*xmlscan.Doc) (List, error) {
	w := s.walk()
	lists := 0
	for _, doc := range docs {
		for child := range doc.Children(0) {
			if !doc.Is(child, Namespace, "list") {
				continue
			}
			lists++
			w.name = nameOf(doc, child)
			if err := w.descend(ctx, doc, child, 1); err != nil {
				return w.list(), err
			}
		}
	}
	if lists > 1 {
		w.name = Name{} // that of all
	}
	return w.list(), nil
}

// load reads a document once per session. The error is the store's own.
func (s *Session) load(ctx context.Context, key store.DocumentKey) (*xmlscan.Doc, error) {
	if l, ok := s.loaded[key]; ok {
		return l.doc, l.err
	}
	doc, err := s.read(ctx, key)
	if err == nil || errors.Is(err, ErrUnresolved) {
		s.loaded[key] = loaded{doc, err}
	}
	return doc, err
}

func (s *Session) read(ctx context.Context, key store.DocumentKey) (*xmlscan.Doc, error) {
	stored, err := s.docs.Document(ctx, key)
	if errors.Is(err, store.ErrNotFound) {
		return nil, &unresolved{"document does not exist", true}
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s of %s: %w", key.AUID, key.XUI, err)
	}
	doc, err := Scan(stored.Body)
	if err != nil {
		return nil, &unresolved{why: fmt.Sprintf("document is damaged: %v", err)}
	}
	return doc, nil
}

// locate finds out which document and node ref names and whether the owner may
// read it.
func (s *Session) locate(ref string) (store.DocumentKey, *xcapuri.NodeSelector, error) {
	req, err := xcapuri.ParseRef(ref, s.roots)
	if err != nil {
		return store.DocumentKey{}, nil, &unresolved{why: err.Error()}
	}
	if req.AUID != AUID {
		return store.DocumentKey{}, nil, &unresolved{why: "is not in a resource-lists document"}
	}
	if req.Node == nil {
		return store.DocumentKey{}, nil, &unresolved{why: "names a document, not a list in it"}
	}
	key, err := req.Key()
	if err != nil {
		return store.DocumentKey{}, nil, &unresolved{why: err.Error()}
	}
	// RFC 4825 §5.7: by default a user reads the own tree and the global one.
	if !req.Global && key.XUI != s.owner {
		return store.DocumentKey{}, nil, &unresolved{why: "belongs to another user"}
	}
	return key, req.Node.WithDefault(Namespace), nil
}

// Scan indexes a stored document. How large one may be was decided on when it was
// stored.
func Scan(body []byte) (*xmlscan.Doc, error) {
	limits := xmlscan.DefaultLimits()
	limits.Bytes = max(limits.Bytes, len(body))
	return xmlscan.Scan(body, limits)
}
