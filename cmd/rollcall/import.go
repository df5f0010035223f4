package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"rollcall/internal/config"
	"rollcall/internal/store"
	"rollcall/internal/takeover"
)

type importCmd struct {
	OpenXCAP importOpenXCAPCmd `cmd:"" name:"openxcap" help:"Take over accounts and documents of OpenXCAP: a SQLite file, or a dump of the MySQL or MariaDB database."`
	Kamailio importKamailioCmd `cmd:"" help:"Take over accounts and documents of Kamailio: a PostgreSQL database, or a dump of PostgreSQL, MySQL or MariaDB."`
}

type importOpenXCAPCmd struct {
	takeoverFlags `embed:""`
}

// Run takes over from OpenXCAP.
func (c *importOpenXCAPCmd) Run(ctx context.Context, con console) error {
	return c.run(ctx, con, takeover.OpenXCAP)
}

type importKamailioCmd struct {
	takeoverFlags `embed:""`
}

// Run takes over from Kamailio.
func (c *importKamailioCmd) Run(ctx context.Context, con console) error {
	return c.run(ctx, con, takeover.Kamailio)
}

// takeoverFlags are those of both commands.
type takeoverFlags struct {
	config.Place `embed:""`
	config.Tree  `embed:""`
	config.Quota `embed:""`

	DB      string            `name:"db" required:"" placeholder:"URL|FILE" help:"postgres://USER:PASSWORD@HOST/NAME, a SQLite file, or a file of SQL, which may be gzipped. MySQL and MariaDB are not read over the network: make a dump with mysqldump first."`
	DryRun  bool              `help:"Check everything and report, but change nothing."`
	Replace bool              `help:"Give accounts and documents that are there and differ what the other server has. Otherwise they are kept."`
	Rename  map[string]string `placeholder:"OLD=NEW" help:"Store documents of the name OLD under NEW, e.g. index.xml=index."`
	Report  string            `type:"path" placeholder:"FILE" help:"Write what was refused or kept to this file, one to a line, tab-separated."`
}

func (c *takeoverFlags) run(ctx context.Context, con console, server takeover.Server) (err error) {
	if err := cmp.Or(c.Tree.Normalize(), c.Quota.Normalize()); err != nil {
		return usageError{err}
	}
	source, err := takeover.Open(ctx, server, c.DB)
	if err != nil {
		return usageError{fmt.Errorf("--db: %w", err)}
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	report, err := newTakeoverReport(con, c.Report)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, report.close()) }()
	return withStore(ctx, &c.Place, func(st store.Store) error {
		if c.DryRun {
			st = newPlannedStore(st)
		}
		t := newTakeoverRun(c, st, report)
		if err := t.all(ctx, source); err != nil {
			report.summary(c.DryRun)
			return err
		}
		if !c.DryRun {
			t.tell(ctx, con)
		}
		report.summary(c.DryRun)
		if n := report.accounts.refused + report.documents.refused; n > 0 {
			return refusedError{fmt.Errorf("%d accounts or documents were refused", n)}
		}
		return nil
	})
}

// maxNotices bounds the entries of one notice to the server.
const maxNotices = 2000

// tell lets a running server know of everything that changed.
func (t *takeoverRun) tell(ctx context.Context, con console) {
	users, docs := t.changedUsers, t.changedDocuments
	for len(users)+len(docs) > 0 {
		var n notice
		k := min(len(users), maxNotices)
		n.Users, users = users[:k], users[k:]
		k = min(len(docs), maxNotices-len(n.Users))
		n.Documents, docs = docs[:k], docs[k:]
		if len(users)+len(docs) == 0 {
			announce(ctx, con, t.place, n) // says what came of it
		} else if err := post(ctx, t.place, n); err != nil {
			announce(ctx, con, t.place, n)
			return
		}
	}
}

// createReport makes the file of a report.
func createReport(name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, usageError{fmt.Errorf("--report: %w", err)}
	}
	return f, nil
}

// oneLine is text for a line of a report.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, text)
}
