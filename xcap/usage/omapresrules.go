package usage

// OMAPresRules is the usage org.openmobilealliance.pres-rules, which Blink and
// OMA clients use in place of pres-rules. Its selectors are in the common
// policy namespace; those written for pres-rules resolve as well.
func OMAPresRules() *Usage {
	u := rulesUsage("org.openmobilealliance.pres-rules")
	u.DefaultNS = nsCommonPolicy
	u.AltNS = []string{nsPresRules}
	return u
}
