package sipdns

import (
	"sync"
	"time"
)

// longestBackoff bounds how long a target that keeps failing is tried last.
const longestBackoff = 10 * time.Minute

// graveyard remembers targets that failed. Nobody is shunned for ever, or when
// there is nobody else.
type graveyard struct {
	first time.Duration
	max   int

	mu     sync.Mutex
	graves map[Target]grave
}

type grave struct {
	until  time.Time
	failed int
}

func (g *graveyard) bury(t Target) {
	t.Name = ""
	now := time.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.graves == nil {
		g.graves = make(map[Target]grave)
	}
	was := g.graves[t]
	if len(g.graves) >= g.max && was.failed == 0 {
		for k, v := range g.graves {
			if now.After(v.until) {
				delete(g.graves, k)
			}
		}
		if len(g.graves) >= g.max {
			return
		}
	}
	wait := min(g.first<<min(was.failed, 10), longestBackoff)
	g.graves[t] = grave{until: now.Add(wait), failed: was.failed + 1}
}

func (g *graveyard) revive(t Target) {
	t.Name = ""
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.graves, t)
}

// last returns the targets with the dead ones at the end, else in order.
func (g *graveyard) last(targets []Target) []Target {
	now := time.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.graves) == 0 {
		return targets
	}
	alive := make([]Target, 0, len(targets))
	var dead []Target
	for _, t := range targets {
		key := t
		key.Name = ""
		if now.Before(g.graves[key].until) {
			dead = append(dead, t)
		} else {
			alive = append(alive, t)
		}
	}
	return append(alive, dead...)
}
