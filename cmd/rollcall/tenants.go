package main

import (
	"rollcall/internal/config"
	"rollcall/policy"
)

// tenants are the operator's decisions as the policy engine takes them.
func tenants(rules []config.PolicyRule) policy.Tenants {
	if len(rules) == 0 {
		return nil
	}
	everywhere := policy.DefaultTenant()
	all := policy.Tenants{"": &everywhere}
	for _, r := range rules { // those for all domains come first
		t := all[r.Domain]
		if t == nil {
			own := everywhere
			t = &own
			all[r.Domain] = t
		}
		column := map[string]*[policy.Groups]policy.Handling{
			"no-document": &t.NoDocument, "no-rule": &t.NoRule, "floor": &t.Floor, "ceiling": &t.Ceiling,
		}[r.What]
		for g := range policy.Group(policy.Groups) {
			if r.Who == "" || r.Who == g.String() {
				column[g] = policy.ParseHandling(r.Handling)
			}
		}
	}
	return all
}
