package presence

import (
	"context"
	"time"

	"rollcall/internal/pidf"
	"rollcall/internal/shard"
	"rollcall/internal/store"
)

// Inspection is what is known of a presentity at one time, for explanations.
type Inspection struct {
	Publications []PublicationInfo // in order of their lineage
	Hard         bool              // there is a hard-state document
	Composed     *pidf.Composed
	// Watches are the IDs by which lists watch it for the watcher asked about.
	Watches []string
}

// PublicationInfo is a publication as it stands.
type PublicationInfo struct {
	store.Publication
	UserAgent string    // of the newest PUBLISH since the start, "" when not known
	Ends      time.Time // before Expires when its connection is gone
	Doc       *pidf.Document
}

// Inspect returns what is known of a presentity. It changes nothing, and waits for
// the shard until ctx ends.
func (s *Service) Inspect(ctx context.Context, presentity, watcher string) (Inspection, error) {
	done := make(chan Inspection, 1)
	s.cfg.Pool.Post(shard.Index(presentity), func() {
		if ctx.Err() == nil {
			done <- s.inspect(presentity, watcher)
		}
	})
	var in Inspection
	select {
	case in = <-done:
	case <-ctx.Done():
		return Inspection{}, ctx.Err()
	}
	hard, err := s.hardState(ctx, presentity)
	if err != nil {
		return Inspection{}, err
	}
	in.Hard = hard != nil
	if in.Composed == nil {
		in.Composed = pidf.Compose(pidf.Composition{AOR: presentity, Hard: hard, Now: time.Now()})
	}
	return in, nil
}

// inspect runs on the shard of the presentity.
func (s *Service) inspect(presentity, watcher string) (in Inspection) {
	p := s.find(presentity)
	if p == nil {
		return in
	}
	for _, pub := range p.publications {
		in.Publications = append(in.Publications, PublicationInfo{
			Publication: pub.Publication, UserAgent: pub.UserAgent(), Ends: pub.Ends(), Doc: pub.Doc,
		})
	}
	if snap := p.current.Load(); snap != nil {
		in.Composed = snap.doc
	}
	for id, w := range p.watches {
		if w.Watcher == watcher {
			in.Watches = append(in.Watches, id)
		}
	}
	return in
}
