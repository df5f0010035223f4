package pidf

import (
	"slices"
	"strings"
	"time"

	"rollcall/internal/xmlscan"
)

// How much activities restrict whoever wants to reach the person.
const (
	available int8 = iota
	occupied       // something is going on
	away
	engaged // not to be disturbed
)

// restrictions are those of the activities of RFC 4480 §3.2 that restrict.
var restrictions = map[string]int8{
	"busy": engaged, "meeting": engaged, "on-the-phone": engaged, "presentation": engaged, "performance": engaged,
	"worship": engaged, "steering": engaged, "sleeping": engaged, "appointment": engaged,
	"away": away, "vacation": away, "holiday": away, "permanent-absence": away, "travel": away, "in-transit": away,
	"meal": away, "breakfast": away, "dinner": away, "shopping": away, "spectator": away, "tv": away,
	"working": occupied, "playing": occupied, "looking-for-work": occupied,
}

// words are those that clients write into the activity other, and what they mean.
var words = map[string]string{
	"busy": "busy", "dnd": "busy", "do not disturb": "busy", "do-not-disturb": "busy",
	"away": "away", "extended-away": "away", "idle": "away", "offline": "away", "be right back": "away",
}

// restriction is that of the most restrictive activity.
func restriction(d *xmlscan.Doc, activities int) (r int8) {
	for i := range d.Children(activities) {
		e := &d.Elements[i]
		switch {
		case e.Space != RPID:
		case e.Local == "other":
			r = max(r, restrictions[words[strings.ToLower(trimmed(d, i))]])
		default:
			r = max(r, restrictions[e.Local])
		}
	}
	return r
}

// precedence orders the persons of one group: what the first has counts.
func (c *composing) precedence(group []*part) {
	slices.Reverse(group) // of equally new ones the later published first
	slices.SortStableFunc(group, func(a, b *part) int {
		if c.Lead != "" && (a.lineage == c.Lead) != (b.lineage == c.Lead) {
			if a.lineage == c.Lead {
				return -1
			}
			return 1
		}
		if c.Conflict == Restrictive && a.rank != b.rank {
			return int(b.rank) - int(a.rank)
		}
		return b.when.Compare(a.when)
	})
}

// newness is the component's timestamp, unless the publisher's clock is ahead. A
// person is as old as what is said of it, however often that is published.
func newness(in *Input, p *piece) time.Time {
	stamp := p.stamp
	if stamp.IsZero() || !in.Published.IsZero() && !stamp.Before(in.Published) {
		stamp = in.Published
	}
	if p.Kind == Person && !in.PersonsSince.IsZero() && in.PersonsSince.Before(stamp) {
		stamp = in.PersonsSince
	}
	return stamp
}

// SamePersons reports whether two documents say the same of persons, whenever they
// say it.
func SamePersons(a, b *Document) bool {
	x, y := a.sayings(), b.sayings()
	return len(x) > 0 && slices.Equal(x, y)
}

// sayings are the children of persons other than timestamps.
func (doc *Document) sayings() (all []string) {
	for i := range doc.pieces {
		p := &doc.pieces[i]
		if p.Kind != Person {
			continue
		}
		for _, k := range p.kids {
			if k.name.Local != "timestamp" || k.name.Space != DataModel {
				all = append(all, string(p.text[k.from:k.to]))
			}
		}
	}
	return all
}
