package usage

import "testing"

func TestGroupUsageList(t *testing.T) {
	for _, tt := range []struct{ name, content, element, phrase string }{
		{"named lists with entries", `<list name="g"><display-name>G</display-name><entry uri="sip:g@x"><x:uriusage xmlns:x="urn:oma:xml:xdm:resource-list:oma-uriusage"/></entry><list name="h"/></list>`, "", ""},
		{"list without name", `<list/>`, ConstraintFailure, "name attribute is required"},
		{"inner list without name", `<list name="g"><list/></list>`, ConstraintFailure, "resource-lists/list/list: the name"},
		{"entry-ref", `<list name="g"><entry-ref ref="a/b"/></list>`, ConstraintFailure, "<entry-ref> is not allowed"},
		{"external", `<list name="g"><external anchor="http://h/x"/></list>`, ConstraintFailure, "<external> is not allowed"},
		{"RFC 4826 §3.4.5: same name twice", `<list name="g"/><list name="g"/>`, UniquenessFailure, "twice"},
		{"RFC 4826 §3.2", `<group/>`, SchemaValidationError, "<group> cannot stand here"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var fields []string
			if tt.element == UniquenessFailure {
				fields = []string{"resource-lists/list%5b2%5d/@name"}
			}
			_, c := judge(t, newEnv(t), "org.openmobilealliance.group-usage-list", alice,
				`<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists">`+tt.content+`</resource-lists>`)
			checkConflict(t, c, tt.element, tt.phrase, fields)
		})
	}
}

func TestUserProfile(t *testing.T) {
	for _, tt := range []struct{ name, content, element, phrase string }{
		{"whatever a profile says", `<user-profile uri="sip:alice@example.test" x:a="b"><display-name xml:lang="en">A</display-name><x:y/>text</user-profile><x:z/>`, "", ""},
		{"the owner in another spelling", `<user-profile uri="sip%3Aalice%40Example.TEST"/>`, "", ""},
		{"another user", `<user-profile uri="sip:bob@example.test"/>`, ConstraintFailure, "wrong user profile URI"},
		{"no URI", `<user-profile/>`, SchemaValidationError, "attribute uri"},
		{"unknown element of the frame", `<profile uri="sip:alice@example.test"/>`, SchemaValidationError, "<profile> cannot stand here"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, c := judge(t, newEnv(t), "org.openmobilealliance.user-profile", alice,
				`<user-profiles xmlns="urn:oma:xml:xdm:user-profile" xmlns:x="urn:x">`+tt.content+`</user-profiles>`)
			checkConflict(t, c, tt.element, tt.phrase, nil)
		})
	}
	_, c := judge(t, newEnv(t), "org.openmobilealliance.user-profile", alice, `<user-profiles xmlns="urn:x"/>`)
	checkConflict(t, c, SchemaValidationError, "root element must be user-profiles", nil)
}

// What OMA rule documents must keep besides the schemas. The same rules are in
// order in IETF documents.
func TestOMARules(t *testing.T) {
	rule := func(conditions, handling, transformations string) string {
		return `<cr:rule id="a"><cr:conditions>` + conditions + `</cr:conditions>` +
			`<cr:actions><pr:sub-handling>` + handling + `</pr:sub-handling></cr:actions>` + transformations + `</cr:rule>`
	}
	one := `<cr:identity><cr:one id="sip:b@x"/></cr:identity>`
	list := `<ocp:external-list><ocp:entry anc="http://h/x"/></ocp:external-list>`
	show := `<cr:transformations><pr:provide-note>true</pr:provide-note></cr:transformations>`
	for _, tt := range []struct{ name, content, phrase string }{
		{"one of each", rule(one+list+`<ocp:other-identity/><ocp:anonymous-request/><x:y/><x:y/>`, "allow", show), ""},
		{"empty transformations", rule(one, "block", `<cr:transformations/>`), ""},
		{"two identities", rule(one+one, "allow", ""), "one identity at most"},
		{"two external lists", rule(list+list, "allow", ""), "one external-list at most"},
		{"two other-identity", rule(`<ocp:other-identity/><x:y/><ocp:other-identity/>`, "allow", ""), "one other-identity at most"},
		{"two anonymous-request", rule(`<ocp:anonymous-request/><ocp:anonymous-request/>`, "block", ""), "one anonymous-request at most"},
		{"transformations without allow", rule(one, "confirm", show), "only a rule with sub-handling allow"},
		{"transformations without action", `<cr:rule id="a">` + show + `</cr:rule>`, "only a rule with sub-handling allow"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			element := ""
			if tt.phrase != "" {
				element = ConstraintFailure
			}
			_, c := judge(t, newEnv(t), "org.openmobilealliance.pres-rules", alice, rulesHead+tt.content+"</cr:ruleset>")
			checkConflict(t, c, element, tt.phrase, nil)
			_, c = judge(t, newEnv(t), "pres-rules", alice, rulesHead+tt.content+"</cr:ruleset>")
			checkConflict(t, c, "", "", nil)
		})
	}
}

func TestDialogRules(t *testing.T) {
	for _, tt := range []struct{ name, action, phrase string }{
		{"Blink's action", `<d:sub-handling xmlns:d="urn:ag-projects:xml:ns:dialog-rules">allow</d:sub-handling>`, ""},
		{"OpenXCAP's action", `<d:sub-handling xmlns:d="http://openxcap.org/ns/dialog-rules"> polite-block </d:sub-handling>`, ""},
		{"unknown action of a namespace without schema", `<d:x xmlns:d="http://openxcap.org/ns/dialog-rules"/>`, ""},
		{"unknown value", `<d:sub-handling xmlns:d="urn:ag-projects:xml:ns:dialog-rules">accept</d:sub-handling>`, `must be one of block, confirm, polite-block, allow, not "accept"`},
		{"unknown value", `<d:sub-handling xmlns:d="http://openxcap.org/ns/dialog-rules"/>`, "must be one of block"},
		{"misspelt action", `<d:subhandling xmlns:d="urn:ag-projects:xml:ns:dialog-rules">allow</d:subhandling>`, "has no element subhandling"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			element := ""
			if tt.phrase != "" {
				element = SchemaValidationError
			}
			_, c := judge(t, newEnv(t), "org.openxcap.dialog-rules", alice,
				rulesHead+`<cr:rule id="a"><cr:actions>`+tt.action+`</cr:actions></cr:rule></cr:ruleset>`)
			checkConflict(t, c, element, tt.phrase, nil)
		})
	}
}
