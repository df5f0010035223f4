package presence

import (
	"slices"
	"time"

	"rollcall/internal/pidf"
	"rollcall/internal/shard"
)

// SetBindings is how the registrar tells which devices are registered now.
func (s *Service) SetBindings(aor string, regs []pidf.Registration) {
	regs = slices.Clone(regs)
	s.cfg.Pool.Post(shard.Index(aor), func() {
		p := s.find(aor)
		if p == nil {
			if len(regs) == 0 {
				return
			}
			p = s.obtain(aor)
		}
		if len(regs)+len(p.registrations) > 0 {
			s.sight(aor, RegistrationEnded)
		}
		p.registrations = regs
		p.settle()
	})
}

// SetCalling says whether a presentity is in a confirmed call. It may be called on
// any goroutine.
func (s *Service) SetCalling(aor string, calling bool) {
	s.cfg.Pool.Post(shard.Index(aor), func() {
		p := s.find(aor)
		if p == nil {
			if !calling {
				return
			}
			p = s.obtain(aor)
		}
		if p.calling != calling {
			p.calling = calling
			p.settle()
		}
	})
}

// Ending is how a user went who is not there any more.
type Ending uint8

// Ways to go.
const (
	NeverSeen          Ending = iota // since the server was started
	Left                             // its last publication was removed by its device
	PublicationExpired               // or ended with its connection
	RegistrationEnded
)

// sighting is when something was last heard of a user.
type sighting struct {
	at  time.Time
	how Ending
}

// sight notes that a user was there just now, and how it went if that was all.
func (s *Service) sight(aor string, how Ending) {
	s.sightings.Store(aor, &sighting{time.Now(), how})
}

// lastSeen tells when something was last heard of a user.
func (s *Service) lastSeen(aor string) (time.Time, Ending) {
	if v, ok := s.sightings.Load(aor); ok {
		return v.(*sighting).at, v.(*sighting).how
	}
	return time.Time{}, NeverSeen
}
