package presence

import "context"

// Sphere is where a presentity is, as far as its devices agree about that; empty when
// it is not known (RFC 5025 §3.1.2).
func (s *Service) Sphere(ctx context.Context, presentity string) string {
	p, err := s.known(ctx, presentity)
	if err != nil {
		return ""
	}
	snap, err := p.snapshot(ctx)
	if err != nil {
		return ""
	}
	return snap.doc.Sphere
}
