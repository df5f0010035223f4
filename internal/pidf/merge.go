package pidf

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
	"time"

	"rollcall/internal/xmlscan"
)

// horizon tells what is over at an instant and collects the next one at which
// something will be.
type horizon struct {
	now  time.Time
	next time.Time
}

// over reports whether t has come; if not, t is a boundary. A zero t never comes.
func (h *horizon) over(t time.Time) bool {
	if t.IsZero() {
		return false
	}
	if !t.After(h.now) {
		return true
	}
	if h.next.IsZero() || t.Before(h.next) {
		h.next = t
	}
	return false
}

// expired reports whether the time of element i is over: that of an RPID
// element with its until (RFC 4480 §3.2), that of a timed status, which must
// never cover the present, already with its from (RFC 4481 §3).
func (h *horizon) expired(d *xmlscan.Doc, i int) bool {
	switch d.Elements[i].Space {
	case RPID:
		return h.reached(d, i, "until")
	case TimedStatus:
		return d.Elements[i].Local == "timed-status" && (h.reached(d, i, "from") || h.reached(d, i, "until"))
	}
	return false
}

// omits reports whether element i is left out: it is over, or a timestamp
// nobody can read.
func (h *horizon) omits(d *xmlscan.Doc, i int) bool {
	if e := &d.Elements[i]; e.Local == "timestamp" && ofPresence(e.Space) {
		_, ok := instant(d.Text(i))
		return !ok
	}
	return h.expired(d, i)
}

func (h *horizon) reached(d *xmlscan.Doc, i int, attr string) bool {
	v, ok := d.Attr(i, "", attr)
	if !ok {
		return false
	}
	t, ok := instant(v)
	return ok && h.over(t)
}

// urn folds the case in which UUID URNs are written differently (RFC 4122 §3).
func urn(s string) string {
	return strings.ToLower(strings.Trim(strings.TrimSpace(s), "<>"))
}

// tupleKey is equal for tuples that tell of the same service on the same device,
// as they do after the 200 to an initial PUBLISH got lost.
func tupleKey(p *part) string {
	if p.Kind != Tuple {
		return ""
	}
	device, contact := deviceID(p.doc, p.Elem), contactKey(p.doc, p.Elem)
	if device == "" || contact == "" {
		return ""
	}
	return device + " " + contact
}

func deviceKey(p *part) string {
	if p.Kind != Device {
		return ""
	}
	return deviceID(p.doc, p.Elem)
}

// newestOnly keeps of the parts with the same key the newest, and all of its
// publication; parts with an empty key stay.
func newestOnly(parts []part, key func(*part) string) []part {
	newest := make(map[string]*part)
	keys := make([]string, len(parts))
	for i := range parts {
		p := &parts[i]
		if keys[i] = key(p); keys[i] == "" {
			continue
		}
		if best := newest[keys[i]]; best == nil || p.stamp.After(best.stamp) ||
			p.stamp.Equal(best.stamp) && p.lineage != best.lineage {
			newest[keys[i]] = p
		}
	}
	out := make([]part, 0, len(parts))
	for i := range parts {
		if keys[i] == "" || newest[keys[i]].lineage == parts[i].lineage {
			out = append(out, parts[i])
		}
	}
	return out
}

// mergePersons makes one person of all that have the same class.
func mergePersons(parts []part) []part {
	groups := make(map[string][]part)
	var order []string
	out := make([]part, 0, len(parts))
	for _, p := range parts {
		if p.Kind != Person {
			out = append(out, p)
			continue
		}
		class := ""
		if i := child(p.doc, p.Elem, RPID, "class"); i >= 0 {
			class = trimmed(p.doc, i)
		}
		if groups[class] == nil {
			order = append(order, class)
		}
		groups[class] = append(groups[class], p)
	}
	for _, class := range order {
		group := groups[class]
		slices.Reverse(group) // of equally new ones the later published first
		slices.SortStableFunc(group, func(a, b part) int { return b.stamp.Compare(a.stamp) })
		newest := group[0]
		newest.merged = group[1:]
		out = append(out, newest)
	}
	return out
}

// distinct drops notes and foreign elements that are there already.
func distinct(parts []part) []part {
	seen := make(map[string]bool)
	return slices.DeleteFunc(parts, func(p part) bool {
		if p.Kind != Note && p.Kind != Other {
			return false
		}
		text := string(bytes.TrimSpace(p.doc.Bytes(p.Elem)))
		if seen[text] {
			return true
		}
		seen[text] = true
		return false
	})
}

// commonSphere is the sphere of the presentity: defined if all persons that have
// one agree (RFC 5025 §3.1.2).
func commonSphere(parts []part, h *horizon) string {
	common := ""
	for _, p := range parts {
		if p.Kind != Person {
			continue
		}
		for i := range p.doc.Children(p.Elem) {
			if !p.doc.Is(i, RPID, "sphere") || h.expired(p.doc, i) {
				continue
			}
			switch s := sphereToken(p.doc, i); {
			case s == "" || s == common:
			case common == "":
				common = s
			default:
				return ""
			}
		}
	}
	return common
}

func sphereToken(d *xmlscan.Doc, i int) string {
	for c := range d.Children(i) {
		if e := &d.Elements[c]; e.Local != "note" {
			return strings.ToLower(e.Local)
		}
	}
	return strings.ToLower(trimmed(d, i))
}

// rank is the place the schema gives to child c of a component: RFC 3863 §4.1,
// RFC 4479 §5.1.2.
func rank(d *xmlscan.Doc, kind Kind, c int) int {
	e := &d.Elements[c]
	if kind == Tuple && e.Space == Namespace {
		switch e.Local {
		case "status":
			return 0
		case "contact":
			return 2
		case "note":
			return 3
		case "timestamp":
			return 4
		}
	}
	if e.Space == DataModel && (kind == Person || kind == Device) {
		switch e.Local {
		case "deviceID":
			if kind == Device {
				return 2
			}
		case "note":
			return 3
		case "timestamp":
			return 4
		}
	}
	return 1
}

// kid is a child element that goes into a component.
type kid struct {
	doc  *xmlscan.Doc
	elem int
	rank int
	own  bool // a child of the component itself, not of one merged into it
}

// kids lists the children of p in schema order. rebuilt is false when that is
// how they stand in the source.
func (p *part) kids(h *horizon) (kids []kid, rebuilt bool) {
	kinds := make(map[xmlscan.Name]bool)
	last := 0
	for c := range p.doc.Children(p.Elem) {
		k := kid{p.doc, c, rank(p.doc, p.Kind, c), true}
		kids = append(kids, k)
		rebuilt = rebuilt || k.rank < last
		last = max(last, k.rank)
		if len(p.merged) > 0 && !h.omits(p.doc, c) {
			kinds[expanded(p.doc, c)] = true
		}
	}
	for _, older := range p.merged {
		var its []kid
		for c := range older.doc.Children(older.Elem) {
			if !kinds[expanded(older.doc, c)] && !h.omits(older.doc, c) {
				its = append(its, kid{older.doc, c, rank(older.doc, p.Kind, c), false})
			}
		}
		for _, k := range its {
			kinds[expanded(k.doc, k.elem)] = true
		}
		kids = append(kids, its...)
		rebuilt = rebuilt || len(its) > 0
	}
	if rebuilt {
		slices.SortStableFunc(kids, func(a, b kid) int { return cmp.Compare(a.rank, b.rank) })
	}
	return kids, rebuilt
}

func expanded(d *xmlscan.Doc, i int) xmlscan.Name {
	e := &d.Elements[i]
	return xmlscan.Name{Local: e.Local, Space: e.Space}
}
