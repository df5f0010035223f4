package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"rollcall/internal/auth"
	"rollcall/internal/config"
	"rollcall/internal/store"
	"rollcall/internal/xmlscan"
	"rollcall/xcap/usage"
)

type docCmd struct {
	Get docGetCmd `cmd:"" help:"Print a document."`
	Put docPutCmd `cmd:"" help:"Store a document, after the checks that a PUT over XCAP goes through."`
	Rm  docRmCmd  `cmd:"" help:"Remove a document."`
	Ls  docLsCmd  `cmd:"" help:"List the documents of a user."`
}

// docName names one document of a user.
type docName struct {
	User string `arg:"" help:"Owner."`
	AUID string `arg:"" name:"auid" help:"Application usage, e.g. resource-lists."`
	Path string `default:"index" help:"Name of the document."`
}

func (d *docName) key(place *config.Place) (store.DocumentKey, error) {
	aor, err := userAOR(place, d.User)
	if err != nil {
		return store.DocumentKey{}, err
	}
	return store.DocumentKey{XUI: aor, AUID: d.AUID, Path: strings.Trim(d.Path, "/")}, nil
}

type docGetCmd struct {
	config.Place `embed:""`
	docName      `embed:""`
}

// Run prints the document as it is stored.
func (c *docGetCmd) Run(ctx context.Context, con console) error {
	return withStore(ctx, &c.Place, func(st store.Store) error {
		key, err := c.key(&c.Place)
		if err != nil {
			return err
		}
		doc, err := st.Document(ctx, key)
		if err != nil {
			return noSuchDocument(key, err)
		}
		_, err = con.stdout.Write(doc.Body)
		return err
	})
}

type docPutCmd struct {
	config.Place `embed:""`
	config.Tree  `embed:""`
	docName      `embed:""`

	File string `arg:"" help:"File, or - for standard input."`
}

// Run validates and stores the document.
func (c *docPutCmd) Run(ctx context.Context, con console) error {
	if err := c.Tree.Normalize(); err != nil {
		return usageError{err}
	}
	body, err := c.body(con)
	if err != nil {
		return err
	}
	return withStore(ctx, &c.Place, func(st store.Store) error {
		key, err := c.key(&c.Place)
		if err != nil {
			return err
		}
		if _, err := st.User(ctx, key.XUI); err != nil {
			return noSuchUser(key.XUI, err)
		}
		claims, err := c.validate(ctx, st, key, body)
		if err != nil {
			return err
		}
		return c.store(ctx, con, st, key, body, claims)
	})
}

func (c *docPutCmd) body(con console) ([]byte, error) {
	in := con.stdin
	if c.File != "-" {
		f, err := os.Open(c.File)
		if err != nil {
			return nil, usageError{err}
		}
		defer f.Close()
		in = f
	}
	limit := xmlscan.DefaultLimits().Bytes
	body, err := io.ReadAll(io.LimitReader(in, int64(limit)+1))
	if err != nil {
		return nil, fmt.Errorf("reading the document: %w", err)
	}
	if len(body) > limit {
		return nil, refusedError{fmt.Errorf("the document is larger than %d bytes", limit)}
	}
	return body, nil
}

// validate makes the checks of the application usage.
func (c *docPutCmd) validate(ctx context.Context, st store.Store, key store.DocumentKey, body []byte) (claims []string, err error) {
	usages := usage.All(usage.Options{TestUsages: true})
	var u *usage.Usage
	for _, candidate := range usages {
		if candidate.AUID == key.AUID {
			u = candidate
		}
	}
	if u == nil || u.ReadOnly {
		return nil, refusedError{fmt.Errorf("%s: no application usage that documents can be stored for", key.AUID)}
	}
	if u.FixedDocuments != nil && !u.FixedDocuments(key.Path) {
		return nil, refusedError{fmt.Errorf("%s has no document %s", key.AUID, key.Path)}
	}
	doc, err := xmlscan.Scan(body, xmlscan.DefaultLimits())
	if err != nil {
		return nil, refusedError{err}
	}
	if u.Validate != nil {
		if no := u.Validate(doc); no != nil {
			return nil, conflict(no)
		}
	}
	if u.Constrain == nil {
		return nil, nil
	}
	env := usage.Env{
		Documents: st, Users: auth.NewUsers(st, time.Second),
		Roots: c.XCAPRoot[:1], Domains: c.Domain, Usages: usages,
	}
	claims, no, err := u.Constrain(ctx, env, key, doc)
	if err == nil && no != nil {
		err = conflict(no)
	}
	return claims, err
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

func (c *docPutCmd) store(ctx context.Context, con console, st store.Store, key store.DocumentKey, body []byte, claims []string) error {
	old, err := st.Document(ctx, key)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if err == nil && bytes.Equal(old.Body, body) {
		_, err := fmt.Fprintf(con.stdout, "unchanged %s\n", docText(key))
		return err
	}
	doc := store.Document{DocumentKey: key, Body: body, ETag: rand.Text(), Modified: time.Now(), Origin: operator("doc put")}
	if err := st.PutDocument(ctx, doc, old.ETag, claims); err != nil {
		return err
	}
	announce(ctx, con, c.Place, notice{Documents: []noticeDocument{{XUI: key.XUI, AUID: key.AUID, Path: key.Path, OldETag: old.ETag}}})
	_, err = fmt.Fprintf(con.stdout, "stored %s\n", docText(key))
	return err
}

type docRmCmd struct {
	config.Place `embed:""`
	docName      `embed:""`
}

// Run removes the document.
func (c *docRmCmd) Run(ctx context.Context, con console) error {
	return withStore(ctx, &c.Place, func(st store.Store) error {
		key, err := c.key(&c.Place)
		if err != nil {
			return err
		}
		old, err := st.Document(ctx, key)
		if err == nil {
			err = st.DeleteDocument(ctx, key, old.ETag, operator("doc rm"))
		}
		if err != nil {
			return noSuchDocument(key, err)
		}
		announce(ctx, con, c.Place, notice{Documents: []noticeDocument{{XUI: key.XUI, AUID: key.AUID, Path: key.Path, OldETag: old.ETag}}})
		_, err = fmt.Fprintf(con.stdout, "removed %s\n", docText(key))
		return err
	})
}

type docLsCmd struct {
	config.Place `embed:""`

	User string `arg:"" help:"Owner."`
	AUID string `arg:"" optional:"" name:"auid" help:"Only of this application usage."`
}

// Run prints usage, name, entity-tag and time of every document.
func (c *docLsCmd) Run(ctx context.Context, con console) error {
	return withStore(ctx, &c.Place, func(st store.Store) error {
		aor, err := userAOR(&c.Place, c.User)
		if err != nil {
			return err
		}
		if _, err := st.User(ctx, aor); err != nil {
			return noSuchUser(aor, err)
		}
		docs, err := st.ListDocuments(ctx, aor, c.AUID)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(con.stdout, 0, 0, 2, ' ', 0)
		for _, d := range docs {
			fmt.Fprintf(w, "%s\t%s\t%q\t%s\n", d.AUID, d.Path, d.ETag, d.Modified.UTC().Format(time.RFC3339))
		}
		return w.Flush()
	})
}

func docText(key store.DocumentKey) string {
	return key.AUID + "/users/" + key.XUI + "/" + key.Path
}

// operator is the origin of what a command changes.
func operator(command string) store.Origin {
	return store.Origin{Client: "rollcall " + versionText(), Method: command}.Cut()
}

func noSuchDocument(key store.DocumentKey, err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("document %s: %w", docText(key), store.ErrNotFound)
	}
	return err
}
