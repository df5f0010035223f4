package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"
)

// maxShown bounds the lines of a report on the terminal.
const maxShown = 50

// progressEvery is how often a takeover says how far it is.
const progressEvery = 2 * time.Second

// tally counts what became of accounts or of documents.
type tally struct{ written, same, kept, refused int }

// takeoverReport tells what became of everything that was read. It is safe for
// concurrent use.
type takeoverReport struct {
	con  console
	file *os.File
	out  *bufio.Writer

	mu                  sync.Mutex
	accounts, documents tally
	shown               int
	said                time.Time
}

func newTakeoverReport(con console, name string) (*takeoverReport, error) {
	r := &takeoverReport{con: con, said: time.Now()}
	if name == "" {
		return r, nil
	}
	var err error
	if r.file, err = createReport(name); err == nil {
		r.out = bufio.NewWriter(r.file)
	}
	return r, err
}

func (r *takeoverReport) close() error {
	if r.file == nil {
		return nil
	}
	return errors.Join(r.out.Flush(), r.file.Close())
}

// entry is what a line of the report is about; AUID and path are empty for an account.
type entry struct{ user, auid, path string }

// count adds to a counter of the report.
func (r *takeoverReport) count(counter *int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	*counter++
	r.progress()
}

func (r *takeoverReport) progress() {
	if time.Since(r.said) < progressEvery {
		return
	}
	r.said = time.Now()
	fmt.Fprintf(r.con.stderr, "... %d accounts, %d documents\n", r.accounts.total(), r.documents.total())
}

func (t tally) total() int { return t.written + t.same + t.kept + t.refused }

// refuse and keep count an entry and give the reason, note only does the latter.
func (r *takeoverReport) refuse(e entry, reason string) {
	r.count(&r.of(e).refused)
	r.note("refused", e, reason)
}

func (r *takeoverReport) keep(e entry, reason string) {
	r.count(&r.of(e).kept)
	r.note("kept", e, reason)
}

func (r *takeoverReport) of(e entry) *tally {
	if e.auid == "" && e.path == "" {
		return &r.accounts
	}
	return &r.documents
}

func (r *takeoverReport) note(what string, e entry, reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	fields := []string{what, e.user, e.auid, e.path, reason}
	for i, f := range fields {
		if fields[i] = oneLine(f); f == "" {
			fields[i] = "-"
		}
	}
	if r.out != nil {
		fmt.Fprintln(r.out, strings.Join(fields, "\t"))
	}
	r.shown++
	switch {
	case r.shown <= maxShown:
		fmt.Fprintln(r.con.stderr, strings.Join(fields, "  "))
	case r.shown == maxShown+1:
		fmt.Fprintln(r.con.stderr, "more are not shown here; see --report")
	}
}

// summary prints the counters.
func (r *takeoverReport) summary(dry bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	would := ""
	if dry {
		would = "would be "
	}
	for _, line := range []struct {
		name string
		tally
	}{{"accounts", r.accounts}, {"documents", r.documents}} {
		fmt.Fprintf(r.con.stdout, "%s: %d %swritten, %d there already, %d kept as they are here, %d refused\n",
			line.name, line.written, would, line.same, line.kept, line.refused)
	}
	if dry {
		fmt.Fprintln(r.con.stdout, "nothing was changed (--dry-run)")
	}
}
