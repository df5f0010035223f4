package policy

import (
	"errors"
	"strings"
	"time"

	"rollcall/internal/resourcelist"
	"rollcall/internal/sipuri"
	"rollcall/internal/store"
	"rollcall/internal/xmlscan"
)

// errNotRules says that a rule document is not a ruleset.
var errNotRules = errors.New("root element is not a common-policy ruleset")

// rule is one rule of a document, compiled.
type rule struct {
	document   store.DocumentKey
	id         string
	conditions []condition
	handling   Handling
	grant      *grant // nil: no transformations element
	kind       kind   // of the conditions, for precedence
	oma        bool   // of an OMA document: provides everything by default
	ranked     bool   // subject to precedence
	off        bool   // has a false-condition
}

// lists resolves the reference of an external-list condition.
type lists func(anchor string) (members []string, problem string, err error)

// parseRules compiles a rule document. The error is that of lists or means that
// the document is damaged (*xmlscan.Error, errNotRules).
func parseRules(key store.DocumentKey, body []byte, resolve lists) ([]rule, error) {
	doc, err := resourcelist.Scan(body)
	if err != nil {
		return nil, err
	}
	if !doc.Is(0, nsCommon, "ruleset") {
		return nil, errNotRules
	}
	p := parser{doc: doc, resolve: resolve, ranked: key.AUID == AUIDOMAPresRules, dialogs: key.AUID == AUIDDialogRules}
	var rules []rule
	for child := range doc.Children(0) {
		if !doc.Is(child, nsCommon, "rule") {
			continue
		}
		r := p.rule(child)
		r.document = key
		r.oma = key.AUID == AUIDOMAPresRules
		rules = append(rules, r)
	}
	for i := range rules {
		rules[i].ranked = p.ranked
	}
	return rules, p.err
}

type parser struct {
	doc     *xmlscan.Doc
	resolve lists
	ranked  bool // an OMA document, or one that uses OMA conditions
	dialogs bool // rules about dialogs, not presence
	err     error
}

func (p *parser) rule(elem int) rule {
	id, _ := p.doc.Attr(elem, "", "id")
	r := rule{id: strings.Clone(id), kind: kindNone}
	for child := range p.doc.Children(elem) {
		if p.doc.Elements[child].Space != nsCommon {
			continue
		}
		switch p.doc.Elements[child].Local {
		case "conditions":
			p.conditions(&r, child)
		case "actions":
			p.actions(&r, child)
		case "transformations":
			if r.grant == nil {
				r.grant = new(grant)
			}
			r.grant.addTransformations(p.doc, child)
		}
	}
	if r.kind == kindNone { // only sphere or validity, or for everyone
		r.kind = kindIdentity
	}
	return r
}

func (p *parser) actions(r *rule, elem int) {
	for child := range p.doc.Children(elem) {
		if p.doc.Elements[child].Local == "sub-handling" && p.permits(p.doc.Elements[child].Space) {
			r.handling = max(r.handling, ParseHandling(trimmed(p.doc, child)))
		}
	}
}

// permits reports whether the permissions of a namespace are about what the
// document is about. Dialog rules have no published schema: there are two
// namespaces, and clients that write them as presence rules.
func (p *parser) permits(space string) bool {
	return space == nsPresence || p.dialogs && (space == nsDialogRules || space == nsAGDialogRules)
}

// ParseHandling reads the token of a handling. What is none blocks.
func ParseHandling(s string) Handling {
	switch s {
	case "allow":
		return Allow
	case "polite-block":
		return PoliteBlock
	case "confirm":
		return Confirm
	}
	return Block
}

func (p *parser) conditions(r *rule, elem int) {
	for child := range p.doc.Children(elem) {
		c := p.condition(child)
		r.conditions = append(r.conditions, c)
		r.kind = min(r.kind, c.kind())
		if p.doc.Is(child, nsAG, "false-condition") {
			r.off = true
		}
	}
}

func (p *parser) condition(elem int) condition {
	e := &p.doc.Elements[elem]
	switch (name{e.Space, e.Local}) {
	case name{nsCommon, "identity"}:
		return p.identity(elem)
	case name{nsCommon, "sphere"}:
		value, _ := p.doc.Attr(elem, "", "value")
		return sphere(strings.Fields(strings.Clone(value)))
	case name{nsCommon, "validity"}:
		return p.validity(elem)
	case name{nsOMA, "external-list"}:
		p.ranked = true
		return p.externalList(elem)
	case name{nsOMA, "other-identity"}:
		p.ranked = true
		return otherIdentity{}
	case name{nsOMA, "anonymous-request"}:
		p.ranked = true
		return anonymousRequest{}
	}
	return never(strings.Clone(e.Local))
}

// identity reads an identity condition. A child nobody knows is false (RFC 4745
// §7.1.1), and so is a known one that somebody extended by an element: what it is
// meant to exclude cannot be told.
func (p *parser) identity(elem int) condition {
	c := new(identity)
	for child := range p.doc.Children(elem) {
		switch {
		case p.doc.Is(child, nsCommon, "one"):
			id, _ := p.doc.Attr(child, "", "id")
			aor, err := sipuri.AOR(id)
			if err == nil && p.doc.Elements[child].First < 0 {
				c.ones = insert(c.ones, strings.Clone(aor))
			}
		case p.doc.Is(child, nsCommon, "many"):
			if m, ok := p.many(child); ok {
				c.many = append(c.many, m)
			}
		}
	}
	return c
}

// many reads a many element. It reports false if the element can match nobody,
// or if an exception cannot be understood.
func (p *parser) many(elem int) (many, bool) {
	var m many
	if domain, ok := p.doc.Attr(elem, "", "domain"); ok {
		if m.domain, ok = canonicalDomain(domain); !ok {
			return many{}, false
		}
	}
	for child := range p.doc.Children(elem) {
		if !p.doc.Is(child, nsCommon, "except") {
			return many{}, false
		}
		if domain, ok := p.doc.Attr(child, "", "domain"); ok {
			d, ok := canonicalDomain(domain)
			if !ok {
				return many{}, false
			}
			m.exceptDomains = insert(m.exceptDomains, d)
		}
		if id, ok := p.doc.Attr(child, "", "id"); ok {
			aor, err := sipuri.AOR(id)
			if err != nil {
				return many{}, false
			}
			m.exceptIDs = insert(m.exceptIDs, strings.Clone(aor))
		}
	}
	return m, true
}

// validity reads pairs of from and until; an incomplete or malformed pair is false.
func (p *parser) validity(elem int) condition {
	var c validity
	var from time.Time
	var have bool
	for child := range p.doc.Children(elem) {
		switch {
		case p.doc.Is(child, nsCommon, "from"):
			from, have = dateTime(trimmed(p.doc, child))
		case p.doc.Is(child, nsCommon, "until") && have:
			if until, ok := dateTime(trimmed(p.doc, child)); ok {
				c = append(c, interval{from, until})
			}
			have = false
		}
	}
	return c
}

// dateTime reads an xs:dateTime; one without a zone is taken as UTC.
func dateTime(s string) (time.Time, bool) {
	for _, layout := range [...]string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

func (p *parser) externalList(elem int) condition {
	c := new(externalList)
	for child := range p.doc.Children(elem) {
		anchor, ok := p.doc.Attr(child, "", "anc")
		if !ok || !p.doc.Is(child, nsOMA, "entry") {
			continue
		}
		members, problem, err := p.resolve(anchor)
		if err != nil {
			p.err = err
			return c
		}
		c.anchors = append(c.anchors, strings.Clone(anchor))
		if problem != "" {
			c.problems = append(c.problems, problem)
		}
		if c.members == nil {
			c.members = make(map[string]struct{}, len(members))
		}
		for _, m := range members {
			c.members[m] = struct{}{}
		}
	}
	return c
}
