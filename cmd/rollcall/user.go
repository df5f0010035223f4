package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"rollcall/internal/auth"
	"rollcall/internal/config"
	"rollcall/internal/sipuri"
	"rollcall/internal/store"
)

type userCmd struct {
	Add    userAddCmd    `cmd:"" help:"Add an account."`
	Passwd userPasswdCmd `cmd:"" help:"Give an account another password."`
	Rm     userRmCmd     `cmd:"" help:"Remove an account and all it owns."`
	List   userListCmd   `cmd:"" help:"List accounts."`
	Import userImportCmd `cmd:"" help:"Add many accounts from lines of the form address,password."`
}

type userAddCmd struct {
	config.Place `embed:""`
	secret       `embed:""`

	User string `arg:"" help:"alice, alice@example.org or sip:alice@example.org."`
	Name string `placeholder:"TEXT" help:"Display name."`
}

// Run adds the account.
func (c *userAddCmd) Run(ctx context.Context, con console) error {
	return withStore(ctx, &c.Place, func(st store.Store) error {
		aor, err := userAOR(&c.Place, c.User)
		if err != nil {
			return err
		}
		password, err := c.read(con, aor)
		if err != nil {
			return err
		}
		u, err := auth.NewUser(aor, password)
		if err != nil {
			return refusedError{err}
		}
		u.DisplayName = c.Name
		if err := st.AddUsers(ctx, []store.User{u}, false); err != nil {
			if errors.Is(err, store.ErrExists) {
				return fmt.Errorf("user %s: %w (use passwd for another password)", plainAOR(aor), store.ErrExists)
			}
			return err
		}
		announce(ctx, con, c.Place, notice{Users: []string{aor}})
		_, err = fmt.Fprintf(con.stdout, "added %s\n", plainAOR(aor))
		return err
	})
}

type userPasswdCmd struct {
	config.Place `embed:""`
	secret       `embed:""`

	User string `arg:"" help:"Account."`
}

// Run replaces the password.
func (c *userPasswdCmd) Run(ctx context.Context, con console) error {
	return withStore(ctx, &c.Place, func(st store.Store) error {
		aor, err := userAOR(&c.Place, c.User)
		if err != nil {
			return err
		}
		old, err := st.User(ctx, aor)
		if err != nil {
			return noSuchUser(aor, err)
		}
		password, err := c.read(con, aor)
		if err != nil {
			return err
		}
		u, err := auth.NewUser(aor, password)
		if err != nil {
			return refusedError{err}
		}
		u.DisplayName, u.Created = old.DisplayName, old.Created
		if err := st.SetUser(ctx, u); err != nil {
			return noSuchUser(aor, err)
		}
		announce(ctx, con, c.Place, notice{Users: []string{aor}})
		_, err = fmt.Fprintf(con.stdout, "changed the password of %s\n", plainAOR(aor))
		return err
	})
}

type userRmCmd struct {
	config.Place `embed:""`

	User string `arg:"" help:"Account."`
}

// Run removes the account with its documents, registrations and subscriptions.
func (c *userRmCmd) Run(ctx context.Context, con console) error {
	return withStore(ctx, &c.Place, func(st store.Store) error {
		aor, err := userAOR(&c.Place, c.User)
		if err != nil {
			return err
		}
		docs, err := st.ListDocuments(ctx, aor, "")
		if err != nil {
			return err
		}
		if err := st.RemoveUser(ctx, aor); err != nil {
			return noSuchUser(aor, err)
		}
		n := notice{Users: []string{aor}}
		for _, d := range docs {
			n.Documents = append(n.Documents, noticeDocument{XUI: d.XUI, AUID: d.AUID, Path: d.Path, OldETag: d.ETag})
		}
		announce(ctx, con, c.Place, n)
		_, err = fmt.Fprintf(con.stdout, "removed %s\n", plainAOR(aor))
		return err
	})
}

type userListCmd struct {
	config.Place `embed:""`
}

// Run prints all accounts, one to a line.
func (c *userListCmd) Run(ctx context.Context, con console) error {
	return withStore(ctx, &c.Place, func(st store.Store) error {
		const page = 500
		w := tabwriter.NewWriter(con.stdout, 0, 0, 2, ' ', 0)
		for after := ""; ; {
			users, err := st.ListUsers(ctx, after, page)
			if err != nil {
				return err
			}
			for _, u := range users {
				fmt.Fprintf(w, "%s\t%s\t%s\n", plainAOR(u.AOR), u.Created.UTC().Format(time.DateOnly), u.DisplayName)
				after = u.AOR
			}
			if err := w.Flush(); err != nil || len(users) < page {
				return err
			}
		}
	})
}

// userAOR makes the canonical address of what a person types for a user.
func userAOR(place *config.Place, text string) (string, error) {
	if !strings.Contains(text, "@") {
		text = strings.TrimPrefix(text, "sip:") + "@" + place.Domain[0]
	}
	aor, err := sipuri.AOR(text)
	if err != nil || !strings.HasPrefix(aor, "sip:") {
		return "", usageError{fmt.Errorf("%q is not an address like alice@example.org", text)}
	}
	user, domain := sipuri.Split(aor)
	if user == "" {
		return "", usageError{fmt.Errorf("%q is not an address like alice@example.org", text)}
	}
	if !slices.Contains(place.Domain, domain) {
		return "", usageError{fmt.Errorf("%s is not a domain of this server (%s); see --domain", domain, strings.Join(place.Domain, ", "))}
	}
	return aor, nil
}

func noSuchUser(aor string, err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("user %s: %w", plainAOR(aor), store.ErrNotFound)
	}
	return err
}

// plainAOR is an address as people write it.
func plainAOR(aor string) string { return strings.TrimPrefix(aor, "sip:") }
