package config

import (
	"fmt"
	"slices"
	"strings"
)

// Policy is what the operator decides about who sees whom.
type Policy struct {
	Policy []string `name:"policy" env:"ROLLCALL_POLICY" placeholder:"RULE" help:"What the operator decides where users do not, and the bounds of what they may, as [DOMAIN/]WHAT[:WHO]=HANDLING; repeat for more. WHAT is no-document (for users without rules; confirm), no-rule (when none applies; block), floor or ceiling. WHO watches: same-domain, other-domains or anonymous; without it all of them. HANDLING is allow, confirm, polite-block or block."`
}

// PolicyRule is one decision of the operator. Domain is empty for all domains, Who
// for everybody.
type PolicyRule struct{ Domain, What, Who, Handling string }

var (
	policyWhat     = []string{"no-document", "no-rule", "floor", "ceiling"}
	policyWho      = []string{"same-domain", "other-domains", "anonymous"}
	policyHandling = []string{"allow", "confirm", "polite-block", "block"}
)

// Rules returns the decisions, those for all domains first.
func (p *Policy) Rules() ([]PolicyRule, error) {
	var rules []PolicyRule
	for _, text := range p.Policy {
		r, err := parsePolicy(text)
		if err != nil {
			return nil, fmt.Errorf("policy: %q: %w", text, err)
		}
		rules = append(rules, r)
	}
	slices.SortStableFunc(rules, func(a, b PolicyRule) int { return strings.Compare(a.Domain, b.Domain) })
	return rules, nil
}

func parsePolicy(text string) (r PolicyRule, err error) {
	left, handling, ok := strings.Cut(text, "=")
	if !ok {
		return r, fmt.Errorf("is not WHAT=HANDLING")
	}
	r.Handling = strings.TrimSpace(handling)
	if domain, rest, ok := strings.Cut(left, "/"); ok {
		if r.Domain, left = strings.ToLower(strings.TrimSpace(domain)), rest; !validHost(r.Domain) {
			return r, fmt.Errorf("%q is not a domain name", domain)
		}
	}
	what, who, some := strings.Cut(strings.TrimSpace(left), ":")
	r.What, r.Who = what, who
	switch {
	case !slices.Contains(policyWhat, r.What):
		return r, fmt.Errorf("%q is none of %s", r.What, strings.Join(policyWhat, ", "))
	case some && !slices.Contains(policyWho, r.Who):
		return r, fmt.Errorf("%q is none of %s", r.Who, strings.Join(policyWho, ", "))
	case !slices.Contains(policyHandling, r.Handling):
		return r, fmt.Errorf("%q is none of %s", r.Handling, strings.Join(policyHandling, ", "))
	}
	return r, nil
}
