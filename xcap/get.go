package xcap

import (
	"errors"
	"net/http"

	"rollcall/internal/store"
	"rollcall/internal/xcapuri"
	"rollcall/internal/xmlscan"
)

// Content types of parts of documents (RFC 4825 §15.2).
const (
	elementType   = "application/xcap-el+xml"
	attributeType = "application/xcap-att+xml"
	namespaceType = "application/xcap-ns+xml"
)

// get answers GET and HEAD (RFC 4825 §8.3).
func (s *server) get(req *request) response {
	doc, err := s.load(req)
	if err != nil {
		return failed(req, err)
	}
	if doc.ETag == "" {
		return response{status: http.StatusNotFound}
	}
	resp := response{status: http.StatusOK, etag: doc.ETag, contentType: req.usage.MIMEType, body: doc.Body}
	if req.target.Node != nil {
		d, err := s.index(req, doc)
		if err != nil {
			return failed(req, err)
		}
		_, m, err := selectNode(d, req.selectors())
		if err != nil {
			return response{status: http.StatusNotFound}
		}
		resp.contentType, resp.body = part(d, m)
	}
	if status := req.cond.check(doc.ETag, req.Method); status != 0 {
		return response{status: status, etag: doc.ETag}
	}
	return resp
}

// load reads the document addressed. Without a document the entity-tag is empty.
func (s *server) load(req *request) (store.Document, error) {
	if generate := req.usage.Generator(req.key); generate != nil {
		body, etag, ok, err := generate(req.Context(), req.tree.env, req.key)
		if err != nil || !ok {
			return store.Document{}, err
		}
		return store.Document{DocumentKey: req.key, Body: body, ETag: etag}, nil
	}
	doc, err := req.tree.Document(req.Context(), req.key)
	if errors.Is(err, store.ErrNotFound) {
		return store.Document{}, nil
	}
	return doc, err
}

// index scans a stored document. Its size is no reason to refuse it: limits may
// have been lowered since.
func (s *server) index(req *request, doc store.Document) (*xmlscan.Doc, error) {
	lim := s.Limits
	lim.Bytes = max(len(doc.Body), lim.Bytes)
	return s.scans.scan(req.tree.stored(req.key), doc, lim)
}

// selectNode evaluates the first of the selectors that selects something.
func selectNode(d *xmlscan.Doc, selectors []*xcapuri.NodeSelector) (n *xcapuri.NodeSelector, m xcapuri.Match, err error) {
	for _, n = range selectors {
		if m, err = n.Eval(d); !errors.Is(err, xcapuri.ErrNoMatch) {
			break
		}
	}
	return n, m, err
}

// part renders what a node selector selected.
func part(d *xmlscan.Doc, m xcapuri.Match) (contentType string, body []byte) {
	switch {
	case m.Namespace:
		return namespaceType, namespaces(d, m.Elem)
	case m.Attr >= 0:
		a := &d.Attrs[m.Attr]
		return attributeType, d.Src[a.ValueStart:a.ValueEnd]
	}
	return elementType, d.Bytes(m.Elem)
}

// namespaces is an empty element with the name of the selected one and all
// bindings in its scope (RFC 4825 §10).
func namespaces(d *xmlscan.Doc, elem int) []byte {
	e := &d.Elements[elem]
	b := []byte{'<'}
	if e.Prefix != "" {
		b = append(append(b, e.Prefix...), ':')
	}
	b = append(b, e.Local...)
	for _, binding := range d.Scope(elem) {
		b = append(b, " xmlns"...)
		if binding.Prefix != "" {
			b = append(append(b, ':'), binding.Prefix...)
		}
		b = append(xmlscan.EscapeAttr(append(b, `="`...), binding.URI), '"')
	}
	return append(b, "/>"...)
}
