package policy

import (
	"strings"
	"time"
)

// The reference evaluator: rules as values, and what the RFCs say about them in
// so many words. Rapid compares it with the engine on the same rules as XML.

// refCondition is a condition, or a child of identity.
type refCondition struct {
	kind     string // identity, sphere, valid, list, other, anonymous, unknown, off; one, many, domain, stray
	value    string // as it is to be understood
	spelled  string // as it stands in the document
	children []refCondition
	except   []refExcept
	from     time.Time
}

// refExcept excludes a URI, a domain, both or, with neither, nobody.
type refExcept struct{ id, domain, spelled string }

type refRule struct {
	oma        bool
	conditions []refCondition
	handling   Handling
	provides   *refProvides // nil: no transformations
}

// refProvides is what transformations say, or make together.
type refProvides struct {
	everything bool
	booleans   map[string]bool
	classes    map[string]bool
	allTuples  bool
	input      int // none, bare, thresholds, full
	unknown    bool
}

// refList is a list: its members, spelled somehow, and the lists it refers to.
type refList struct{ members, spelled, refers []string }

type refWorld struct {
	rules     []refRule
	ietf, oma bool // there is such a document
	lists     map[string]refList
	watcher   string
	sphere    string
	now       time.Time
	tenant    *Tenant
}

func (w *refWorld) domain() string { return w.watcher[strings.IndexByte(w.watcher, '@')+1:] }

// on reports whether the watcher is on a list or on one that it refers to.
func (w *refWorld) on(list string) bool {
	for _, m := range w.lists[list].members {
		if m == w.watcher {
			return true
		}
	}
	for _, other := range w.lists[list].refers {
		if w.on(other) {
			return true
		}
	}
	return false
}

func (w *refWorld) true(c refCondition, referred bool) bool {
	switch c.kind {
	case "identity": // any of them, and only for those who have one
		for _, child := range c.children {
			if w.watcher != "" && w.true(child, referred) {
				return true
			}
		}
	case "one":
		return w.watcher == c.value
	case "many", "domain":
		if c.kind == "domain" && w.domain() != c.value {
			return false
		}
		for _, e := range c.except {
			if e.id == w.watcher || e.domain == w.domain() {
				return false
			}
		}
		return true
	case "sphere":
		for _, token := range strings.Fields(c.value) {
			if w.sphere != "" && strings.EqualFold(token, w.sphere) {
				return true
			}
		}
	case "valid":
		return !w.now.Before(c.from) && w.now.Before(c.from.Add(time.Hour))
	case "list":
		return w.watcher != "" && w.on(c.value)
	case "other":
		return w.watcher != "" && !referred
	case "anonymous":
		return w.watcher == ""
	}
	return false // of what is not known, in or outside identity
}

func (r *refRule) rank() int {
	best := 5
	for _, c := range r.conditions {
		switch c.kind {
		case "anonymous":
			best = min(best, 1)
		case "identity":
			best = min(best, 2)
		case "list":
			best = min(best, 3)
		case "other":
			best = min(best, 4)
		}
	}
	if best == 5 {
		return 2
	}
	return best
}

func (r *refRule) has(kinds ...string) bool {
	for _, c := range r.conditions {
		for _, k := range kinds {
			if c.kind == k {
				return true
			}
		}
	}
	return false
}

// decide is what the rules say, and what the operator makes of it.
func (w *refWorld) decide() (Handling, *refProvides) {
	handling, provides, ruled := w.ruled()
	t := w.tenant
	if t == nil {
		return handling, provides
	}
	g := OtherDomains
	switch w.domain() {
	case "":
		g = Nobody
	case "example.com":
		g = SameDomain
	}
	decided := handling
	switch {
	case !w.ietf && !w.oma:
		decided = t.NoDocument[g]
	case !ruled:
		decided = t.NoRule[g]
	}
	decided = min(max(decided, t.Floor[g]), t.Ceiling[g])
	if decided == Allow && handling != Allow {
		provides = &refProvides{everything: true}
	}
	return decided, provides
}

func (w *refWorld) ruled() (Handling, *refProvides, bool) {
	if !w.ietf && !w.oma {
		return Confirm, nil, false
	}
	omaConditions, referred := false, false
	for i := range w.rules {
		r := &w.rules[i]
		omaConditions = omaConditions || !r.oma && r.has("list", "other", "anonymous")
		for _, c := range r.conditions {
			if !r.has("off") && (c.kind == "identity" || c.kind == "list") && w.true(c, false) {
				referred = true
			}
		}
	}
	var applicable []*refRule
	best := 5
	for i := range w.rules {
		r := &w.rules[i]
		all := true
		for _, c := range r.conditions {
			all = all && w.true(c, referred)
		}
		if all {
			applicable = append(applicable, r)
			if r.oma || omaConditions {
				best = min(best, r.rank())
			}
		}
	}
	return unite(applicable, func(r *refRule) bool { return (r.oma || omaConditions) && r.rank() != best })
}

// unite combines rules (RFC 4745 §10.2): the highest number, the union of sets, true
// if any is true.
func unite(rules []*refRule, aside func(*refRule) bool) (handling Handling, all *refProvides, ruled bool) {
	all = &refProvides{booleans: map[string]bool{}, classes: map[string]bool{}}
	said, byDefault := false, false
	for _, r := range rules {
		if aside(r) {
			continue
		}
		ruled = true
		handling = max(handling, r.handling)
		if p := r.provides; p != nil {
			for b := range p.booleans {
				all.booleans[b] = true
			}
			for c := range p.classes {
				all.classes[c] = true
			}
			all.allTuples = all.allTuples || p.allTuples
			all.input = max(all.input, p.input)
			all.unknown = all.unknown || p.unknown
		}
		if r.handling == Allow {
			said = said || r.provides != nil
			byDefault = byDefault || r.oma
		}
	}
	if byDefault && !said {
		all = &refProvides{everything: true}
	}
	return handling, all, ruled
}
