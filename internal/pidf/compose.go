package pidf

import (
	"cmp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"rollcall/internal/sipuri"
	"rollcall/internal/xmlscan"
)

// maxBody keeps the composed document below what clients take in one NOTIFY
// (256 kB) with room for the message around it.
const maxBody = 240 << 10

// Compose makes the one presence document of a presentity by the rules in the
// package comment. When it would become too large the oldest publication is left out.
func Compose(c Composition) *Composed {
	if c.Now.IsZero() {
		c.Now = time.Unix(0, 0)
	}
	c.AOR = printable(c.AOR)
	byLineage := func(a, b Input) int { return cmp.Compare(a.Lineage, b.Lineage) }
	if !slices.IsSortedFunc(c.Soft, byLineage) {
		c.Soft = slices.Clone(c.Soft)
		slices.SortStableFunc(c.Soft, byLineage)
	}
	work := composing{Composition: c}
	for {
		if out := work.attempt(); out != nil {
			return out
		}
		switch c := &work.Composition; {
		case len(c.Soft) > 0:
			oldest := 0
			for i, in := range c.Soft {
				if in.Published.Before(c.Soft[oldest].Published) {
					oldest = i
				}
			}
			c.Soft = slices.Delete(slices.Clone(c.Soft), oldest, oldest+1)
		case c.Override != nil:
			c.Override = nil
		case c.Hard != nil:
			c.Hard = nil
		default:
			c.Registrations = nil
		}
	}
}

// composing is a composition at work.
type composing struct {
	Composition
	horizon horizon
	leader  string // lineage of the person that came first of several

	tuplesSet, personsSet bool // by the override
	elements              int
}

// part is a component on its way into the composed document.
type part struct {
	*piece
	doc     *Document // it is from, nil when it is of our own making
	lineage string
	ordinal int       // among all parts of its publication
	when    time.Time // how new it is
	source  Source

	merged []*part // persons that give it what it lacks
	named  *part   // person whose id it gets
	reg    *Registration
}

// attempt composes, or returns nil when the result is over the limits.
func (c *composing) attempt() *Composed {
	c.horizon, c.leader, c.elements = horizon{now: c.Now}, "", 0
	parts := c.gather()
	if c.elements > maxElements {
		return nil
	}
	sphere := commonSphere(parts)
	parts = newestOnly(parts, tupleKey)
	parts = newestOnly(parts, deviceKey)
	parts = c.mergePersons(parts)
	if !c.tuplesSet {
		parts = append(parts, c.registered(parts)...)
	}
	parts = distinct(parts)
	if call := c.OnPhone && !c.personsSet; call && !slices.ContainsFunc(parts, func(p part) bool { return p.Kind == Person }) {
		parts = append(parts, part{piece: caller(), source: FromCall})
	}
	slices.SortStableFunc(parts, func(a, b part) int { return cmp.Compare(a.Kind, b.Kind) })
	w := newWriter(c, parts)
	if len(parts) == 0 || parts[0].source == FromCall {
		w.offline()
	}
	for i := range parts {
		w.part(&parts[i])
	}
	if !w.finish() {
		return nil
	}
	return &Composed{
		AOR: c.AOR, Body: w.buf, Sphere: sphere, Until: c.horizon.next, Lead: c.leader,
		Overridden: c.tuplesSet || c.personsSet, Origins: w.origins, components: w.components,
	}
}

// overrideLineage stands for the override among those of publications.
const overrideLineage = "override"

// gather lists the components of all inputs, the override first, then in order of
// lineage. Hard state counts only without soft state.
func (c *composing) gather() []part {
	n := 0
	for i := range c.Soft {
		n += len(c.Soft[i].Doc.pieces)
	}
	parts := make([]part, 0, n+4)
	c.tuplesSet, c.personsSet = false, false
	if o := c.Override; o != nil && !c.horizon.over(o.end) {
		c.tuplesSet, c.personsSet = len(o.Tuples) > 0, len(o.Persons)+len(o.Notes) > 0
		parts = c.take(parts, &Input{Lineage: overrideLineage, Doc: o}, FromOverride, false)
	}
	if len(c.Soft) == 0 && c.Hard != nil {
		return c.take(parts, &Input{Doc: c.Hard}, FromHard, false)
	}
	for i := range c.Soft {
		parts = c.take(parts, &c.Soft[i], FromPublication, c.eclipsed(i))
	}
	return parts
}

// take adds the parts of one document. Of one that is forgotten services and
// devices stay.
func (c *composing) take(parts []part, in *Input, source Source, forgotten bool) []part {
	var d *xmlscan.Doc // made when it is needed
	for i := range in.Doc.pieces {
		p := &in.Doc.pieces[i]
		about := p.Kind == Person || p.Kind == Note
		switch {
		case source == FromOverride:
		case p.Kind == Tuple && c.tuplesSet, about && (c.personsSet || forgotten):
			continue
		}
		if p.timed {
			if d == nil {
				d = in.Doc.scanned()
			}
			now := makePiece(d, p.Component, d.Scope(0), &c.horizon)
			if p = &now; now.over {
				continue
			}
		}
		c.elements += p.elements
		parts = append(parts, part{
			piece: p, doc: in.Doc, lineage: in.Lineage, ordinal: i, when: newness(in, p), source: source,
		})
	}
	return parts
}

// printable makes sure that a string of ours can stand in a document at all.
func printable(s string) string {
	if len(s) > sipuri.MaxLength {
		s = s[:sipuri.MaxLength]
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0xFFFE || r == 0xFFFF || r == utf8.RuneError {
			return -1
		}
		return r
	}, s)
}
