package policy

import (
	"fmt"
	"strings"
	"testing"

	"rollcall/internal/store"
)

func lintRule(id, conditions, handling string) string {
	return `<cr:rule id="` + id + `"><cr:conditions>` + conditions + `</cr:conditions><cr:actions><pr:sub-handling>` + handling +
		`</pr:sub-handling></cr:actions></cr:rule>`
}

func TestLint(t *testing.T) {
	bobOne := one(bo)
	lists := resourceLists(map[string][]string{"granted": {bo}, "blocked": nil})
	blink := lintRule("granted", external("granted"), "allow") + lintRule("blocked", external("blocked"), "polite-block") +
		lintRule("unlisted", `<ocp:other-identity/>`, "confirm") + lintRule("anonymous", `<ocp:anonymous-request/>`, "block") +
		lintRule("own", one(alice), "allow")
	for _, tt := range []struct {
		name, auid, rules string
		want              []string // "warning rule: words" or "note rule: words"
	}{
		{"what Blink writes", AUIDOMAPresRules, blink, []string{"note blocked: empty", "warning blocked: decides nothing", "note anonymous: changes nothing"}},
		{"no conditions", AUIDPresRules, lintRule("all", "", "allow"), []string{"warning all: also watchers without an identity"}},
		{"many", AUIDPresRules, lintRule("all", `<cr:identity><cr:many/></cr:identity>`, "allow"), []string{"warning all: everybody with an identity"}},
		{"one domain", AUIDPresRules, lintRule("ours", `<cr:identity><cr:many domain="example.com"/></cr:identity>`, "allow"), nil},
		{"unlisted", AUIDOMAPresRules, lintRule("rest", `<ocp:other-identity/>`, "allow"), []string{"warning rest: whom no other rule names"}},
		{"switched off", AUIDPresRules, lintRule("off", `<ag:false-condition/>`, "allow"), nil},
		{"unknown", AUIDPresRules, lintRule("new", `<x xmlns="urn:x"/>`, "allow"), []string{`warning new: condition "x"`, "warning new: never all true"}},
		{"dangling", AUIDOMAPresRules, lintRule("gone", external("gone"), "allow"), []string{`warning gone: the list "gone"`, "warning gone: never all true"}},
		{"twice", AUIDPresRules, lintRule("a", bobOne, "allow") + lintRule("b", bobOne, "confirm"), []string{"warning b: as other rules say as much"}},
		{"out of date", AUIDPresRules, lintRule("old", `<cr:validity><cr:from>2001-01-01T00:00:00Z</cr:from><cr:until>2001-01-02T00:00:00Z</cr:until></cr:validity>`, "allow"),
			[]string{"warning old: validity is over", "warning old: never all true"}},
		{"later", AUIDPresRules, lintRule("then", bobOne+`<cr:validity><cr:from>2031-01-01T00:00:00Z</cr:from><cr:until>2031-01-02T00:00:00Z</cr:until></cr:validity>`, "allow"), nil},
		{"damaged", AUIDPresRules, "<oops", []string{"warning : cannot be read"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			key := store.DocumentKey{XUI: alice, AUID: tt.auid, Path: "index"}
			d := &documents{bodies: map[store.DocumentKey]string{key: rulesetOf(tt.rules), listsKey: lists}}
			found, err := engine(d, Options{}).Lint(t.Context(), alice, noon)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range found {
				word := "note"
				if f.Warning {
					word = "warning"
				}
				got = append(got, fmt.Sprintf("%s %s: %s", word, f.Rule, f.Text))
			}
			if len(got) != len(tt.want) {
				t.Fatalf("found\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
			for i, w := range tt.want {
				head, tail, _ := strings.Cut(w, ": ")
				if !strings.HasPrefix(got[i], head) || !strings.Contains(got[i], tail) {
					t.Errorf("found %q, want %q", got[i], w)
				}
			}
		})
	}
}

func TestDraft(t *testing.T) {
	d := &documents{bodies: map[store.DocumentKey]string{}}
	key := store.DocumentKey{XUI: alice, AUID: AUIDPresRules, Path: "index"}
	req := Request{Presentity: alice, Watcher: bo, Now: noon}
	if got, err := engine(d, Options{}).Decide(t.Context(), req); err != nil || !got.NoPolicy {
		t.Fatalf("%+v, %v", got, err)
	}
	draft := WithDraft(d, store.Document{DocumentKey: key, Body: []byte(rulesetOf(lintRule("all", "", "allow")))})
	e := NewEngine(draft, engine(d, Options{}).lists, Options{})
	if got, err := e.Decide(t.Context(), req); err != nil || got.Handling != Allow {
		t.Errorf("with the draft %+v, %v", got, err)
	}
	d.bodies[key] = rulesetOf()
	if list, err := draft.ListDocuments(t.Context(), alice, AUIDPresRules); err != nil || len(list) != 1 {
		t.Errorf("%d documents, %v; the draft takes the place of the one that is there", len(list), err)
	}
}
