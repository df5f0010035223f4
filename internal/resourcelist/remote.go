package resourcelist

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"rollcall/internal/store"
	"rollcall/internal/xmlscan"
)

// Remote is where lists of other servers are read. Neither function waits.
type Remote interface {
	// Canonical returns the one form of a URL; false: it may not be read.
	Canonical(ref string) (url string, ok bool)
	// List returns the element that a canonical URL names, or why there is none now.
	List(url string) ([]byte, error)
}

// RemoteKey is the key in Deps of a list of another server. No document of ours has
// such a path.
func RemoteKey(url string) store.DocumentKey { return store.DocumentKey{AUID: AUID, Path: url} }

// Keep tells that lists with these dependencies are in use still.
func (r *Resolver) Keep(deps []store.DocumentKey) {
	if r.Remote == nil {
		return
	}
	for _, key := range deps {
		if key.XUI == "" && strings.Contains(key.Path, "://") {
			_, _ = r.Remote.List(key.Path) // what has become of it is told elsewhere
		}
	}
}

// away finds a list of another server; ok tells that ref names one.
func (w *walk) away(ref string) (doc *xmlscan.Doc, elem int, ok bool, err error) {
	if w.remote == nil {
		return nil, 0, false, nil
	}
	url, ok := w.remote.Canonical(ref)
	if !ok {
		return nil, 0, false, nil
	}
	if err := w.count(); err != nil {
		return nil, 0, true, err
	}
	key := RemoteKey(url)
	w.depend(key)
	l, known := w.loaded[key]
	if !known {
		l.doc, l.err = w.readRemote(url)
		w.loaded[key] = l
	}
	if l.err != nil {
		return nil, 0, true, l.err
	}
	w.foreign[l.doc] = true
	return l.doc, slices.Collect(l.doc.Children(0))[0], true, nil
}

func (w *walk) readRemote(url string) (*xmlscan.Doc, error) {
	body, err := w.remote.List(url)
	if err != nil {
		return nil, &unresolved{why: "of another server " + err.Error()}
	}
	doc, err := scanElement(body)
	if err != nil {
		return nil, &unresolved{why: fmt.Sprintf("of another server is no list: %v", err)}
	}
	return doc, nil
}

// scanElement makes a document of an element. What the other server's document
// declares around it is not in it (RFC 4825 §7.10): it is taken to be what most
// documents declare.
func scanElement(body []byte) (*xmlscan.Doc, error) {
	body = bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))
	body = bytes.TrimSpace(body)
	if bytes.HasPrefix(body, []byte("<?xml")) {
		_, rest, ok := bytes.Cut(body, []byte("?>"))
		if !ok {
			return nil, errors.New("it has no root element")
		}
		body = rest
	}
	const open, shut = `<around xmlns="` + Namespace + `" xmlns:rl="` + Namespace + `">`, `</around>`
	text := make([]byte, 0, len(open)+len(body)+len(shut))
	text = append(append(append(text, open...), body...), shut...)
	doc, err := Scan(text)
	if err != nil {
		return nil, err
	}
	elems := slices.Collect(doc.Children(0))
	if len(elems) != 1 || !doc.Is(elems[0], Namespace, "list") {
		return nil, errors.New("its root is another element")
	}
	return doc, nil
}
