package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"

	"rollcall/internal/config"
	"rollcall/internal/sipuri"
	"rollcall/internal/store"
	"rollcall/internal/takeover"
)

// documentWorkers is how many documents are written at the same time, so that
// they share commits.
const documentWorkers = 16

// takeoverRun writes what another server has.
type takeoverRun struct {
	place   config.Place
	st      store.Store
	writer  *documentWriter
	report  *takeoverReport
	replace bool
	rename  map[string]string

	users []store.User // to be written next
	seen  map[string]bool
	docs  map[store.DocumentKey]bool

	changedUsers     []string
	mu               sync.Mutex
	changedDocuments []noticeDocument
}

func newTakeoverRun(c *takeoverFlags, st store.Store, report *takeoverReport) *takeoverRun {
	return &takeoverRun{
		place: c.Place, st: st, writer: newDocumentWriter(st, &c.Place, &c.Tree, &c.Quota), report: report,
		replace: c.Replace, rename: c.Rename, seen: map[string]bool{}, docs: map[store.DocumentKey]bool{},
	}
}

// all takes over the accounts, then the documents, which need them.
func (t *takeoverRun) all(ctx context.Context, source *takeover.Source) error {
	accounts, err := source.Accounts(ctx, func(a takeover.Account) error { return t.account(ctx, &a) })
	if err == nil {
		err = t.writeUsers(ctx)
	}
	if err != nil {
		return fmt.Errorf("accounts: %w", err)
	}
	documents, err := t.documents(ctx, source)
	if err != nil {
		return fmt.Errorf("documents: %w", err)
	}
	if !accounts && !documents {
		return refusedError{errors.New("there is neither a table subscriber nor a table xcap")}
	}
	return nil
}

// address is the canonical AOR of a user of the other server. A row without
// domain is from a server that has only one.
func (t *takeoverRun) address(user, domain string) (string, error) {
	if domain == "" {
		domain = t.place.Domain[0]
	}
	aor, err := sipuri.AOR("sip:" + url.PathEscape(user) + "@" + domain)
	if err != nil || user == "" {
		return "", errors.New("not an address of a user")
	}
	if _, domain := sipuri.Split(aor); !slices.Contains(t.place.Domain, domain) {
		return "", fmt.Errorf("%s is not a domain of this server (%s); see --domain", domain, strings.Join(t.place.Domain, ", "))
	}
	return aor, nil
}

func (t *takeoverRun) account(ctx context.Context, a *takeover.Account) error {
	e := entry{user: a.User + "@" + a.Domain}
	if a.Problem != "" {
		t.report.refuse(e, a.Problem)
		return nil
	}
	aor, err := t.address(a.User, a.Domain)
	if err == nil && t.seen[aor] {
		err = errors.New("occurs twice")
	}
	var u store.User
	var note string
	if err == nil {
		u, note, err = a.Credentials(aor)
	}
	if err != nil {
		t.report.refuse(e, err.Error())
		return nil
	}
	t.seen[aor] = true
	old, err := t.st.User(ctx, aor)
	switch {
	case errors.Is(err, store.ErrNotFound):
	case err != nil:
		return err
	case sameCredentials(&old, &u):
		t.report.count(&t.report.accounts.same)
		return nil
	case !t.replace:
		t.report.keep(e, "has another password here")
		return nil
	}
	if note != "" {
		t.report.note("note", e, note)
	}
	if t.users = append(t.users, u); len(t.users) == importBatch {
		return t.writeUsers(ctx)
	}
	return nil
}

// sameCredentials compares what the imported account has.
func sameCredentials(old, u *store.User) bool {
	return (u.HA1MD5 == "" || u.HA1MD5 == old.HA1MD5) && (u.HA1SHA256 == "" || u.HA1SHA256 == old.HA1SHA256)
}

// writeUsers writes a batch. An account that someone else adds at this very
// moment ends the run with store.ErrExists; the next one finds it there.
func (t *takeoverRun) writeUsers(ctx context.Context) error {
	batch := t.users
	t.users = nil
	if len(batch) == 0 {
		return nil
	}
	if err := t.st.AddUsers(ctx, batch, t.replace); err != nil {
		return err
	}
	for _, u := range batch {
		t.changedUsers = append(t.changedUsers, u.AOR)
		t.report.count(&t.report.accounts.written)
	}
	return nil
}

// documents writes them by several workers; the first error ends all.
func (t *takeoverRun) documents(ctx context.Context, source *takeover.Source) (found bool, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	queue := make(chan job)
	var wg sync.WaitGroup
	for range documentWorkers {
		wg.Go(func() {
			for j := range queue {
				if err := t.document(ctx, j); err != nil {
					cancel(err)
				}
			}
		})
	}
	found, err = source.Documents(ctx, func(d takeover.Document) error {
		j, ok := t.plan(d)
		if !ok {
			return nil
		}
		select {
		case queue <- j:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	close(queue)
	wg.Wait()
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	return found, err
}

// job is a document to be written.
type job struct {
	entry
	key  store.DocumentKey
	body []byte
}

// plan names the document; not ok when it is refused.
func (t *takeoverRun) plan(d takeover.Document) (job, bool) {
	if name, ok := t.rename[d.Path]; ok {
		d.Path = name
	}
	j := job{entry: entry{user: d.User + "@" + d.Domain, auid: d.AUID, path: d.Path}, body: d.Body}
	aor, err := t.address(d.User, d.Domain)
	j.key = store.DocumentKey{XUI: aor, AUID: d.AUID, Path: d.Path}
	switch {
	case d.Problem != "":
		t.report.refuse(j.entry, d.Problem)
	case err != nil:
		t.report.refuse(j.entry, err.Error())
	case t.docs[j.key]:
		t.report.refuse(j.entry, "occurs twice")
	default:
		t.docs[j.key] = true
		return j, true
	}
	return j, false
}

// document writes one. What is there already is left alone, so that a second
// run changes nothing.
func (t *takeoverRun) document(ctx context.Context, j job) error {
	if _, err := t.st.User(ctx, j.key.XUI); errors.Is(err, store.ErrNotFound) {
		t.report.refuse(j.entry, "there is no such account")
		return nil
	} else if err != nil {
		return err
	}
	old, err := t.st.Document(ctx, j.key)
	switch {
	case errors.Is(err, store.ErrNotFound):
	case err != nil:
		return err
	case bytes.Equal(old.Body, j.body):
		t.report.count(&t.report.documents.same)
		return nil
	case !t.replace:
		t.report.keep(j.entry, "is another document here")
		return nil
	}
	done, err := t.writer.write(ctx, j.key, j.body, operator("import"))
	if reason, ok := refusal(err); ok {
		t.report.refuse(j.entry, reason)
		return nil
	}
	if err != nil {
		return err
	}
	t.mu.Lock()
	t.changedDocuments = append(t.changedDocuments, done.notice())
	t.mu.Unlock()
	t.report.count(&t.report.documents.written)
	return nil
}

// refusal tells an error of one document from those that end everything.
func refusal(err error) (reason string, ok bool) {
	var refused refusedError
	var claimed *store.ClaimedError
	switch {
	case errors.As(err, &refused):
		return refused.Error(), true
	case errors.As(err, &claimed):
		return claimed.Error() + " by " + docText(claimed.By), true
	case errors.Is(err, store.ErrETagMismatch):
		return "was changed here at the same time", true
	}
	return "", false
}
