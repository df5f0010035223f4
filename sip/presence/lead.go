package presence

import (
	"slices"
	"time"

	"rollcall/internal/pidf"
)

// freeChanges are how often in one window another device may come to speak for the
// person at once. Who changes state on one device and then on another is not held
// up; two devices that contradict each other all the time are.
const freeChanges = 3

// lead is the publication that speaks for the person when several devices do, and
// since when that has changed how often.
type lead struct {
	lineage string
	changes []time.Time // within the window, the oldest first
	until   time.Time   // when the next change is due that was put off
}

// keeps reports whether the lead stays where it is although next would have it.
// A lead that has gone away, or is the only one left, is followed at once.
func (l *lead) keeps(next string, c *pidf.Composition, window time.Duration) bool {
	there := slices.ContainsFunc(c.Soft, func(in pidf.Input) bool { return in.Lineage == l.lineage })
	switch {
	case next == l.lineage:
		return false
	case next == "" || l.lineage == "" || !there || window <= 0:
		l.lineage = next
		return false
	}
	l.changes = slices.DeleteFunc(l.changes, func(at time.Time) bool { return !at.Add(window).After(c.Now) })
	if len(l.changes) >= freeChanges {
		l.until = l.changes[0].Add(window)
		return true
	}
	l.lineage, l.changes = next, append(l.changes, c.Now)
	return false
}

// holds reports whether a change was put off.
func (l *lead) holds(now time.Time) bool { return l.until.After(now) }

// personsSince tells since when publications say of persons what they say, of
// those that have said it again since. before and after are the publications
// around a PUBLISH.
func personsSince(since map[string]time.Time, before, after []*publication) map[string]time.Time {
	var out map[string]time.Time
	for _, pub := range after {
		at := since[pub.Lineage]
		i := slices.IndexFunc(before, func(old *publication) bool { return old.Lineage == pub.Lineage })
		if i >= 0 && before[i].Doc != pub.Doc {
			if !pidf.SamePersons(before[i].Doc, pub.Doc) {
				continue
			}
			if at.IsZero() {
				at = before[i].Published
			}
		}
		if at.IsZero() {
			continue
		}
		if out == nil {
			out = make(map[string]time.Time)
		}
		out[pub.Lineage] = at
	}
	return out
}
