package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"rollcall/internal/config"
	"rollcall/internal/linediff"
	"rollcall/internal/store"
)

type docLogCmd struct {
	config.Place `embed:""`
	docName      `embed:""`
}

// Run prints the versions of the document, the newest first.
func (c *docLogCmd) Run(ctx context.Context, con console) error {
	return withHistory(ctx, &c.Place, &c.docName, func(_ store.Store, versions []store.Version) error {
		w := tabwriter.NewWriter(con.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "VERSION\tTIME\tMETHOD\tSIZE\tETAG\tBY\tADDRESS\tCLIENT")
		for _, v := range versions {
			etag := "-"
			if !v.Deleted {
				etag = fmt.Sprintf("%q", v.ETag)
			}
			fmt.Fprintf(w, "%d\t%s\t%s\t%d\t%s\t%s\t%s\t%s\n", v.Number, v.Modified.UTC().Format(time.RFC3339),
				orDash(v.Origin.Method), v.Size, etag, authorText(v.Origin), orDash(v.Origin.Address), orDash(v.Origin.Client))
		}
		return w.Flush()
	})
}

// authorText names who wrote a version. There is no method where nothing is
// known of the write because it is older than the history.
func authorText(o store.Origin) string {
	switch {
	case o.By != "":
		return plainAOR(o.By)
	case o.Method == "":
		return "-"
	}
	return "(operator)"
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

type docDiffCmd struct {
	config.Place `embed:""`
	docName      `embed:""`

	Old int `arg:"" optional:"" help:"Number of the older version; without it the one before NEW."`
	New int `arg:"" optional:"" help:"Number of the newer version; without it the newest."`
}

// Run prints the difference as a unified diff.
func (c *docDiffCmd) Run(ctx context.Context, con console) error {
	return withHistory(ctx, &c.Place, &c.docName, func(st store.Store, versions []store.Version) error {
		newer, older := c.New, c.Old
		if newer == 0 {
			newer = versions[0].Number
		}
		if older == 0 {
			older = newer - 1
		}
		key := versions[0].DocumentKey
		b, err := readVersion(ctx, st, key, newer)
		if err != nil {
			return err
		}
		a := store.Version{Document: store.Document{DocumentKey: key}, Deleted: true}
		if older > 0 { // before the first version there was nothing
			if a, err = readVersion(ctx, st, key, older); err != nil {
				return err
			}
		}
		_, err = fmt.Fprint(con.stdout, linediff.XML(versionName(a), versionName(b), a.Body, b.Body))
		return err
	})
}

func versionName(v store.Version) string {
	if v.Number == 0 {
		return "nothing"
	}
	name := fmt.Sprintf("version %d\t%s %s", v.Number, v.Modified.UTC().Format(time.RFC3339), authorText(v.Origin))
	if v.Deleted {
		name += " (removed)"
	}
	return name
}

type docRestoreCmd struct {
	config.Place `embed:""`
	config.Tree  `embed:""`
	config.Quota `embed:""`
	docName      `embed:""`

	Version int `arg:"" help:"Number of the version, see doc log."`
}

// Run stores the body of the version again: an ordinary change with the checks,
// the new entity-tag and the entry in the history of any other.
func (c *docRestoreCmd) Run(ctx context.Context, con console) error {
	if err := cmp.Or(c.Tree.Normalize(), c.Quota.Normalize()); err != nil {
		return usageError{err}
	}
	return withHistory(ctx, &c.Place, &c.docName, func(st store.Store, versions []store.Version) error {
		key := versions[0].DocumentKey
		v, err := readVersion(ctx, st, key, c.Version)
		if err != nil {
			return err
		}
		if v.Deleted {
			return refusedError{fmt.Errorf("version %d is the removal of the document; doc rm removes it again", c.Version)}
		}
		w := newDocumentWriter(st, &c.Place, &c.Tree, &c.Quota)
		done, err := w.write(ctx, key, v.Body, operator(fmt.Sprintf("doc restore %d", c.Version)))
		if err != nil {
			return err
		}
		return w.tell(ctx, con, c.Place, done)
	})
}

// withHistory runs fn with the versions of a document, of which there is at least one.
func withHistory(ctx context.Context, place *config.Place, name *docName, fn func(store.Store, []store.Version) error) error {
	return withStore(ctx, place, func(st store.Store) error {
		key, err := name.key(place)
		if err != nil {
			return err
		}
		if _, err := st.User(ctx, key.XUI); err != nil {
			return noSuchUser(key.XUI, err)
		}
		versions, err := st.Versions(ctx, key)
		if err != nil {
			return err
		}
		if len(versions) == 0 {
			return fmt.Errorf("history of %s: %w", docText(key), store.ErrNotFound)
		}
		return fn(st, versions)
	})
}

func readVersion(ctx context.Context, st store.Store, key store.DocumentKey, number int) (store.Version, error) {
	v, err := st.Version(ctx, key, number)
	if errors.Is(err, store.ErrNotFound) {
		err = fmt.Errorf("version %d of %s: %w (see doc log)", number, docText(key), store.ErrNotFound)
	}
	return v, err
}
