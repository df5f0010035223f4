package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPolicyRules(t *testing.T) {
	p := Policy{Policy: []string{
		"Example.Org/floor:same-domain=allow", "no-document=block", " ceiling:other-domains = confirm ",
	}}
	got, err := p.Rules()
	if err != nil {
		t.Fatal(err)
	}
	want := []PolicyRule{
		{"", "no-document", "", "block"}, {"", "ceiling", "other-domains", "confirm"}, {"example.org", "floor", "same-domain", "allow"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for text, complaint := range map[string]string{
		"":                     "WHAT=HANDLING",
		"no-document":          "WHAT=HANDLING",
		"default=allow":        `"default"`,
		"floor:friends=allow":  `"friends"`,
		"floor:=allow":         `""`,
		"floor=yes":            `"yes"`,
		"exa mple/floor=allow": `"exa mple"`,
	} {
		p := Policy{Policy: []string{text}}
		if _, err := p.Rules(); err == nil || !strings.Contains(err.Error(), complaint) {
			t.Errorf("%q: %v, want a complaint about %s", text, err, complaint)
		}
	}
}
