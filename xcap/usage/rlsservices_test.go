package usage

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rollcall/internal/store"
	"rollcall/internal/store/memory"
)

const servicesHead = `<rls-services xmlns="urn:ietf:params:xml:ns:rls-services" xmlns:rl="urn:ietf:params:xml:ns:resource-lists" xmlns:x="urn:x">`

const ownList = `http://xcap.example.test/xcap-root/resource-lists/users/sip:alice@example.test/index/~~/resource-lists/list%5b@name=%22l1%22%5d`

func service(uri string) string {
	return `<service uri="` + uri + `"><resource-list>` + ownList + `</resource-list></service>`
}

func TestRLSServices(t *testing.T) {
	reference := func(uri string) string {
		return `<service uri="sip:team@example.test"><resource-list>` + uri + `</resource-list></service>`
	}
	for _, tt := range []struct {
		name, content string
		element       string
		phrase        string
		fields        []string
		claims        []string
	}{
		{name: "RFC 4826 §4.2: empty"},
		{name: "§4.2: inline list is ours, its members are resource-lists elements", claims: []string{"sip:team@example.test"},
			content: `<service uri="sip:team@example.test"><list name="m"><rl:entry uri="sip:joe@example.com"/><x:y/></list><packages><package>presence</package><x:y/></packages><x:z/></service>`},
		{name: "§4.2: members in the wrong namespace", element: SchemaValidationError, phrase: "has no element entry",
			content: `<service uri="sip:team@example.test"><list><entry uri="sip:joe@example.com"/></list></service>`},
		{name: "§4.2: both kinds of list", element: SchemaValidationError, phrase: "<list> cannot stand here",
			content: `<service uri="sip:team@example.test"><resource-list>` + ownList + `</resource-list><list/></service>`},
		{name: "§4.2: no list", element: SchemaValidationError, phrase: "expected resource-list or list",
			content: `<service uri="sip:team@example.test"><packages/></service>`},
		{name: "§4.2: empty service", element: SchemaValidationError, phrase: "<service> is incomplete; expected resource-list or list",
			content: `<service uri="sip:team@example.test"/>`},
		{name: "§4.2: uri is required", element: SchemaValidationError, phrase: "attribute uri", content: `<service><list/></service>`},
		{name: "§4.4.5: rules of resource-lists hold in an inline list", element: UniquenessFailure,
			content: `<service uri="sip:team@example.test"><list><rl:entry uri="sip:a@x"/><rl:entry uri="sip:a@x"/></list></service>`,
			fields:  []string{"rls-services/service%5b1%5d/list%5b1%5d/n0:entry%5b2%5d/@uri?xmlns(n0=urn:ietf:params:xml:ns:resource-lists)"}},
		{name: "§4.4.5: anchors in an inline list", element: ConstraintFailure, phrase: "anchor",
			content: `<service uri="sip:team@example.test"><list><rl:external anchor="x/y"/></list></service>`},

		{name: "§4.4.5: equal to a user", content: service("sip:bob@example.test"), element: UniquenessFailure, fields: []string{"rls-services/service%5b1%5d/@uri"}},
		{name: "§4.4.5: equal to the owner", content: service("sip:alice@EXAMPLE.test"), element: UniquenessFailure, fields: []string{"rls-services/service%5b1%5d/@uri"}},
		{name: "the owner's own tagged address", content: service("sip:alice+presence@example.test"), claims: []string{"sip:alice+presence@example.test"}},
		{name: "percent-encoded whole, as Blink does", content: service("sip%3Aalice%2Bpresence%40example.test"), claims: []string{"sip:alice+presence@example.test"}},
		{name: "another user's tagged address", content: service("sip:bob+presence@example.test"), element: UniquenessFailure, fields: []string{"rls-services/service%5b1%5d/@uri"}},
		{name: "a tag on nobody", content: service("sip:crew+night@example.test"), claims: []string{"sip:crew+night@example.test"}},
		{name: "§4.4.5: twice in one document, in different spelling", content: service("sip:team@example.test") + service("sip:te%61m@Example.test"),
			element: UniquenessFailure, fields: []string{"rls-services/service%5b2%5d/@uri"}},
		{name: "§4.4.5: in use by another document", content: service("sip:taken@example.test"), element: UniquenessFailure, fields: []string{"rls-services/service%5b1%5d/@uri"}},
		{name: "not SIP", content: service("tel:+123"), element: ConstraintFailure, phrase: "must be a SIP URI"},
		{name: "no URI at all", content: service("team"), element: ConstraintFailure, phrase: "must be a SIP URI"},

		{name: "§4.4.5: list of another user", element: ConstraintFailure, phrase: "your own resource-lists document",
			content: reference("http://h/xcap-root/resource-lists/users/sip:bob@example.test/index/~~/resource-lists/list")},
		{name: "§4.4.5: list in another usage", element: ConstraintFailure, phrase: "must be in a resource-lists document",
			content: reference("http://h/xcap-root/rls-services/users/sip:alice@example.test/index/~~/x")},
		{name: "§4.4.5: list in the global tree", element: ConstraintFailure, phrase: "not in the global one",
			content: reference("http://h/xcap-root/resource-lists/global/index/~~/resource-lists/list")},
		{name: "§4.1: another root", element: ConstraintFailure, content: reference("http://h/elsewhere/resource-lists/users/sip:alice@example.test/index/~~/x")},
		{name: "§4.4.5: relative", element: ConstraintFailure, phrase: "absolute HTTP URI", content: reference("resource-lists/users/sip:alice@example.test/index/~~/x")},
		{name: "whatever the host, encoded or not", claims: []string{"sip:team@example.test"},
			content: reference("\n http%3A//10.0.0.1%3A8080/xcap-root/resource-lists/users/sip%3Aalice%40example.test/index/~~/resource-lists/list%5B%40name%3D%22l1%22%5D\n")},
		{name: "RFC 4825 §8.2.5: uniqueness comes before other constraints", element: UniquenessFailure, fields: []string{"rls-services/service%5b2%5d/@uri"},
			content: `<service uri="sip:team@example.test"><resource-list>x</resource-list></service>` + service("sip:bob@example.test")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			env := newEnv(t)
			other := store.Document{DocumentKey: store.DocumentKey{XUI: bob, AUID: "rls-services", Path: "other"}, Body: []byte("<x/>"), ETag: "1"}
			if err := env.Documents.PutDocument(t.Context(), other, "", []string{"sip:taken@example.test"}); err != nil {
				t.Fatal(err)
			}
			claims, c := judge(t, env, "rls-services", alice, servicesHead+tt.content+"</rls-services>")
			checkConflict(t, c, tt.element, tt.phrase, tt.fields)
			if diff := cmp.Diff(tt.claims, claims); diff != "" {
				t.Errorf("claims (-want +got):\n%s", diff)
			}
			if c != nil && len(c.Exists) == 1 && strings.Contains(c.Exists[0].Field, "service%5b1%5d/@uri") {
				checkAlternatives(t, env, c.Exists[0].AltValues)
			}
		})
	}
}

// RFC 4825 §8.2.5: the suggestions would be accepted.
func checkAlternatives(t *testing.T, env Env, alt []string) {
	t.Helper()
	if len(alt) == 0 {
		t.Error("no alt-value")
	}
	for _, uri := range alt {
		if _, c := judge(t, env, "rls-services", alice, servicesHead+service(uri)+"</rls-services>"); c != nil {
			t.Errorf("suggested %s is refused: %s", uri, c.Phrase)
		}
	}
}

// A document may keep what it claims already, under whatever content.
func TestOwnClaimIsNoConflict(t *testing.T) {
	env := newEnv(t)
	key := store.DocumentKey{XUI: alice, AUID: "rls-services", Path: "index"}
	doc := store.Document{DocumentKey: key, Body: []byte("<x/>"), ETag: "1"}
	if err := env.Documents.PutDocument(t.Context(), doc, "", []string{"sip:team@example.test"}); err != nil {
		t.Fatal(err)
	}
	claims, c := judge(t, env, "rls-services", alice, servicesHead+service("sip:team@example.test")+"</rls-services>")
	if c != nil || len(claims) != 1 {
		t.Fatalf("%v, %+v", claims, c)
	}
}

func TestServicesAreBounded(t *testing.T) {
	var b strings.Builder
	for i := range maxServices + 1 {
		b.WriteString(service("sip:t" + strings.Repeat("x", i) + "@example.test"))
	}
	_, c := judge(t, newEnv(t), "rls-services", alice, servicesHead+b.String()+"</rls-services>")
	checkConflict(t, c, ConstraintFailure, "256 services at most", nil)
}

func TestStoreFailureIsAnError(t *testing.T) {
	env := newEnv(t)
	env.Documents.(*memory.Store).Close()
	d := scan(t, servicesHead+service("sip:team@example.test")+"</rls-services>")
	_, c, err := byAUID(t, "rls-services").Constrain(t.Context(), env, store.DocumentKey{XUI: alice}, d)
	if c != nil || !errors.Is(err, store.ErrUnavailable) {
		t.Fatalf("%+v, %v", c, err)
	}
}

// RFC 4826 §4.4.7 and §4.4.8: the union of the documents named index, meaning
// what it meant where it came from.
func TestServicesIndex(t *testing.T) {
	env := newEnv(t)
	put := func(xui, path, body string) {
		t.Helper()
		doc := store.Document{DocumentKey: store.DocumentKey{XUI: xui, AUID: "rls-services", Path: path}, Body: []byte(body), ETag: "1"}
		if err := env.Documents.PutDocument(t.Context(), doc, "", nil); err != nil {
			t.Fatal(err)
		}
	}
	put(alice, "index", servicesHead+service("sip:a@x")+service("sip:a2@x")+"</rls-services>")
	put(alice, "other", servicesHead+service("sip:hidden@x")+"</rls-services>")
	put(bob, "index", `<r:rls-services xmlns:r="urn:ietf:params:xml:ns:rls-services" xmlns:l="urn:shadowed&amp;"><r:service xmlns:l="urn:ietf:params:xml:ns:resource-lists" uri="sip:b@x"><r:list><l:entry uri="sip:c@x"/></r:list><bare xmlns=""/></r:service></r:rls-services>`)

	usage := byAUID(t, "rls-services")
	body, tag, ok, err := usage.Global(t.Context(), env, store.DocumentKey{Path: "index"})
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	d := scan(t, string(body))
	var uris []string
	for s := range d.Children(0) {
		if !d.Is(s, nsRLSServices, "service") {
			t.Errorf("%+v", d.Elements[s].Name)
		}
		uri, _ := d.Attr(s, "", "uri")
		uris = append(uris, uri)
	}
	if diff := cmp.Diff([]string{"sip:a@x", "sip:a2@x", "sip:b@x"}, uris); diff != "" {
		t.Errorf("services (-want +got):\n%s\n%s", diff, body)
	}
	last := d.Elements[len(d.Elements)-1]
	if last.Local != "bare" || last.Space != "" {
		t.Errorf("an element without namespace became %+v", last.Name)
	}
	if entry := len(d.Elements) - 2; !d.Is(entry, nsResourceLists, "entry") {
		t.Errorf("binding lost: %+v", d.Elements[entry].Name)
	}
	put("sip:carol@x", "index", servicesHead+service("sip:c@x")+"</rls-services>")
	if _, changed, _, _ := usage.Global(t.Context(), env, store.DocumentKey{Path: "index"}); changed == tag {
		t.Error("the entity-tag stayed although the index changed")
	}
	if _, _, ok, _ := usage.Global(t.Context(), env, store.DocumentKey{Path: "other"}); ok {
		t.Error("only index is computed")
	}
}
