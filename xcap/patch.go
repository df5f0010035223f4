package xcap

import (
	"bytes"
	"errors"
	"mime"
	"net/http"
	"strings"

	"rollcall/internal/store"
	"rollcall/internal/xcapuri"
	"rollcall/internal/xmlpatch"
	"rollcall/internal/xmlscan"
	"rollcall/xcap/usage"
)

// Media types of patches (RFC 7351, RFC 5874) and namespaces of their operations.
const (
	patchType      = "application/xml-patch+xml"
	diffType       = "application/xcap-diff+xml"
	acceptPatch    = patchType + ", " + diffType
	patchNamespace = "urn:ietf:rfc:7351"
	diffNamespace  = "urn:ietf:params:xml:ns:xcap-diff"
)

// changes are the operations that a PATCH asks for.
type changes struct {
	ops      []xmlpatch.Op
	previous string // entity-tag of the version they are for; empty when not told
}

// patch answers PATCH (RFC 5789): the operations of RFC 5261 on a document, all
// of them or none.
func (s *server) patch(req *request) response {
	given, _, err := mime.ParseMediaType(req.Header.Get("Content-Type"))
	if err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter) || given != patchType && given != diffType || coded(req.Header) {
		return response{status: http.StatusUnsupportedMediaType, acceptPatch: acceptPatch}
	}
	body, resp := s.readBody(req)
	if resp.status != 0 {
		return resp
	}
	c, err := req.readChanges(given, body, s.Limits)
	if err != nil {
		return patchRefused(http.StatusBadRequest, err)
	}
	return s.modify(req, func(current store.Document) plan { return s.patchDocument(req, current, c) })
}

// readChanges reads a patch document.
func (req *request) readChanges(mediaType string, body []byte, lim xmlscan.Limits) (c changes, err error) {
	d, err := xmlscan.Scan(body, lim)
	if err != nil {
		return c, err
	}
	switch root := &d.Elements[0]; {
	case mediaType == diffType && d.Is(0, diffNamespace, "xcap-diff"):
		return req.readDiff(d)
	case mediaType == patchType && (d.Is(0, patchNamespace, "patch") || root.Local == "diff"):
		c.ops, err = xmlpatch.Parse(d, 0, root.Space)
		return c, err
	}
	return c, errors.New("no patch document of type " + mediaType)
}

// readDiff reads the one document element of an xcap-diff document, which must
// be about the document addressed (RFC 5874 §3).
func (req *request) readDiff(d *xmlscan.Doc) (c changes, err error) {
	document := int(d.Elements[0].First)
	if document < 0 || d.Elements[document].Next >= 0 || !d.Is(document, diffNamespace, "document") {
		return c, errors.New("exactly one document element is needed")
	}
	sel, _ := d.Attr(document, "", "sel")
	ref, err := xcapuri.ParseRef(sel, []string{req.target.Root + "/"})
	if err != nil {
		return c, err
	}
	if key, err := ref.Key(); err != nil || key != req.key || ref.Node != nil {
		return c, errors.New("the document element is about another document")
	}
	c.previous, _ = d.Attr(document, "", "previous-etag")
	c.previous = strings.Trim(c.previous, `"`)
	c.ops, err = xmlpatch.Parse(d, document, diffNamespace)
	return c, err
}

func (s *server) patchDocument(req *request, current store.Document, c changes) plan {
	if current.ETag == "" {
		return withStatus(http.StatusNotFound)
	}
	if status := req.cond.check(current.ETag, req.Method); status != 0 {
		return withStatus(status)
	}
	if c.previous != "" && c.previous != current.ETag {
		return withStatus(http.StatusPreconditionFailed)
	}
	d, err := xmlpatch.Apply(current.Body, c.ops, s.Limits)
	var tooLarge *xmlscan.Error
	switch {
	case errors.As(err, &tooLarge) && tooLarge.Kind == xmlscan.TooLarge:
		return refuse(malformed(err, usage.ConstraintFailure))
	case err != nil:
		return plan{answer: patchRefused(http.StatusConflict, err)}
	case bytes.Equal(d.Src, current.Body):
		return unchanged(current)
	}
	return plan{doc: d, status: http.StatusOK}
}

// patchRefused answers for a patch that cannot be read or applied, with an error
// document of RFC 5261 §5 where there is one.
func patchRefused(status int, err error) response {
	var e *xmlpatch.Error
	if errors.As(err, &e) {
		return response{status: status, contentType: xmlpatch.ErrorType, body: e.Document()}
	}
	return explained(status, err.Error())
}

// coded reports whether a body has a content coding.
func coded(h http.Header) bool {
	coding := h.Get("Content-Encoding")
	return coding != "" && !strings.EqualFold(coding, "identity")
}
