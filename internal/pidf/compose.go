package pidf

import (
	"cmp"
	"slices"
	"strconv"
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
	c.Soft = slices.Clone(c.Soft)
	slices.SortStableFunc(c.Soft, func(a, b Input) int { return cmp.Compare(a.Lineage, b.Lineage) })
	for {
		if out := c.attempt(); out != nil {
			return out
		}
		switch {
		case len(c.Soft) > 0:
			oldest := 0
			for i, in := range c.Soft {
				if in.Published.Before(c.Soft[oldest].Published) {
					oldest = i
				}
			}
			c.Soft = slices.Delete(c.Soft, oldest, oldest+1)
		case c.Hard != nil:
			c.Hard = nil
		default:
			c.Registrations = nil
		}
	}
}

// part is a component on its way into the composed document.
type part struct {
	Component
	doc     *xmlscan.Doc
	lineage string
	ordinal int       // among all parts of its publication
	stamp   time.Time // how new it is
	merged  []part    // older persons that give it what it lacks
	reg     *Registration
}

// attempt composes, or returns nil when the result is over the limits.
func (c *Composition) attempt() *Composed {
	horizon := &horizon{now: c.Now}
	parts := c.gather(horizon)
	sphere := commonSphere(parts, horizon)
	parts = newestOnly(parts, tupleKey)
	parts = newestOnly(parts, deviceKey)
	parts = mergePersons(parts)
	parts = append(parts, c.registered(parts, horizon)...)
	parts = distinct(parts)
	slices.SortStableFunc(parts, func(a, b part) int { return cmp.Compare(a.Kind, b.Kind) })

	w := newWriter(c.AOR, horizon)
	for i := range parts {
		w.part(&parts[i])
	}
	if len(parts) == 0 {
		id := w.ids.claim("", OfflineTupleID(c.AOR), Tuple, 0)
		w.made(id, offlineTuple(nil, c.AOR, id))
	}
	body, ok := w.finish()
	if !ok {
		return nil
	}
	d, err := xmlscan.Scan(body, xmlscan.Limits{Bytes: maxBody})
	if err != nil {
		return nil
	}
	out := &Composed{AOR: c.AOR, Body: body, Doc: d, Sphere: sphere, Until: horizon.next}
	n := 0
	for i := range d.Children(0) {
		comp := w.components[n]
		comp.Elem = i
		list := componentsOf(comp.Kind, &out.Tuples, &out.Persons, &out.Devices, &out.Notes, &out.Others)
		*list = append(*list, comp)
		n++
	}
	return out
}

// gather lists the components of all inputs, in order of lineage. Hard state
// counts only without soft state.
func (c *Composition) gather(h *horizon) []part {
	inputs := c.Soft
	if len(inputs) == 0 && c.Hard != nil {
		inputs = []Input{{Doc: c.Hard}}
	}
	var parts []part
	for _, in := range inputs {
		n := 0
		for _, list := range [...][]Component{in.Doc.Tuples, in.Doc.Notes, in.Doc.Persons, in.Doc.Devices, in.Doc.Others} {
			for _, comp := range list {
				if comp.Kind == Device && deviceID(in.Doc.Doc, comp.Elem) == "" {
					continue // RFC 4479 §3.4: says of no device what it says
				}
				if comp.Kind == Other && h.omits(in.Doc.Doc, comp.Elem) {
					continue
				}
				parts = append(parts, part{
					Component: comp, doc: in.Doc.Doc, lineage: in.Lineage, ordinal: n,
					stamp: newness(in, comp),
				})
				n++
			}
		}
	}
	return parts
}

// newness is the component's timestamp, unless the publisher's clock is ahead.
func newness(in Input, c Component) time.Time {
	space := DataModel
	if c.Kind == Tuple {
		space = Namespace
	}
	if i := child(in.Doc.Doc, c.Elem, space, "timestamp"); i >= 0 {
		t, ok := instant(in.Doc.Doc.Text(i))
		if ok && (in.Published.IsZero() || t.Before(in.Published)) {
			return t
		}
	}
	return in.Published
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

// OfflineTupleID is the id of the tuple in the document of a presentity of whom
// nothing is known.
func OfflineTupleID(aor string) string { return "t" + digest(aor) }

// Offline is the document of someone of whom nothing is known, which is also
// what a politely blocked watcher sees (RFC 5025 §3.2.1).
func Offline(aor, tupleID string) []byte {
	b := openDocument(nil, aor)
	b = offlineTuple(b, aor, tupleID)
	return closeDocument(b)
}

func offlineTuple(b []byte, aor, id string) []byte {
	return plainTuple(b, id, "closed", "", "", aor)
}

// plainTuple appends a tuple that the server itself vouches for.
func plainTuple(b []byte, id, basic, instance, priority, contact string) []byte {
	b = append(b, `<tuple id="`...)
	b = xmlscan.EscapeAttr(b, id)
	b = append(b, `"><status><basic>`...)
	b = append(b, basic...)
	b = append(b, `</basic></status>`...)
	if instance != "" {
		b = append(b, `<dm:deviceID xmlns:dm="`+DataModel+`">`...)
		b = xmlscan.Escape(b, instance)
		b = append(b, `</dm:deviceID>`...)
	}
	b = append(b, `<contact`...)
	if priority != "" {
		b = append(b, ` priority="`...)
		b = append(b, priority...)
		b = append(b, '"')
	}
	b = append(b, '>')
	b = xmlscan.Escape(b, contact)
	return append(b, `</contact></tuple>`...)
}

// registered makes the tuples of registrations that no published tuple covers.
func (c *Composition) registered(parts []part, h *horizon) []part {
	published := make(map[string]bool)
	for _, p := range parts {
		if p.Kind == Tuple {
			if id := deviceID(p.doc, p.Elem); id == "" || closed(p.doc, p.Elem) {
				return nil
			} else {
				published[id] = true
			}
		}
	}
	regs := slices.Clone(c.Registrations)
	slices.SortFunc(regs, func(a, b Registration) int {
		return cmp.Or(cmp.Compare(a.Instance, b.Instance), cmp.Compare(b.Q, a.Q), cmp.Compare(a.ID, b.ID))
	})
	var out []part
	shown := make(map[string]bool)
	for i := range regs {
		r := &regs[i]
		r.Contact, r.Instance = printable(r.Contact), printable(r.Instance)
		key := urn(r.Instance)
		if h.over(r.Expires) || shown[key] || published[key] || key == "" && len(published) > 0 {
			continue
		}
		shown[key] = true
		if r.Contact == "" {
			r.Contact = c.AOR
		}
		out = append(out, part{Component: Component{Kind: Tuple}, reg: r, ordinal: len(out)})
	}
	return out
}

// priority writes q as RFC 3863 §4.1.5 wants it; the highest is the default.
func priority(q int) string {
	if q < 0 || q >= 1000 {
		return ""
	}
	return strconv.FormatFloat(float64(q)/1000, 'f', -1, 64)
}

func closed(d *xmlscan.Doc, tuple int) bool {
	status := child(d, tuple, Namespace, "status")
	if status < 0 {
		return false
	}
	basic := child(d, status, Namespace, "basic")
	return basic >= 0 && trimmed(d, basic) == "closed"
}

// deviceID is the comparable form of the device a tuple or device element is of.
func deviceID(d *xmlscan.Doc, i int) string {
	if c := child(d, i, DataModel, "deviceID"); c >= 0 {
		return urn(trimmed(d, c))
	}
	return ""
}

// contactKey is the comparable form of a tuple's contact.
func contactKey(d *xmlscan.Doc, i int) string {
	c := child(d, i, Namespace, "contact")
	if c < 0 {
		return ""
	}
	text := trimmed(d, c)
	if uri, err := sipuri.Canonical(text); err == nil {
		return uri
	}
	if aor, err := sipuri.AOR(text); err == nil {
		return aor
	}
	return text
}
