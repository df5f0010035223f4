package usage

// PresRules is the pres-rules usage (RFC 5025 §9).
func PresRules() *Usage {
	u := rulesUsage("pres-rules")
	// RFC 5025 §9.3. The root element is in the common policy namespace all the
	// same, so a selector without prefixes needs the second try.
	u.DefaultNS = nsPresRules
	u.AltNS = []string{nsCommonPolicy}
	return u
}

// subHandling is what a subscription comes to (RFC 5025 §3.2.1).
var subHandling = enumeration(true, "block", "confirm", "polite-block", "allow")

// presRulesDeclarations is the schema of RFC 5025 §7.
func presRulesDeclarations() declarations {
	const ns = nsPresRules
	uri, token := simple(ns, anyURI), simple(ns, anyString)
	empty := &elementType{space: ns}
	permission := simple(ns, boolean)
	components := func(all string, members ...*particle) *elementType {
		members = append(members, others(ns))
		return group(ns, oneOf(element(ns, all, empty), oneOf(members...).anyNumber()))
	}
	occurrence, class := element(ns, "occurrence-id", token), element(ns, "class", token)
	serviceURI, scheme := element(ns, "service-uri", uri), element(ns, "service-uri-scheme", token)
	device := element(ns, "deviceID", uri)

	d := declarations{
		{ns, "sub-handling"}:           simple(ns, subHandling),
		{ns, "provide-services"}:       components("all-services", serviceURI, scheme, occurrence, class),
		{ns, "provide-devices"}:        components("all-devices", device, occurrence, class),
		{ns, "provide-persons"}:        components("all-persons", occurrence, class),
		{ns, "provide-user-input"}:     simple(ns, enumeration(false, "false", "bare", "thresholds", "full")),
		{ns, "provide-all-attributes"}: empty,
		{ns, "provide-unknown-attribute"}: simple(ns, boolean,
			required("name", anyString), required("ns", anyString)),
	}
	for _, p := range []*particle{occurrence, class, serviceURI, scheme, device} {
		d[p.element] = p.typ
	}
	for _, what := range []string{
		"activities", "class", "deviceID", "mood", "note", "place-is", "place-type", "privacy",
		"relationship", "sphere", "status-icon", "time-offset",
	} {
		d[name{ns, "provide-" + what}] = permission
	}
	return d
}
