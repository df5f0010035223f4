package usage

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const listsHead = `<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists" xmlns:x="urn:x">`

func TestResourceLists(t *testing.T) {
	for _, tt := range []struct {
		name, content string
		element       string // "" = valid
		phrase        string // part of it
		fields        []string
	}{
		{name: "RFC 4826 §3.2: empty"},
		{name: "§3.3: the whole vocabulary", content: `<list name="team"><display-name xml:lang="en">Team</display-name><entry uri="sip:amy@example.com" x:y="1"><display-name>Amy</display-name><x:z/></entry>
			<list name="night"><entry uri="sip:amy@example.com"/></list>
			<entry-ref ref="resource-lists/users/sip:bo@example.com/index/~~/resource-lists/list%5b@name=%22x%22%5d/entry%5b@uri=%22sip:cy@example.com%22%5d"/>
			<external anchor="https://xcap.example.org/resource-lists/users/sip:di@example.org/index/~~/resource-lists/list%5b@name=%22ops%22%5d"/></list>`},
		{name: "§3.2: foreign elements at the end of a list", content: `<list><entry uri="sip:a@x"/><x:a><x:b>text</x:b></x:a><x:c/></list>`},
		{name: "§3.2: foreign element before an entry", content: `<list><x:a/><entry uri="sip:a@x"/></list>`,
			element: SchemaValidationError, phrase: "<entry> cannot stand here in <list>; expected an element of another namespace"},
		{name: "§3.2: element without namespace is not of another namespace", content: `<list><a xmlns=""/></list>`, element: SchemaValidationError, phrase: "<a> cannot stand here"},
		{name: "§3.2: foreign element under the root", content: `<x:a/>`, element: SchemaValidationError, phrase: "expected list"},
		{name: "§3.2: display-name comes first", content: `<list><entry uri="sip:a@x"/><display-name>A</display-name></list>`,
			element: SchemaValidationError, phrase: "expected list, external, entry, entry-ref or an element of another namespace"},
		{name: "§3.2: uri is required", content: `<list/><list><entry uri="sip:b@x"/><entry/></list>`,
			element: SchemaValidationError, phrase: "resource-lists/list[2]/entry[2]: <entry> must have the attribute uri"},
		{name: "§3.2: attribute without namespace is not foreign", content: `<list><entry uri="sip:a@x" nick="A"/></list>`,
			element: SchemaValidationError, phrase: "<entry> cannot have the attribute nick"},
		{name: "§3.2: no attributes on the display-name but xml:lang", content: `<list><display-name x:y="">A</display-name></list>`,
			element: SchemaValidationError, phrase: "attribute x:y"},
		{name: "§3.2: text in a list", content: `<list>oops</list>`, element: SchemaValidationError, phrase: `the text "oops"`},
		{name: "§3.2: element in a display-name", content: `<list><display-name><b xmlns="urn:h"/></display-name></list>`,
			element: SchemaValidationError, phrase: "<display-name> holds text and no elements"},
		{name: "RFC 4825 §8.2.5: unknown element of a known namespace in foreign content",
			content: `<list><x:a><entrie/></x:a></list>`, element: SchemaValidationError, phrase: "has no element entrie"},
		{name: "broken escape in a URI", content: `<list><entry uri="sip:a%4@x"/></list>`, element: SchemaValidationError, phrase: "must be a URI"},

		{name: "§3.4.5: two lists of one name", content: `<list name="a"/><list name="b"/><list name="a"/>`,
			element: UniquenessFailure, fields: []string{"resource-lists/list%5b3%5d/@name"}},
		{name: "§3.4.5: absent names do not clash", content: `<list/><list/>`},
		{name: "§3.4.5: comparison is of strings", content: `<list><entry uri="sip:A@x"/><entry uri="sip:a@x"/><entry uri="sip:a@X"/></list>`},
		{name: "§3.4.5: scope is one parent", content: `<list><entry uri="sip:a@x"/><list><entry uri="sip:a@x"/></list></list>`},
		{name: "§3.4.5: the same value in different kinds of members", content: `<list name="http://h/r"><external anchor="http://h/r"/><entry uri="http://h/r"/></list>`},
		{name: "§3.4.5: entries, refs and anchors", element: UniquenessFailure,
			content: `<list><entry uri="sip:a@x"/><entry uri="sip:a@x"/><list><entry-ref ref="r/a"/><entry-ref ref="r/a"/></list><external anchor="http://h/"/><external anchor="http://h/"/></list>`,
			fields: []string{"resource-lists/list%5b1%5d/entry%5b2%5d/@uri", "resource-lists/list%5b1%5d/list%5b1%5d/entry-ref%5b2%5d/@ref",
				"resource-lists/list%5b1%5d/external%5b2%5d/@anchor"}},
		{name: "RFC 4825 §8.2.5: uniqueness comes before other constraints", content: `<list><external anchor="x"/><entry uri="sip:a@x"/><entry uri="sip:a@x"/></list>`,
			element: UniquenessFailure, fields: []string{"resource-lists/list%5b1%5d/entry%5b2%5d/@uri"}},

		{name: "§3.4.5: ref with a leading slash", content: `<list><entry-ref ref="/resource-lists/users/a/index"/></list>`, element: ConstraintFailure, phrase: "relative to the XCAP root"},
		{name: "§3.4.5: absolute ref", content: `<list><entry-ref ref="http://h/resource-lists/users/a/index"/></list>`, element: ConstraintFailure},
		{name: "§3.4.5: absolute ref, percent-encoded", content: `<list><entry-ref ref="http%3A//h/resource-lists"/></list>`, element: ConstraintFailure},
		{name: "§3.4.5: empty ref", content: `<list><entry-ref ref=""/></list>`, element: ConstraintFailure},
		{name: "§3.4.5: relative anchor", content: `<list><list><external anchor="index/~~/resource-lists"/></list></list>`,
			element: ConstraintFailure, phrase: "resource-lists/list/list/external: the anchor must be an absolute HTTP URI"},
		{name: "§3.1: external without anchor", content: `<list><external/></list>`, element: ConstraintFailure},
		{name: "§3.4.5: anchors elsewhere and with raw brackets", content: `<list><external anchor='HTTPS://other.example/root/resource-lists/users/x/index/~~/resource-lists/list[@name="a"]'/></list>`},
		{name: "anchor with another scheme", content: `<list><external anchor="ftp://h/x"/></list>`, element: ConstraintFailure},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, c := judge(t, newEnv(t), "resource-lists", alice, listsHead+tt.content+"</resource-lists>")
			checkConflict(t, c, tt.element, tt.phrase, tt.fields)
		})
	}
}

func checkConflict(t *testing.T, c *Conflict, element, phrase string, fields []string) {
	t.Helper()
	if c == nil {
		if element != "" {
			t.Fatalf("accepted, want %s", element)
		}
		return
	}
	if c.Element != element {
		t.Fatalf("%s (%s %v), want %q", c.Element, c.Phrase, c.Exists, element)
	}
	if !strings.Contains(c.Phrase, phrase) || c.Phrase == "" {
		t.Errorf("phrase %q, want %q in it", c.Phrase, phrase)
	}
	var got []string
	for _, x := range c.Exists {
		got = append(got, x.Field)
	}
	if diff := cmp.Diff(fields, got); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
}

func TestRootElement(t *testing.T) {
	for _, doc := range []string{`<resource-lists/>`, `<r:lists xmlns:r="urn:ietf:params:xml:ns:resource-lists"/>`, `<ruleset xmlns="urn:ietf:params:xml:ns:common-policy"/>`} {
		_, c := judge(t, newEnv(t), "resource-lists", alice, doc)
		checkConflict(t, c, SchemaValidationError, "the root element must be resource-lists", nil)
	}
}

// RFC 4825 §8.2.5: suggestions meet the constraint.
func TestListNameSuggestion(t *testing.T) {
	_, c := judge(t, newEnv(t), "resource-lists", alice, listsHead+`<list name="a"/><list name="a-2"/><list name="a"/></resource-lists>`)
	if c == nil || len(c.Exists) != 1 {
		t.Fatalf("%+v", c)
	}
	if diff := cmp.Diff([]string{"a-3"}, c.Exists[0].AltValues); diff != "" {
		t.Error(diff)
	}
}

// The report stays small whatever the document holds.
func TestExistsIsBounded(t *testing.T) {
	_, c := judge(t, newEnv(t), "resource-lists", alice, listsHead+"<list>"+strings.Repeat(`<entry uri="sip:a@x"/>`, 500)+"</list></resource-lists>")
	if c == nil || len(c.Exists) != maxExists {
		t.Fatalf("%+v", c)
	}
}

func BenchmarkValidateResourceLists(b *testing.B) {
	d := scan(b, listsHead+"<list>"+strings.Repeat(`<entry uri="sip:a@x"><display-name>A</display-name></entry>`, 500)+"</list></resource-lists>")
	u := ResourceLists()
	b.ReportAllocs()
	for b.Loop() {
		u.Validate(d)
	}
}
