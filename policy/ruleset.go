package policy

import (
	"slices"
	"sync"
	"time"

	"rollcall/internal/store"
)

// ruleset is all rules of one presentity, compiled. It does not change, but for
// the memory of transformations made.
type ruleset struct {
	documents int
	rules     []rule
	deps      []store.DocumentKey
	bounds    []time.Time // where validity conditions change, ascending
	refers    bool        // some rule has an other-identity condition
	damaged   bool        // a rule document could not be read
	blind     bool        // a list could not be read
	provide   Provide     // for IETF documents
	cost      int

	mu    sync.RWMutex
	views map[string]*Transformation // by the set of rules they unite
}

// maxViews bounds the transformations remembered per presentity.
const maxViews = 64

// decide evaluates the rules; why, if not nil, is told of each.
func (s *ruleset) decide(f facts, why *[]Reason) Decision {
	d := Decision{Until: s.until(f.now)}
	if s.documents == 0 {
		d.Handling, d.NoPolicy = Confirm, true
		return d
	}
	f.listed = s.refers && s.listed(f)

	// 512 rules fit without an allocation.
	var space [64]byte
	matched := bitset(space[:]).sized(len(s.rules))
	best := kindNone
	for i := range s.rules {
		r := &s.rules[i]
		if !r.match(f) {
			continue
		}
		matched.set(i)
		if r.ranked {
			best = min(best, r.kind)
		}
	}
	for i := range s.rules {
		r := &s.rules[i]
		if why != nil {
			*why = append(*why, r.reason(f, matched.has(i), best))
		}
		if !matched.has(i) {
			continue
		}
		if r.ranked && r.kind != best {
			matched.clear(i)
			continue
		}
		d.Handling, d.Ruled = max(d.Handling, s.handling(r)), true
	}
	if d.Handling == Allow {
		d.Transform = s.transformation(matched)
	}
	return d
}

func (r *rule) match(f facts) bool {
	for _, c := range r.conditions {
		if !c.match(f) {
			return false
		}
	}
	return true
}

// handling is what r grants, less what must not be granted as long as not all
// that was written can be read.
func (s *ruleset) handling(r *rule) Handling {
	if r.handling == Allow && (s.damaged || s.blind && r.kind == kindOther) {
		return Confirm
	}
	return r.handling
}

// listed reports whether any rule refers to the watcher by identity or external
// list, true or not in its other conditions.
func (s *ruleset) listed(f facts) bool {
	for i := range s.rules {
		if s.rules[i].off {
			continue
		}
		for _, c := range s.rules[i].conditions {
			if k := c.kind(); (k == kindIdentity || k == kindExternalList) && c.match(f) {
				return true
			}
		}
	}
	return false
}

// until returns the next instant at which a validity condition changes.
func (s *ruleset) until(now time.Time) time.Time {
	i, _ := slices.BinarySearchFunc(s.bounds, now, func(b, now time.Time) int {
		if b.After(now) {
			return 1
		}
		return -1
	})
	if i == len(s.bounds) {
		return time.Time{}
	}
	return s.bounds[i]
}

// transformation unites what the given rules provide.
func (s *ruleset) transformation(rules bitset) *Transformation {
	s.mu.RLock()
	t := s.views[string(rules)]
	s.mu.RUnlock()
	if t != nil {
		return t
	}
	t = newTransformation(s.provided(rules))
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.views == nil {
		s.views = make(map[string]*Transformation)
	}
	if len(s.views) >= maxViews {
		clear(s.views)
	}
	s.views[string(rules)] = t
	return t
}

// provided unites the transformations. Only if no rule that allows has any, the
// default for rules without transformations applies.
func (s *ruleset) provided(rules bitset) *grant {
	g, said, all := new(grant), false, false
	for i := range s.rules {
		if !rules.has(i) {
			continue
		}
		r := &s.rules[i]
		if r.grant != nil {
			g.add(r.grant)
		}
		if r.handling == Allow {
			said = said || r.grant != nil
			all = all || r.oma || s.provide == ProvideAll
		}
	}
	if all && !said {
		return provideAll()
	}
	return g
}

// reason explains how r fared.
func (r *rule) reason(f facts, matched bool, best kind) Reason {
	reason := Reason{
		Document: r.document,
		Rule:     r.id,
		Matched:  matched,
		Counted:  matched && (!r.ranked || r.kind == best),
		Handling: r.handling,
	}
	switch {
	case matched && !reason.Counted:
		reason.Why = "a rule of higher precedence applies"
	case matched && len(r.conditions) == 0:
		reason.Why = "applies to everyone"
	case matched:
		reason.Why = "all conditions are true"
	default:
		for _, c := range r.conditions {
			if !c.match(f) {
				reason.Why = "false: " + c.String()
				break
			}
		}
	}
	return reason
}

type bitset []byte

func (b bitset) sized(n int) bitset {
	if n = (n + 7) / 8; n > len(b) {
		return make(bitset, n)
	}
	return b[:n]
}

func (b bitset) has(i int) bool { return b[i/8]&(1<<(i%8)) != 0 }
func (b bitset) set(i int)      { b[i/8] |= 1 << (i % 8) }
func (b bitset) clear(i int)    { b[i/8] &^= 1 << (i % 8) }
