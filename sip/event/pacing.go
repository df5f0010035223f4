package event

import "time"

// Pacing limits how often one subscription is notified of news. The NOTIFY that
// a SUBSCRIBE triggers, the one that ends waiting for authorization and the final
// one are never held back.
type Pacing int

// The kinds of pacing.
const (
	Off    Pacing = iota // as fast as the watcher answers
	Gentle               // ten at once, then one a second
	RFC                  // what the event package says, mostly one in 5 s
)

// String returns the name used in configuration.
func (p Pacing) String() string {
	switch p {
	case Gentle:
		return "gentle"
	case RFC:
		return "rfc"
	}
	return "off"
}

const (
	gentleBurst    = 10
	gentleInterval = time.Second
)

// limits returns the burst and the interval that p means for a package.
func (p Pacing) limits(terms Terms) (burst int64, interval time.Duration) {
	switch p {
	case Gentle:
		return gentleBurst, gentleInterval
	case RFC:
		return 1, terms.Pace
	}
	return 1, 0
}

// due returns when the next NOTIFY about news may go: a token bucket kept as the
// time at which it will be full again.
func (s *Subscription) due() time.Time {
	burst, interval := s.n.cfg.Pacing.limits(s.entry.terms)
	return time.Unix(0, s.nextSlot-(burst-1)*int64(interval))
}

// paced counts a NOTIFY sent now. Exempt ones count too, up to one full bucket.
func (s *Subscription) paced(now time.Time) {
	burst, interval := s.n.cfg.Pacing.limits(s.entry.terms)
	if interval == 0 {
		return
	}
	slot := max(s.nextSlot, now.UnixNano()) + int64(interval)
	s.nextSlot = min(slot, now.UnixNano()+burst*int64(interval))
}
