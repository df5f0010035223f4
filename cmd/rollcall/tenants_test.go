package main

import (
	"testing"

	"rollcall/internal/config"
	"rollcall/policy"
)

func TestTenants(t *testing.T) {
	setting := config.Policy{Policy: []string{
		"example.org/floor:same-domain=allow", "no-document=block", "ceiling:other-domains=confirm", "example.org/no-document:anonymous=polite-block",
	}}
	rules, err := setting.Rules()
	if err != nil {
		t.Fatal(err)
	}
	all := tenants(rules)
	everywhere := policy.DefaultTenant()
	everywhere.NoDocument = [policy.Groups]policy.Handling{}
	everywhere.Ceiling[policy.OtherDomains] = policy.Confirm
	org := everywhere
	org.Floor[policy.SameDomain] = policy.Allow
	org.NoDocument[policy.Nobody] = policy.PoliteBlock
	if len(all) != 2 || *all[""] != everywhere || *all["example.org"] != org {
		t.Errorf("%+v", all)
	}
	if tenants(nil) != nil {
		t.Error("something is decided without a setting")
	}
}
