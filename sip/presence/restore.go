package presence

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"rollcall/internal/pidf"
	"rollcall/internal/shard"
	"rollcall/internal/store"
	"rollcall/internal/xmlscan"
)

// recovered is what the store has for one shard.
type recovered struct {
	publications []store.Publication
	watchers     []store.Watcher
}

// Restore takes over the state of an earlier run, before traffic begins.
func (s *Service) Restore(ctx context.Context) error {
	var rows [shard.Count]recovered
	now := time.Now()
	err := s.cfg.Store.LoadPublications(ctx, now, func(p store.Publication) error {
		if p.Event == Event {
			r := &rows[shard.Index(p.AOR)]
			r.publications = append(r.publications, p)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("loading publications: %w", err)
	}
	err = s.cfg.Store.LoadWatchers(ctx, now, func(w store.Watcher) error {
		if w.Event == Event {
			r := &rows[shard.Index(w.Presentity)]
			r.watchers = append(r.watchers, w)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("loading watchers: %w", err)
	}
	done := make(chan struct{}, shard.Count)
	for i := range rows {
		s.cfg.Pool.Post(i, func() {
			s.resume(rows[i], now)
			done <- struct{}{}
		})
	}
	for range rows {
		select {
		case <-done:
		case <-ctx.Done():
			return fmt.Errorf("restoring presence: %w", ctx.Err())
		}
	}
	return nil
}

// resume puts the rows of one shard back into memory.
func (s *Service) resume(r recovered, now time.Time) {
	touched := make(map[*presentity]bool)
	for _, row := range r.publications {
		doc, err := pidf.Parse(row.Body, xmlscan.DefaultLimits())
		if err != nil {
			slog.Error("stored publication dropped", "presentity", row.AOR, "error", err)
			s.cfg.Store.Defer(store.Batch{DropPublications: []store.PublicationKey{row.Key()}})
			continue
		}
		doc.Compact()
		p := s.obtain(row.AOR)
		p.publications = append(p.publications, &publication{Publication: row, Doc: doc})
		s.cfg.Metrics.Publications.Inc()
		touched[p] = true
	}
	for _, row := range r.watchers {
		p := s.obtain(row.Presentity)
		var b store.Batch
		p.watchers.Restore(row, now, &b)
		p.commitLater(b)
		touched[p] = true
	}
	for p := range touched {
		p.publications.Sort()
		p.publications.FlowsLost(time.Now().Add(2 * s.cfg.FlowGrace))
		p.known.Store(true)
		p.settle()
	}
}
