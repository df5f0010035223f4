package usage

import "rollcall/internal/xmlscan"

const (
	nsCommonPolicy    = "urn:ietf:params:xml:ns:common-policy"
	nsPresRules       = "urn:ietf:params:xml:ns:pres-rules"
	nsOMACommonPolicy = "urn:oma:xml:xdm:common-policy"
)

// rulesUsage is a usage whose documents are common policy rule sets.
func rulesUsage(auid string) *Usage {
	s := newSchema(name{nsCommonPolicy, "ruleset"}, nil,
		commonPolicyDeclarations(), presRulesDeclarations(), omaPolicyDeclarations())
	return &Usage{
		AUID:       auid,
		MIMEType:   "application/auth-policy+xml",
		Namespaces: []string{nsCommonPolicy, nsPresRules, nsOMACommonPolicy},
		Validate:   func(d *xmlscan.Doc) *Conflict { return s.validate(d) },
	}
}

// commonPolicyDeclarations is the schema of RFC 4745 §13.
func commonPolicyDeclarations() declarations {
	const ns = nsCommonPolicy
	foreign := others(ns)
	permissions := group(ns, foreign.anyNumber()) // extensibleType
	except := &elementType{space: ns, attrs: []attribute{optional("domain", anyString), optional("id", anyURI)}}
	many := group(ns, oneOf(element(ns, "except", except), foreign).anyNumber(), optional("domain", anyString))
	one := group(ns, foreign.optional(), required("id", anyURI))
	identity := group(ns, oneOf(element(ns, "one", one), element(ns, "many", many), foreign).oneOrMore())
	sphere := &elementType{space: ns, attrs: []attribute{required("value", anyString)}}
	instant := simple(ns, dateTime)
	validity := group(ns, sequence(element(ns, "from", instant), element(ns, "until", instant)).oneOrMore())
	conditions := group(ns, oneOf(
		element(ns, "identity", identity),
		element(ns, "sphere", sphere),
		element(ns, "validity", validity),
		foreign,
	).anyNumber())
	rule := group(ns, sequence(
		element(ns, "conditions", conditions).optional(),
		element(ns, "actions", permissions).optional(),
		element(ns, "transformations", permissions).optional(),
	), required("id", xmlID))
	return declarations{{ns, "ruleset"}: group(ns, element(ns, "rule", rule).anyNumber())}
}

// omaPolicyDeclarations is what OMA adds to the conditions of common policy.
func omaPolicyDeclarations() declarations {
	const ns = nsOMACommonPolicy
	foreign := others(ns).anyNumber()
	entry := group(ns, foreign, optional("anc", anyURI))
	entry.anyAttr = true
	empty := &elementType{space: ns}
	return declarations{
		{ns, "external-list"}:     group(ns, sequence(element(ns, "entry", entry).anyNumber(), foreign)),
		{ns, "anonymous-request"}: empty,
		{ns, "other-identity"}:    empty,
	}
}
