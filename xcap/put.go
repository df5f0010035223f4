package xcap

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"

	"rollcall/internal/store"
	"rollcall/internal/xcapuri"
	"rollcall/internal/xmlscan"
)

// put answers PUT (RFC 4825 §8.2).
func (s *server) put(req *request) response {
	if resp := req.checkContent(); resp.status != 0 {
		return resp
	}
	body, resp := s.readBody(req)
	if resp.status != 0 {
		return resp
	}
	return s.modify(req, func(current store.Document) plan {
		if req.target.Node == nil {
			return s.putDocument(req, current, body)
		}
		return s.putNode(req, current, body)
	})
}

// checkContent checks what the header says of the body. RFC 4825 §8.2.2 asks
// for an exact type; for whole documents, none at all and the one that tools
// send when nobody told them are taken as unspecified.
func (req *request) checkContent() response {
	if coded(req.Header) {
		return response{status: http.StatusUnsupportedMediaType}
	}
	if req.Header.Get("Content-Range") != "" {
		return explained(http.StatusBadRequest, "partial PUT is not supported") // RFC 9110 §14.5
	}
	given := req.Header.Get("Content-Type")
	if mediaType, _, err := mime.ParseMediaType(given); err == nil || errors.Is(err, mime.ErrInvalidMediaParameter) {
		given = mediaType
	}
	want := req.usage.MIMEType
	switch node := req.target.Node; {
	case node == nil && (given == "" || given == "application/x-www-form-urlencoded"):
		return response{}
	case node != nil && node.Terminal == xcapuri.Attribute:
		want = attributeType
	case node != nil:
		want = elementType
	}
	if !strings.EqualFold(given, want) {
		return response{status: http.StatusUnsupportedMediaType}
	}
	return response{}
}

// readBody reads the body as far as a document may be long.
func (s *server) readBody(req *request) ([]byte, response) {
	limit := int64(s.Limits.Bytes)
	if req.ContentLength > limit {
		return nil, s.tooLarge()
	}
	var buf bytes.Buffer
	if req.ContentLength > 0 {
		buf.Grow(int(req.ContentLength) + bytes.MinRead)
	}
	if _, err := buf.ReadFrom(io.LimitReader(req.Body, limit+1)); err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return nil, response{status: http.StatusRequestTimeout}
		}
		return nil, explained(http.StatusBadRequest, "body is incomplete")
	}
	if int64(buf.Len()) > limit {
		return nil, s.tooLarge()
	}
	return buf.Bytes(), response{}
}

func (s *server) tooLarge() response {
	return explained(http.StatusRequestEntityTooLarge, fmt.Sprintf("a document may have %d bytes", s.Limits.Bytes))
}

func (s *server) putDocument(req *request, current store.Document, body []byte) plan {
	if status := req.cond.check(current.ETag, req.Method); status != 0 {
		return withStatus(status)
	}
	// Two devices that each rewrite a document when it changes would do so for
	// ever if writing the same again were a change.
	if current.ETag != "" && bytes.Equal(current.Body, body) {
		return unchanged(current)
	}
	if current.ETag == "" {
		if resp := s.admit(req); resp.status != 0 {
			return plan{answer: resp}
		}
	}
	d, err := xmlscan.Scan(body, s.Limits)
	if err != nil {
		return refuse(malformed(err, notWellFormed))
	}
	return plan{doc: d, status: created(current.ETag == "")}
}

func (s *server) putNode(req *request, current store.Document, body []byte) plan {
	if current.ETag == "" {
		return refuse(newConflict(noParent, "there is no such document"))
	}
	if status := req.cond.check(current.ETag, req.Method); status != 0 {
		return withStatus(status)
	}
	d, err := s.index(req, current)
	if err != nil {
		return plan{answer: failed(req, err)}
	}
	var first *conflict
	for _, n := range req.selectors() {
		e, c := s.edit(d, n, body)
		if c == nil {
			if bytes.Equal(e.doc.Src, current.Body) {
				return unchanged(current)
			}
			return plan{doc: e.doc, status: created(e.created)}
		}
		if first == nil || first.Element == noParent {
			first = c
		}
	}
	if first.Element == noParent {
		first.ancestor = req.ancestor(d)
	}
	return refuse(first)
}

// ancestor is the URI of the deepest element on the way to the selected node
// that there is (RFC 4825 §11).
func (req *request) ancestor(d *xmlscan.Doc) string {
	deepest := 0
	for _, n := range req.selectors() {
		if _, reached, err := n.EvalParent(d); err != nil {
			deepest = max(deepest, reached)
		}
	}
	if deepest == 0 {
		return ""
	}
	uri := req.target.DocumentURI() + "/~~/" + xcapuri.Encode(req.target.Node.Ancestor(deepest))
	if req.target.Query != "" {
		uri += "?" + xcapuri.Encode(req.target.Query)
	}
	return uri
}

func (s *server) edit(d *xmlscan.Doc, n *xcapuri.NodeSelector, body []byte) (edited, *conflict) {
	if n.Terminal == xcapuri.Attribute {
		return putAttribute(d, n, body, s.Limits)
	}
	return putElement(d, n, body, s.Limits)
}
