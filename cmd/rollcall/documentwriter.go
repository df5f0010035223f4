package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"rollcall/internal/auth"
	"rollcall/internal/config"
	"rollcall/internal/store"
	"rollcall/internal/xmlscan"
	"rollcall/xcap"
	"rollcall/xcap/usage"
)

// documentWriter stores documents after the checks that a PUT over XCAP makes.
type documentWriter struct {
	st     store.Store
	usages map[string]*usage.Usage
	env    usage.Env
	quotas xcap.Quotas
	limits xmlscan.Limits
}

func newDocumentWriter(st store.Store, place *config.Place, tree *config.Tree, quota *config.Quota) *documentWriter {
	all := usage.All(usage.Options{TestUsages: true, MaxIconBytes: quota.MaxIconBytes})
	w := &documentWriter{
		st:     st,
		quotas: quotas(quota),
		limits: documentLimits(quota),
		usages: make(map[string]*usage.Usage, len(all)),
		env: usage.Env{
			Documents: st, Users: auth.NewUsers(st, time.Second),
			Roots: tree.XCAPRoot[:1], Domains: place.Domain, Usages: all,
		},
	}
	for _, u := range all {
		w.usages[u.AUID] = u
	}
	return w
}

// written says what became of a document.
type written struct {
	key       store.DocumentKey
	oldETag   string
	unchanged bool
}

// write validates and stores a document. A refusal is a refusedError.
func (w *documentWriter) write(ctx context.Context, key store.DocumentKey, body []byte, origin store.Origin) (written, error) {
	result := written{key: key}
	d, claims, err := w.validate(ctx, key, body)
	if err != nil {
		return result, err
	}
	old, err := w.st.Document(ctx, key)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return result, err
	}
	if err == nil && bytes.Equal(old.Body, body) {
		result.unchanged = true
		return result, nil
	}
	owned, err := w.st.ListDocuments(ctx, key.XUI, "")
	if err != nil {
		return result, err
	}
	if problem := w.quotas.Refuse(owned, old, d); problem != "" {
		return result, refusedError{errors.New(problem)}
	}
	result.oldETag = old.ETag
	doc := store.Document{DocumentKey: key, Body: body, ETag: rand.Text(), Modified: time.Now(), Origin: origin}
	return result, w.st.PutDocument(ctx, doc, old.ETag, claims)
}

// tell says what was done, on the terminal and to a running server.
func (w *documentWriter) tell(ctx context.Context, con console, place config.Place, done written) error {
	word := "unchanged"
	if !done.unchanged {
		word = "stored"
		announce(ctx, con, place, notice{Documents: []noticeDocument{done.notice()}})
	}
	_, err := fmt.Fprintf(con.stdout, "%s %s\n", word, docText(done.key))
	return err
}

func (r written) notice() noticeDocument {
	return noticeDocument{XUI: r.key.XUI, AUID: r.key.AUID, Path: r.key.Path, OldETag: r.oldETag}
}

// validate makes the checks of the application usage.
func (w *documentWriter) validate(ctx context.Context, key store.DocumentKey, body []byte) (doc *xmlscan.Doc, claims []string, err error) {
	u := w.usages[key.AUID]
	if u == nil || u.ReadOnly {
		return nil, nil, refusedError{fmt.Errorf("%s: no application usage that documents can be stored for", key.AUID)}
	}
	if u.FixedDocuments != nil && !u.FixedDocuments(key.Path) {
		return nil, nil, refusedError{fmt.Errorf("%s has no document %s", key.AUID, key.Path)}
	}
	if doc, err = xmlscan.Scan(body, w.limits); err != nil {
		return nil, nil, refusedError{err}
	}
	if u.Validate != nil {
		if no := u.Validate(doc); no != nil {
			return nil, nil, conflict(no)
		}
	}
	if u.Constrain == nil {
		return doc, nil, nil
	}
	claims, no, err := u.Constrain(ctx, w.env, key, doc)
	if err == nil && no != nil {
		err = conflict(no)
	}
	return doc, claims, err
}

// documentLimits are those of one document.
func documentLimits(q *config.Quota) xmlscan.Limits {
	limits := xmlscan.DefaultLimits()
	limits.Bytes = q.MaxDocumentBytes
	return limits
}

func conflict(c *usage.Conflict) error {
	text := c.Element
	if c.Phrase != "" {
		text += ": " + c.Phrase
	}
	for _, e := range c.Exists {
		text += " (" + e.Field + ")"
	}
	return refusedError{errors.New(text)}
}

// operator is the origin of what a command changes.
func operator(command string) store.Origin {
	return store.Origin{Client: "rollcall " + versionText(), Method: command}.Cut()
}
