package policy

import (
	"fmt"

	"rollcall/internal/sipuri"
)

// Group is a kind of watcher that the operator of a domain tells apart.
type Group uint8

// The kinds of watchers.
const (
	SameDomain   Group = iota // of the domain of the presentity
	OtherDomains              // authenticated, of another one
	Nobody                    // without identity
	Groups       = 3
)

// String names the group as the configuration does.
func (g Group) String() string {
	return [...]string{"same-domain", "other-domains", "anonymous"}[g]
}

// Tenant is what the operator of a domain decides, by kind of watcher: where its
// users have not decided, and the bounds of what they may. It says nothing about
// what the presentity itself sees.
type Tenant struct {
	// NoDocument is for presentities without any rule document, NoRule where none
	// of the rules applies.
	NoDocument, NoRule [Groups]Handling
	// Floor is the least a watcher is treated with, whatever the rules say, Ceiling
	// the most.
	Floor, Ceiling [Groups]Handling
}

// DefaultTenant is as the RFCs say: without rules watchers are to be confirmed (RFC
// 3857 §4.7.1), without one that applies blocked (RFC 4745 §10), and no bounds.
func DefaultTenant() Tenant {
	return Tenant{
		NoDocument: [Groups]Handling{Confirm, Confirm, Confirm},
		Ceiling:    [Groups]Handling{Allow, Allow, Allow},
	}
}

// Tenants are the operator's decisions by domain; those under the empty name are
// for every other domain.
type Tenants map[string]*Tenant

func (t Tenants) of(domain string) *Tenant {
	if len(t) == 0 {
		return nil
	}
	if tenant := t[domain]; tenant != nil {
		return tenant
	}
	return t[""]
}

// groupOf tells what kind of watcher of a presentity the facts are about.
func groupOf(presentity string, f facts) Group {
	switch {
	case f.watcher == "":
		return Nobody
	case f.domain == domainOf(presentity):
		return SameDomain
	}
	return OtherDomains
}

// verdict decides as the rules say, within what the operator decides.
func (e *Engine) verdict(set *ruleset, req Request, why *[]Reason) Decision {
	f := factsOf(req)
	d := set.decide(f, why)
	t := e.opt.Tenants.of(domainOf(req.Presentity))
	if t == nil {
		return d
	}
	g := groupOf(req.Presentity, f)
	h, rule := d.Handling, ""
	switch {
	case d.NoPolicy:
		h, rule = t.NoDocument[g], "no-document"
	case !d.Ruled:
		h, rule = t.NoRule[g], "no-rule"
	}
	if h < t.Floor[g] {
		h, rule = t.Floor[g], "floor"
	}
	if h == Allow && (set.damaged || set.blind && !d.Ruled) {
		h = Confirm // what cannot be read may say otherwise
	}
	if h > t.Ceiling[g] {
		h, rule = t.Ceiling[g], "ceiling"
	}
	if h == d.Handling {
		return d
	}
	d.Handling, d.Operator = h, rule
	switch {
	case h != Allow:
		d.Transform = nil
	case d.Transform == nil:
		d.Transform = e.everything
	}
	if why != nil {
		*why = append(*why, Reason{
			Rule: rule, Matched: true, Counted: true, Operator: true, Handling: h,
			Why: fmt.Sprintf("the operator's %s for %s watchers", rule, g),
		})
	}
	return d
}

// domainOf returns the domain of an address-of-record without its port.
func domainOf(aor string) string {
	_, domain := sipuri.Split(aor)
	return withoutPort(domain)
}
