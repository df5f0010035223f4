package usage

import "testing"

const pidfHead = `<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid" xmlns:p="urn:ietf:params:xml:ns:pidf" entity="sip:alice@example.test">`

func TestPIDF(t *testing.T) {
	for _, tt := range []struct {
		name, content string
		phrase        string
	}{
		{name: "RFC 3863 §4.4: empty"},
		{name: "RFC 3863 §4.3: everything", content: `<tuple id="t1"><status><basic>open</basic><rpid:x/></status><rpid:mood p:mustUnderstand="1"/><contact priority="0.8">im:a@x</contact><note xml:lang="en">Hi</note><note/><timestamp>2001-10-27T16:49:29Z</timestamp></tuple><note>I'll be in Tokyo next week</note><rpid:other/>`},
		{name: "RFC 4479 §4: person and device", content: `<tuple id="t"><status/><dm:deviceID>urn:x</dm:deviceID></tuple><dm:person id="p"><rpid:activities><rpid:away/></rpid:activities><dm:note>n</dm:note><dm:timestamp>2001-10-27T16:49:29.12+02:00</dm:timestamp></dm:person><dm:device id="d"><dm:deviceID>mac:1</dm:deviceID></dm:device>`},
		{name: "RFC 3863 §4.1.2: tuple without status", content: `<tuple id="t"/>`, phrase: "expected status"},
		{name: "RFC 3863 §4.1.4: basic", content: `<tuple id="t"><status><basic>Open</basic></status></tuple>`, phrase: "one of open, closed"},
		{name: "RFC 3863 §4.4: tuple without id", content: `<tuple><status/></tuple>`, phrase: "attribute id"},
		{name: "RFC 3863 §4.4: priority", content: `<tuple id="t"><status/><contact priority="1.1">sip:a@x</contact></tuple>`, phrase: "0 to 1"},
		{name: "RFC 3863 §4.4: tuple after person", content: `<dm:person id="p"/><tuple id="t"><status/></tuple>`, phrase: "<tuple> cannot stand here"},
		{name: "RFC 3863 §4.4: note before tuple", content: `<note/><tuple id="t"><status/></tuple>`, phrase: "<tuple> cannot stand here"},
		{name: "RFC 3863 §4.4: extension after contact", content: `<tuple id="t"><status/><contact>sip:a@x</contact><rpid:mood/></tuple>`, phrase: "expected note or timestamp"},
		{name: "one space of ids over tuples, persons and devices", content: `<tuple id="t"><status/></tuple><dm:person id="t"/>`, phrase: `"t" is already that of presence/tuple`},
		{name: "RFC 3863 §4.4: mustUnderstand is a boolean", content: `<tuple id="t"><status/><rpid:mood p:mustUnderstand="yes"/></tuple>`, phrase: "mustUnderstand of <rpid:mood> must be one of true"},
		{name: "RFC 3863 §4.4: not on elements of PIDF itself", content: `<tuple id="t" p:mustUnderstand="1"><status/></tuple>`, phrase: "cannot have the attribute p:mustUnderstand"},
		{name: "RFC 3863 §4.4: xml:lang", content: `<note xml:lang="not a language"/>`, phrase: "a language tag"},
		{name: "RFC 4479 §5: device without deviceID", content: `<dm:device id="d"/>`, phrase: "expected deviceID or an element of another namespace"},
		{name: "RFC 4479 §5: unknown element", content: `<dm:people id="p"/>`, phrase: "has no element people"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			element := ""
			if tt.phrase != "" {
				element = SchemaValidationError
			}
			_, c := judge(t, newEnv(t), "pidf-manipulation", alice, pidfHead+tt.content+"</presence>")
			checkConflict(t, c, element, tt.phrase, nil)
		})
	}
	_, c := judge(t, newEnv(t), "pidf-manipulation", alice, `<presence xmlns="urn:ietf:params:xml:ns:pidf"/>`)
	checkConflict(t, c, SchemaValidationError, "attribute entity", nil)
}

func TestSimpleTypes(t *testing.T) {
	for _, tt := range []struct {
		typ   *simpleType
		value string
		want  bool
	}{
		{dateTime, "2026-01-31T18:30:00Z", true},
		{dateTime, " 2026-01-31T18:30:00.123456-14:00 ", true},
		{dateTime, "12026-01-31T18:30:00", true},
		{dateTime, "2024-02-29T00:00:00Z", true},
		{dateTime, "2026-02-29T00:00:00Z", false},
		{dateTime, "2026-01-31T24:00:00.0Z", true},
		{dateTime, "2026-01-31T24:00:01Z", false},
		{dateTime, "2026-01-31T18:30Z", false},
		{dateTime, "2026-01-31 18:30:00Z", false},
		{dateTime, "2026-01-31T18:30:00+15:00", false},
		{dateTime, "26-01-31T18:30:00Z", false},
		{boolean, " 1 ", true},
		{boolean, "TRUE", false},
		{anyURI, "", true},
		{anyURI, `http://h/list[@name="a b"]`, true},
		{anyURI, "sip%3Aa%40b", true},
		{anyURI, "sip:a%zz", false},
		{anyURI, "sip:a%", false},
		{xmlID, "_a-1.b", true},
		{xmlID, "é", true},
		{xmlID, "a:b", false},
		{xmlID, "-a", false},
		{xmlID, "", false},
		{qvalue, "0.", true},
		{qvalue, "0.1234", false},
	} {
		if got := tt.typ.valid(tt.value); got != tt.want {
			t.Errorf("%q as %s: %v", tt.value, tt.typ.expected, got)
		}
	}
}
