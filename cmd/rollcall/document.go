package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"rollcall/internal/config"
	"rollcall/internal/store"
)

type docCmd struct {
	Get     docGetCmd     `cmd:"" help:"Print a document."`
	Put     docPutCmd     `cmd:"" help:"Store a document, after the checks that a PUT over XCAP goes through."`
	Rm      docRmCmd      `cmd:"" help:"Remove a document."`
	Ls      docLsCmd      `cmd:"" help:"List the documents of a user."`
	Log     docLogCmd     `cmd:"" help:"List the versions of a document: when it was written, by whom and with what."`
	Diff    docDiffCmd    `cmd:"" help:"Show what changed between two versions of a document; without numbers, what the last change was."`
	Restore docRestoreCmd `cmd:"" help:"Bring an earlier version of a document back, also of a removed one."`
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
	config.Quota `embed:""`
	docName      `embed:""`

	File string `arg:"" help:"File, or - for standard input."`
}

// Run validates and stores the document.
func (c *docPutCmd) Run(ctx context.Context, con console) error {
	if err := cmp.Or(c.Tree.Normalize(), c.Quota.Normalize()); err != nil {
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
		w := newDocumentWriter(st, &c.Place, &c.Tree, &c.Quota)
		stored, err := w.write(ctx, key, body, operator("doc put"))
		if err != nil {
			return err
		}
		return w.tell(ctx, con, c.Place, stored)
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
	limit := c.MaxDocumentBytes
	body, err := io.ReadAll(io.LimitReader(in, int64(limit)+1))
	if err != nil {
		return nil, fmt.Errorf("reading the document: %w", err)
	}
	if len(body) > limit {
		return nil, refusedError{fmt.Errorf("the document is larger than %d bytes", limit)}
	}
	return body, nil
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

func noSuchDocument(key store.DocumentKey, err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("document %s: %w", docText(key), store.ErrNotFound)
	}
	return err
}
