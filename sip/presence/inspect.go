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
	Override     bool              // there is one that overrides devices
	Calling      bool              // there is a confirmed call
	Composed     *pidf.Composed    // with its origins
	Seen         time.Time         // when something was last heard of it, zero: not since the start
	Ending       Ending            // how it went, if it is gone
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
	if in.Composed == nil {
		st, err := s.readDocuments(ctx, presentity)
		if err != nil {
			return Inspection{}, err
		}
		in.Hard, in.Override = st.hard != nil, st.override != nil
		c := s.composition(presentity, st)
		c.Trace = true
		in.Composed = pidf.Compose(c)
	}
	in.Seen, in.Ending = s.lastSeen(presentity)
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
	if p.storedRead {
		c := p.composition()
		c.Trace = true
		if p.lead.holds(c.Now) {
			c.Lead = p.lead.lineage
		}
		in.Composed = pidf.Compose(c)
		in.Hard, in.Override = p.stored.hard != nil, p.stored.override != nil
	}
	in.Calling = p.calling
	for id, w := range p.watches {
		if w.Watcher == watcher {
			in.Watches = append(in.Watches, id)
		}
	}
	return in
}
