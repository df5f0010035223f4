package auth

import (
	"sync"
	"time"

	"rollcall/internal/recent"
)

const (
	countShards    = 64
	countsPerShard = 8192 // nonces in use, per generation
	countWindow    = 64   // how far behind the highest nonce count one may be
)

// counts remembers which nonce counts were used (RFC 7616 §3.4: the server keeps
// its own copy of nc to recognise replays). Only requests with a right response
// reach it. When it must forget a nonce that is still good, every nonce of that
// age is refused as stale from then on: memory is bounded and no replay passes.
type counts struct {
	shards [countShards]countShard
}

type countShard struct {
	mu     sync.Mutex
	used   recent.Map[nonceID, countEntry]
	newest struct{ young, old time.Time } // latest issue time per generation
	floor  time.Time                      // unknown nonces issued up to here are stale
}

type countEntry struct {
	highest uint32
	seen    uint64 // bit i: highest-i was used
}

func newCounts() *counts {
	c := &counts{}
	for i := range c.shards {
		s := &c.shards[i]
		s.used = recent.New[nonceID, countEntry](countsPerShard, nonceLifetime)
		s.used.Dropped = func() {
			if s.newest.old.After(s.floor) {
				s.floor = s.newest.old
			}
			s.newest.old, s.newest.young = s.newest.young, time.Time{}
		}
	}
	return c
}

// use marks the count as used and reports whether it was not before. Counts may
// arrive out of order within the window: clients share one nonce over parallel requests.
func (c *counts) use(id nonceID, count uint32, now time.Time) bool {
	s := &c.shards[id[nonceHead-1]%countShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.used.Get(id, now)
	issued := id.issued()
	if !ok && !issued.After(s.floor) {
		return false
	}
	switch {
	case !ok:
		e = countEntry{highest: count, seen: 1}
	case count > e.highest:
		e.seen = e.seen<<(count-e.highest) | 1
		e.highest = count
	case e.highest-count >= countWindow || e.seen&(1<<(e.highest-count)) != 0:
		return false
	default:
		e.seen |= 1 << (e.highest - count)
	}
	s.used.Put(id, e, now)
	if issued.After(s.newest.young) {
		s.newest.young = issued
	}
	return true
}
