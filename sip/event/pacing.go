package event

import "time"

// Pacing limits how often one subscription is notified of news. The NOTIFY that
// a SUBSCRIBE triggers, the one that ends waiting for authorization and the final
// one are never held back.
type Pacing int

// The kinds of pacing.
const (
	Off    Pacing = iota // as fast as the watcher answers
	Gentle               // ten at once, then one a second, or five for lists
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
	// One NOTIFY of a list speaks for many resources, and lists collect changes
	// themselves.
	gentleListInterval = 200 * time.Millisecond
)

// limits returns the burst and the interval that p means for a package.
func (p Pacing) limits(terms Terms, kind string) (burst int64, interval time.Duration) {
	switch {
	case p == RFC:
		return 1, terms.Pace
	case p == Off || terms.Pace <= gentleInterval:
		return 1, 0
	case kind == "list":
		return gentleBurst, gentleListInterval
	}
	return gentleBurst, gentleInterval
}

// due returns when the next NOTIFY about news may go: a token bucket kept as the
// time at which it will be full again, and what the watcher asked for.
func (s *Subscription) due() time.Time {
	burst, pace := s.n.cfg.Pacing.limits(s.entry.terms, s.Kind)
	at := time.Unix(0, s.nextSlot-(burst-1)*int64(pace))
	if x := s.special; x != nil && x.max > 0 {
		if slot := x.last.Add(interval(x.max)); slot.After(at) {
			at = slot // RFC 6446 §5.2
		}
	}
	return at
}

// paced counts a NOTIFY sent now. Exempt ones count too, up to one full bucket.
func (s *Subscription) paced(now time.Time) {
	if s.special != nil {
		s.special.counted(now)
	}
	burst, interval := s.n.cfg.Pacing.limits(s.entry.terms, s.Kind)
	if interval == 0 {
		return
	}
	slot := max(s.nextSlot, now.UnixNano()) + int64(interval)
	s.nextSlot = min(slot, now.UnixNano()+burst*int64(interval))
}
