package xcap

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"strings"
	"time"

	"rollcall/internal/bus"
	"rollcall/internal/store"
	"rollcall/internal/xmlscan"
	"rollcall/xcap/usage"
)

// maxAttempts bounds how often a write is worked out anew because another node
// changed the document meanwhile.
const maxAttempts = 16

// maxPath bounds the path of a document that is to be stored.
const maxPath = 255

// plan is what a request makes of the document it addresses.
type plan struct {
	answer response     // when set, there is nothing to write
	doc    *xmlscan.Doc // the new document; nil removes it
	status int          // of the answer when it is written
}

func refuse(c *conflict) plan { return plan{answer: c.response()} }

func withStatus(status int) plan { return plan{answer: response{status: status}} }

// unchanged is for a write of what is there already.
func unchanged(d store.Document) plan {
	return plan{answer: response{status: http.StatusOK, etag: d.ETag}}
}

// created is the status of a write (RFC 4825 §8.2.7).
func created(yes bool) int {
	if yes {
		return http.StatusCreated
	}
	return http.StatusOK
}

// modify reads the document, works out what becomes of it, and writes that if
// the document is still the one that was read; otherwise it begins anew, with
// the conditions of the request evaluated again.
func (s *server) modify(req *request, work func(current store.Document) plan) response {
	unlock, err := s.writes.lock(req.Context(), req.tree.stored(req.key))
	if err != nil {
		return failed(req, err)
	}
	defer unlock()
	for range maxAttempts {
		current, err := s.load(req)
		if err != nil {
			return failed(req, err)
		}
		p := work(current)
		if p.answer.status != 0 {
			return p.answer
		}
		resp, err := s.write(req, current, p)
		if err == nil {
			return resp
		}
		if !lostRace(err) {
			return failed(req, err)
		}
	}
	return busy("others keep changing the document; try again later")
}

// lostRace reports whether the store wrote nothing because something else was
// written first. When it was a claim, the usage names it at the next attempt.
func lostRace(err error) bool {
	var claimed *store.ClaimedError
	return errors.Is(err, store.ErrETagMismatch) || errors.Is(err, store.ErrNotFound) || errors.As(err, &claimed)
}

// write validates the new document (RFC 4825 §8.2.5), stores it and announces
// the change. By the time of the answer everyone who depends on the document
// has been told (§8.2.7).
func (s *server) write(req *request, current store.Document, p plan) (response, error) {
	resp := response{status: p.status}
	if p.doc == nil {
		return resp, s.commit(req, current.ETag, "", func(ctx context.Context) error {
			return req.tree.DeleteDocument(ctx, req.key, current.ETag, s.origin(req))
		})
	}
	claims, refusal, err := s.validate(req, p.doc)
	if err == nil && refusal.status == 0 {
		refusal, err = s.tooMuch(req, current, p.doc)
	}
	if err != nil || refusal.status != 0 {
		return refusal, err
	}
	resp.etag = NewETag()
	doc := store.Document{DocumentKey: req.key, Body: p.doc.Src, ETag: resp.etag, Modified: time.Now(), Origin: s.origin(req)}
	err = s.commit(req, current.ETag, doc.ETag, func(ctx context.Context) error {
		return req.tree.PutDocument(ctx, doc, current.ETag, claims)
	})
	if err == nil {
		s.scans.keep(req.tree.stored(req.key), doc.ETag, p.doc)
	}
	return resp, err
}

// commit writes, even if the client has gone meanwhile, and announces. A write
// that failed without saying that nothing happened may have happened: then
// everyone had better look, too.
func (s *server) commit(req *request, oldETag, newETag string, write func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(req.Context()), s.Timeout)
	defer cancel()
	err := write(ctx)
	if !lostRace(err) {
		s.Bus.Publish(bus.DocumentChanged{Key: req.tree.stored(req.key), OldETag: oldETag, NewETag: newETag})
	}
	return err
}

// NewETag returns an entity-tag, without quotes, that no version of a document
// has had (RFC 5874 §6).
func NewETag() string { return rand.Text() }

// validate asks the usage whether the document may be stored.
func (s *server) validate(req *request, d *xmlscan.Doc) (claims []string, refusal response, err error) {
	var c *usage.Conflict
	if req.usage.Validate != nil {
		c = req.usage.Validate(d)
	}
	if c == nil && req.usage.Constrain != nil {
		claims, c, err = req.usage.Constrain(req.Context(), req.tree.env, req.key, d)
	}
	if c != nil && err == nil {
		refusal = (&conflict{Conflict: *c}).response()
	}
	return claims, refusal, err
}

// admit says why a document of that name cannot be created.
func (s *server) admit(req *request) response {
	path, fixed := req.key.Path, req.usage.FixedDocuments
	possible := fixed == nil && !strings.Contains(path, "/") && len(path) <= maxPath || fixed != nil && fixed(path)
	if !possible {
		if strings.Contains(path, "/") {
			// RFC 4825 §8.2.1: directories are not made by XCAP.
			return newConflict(noParent, "there is no such directory").response()
		}
		return newConflict(usage.ConstraintFailure, "this application usage has no document of that name").response()
	}
	docs, err := s.Store.ListDocuments(req.Context(), req.key.XUI, "")
	if err != nil {
		return failed(req, err)
	}
	if problem := s.quotas.overDocuments(docs); problem != "" {
		return overQuota(problem)
	}
	return response{}
}
