package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"rollcall/internal/store"
	"rollcall/internal/store/groupcommit"
	"rollcall/internal/store/row"
)

// writer is the one connection that writes. Only the engine's goroutine uses it.
type writer struct {
	conn *sql.Conn

	begin, commit, rollback  *sql.Stmt
	savepoint, release, undo *sql.Stmt

	publications  tableWriter[store.Publication, store.PublicationKey]
	bindings      tableWriter[store.Binding, store.BindingKey]
	subscriptions tableWriter[store.Subscription, string]
	watchers      tableWriter[store.Watcher, store.WatcherKey]
	messages      tableWriter[store.Message, store.MessageKey]

	users     userStatements
	documents documentStatements
	history   historyStatements

	prepared []*sql.Stmt
}

func newWriter(ctx context.Context, db *sql.DB, history int) (*writer, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	w := &writer{conn: conn}
	if err := w.prepareAll(ctx, history); err != nil {
		return nil, errors.Join(err, w.close())
	}
	return w, nil
}

func (w *writer) prepareAll(ctx context.Context, history int) error {
	p := preparer{ctx: ctx, prepare: w.conn.PrepareContext}
	w.begin, w.commit, w.rollback = p.stmt(`BEGIN IMMEDIATE`), p.stmt(`COMMIT`), p.stmt(`ROLLBACK`)
	w.savepoint, w.release, w.undo = p.stmt(`SAVEPOINT task`), p.stmt(`RELEASE task`), p.stmt(`ROLLBACK TO task`)
	w.publications = newTableWriter(&p, row.Publications())
	w.bindings = newTableWriter(&p, row.Bindings())
	w.subscriptions = newTableWriter(&p, row.Subscriptions())
	w.watchers = newTableWriter(&p, row.Watchers())
	w.messages = newTableWriter(&p, row.Messages())
	w.users.prepare(&p)
	w.documents.prepare(&p)
	w.history.prepare(&p, history)
	w.prepared = p.done
	return p.err
}

func (w *writer) close() error {
	for _, s := range w.prepared {
		_ = s.Close()
	}
	return w.conn.Close()
}

// preparer prepares statements until one fails.
type preparer struct {
	ctx     context.Context
	prepare func(context.Context, string) (*sql.Stmt, error)
	done    []*sql.Stmt
	err     error
}

func (p *preparer) stmt(query string) *sql.Stmt {
	if p.err != nil {
		return nil
	}
	s, err := p.prepare(p.ctx, query)
	if err != nil {
		p.err = fmt.Errorf("prepare %q: %w", query, err)
		return nil
	}
	p.done = append(p.done, s)
	return s
}

// write implements groupcommit.Write. The context's end is ignored: a statement
// on a local file has the busy timeout, and must not be torn apart.
func (w *writer) write(ctx context.Context, b *store.Batch, tasks []groupcommit.Task) ([]error, error) {
	ctx = context.WithoutCancel(ctx)
	failed, err := w.transaction(ctx, b, tasks)
	if err != nil {
		// Some errors end the transaction by themselves; then there is nothing to roll back.
		_, _ = w.rollback.ExecContext(ctx)
		return nil, fail("commit", err)
	}
	return failed, nil
}

func (w *writer) transaction(ctx context.Context, b *store.Batch, tasks []groupcommit.Task) ([]error, error) {
	if _, err := w.begin.ExecContext(ctx); err != nil {
		return nil, err
	}
	if err := w.writeBatch(ctx, b); err != nil {
		return nil, err
	}
	failed := make([]error, 0, len(tasks))
	for _, task := range tasks {
		taskErr, err := w.isolated(ctx, task)
		if err != nil {
			return nil, err
		}
		failed = append(failed, taskErr)
	}
	_, err := w.commit.ExecContext(ctx)
	return failed, err
}

func (w *writer) writeBatch(ctx context.Context, b *store.Batch) error {
	if err := w.publications.write(ctx, b.Publications, b.DropPublications); err != nil {
		return err
	}
	if err := w.bindings.write(ctx, b.Bindings, b.DropBindings); err != nil {
		return err
	}
	if err := w.subscriptions.write(ctx, b.Subscriptions, b.DropSubscriptions); err != nil {
		return err
	}
	if err := w.watchers.write(ctx, b.Watchers, b.DropWatchers); err != nil {
		return err
	}
	return w.messages.write(ctx, b.Messages, b.DropMessages)
}

// isolated runs a task so that, when it fails, only its changes are undone.
func (w *writer) isolated(ctx context.Context, task groupcommit.Task) (taskErr, err error) {
	if _, err := w.savepoint.ExecContext(ctx); err != nil {
		return nil, err
	}
	if taskErr = task(ctx); taskErr != nil {
		if unavailable(taskErr) {
			return nil, taskErr
		}
		if _, err := w.undo.ExecContext(ctx); err != nil {
			return nil, err
		}
	}
	_, err = w.release.ExecContext(ctx)
	return taskErr, err
}
