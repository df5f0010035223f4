package usage

import "testing"

const rulesHead = `<cr:ruleset xmlns:cr="urn:ietf:params:xml:ns:common-policy" xmlns:pr="urn:ietf:params:xml:ns:pres-rules" xmlns:ocp="urn:oma:xml:xdm:common-policy" xmlns:x="urn:x">`

func TestRules(t *testing.T) {
	condition := func(s string) string {
		return `<cr:rule id="a"><cr:conditions>` + s + `</cr:conditions></cr:rule>`
	}
	transform := func(s string) string {
		return `<cr:rule id="a"><cr:transformations>` + s + `</cr:transformations></cr:rule>`
	}
	action := func(s string) string { return `<cr:rule id="a"><cr:actions>` + s + `</cr:actions></cr:rule>` }
	for _, tt := range []struct {
		name, content string
		phrase        string // of the schema-validation-error; "" = valid
	}{
		{name: "RFC 4745 §13: empty"},
		{name: "RFC 4745 §13: rule without parts", content: `<cr:rule id="a"/><cr:rule id="b"><cr:conditions/></cr:rule>`},
		{name: "RFC 5025 §5: example", content: `<cr:rule id="r1"><cr:conditions><cr:identity><cr:one id="sip:bo@example.com"/></cr:identity></cr:conditions><cr:actions><pr:sub-handling>allow</pr:sub-handling></cr:actions>
			<cr:transformations><pr:provide-services><pr:service-uri-scheme>sip</pr:service-uri-scheme><pr:class>x</pr:class></pr:provide-services><pr:provide-persons><pr:all-persons/></pr:provide-persons>
			<pr:provide-activities> true </pr:provide-activities><pr:provide-user-input>bare</pr:provide-user-input><pr:provide-unknown-attribute ns="urn:vendor" name="mood">1</pr:provide-unknown-attribute></cr:transformations></cr:rule>`},
		{name: "RFC 4745 §7: all conditions", content: condition(`<cr:identity><cr:many domain="x"><cr:except domain="y"/><cr:except id="sip:a@x"/><x:y/></cr:many><x:z/></cr:identity><cr:sphere value="home work"/>
			<cr:validity><cr:from>2003-12-24T17:00:00+01:00</cr:from><cr:until>2003-12-24T19:00:00Z</cr:until><cr:from>2004-12-24T17:00:00.5</cr:from><cr:until>2004-12-24T24:00:00</cr:until></cr:validity><x:cond/>`)},
		{name: "OMA conditions", content: condition(`<ocp:external-list><ocp:entry anc='http://h/resource-lists/list[@name="a"]'/></ocp:external-list><ocp:other-identity/><ocp:anonymous-request/>`)},
		{name: "RFC 4745 §7: unknown condition", content: condition(`<fc:false-condition xmlns:fc="urn:ag-projects:xml:ns:common-policy"/>`)},

		{name: "RFC 4745 §13: id is required", content: `<cr:rule/>`, phrase: "must have the attribute id"},
		{name: "RFC 4745 §13: id is a name", content: `<cr:rule id="1a"/>`, phrase: `not "1a"`},
		{name: "RFC 4745 §13: id is unique", content: `<cr:rule id="a"/><cr:rule id="a"/>`, phrase: `the id "a" is already that of ruleset/rule[1]`},
		{name: "RFC 4745 §13: order of the parts", content: `<cr:rule id="a"><cr:actions/><cr:conditions/></cr:rule>`, phrase: "<cr:conditions> cannot stand here in <cr:rule>; expected transformations"},
		{name: "RFC 4745 §13: empty identity", content: condition(`<cr:identity/>`), phrase: "<cr:identity> is incomplete; expected one, many or an element of another namespace"},
		{name: "RFC 4745 §13: one without id", content: condition(`<cr:identity><cr:one/></cr:identity>`), phrase: "attribute id"},
		{name: "RFC 4745 §13: from without until", content: condition(`<cr:validity><cr:from>2003-12-24T17:00:00Z</cr:from></cr:validity>`), phrase: "expected until"},
		{name: "RFC 4745 §13: not a date", content: condition(`<cr:validity><cr:from>2003-02-30T17:00:00Z</cr:from><cr:until>2003-12-24T17:00:00Z</cr:until></cr:validity>`), phrase: "must be a date and time"},
		{name: "RFC 4745 §13: unknown condition of our own namespace", content: condition(`<cr:sfere value="home"/>`), phrase: "expected identity, sphere, validity"},
		{name: "RFC 4745 §13: no foreign attributes", content: `<cr:rule id="a" x:y="z"/>`, phrase: "cannot have the attribute x:y"},
		{name: "RFC 4745 §13: no foreign elements in a rule", content: `<cr:rule id="a"><x:y/></cr:rule>`, phrase: "<x:y> cannot stand here"},
		{name: "RFC 5025 §7: unknown handling", content: action(`<pr:sub-handling>permit</pr:sub-handling>`), phrase: `must be one of block, confirm, polite-block, allow, not "permit"`},
		{name: "RFC 4825 §8.2.5: misspelt permission", content: action(`<pr:subhandling>allow</pr:subhandling>`), phrase: "has no element subhandling"},
		{name: "RFC 5025 §7: all-services and another", content: transform(`<pr:provide-services><pr:all-services/><pr:class>x</pr:class></pr:provide-services>`), phrase: "<pr:class> cannot stand here"},
		{name: "RFC 5025 §7: person permission with a service member", content: transform(`<pr:provide-persons><pr:service-uri>x</pr:service-uri></pr:provide-persons>`), phrase: "expected all-persons, occurrence-id, class"},
		{name: "RFC 5025 §7: not a boolean", content: transform(`<pr:provide-note>yes</pr:provide-note>`), phrase: "one of true, false, 1, 0"},
		{name: "RFC 5025 §7: unknown attribute without name", content: transform(`<pr:provide-unknown-attribute ns="urn:a">true</pr:provide-unknown-attribute>`), phrase: "attribute name"},
		{name: "RFC 5025 §7: all-attributes is empty", content: transform(`<pr:provide-all-attributes>true</pr:provide-all-attributes>`), phrase: "must be empty"},
		{name: "permissions in unknown content are checked as well", content: action(`<x:y><pr:sub-handling/></x:y>`), phrase: "one of block"},
		{name: "OMA: text in a condition", content: condition(`<ocp:other-identity>x</ocp:other-identity>`), phrase: "must be empty"},
		{name: "OMA: misspelt condition", content: condition(`<ocp:otheridentity/>`), phrase: "has no element otheridentity"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			element := ""
			if tt.phrase != "" {
				element = SchemaValidationError
			}
			for _, auid := range []string{"pres-rules", "org.openmobilealliance.pres-rules", "org.openxcap.dialog-rules"} {
				_, c := judge(t, newEnv(t), auid, alice, rulesHead+tt.content+"</cr:ruleset>")
				checkConflict(t, c, element, tt.phrase, nil)
			}
		})
	}
}

// RFC 5025 §9.3: the default namespace is that of pres-rules although the root
// element is not in it; OMA names common policy instead.
func TestRulesNamespaces(t *testing.T) {
	ietf, oma := PresRules(), OMAPresRules()
	if ietf.DefaultNS != nsPresRules || ietf.AltNS[0] != nsCommonPolicy {
		t.Errorf("%s, %s", ietf.DefaultNS, ietf.AltNS)
	}
	if oma.DefaultNS != nsCommonPolicy || oma.AltNS[0] != nsPresRules {
		t.Errorf("%s, %s", oma.DefaultNS, oma.AltNS)
	}
}
