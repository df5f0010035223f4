package usage

import "rollcall/internal/xmlscan"

// OMAPresRules is the usage org.openmobilealliance.pres-rules, which Blink and
// OMA clients use in place of pres-rules. Its selectors are in the common
// policy namespace; those written for pres-rules resolve as well.
func OMAPresRules() *Usage {
	u := rulesUsage("org.openmobilealliance.pres-rules")
	u.DefaultNS = nsCommonPolicy
	u.AltNS = []string{nsPresRules}
	validate := u.Validate
	u.Validate = func(d *xmlscan.Doc) *Conflict {
		if c := validate(d); c != nil {
			return c
		}
		return checkOMARules(d)
	}
	return u
}

// singleConditions are those that a rule has one of at most.
var singleConditions = []name{
	{nsCommonPolicy, "identity"},
	{nsOMACommonPolicy, "external-list"},
	{nsOMACommonPolicy, "other-identity"},
	{nsOMACommonPolicy, "anonymous-request"},
}

// checkOMARules enforces what OMA adds to the schemas: each of the conditions
// about who is asking occurs once in a rule at most, and only a rule that allows
// says what is shown.
func checkOMARules(d *xmlscan.Doc) *Conflict {
	for rule := range d.Children(0) {
		allows, transformations := false, -1
		for part := range d.Children(rule) {
			switch d.Elements[part].Local {
			case "conditions":
				if c := checkOMAConditions(d, part); c != nil {
					return c
				}
			case "actions":
				allows = allowsSubscription(d, part)
			case "transformations":
				if d.Elements[part].First >= 0 {
					transformations = part
				}
			}
		}
		if transformations >= 0 && !allows {
			return constraint(d, transformations, "only a rule with sub-handling allow may have transformations")
		}
	}
	return nil
}

func checkOMAConditions(d *xmlscan.Doc, conditions int) *Conflict {
	for _, n := range singleConditions {
		found := false
		for condition := range d.Children(conditions) {
			if nameOf(d, condition) != n {
				continue
			}
			if found {
				return constraint(d, condition, "a rule may have one "+n.local+" at most")
			}
			found = true
		}
	}
	return nil
}

func allowsSubscription(d *xmlscan.Doc, actions int) bool {
	for action := range d.Children(actions) {
		if d.Is(action, nsPresRules, "sub-handling") && collapse(d.Text(action)) == "allow" {
			return true
		}
	}
	return false
}
