package pidf

import (
	"bytes"
	"slices"
	"strings"

	"rollcall/internal/xmlscan"
)

// urn folds the case in which UUID URNs are written differently (RFC 4122 §3).
func urn(s string) string {
	return strings.ToLower(strings.Trim(strings.TrimSpace(s), "<>"))
}

// tupleKey is equal for tuples that tell of the same service on the same device,
// as they do after the 200 to an initial PUBLISH got lost.
func tupleKey(p *part) (device, contact string) {
	if p.Kind != Tuple || p.device == "" || p.contact == "" {
		return "", ""
	}
	return p.device, p.contact
}

func deviceKey(p *part) (device, contact string) {
	if p.Kind != Device {
		return "", ""
	}
	return p.device, ""
}

// newestOnly keeps of the parts with the same key the newest, and all of its
// publication; parts without a device stay.
func newestOnly(parts []part, key func(*part) (device, contact string)) []part {
	type name struct{ device, contact string }
	var newest map[name]*part
	for i := range parts {
		p := &parts[i]
		device, contact := key(p)
		if device == "" {
			continue
		}
		if newest == nil {
			newest = make(map[name]*part, len(parts))
		}
		k := name{device, contact}
		if best := newest[k]; best == nil || p.when.After(best.when) ||
			p.when.Equal(best.when) && p.lineage != best.lineage {
			newest[k] = p
		}
	}
	if newest == nil {
		return parts
	}
	out := make([]part, 0, len(parts))
	for i := range parts {
		device, contact := key(&parts[i])
		if device == "" || newest[name{device, contact}].lineage == parts[i].lineage {
			out = append(out, parts[i])
		}
	}
	return out
}

// eclipsed reports whether another publication speaks of all devices that this one
// speaks of, and came later: the device has forgotten this one. What it said of the
// person and does not say any more must not come back from here.
func (c *composing) eclipsed(i int) bool {
	in := &c.Soft[i]
	if len(in.Doc.devices) == 0 {
		return false
	}
	for j := range c.Soft {
		other := &c.Soft[j]
		if j == i || other.Published.Before(in.Published) || other.Published.Equal(in.Published) && j < i {
			continue
		}
		if !slices.ContainsFunc(in.Doc.devices, func(d string) bool { return !slices.Contains(other.Doc.devices, d) }) {
			return true
		}
	}
	return false
}

// mergePersons makes one person of all that have the same class.
func (c *composing) mergePersons(parts []part) []part {
	var groups [][]*part
	for i := range parts {
		p := &parts[i]
		if p.Kind != Person {
			continue
		}
		at := slices.IndexFunc(groups, func(g []*part) bool { return g[0].class == p.class })
		switch {
		case at >= 0:
			groups[at] = append(groups[at], p)
		case len(groups) < maxClasses:
			groups = append(groups, []*part{p})
		}
	}
	if len(groups) == 0 {
		return parts
	}
	out := make([]part, 0, len(parts)-1+len(groups))
	for i := range parts {
		if parts[i].Kind != Person {
			out = append(out, parts[i])
		}
	}
	for i, group := range groups {
		oldest := group[0] // in order of lineage
		c.precedence(group)
		first := *group[0]
		if i == 0 && several(group) {
			c.leader = first.lineage
		}
		first.named, first.merged = oldest, group[1:]
		out = append(out, first)
	}
	return out
}

// maxClasses bounds the classes of persons.
const maxClasses = 32

func several(group []*part) bool {
	return slices.ContainsFunc(group, func(p *part) bool { return p.lineage != group[0].lineage })
}

// distinct drops notes and foreign elements that are there already.
func distinct(parts []part) []part {
	var seen map[string]bool
	return slices.DeleteFunc(parts, func(p part) bool {
		if p.Kind != Note && p.Kind != Other {
			return false
		}
		text := string(bytes.TrimSpace(p.text))
		if seen[text] {
			return true
		}
		if seen == nil {
			seen = make(map[string]bool)
		}
		seen[text] = true
		return false
	})
}

// commonSphere is the sphere of the presentity: defined if all persons that have
// one agree (RFC 5025 §3.1.2).
func commonSphere(parts []part) string {
	common := ""
	for i := range parts {
		for _, s := range parts[i].sphere {
			switch {
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
