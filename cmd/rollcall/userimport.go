package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"rollcall/internal/auth"
	"rollcall/internal/config"
	"rollcall/internal/store"
)

// Limits of an import.
const (
	importBatch    = 2000    // accounts per transaction
	maxImportLine  = 4 << 10 // bytes
	maxBadReported = 50
)

type userImportCmd struct {
	config.Place `embed:""`

	File    string `arg:"" help:"File, or - for standard input. Empty lines and lines that begin with # are skipped."`
	Replace bool   `help:"Give accounts that exist the password of the file."`
}

// Run adds the accounts of all good lines and reports the bad ones.
func (c *userImportCmd) Run(ctx context.Context, con console) error {
	in := con.stdin
	if c.File != "-" {
		f, err := os.Open(c.File)
		if err != nil {
			return usageError{err}
		}
		defer f.Close()
		in = f
	}
	return withStore(ctx, &c.Place, func(st store.Store) error {
		imp := &importer{st: st, place: &c.Place, con: con, replace: c.Replace, seen: map[string]int{}}
		if err := imp.read(ctx, in); err != nil {
			return err
		}
		fmt.Fprintf(con.stdout, "%d accounts imported, %d lines refused\n", imp.added, imp.bad)
		if imp.bad > 0 {
			return refusedError{fmt.Errorf("%d lines were refused", imp.bad)}
		}
		return nil
	})
}

// importer collects accounts and writes them in batches.
type importer struct {
	st      store.Store
	place   *config.Place
	con     console
	replace bool

	seen  map[string]int // address to the line it was on
	batch []importLine
	added int
	bad   int
}

type importLine struct {
	number int
	user   store.User
}

func (imp *importer) read(ctx context.Context, in io.Reader) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 0, 4096), maxImportLine)
	number := 0
	for lines.Scan() {
		number++
		text := bytes.TrimSpace(lines.Bytes())
		if number == 1 {
			text = bytes.TrimPrefix(text, []byte("\ufeff"))
		}
		if len(text) == 0 || text[0] == '#' {
			continue
		}
		u, err := imp.parse(string(text))
		if err == nil {
			if first, twice := imp.seen[u.AOR]; twice {
				err = fmt.Errorf("%s is on line %d already", plainAOR(u.AOR), first)
			}
		}
		if err != nil {
			imp.refuse(number, err)
			continue
		}
		imp.seen[u.AOR] = number
		imp.batch = append(imp.batch, importLine{number, u})
		if len(imp.batch) == importBatch {
			if err := imp.write(ctx); err != nil {
				return err
			}
		}
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		imp.refuse(number+1, fmt.Errorf("longer than %d bytes; reading stops here", maxImportLine))
	} else if err := lines.Err(); err != nil {
		return fmt.Errorf("reading line %d: %w", number+1, err)
	}
	return imp.write(ctx)
}

func (imp *importer) parse(line string) (store.User, error) {
	if !utf8.ValidString(line) {
		return store.User{}, errors.New("not UTF-8")
	}
	address, password, ok := strings.Cut(line, ",")
	if !ok {
		return store.User{}, errors.New("no comma between address and password")
	}
	aor, err := userAOR(imp.place, strings.TrimSpace(address))
	if err != nil {
		return store.User{}, err
	}
	return auth.NewUser(aor, strings.TrimSpace(password))
}

// write stores the batch; accounts that are in the way are left out.
func (imp *importer) write(ctx context.Context) error {
	batch := imp.batch
	imp.batch = imp.batch[:0]
	for len(batch) > 0 {
		err := imp.st.AddUsers(ctx, usersOf(batch), imp.replace)
		if err == nil {
			imp.added += len(batch)
			return nil
		}
		if !errors.Is(err, store.ErrExists) {
			return err
		}
		rest, err := imp.withoutExisting(ctx, batch)
		if err != nil {
			return err
		}
		batch = rest
	}
	return nil
}

// withoutExisting reports the accounts of batch that are there and returns the others.
func (imp *importer) withoutExisting(ctx context.Context, batch []importLine) ([]importLine, error) {
	var rest []importLine
	for _, l := range batch {
		switch _, err := imp.st.User(ctx, l.user.AOR); {
		case errors.Is(err, store.ErrNotFound):
			rest = append(rest, l)
		case err != nil:
			return nil, err
		default:
			imp.refuse(l.number, fmt.Errorf("%s exists already (--replace gives it the new password)", plainAOR(l.user.AOR)))
		}
	}
	if len(rest) == len(batch) {
		return nil, fmt.Errorf("accounts come and go while they are imported: %w", store.ErrExists)
	}
	return rest, nil
}

func usersOf(batch []importLine) []store.User {
	users := make([]store.User, len(batch))
	for i, l := range batch {
		users[i] = l.user
	}
	return users
}

func (imp *importer) refuse(line int, err error) {
	imp.bad++
	if imp.bad <= maxBadReported {
		fmt.Fprintf(imp.con.stderr, "line %d: %v\n", line, err)
	} else if imp.bad == maxBadReported+1 {
		fmt.Fprintln(imp.con.stderr, "more bad lines are counted, not shown")
	}
}
