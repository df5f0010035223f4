package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"rollcall/internal/config"
	"rollcall/internal/explain"
	"rollcall/internal/store"
	"rollcall/policy"
)

type policyCmd struct {
	Try  policyTryCmd  `cmd:"" help:"Show whose view a draft of rules would change, without storing it."`
	Lint policyLintCmd `cmd:"" help:"Look for rules that are open to all, decide nothing or refer to what is not there."`
}

type policyTryCmd struct {
	config.Place `embed:""`
	config.Quota `embed:""`
	deciding     `embed:""`

	User string `required:"" placeholder:"USER" help:"Whose rules."`
	File string `required:"" help:"The draft, or - for standard input."`
	AUID string `name:"auid" default:"pres-rules" enum:"pres-rules,org.openmobilealliance.pres-rules" placeholder:"AUID" help:"Application usage of the draft: pres-rules or org.openmobilealliance.pres-rules."`
	Path string `default:"index" help:"Name of the document that the draft would take the place of."`
}

// Run compares what all who watch the user see now with what the draft would show.
func (c *policyTryCmd) Run(ctx context.Context, con console) error {
	if err := cmp.Or(c.deciding.Normalize(), c.Quota.Normalize()); err != nil {
		return usageError{err}
	}
	body, err := (&docPutCmd{File: c.File, Quota: c.Quota}).body(con)
	if err != nil {
		return err
	}
	return withStore(ctx, &c.Place, func(st store.Store) error {
		name := docName{User: c.User, AUID: c.AUID, Path: c.Path}
		key, err := name.key(&c.Place)
		if err != nil {
			return err
		}
		if _, err := st.User(ctx, key.XUI); err != nil {
			return noSuchUser(key.XUI, err)
		}
		if _, _, err := newDocumentWriter(st, &c.Place, &c.Tree, &c.Quota).validate(ctx, key, body); err != nil {
			return err
		}
		draft := c.engine(policy.WithDraft(st, store.Document{DocumentKey: key, Body: body, Modified: time.Now()}))
		t := trial{out: con.stdout, src: newStoredSource(st, &c.Place, &c.deciding), draft: draft, user: key.XUI}
		return t.run(ctx)
	})
}

// trial compares decisions.
type trial struct {
	out   io.Writer
	src   *storedSource
	draft *policy.Engine
	user  string
}

func (t *trial) run(ctx context.Context) error {
	watchers, err := t.watchers(ctx)
	if err != nil {
		return err
	}
	state, err := t.src.State(ctx, t.user)
	if err != nil {
		return err
	}
	same := 0
	for _, w := range watchers {
		req := policy.Request{Presentity: t.user, Watcher: w, Sphere: state.Composed.Sphere, Now: t.src.now}
		before, err := t.src.policy.Report(ctx, req)
		if err != nil {
			return err
		}
		after, err := t.draft.Report(ctx, req)
		if err != nil {
			return err
		}
		if before.Handling == after.Handling && slices.Equal(before.Shows, after.Shows) {
			same++
			continue
		}
		t.tell(w, state, before, after)
	}
	fmt.Fprintf(t.out, "%d of %d watchers of %s would see something else. Nothing was stored.\n", len(watchers)-same, len(watchers), plainAOR(t.user))
	found, err := t.draft.Lint(ctx, t.user, t.src.now)
	if err != nil {
		return err
	}
	for _, f := range found {
		fmt.Fprintln(t.out, findingText(f))
	}
	return nil
}

// watchers are all who have a subscription, of their own or through a list, or wait.
func (t *trial) watchers(ctx context.Context) ([]string, error) {
	rows, err := t.src.watching(ctx, t.user, func(string) bool { return true })
	if err != nil {
		return nil, err
	}
	waiting, err := t.src.Watchers(ctx, t.user)
	if err != nil {
		return nil, err
	}
	var list []string
	for _, r := range rows {
		list = append(list, r.Watcher)
	}
	for _, w := range waiting {
		if w.Watcher == explain.Anonymous {
			w.Watcher = ""
		}
		list = append(list, w.Watcher)
	}
	slices.Sort(list)
	return slices.Compact(list), nil
}

// tell prints how the view of one watcher would change.
func (t *trial) tell(watcher string, state explain.State, before, after policy.Report) {
	who := explain.Anonymous
	if watcher != "" {
		who = plainAOR(watcher)
	}
	fmt.Fprintf(t.out, "%s: %s -> %s\n", who, before.Handling, after.Handling)
	fmt.Fprintf(t.out, "  now:   %s%s\n", before.Meaning, shownText(before))
	fmt.Fprintf(t.out, "  draft: %s%s\n", after.Meaning, shownText(after))
	for _, r := range after.Rules {
		if r.Counted {
			fmt.Fprintf(t.out, "         by rule %q: %s\n", r.ID, r.Why)
		}
	}
	if a, b := before.Decision.Transform, after.Decision.Transform; a != nil && b != nil && bytes.Equal(a.Apply(state.Composed), b.Apply(state.Composed)) {
		fmt.Fprintln(t.out, "  At the moment both show the same.")
	}
}

func shownText(r policy.Report) string {
	if len(r.Shows) == 0 {
		return ""
	}
	return ": " + strings.Join(r.Shows, "; ")
}

type policyLintCmd struct {
	config.Place `embed:""`
	deciding     `embed:""`

	User string `placeholder:"USER" help:"Only the rules of this user."`
}

// Run prints what is odd about the rules. Warnings make it fail.
func (c *policyLintCmd) Run(ctx context.Context, con console) error {
	if err := c.deciding.Normalize(); err != nil {
		return usageError{err}
	}
	return withStore(ctx, &c.Place, func(st store.Store) error {
		engines := [...]*policy.Engine{c.engine(st), c.dialogEngine(st)}
		warnings := 0
		lint := func(aor string) error {
			for _, engine := range engines {
				found, err := engine.Lint(ctx, aor, time.Now())
				if err != nil {
					return err
				}
				for _, f := range found {
					if f.Warning {
						warnings++
					}
					fmt.Fprintf(con.stdout, "%s: %s\n", plainAOR(aor), findingText(f))
				}
			}
			return nil
		}
		if err := c.each(ctx, st, lint); err != nil {
			return err
		}
		if warnings > 0 {
			return refusedError{fmt.Errorf("warnings: %d", warnings)}
		}
		return nil
	})
}

// each calls fn for the user asked for, or for all.
func (c *policyLintCmd) each(ctx context.Context, st store.Store, fn func(aor string) error) error {
	if c.User != "" {
		aor, err := userAOR(&c.Place, c.User)
		if err != nil {
			return err
		}
		if _, err := st.User(ctx, aor); err != nil {
			return noSuchUser(aor, err)
		}
		return fn(aor)
	}
	const page = 500
	for after := ""; ; {
		users, err := st.ListUsers(ctx, after, page)
		if err != nil {
			return err
		}
		for _, u := range users {
			if err := fn(u.AOR); err != nil && !errors.Is(err, store.ErrNotFound) {
				return err
			}
			after = u.AOR
		}
		if len(users) < page {
			return nil
		}
	}
}

func findingText(f policy.Finding) string {
	word := "note"
	if f.Warning {
		word = "warning"
	}
	switch {
	case f.Rule != "":
		return fmt.Sprintf("%s: rule %q in %s %s", word, f.Rule, f.Document, f.Text)
	case f.Document != "":
		return fmt.Sprintf("%s: %s %s", word, f.Document, f.Text)
	}
	return word + ": " + f.Text
}
