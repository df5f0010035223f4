package usage

import "rollcall/internal/xmlscan"

const (
	nsOpenXCAPDialogRules = "http://openxcap.org/ns/dialog-rules"
	nsBlinkDialogRules    = "urn:ag-projects:xml:ns:dialog-rules"
)

// DialogRules is the usage org.openxcap.dialog-rules: common policy rules about
// who may subscribe to dialog state.
func DialogRules() *Usage {
	u := rulesUsage("org.openxcap.dialog-rules")
	s := newSchema(name{nsCommonPolicy, "ruleset"}, nil,
		commonPolicyDeclarations(), presRulesDeclarations(), omaPolicyDeclarations(), dialogRulesDeclarations())
	// Of OpenXCAP's own namespace no schema was ever published: what is not
	// known of it passes.
	delete(s.known, nsOpenXCAPDialogRules)
	u.Validate = func(d *xmlscan.Doc) *Conflict { return s.validate(d) }
	u.DefaultNS = nsOpenXCAPDialogRules
	u.AltNS = []string{nsCommonPolicy, nsBlinkDialogRules}
	u.Namespaces = append(u.Namespaces, nsBlinkDialogRules)
	return u
}

// dialogRulesDeclarations is the one action of dialog rules, as in RFC 5025
// §3.2.1.
func dialogRulesDeclarations() declarations {
	d := declarations{}
	for _, ns := range []string{nsOpenXCAPDialogRules, nsBlinkDialogRules} {
		d[name{ns, "sub-handling"}] = simple(ns, subHandling)
	}
	return d
}
