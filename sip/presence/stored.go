package presence

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"rollcall/internal/pidf"
	"rollcall/internal/store"
	"rollcall/internal/xmlscan"
)

// The documents of a user that count as its presence (RFC 4827 §3). The override
// is ours.
const (
	storedAUID   = "pidf-manipulation"
	hardPath     = "index"
	overridePath = "override"
)

// stored is what a user has stored of its presence; nil: nothing.
type stored struct {
	hard     *pidf.Document // while no device publishes
	override *pidf.Document // whatever devices publish
}

// readStored reads the documents. While that fails the last known ones count.
func (p *presentity) readStored() {
	st, err := p.s.readDocuments(p.s.ctx, p.aor)
	if err != nil {
		slog.Warn("stored presence not read", "presentity", p.aor, "error", err)
		p.arm(time.Now().Add(retryAfter))
		return
	}
	p.stored, p.storedRead = st, true
}

func (s *Service) readDocuments(ctx context.Context, aor string) (st stored, err error) {
	if st.hard, err = s.readDocument(ctx, aor, hardPath); err != nil {
		return stored{}, err
	}
	if st.override, err = s.readDocument(ctx, aor, overridePath); err != nil {
		return stored{}, err
	}
	return st, nil
}

// readDocument returns a stored presence document of a user, nil when there is none.
func (s *Service) readDocument(ctx context.Context, aor, path string) (*pidf.Document, error) {
	found, err := s.cfg.Documents.Document(ctx, store.DocumentKey{XUI: aor, AUID: storedAUID, Path: path})
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading presence document %s of %s: %w", path, aor, err)
	}
	doc, err := pidf.Parse(found.Body, xmlscan.DefaultLimits())
	if err != nil {
		slog.Warn("stored presence ignored", "presentity", aor, "document", path, "error", err)
		return nil, nil
	}
	doc.Compact()
	return doc, nil
}
