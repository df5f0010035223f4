package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

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
		{"what Blink writes", AUIDOMAPresRules, blink, []string{"note blocked: empty", "note blocked: decides nothing", "note anonymous: changes nothing"}},
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

// A rule decides nothing exactly if nobody, at no time from now on and in no sphere,
// is treated otherwise without it.
func TestUnreachable(t *testing.T) {
	var everybody []facts
	people := append([]string{"", alice, "sip:z@else.test"}, slices.Collect(maps.Keys(refPeople))...)
	for d := range refDomains {
		people = append(people, "sip:z@"+d)
	}
	for _, who := range people {
		for _, place := range []string{"", "work", "home", "pub", "else"} {
			for minutes := 0; minutes < 600; minutes += 30 {
				f := factsOf(Request{Presentity: alice, Watcher: who, Sphere: place, Now: noon.Add(time.Duration(minutes) * time.Minute)})
				everybody = append(everybody, f)
			}
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		e := engine(&documents{bodies: w.documents()}, Options{})
		set, err := e.compile(t.Context(), alice)
		if err != nil {
			t.Fatal(err)
		}
		found, err := e.Lint(t.Context(), alice, noon)
		if err != nil {
			t.Fatal(err)
		}
		for i := range set.rules {
			r := &set.rules[i]
			if r.off {
				continue
			}
			without := &ruleset{
				documents: set.documents, damaged: set.damaged, blind: set.blind, refers: set.refers, provide: set.provide,
				rules: slices.Delete(slices.Clone(set.rules), i, i+1),
			}
			decisive := slices.ContainsFunc(everybody, func(f facts) bool {
				with, less := set.decide(f, nil), without.decide(f, nil)
				return with.Handling != less.Handling || viewKey(with) != viewKey(less)
			})
			reported := slices.ContainsFunc(found, func(f Finding) bool {
				return f.Rule == r.id && f.Document == documentName(r.document) &&
					(strings.HasPrefix(f.Text, "decides nothing") || strings.HasPrefix(f.Text, "changes nothing"))
			})
			if decisive == reported {
				t.Fatalf("rule %s: decisive %t, reported %t\n%v\n%v", r.id, decisive, reported, found, w.documents())
			}
		}
	})
}

// A report is of the decision that is made.
func TestReportIsOfTheDecision(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		e := engine(&documents{bodies: w.documents()}, Options{})
		req := Request{Presentity: alice, Watcher: w.watcher, Sphere: w.sphere, Now: w.now}
		want, err := e.Decide(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		got, err := e.Report(t.Context(), req)
		if err != nil || got.Stale || got.Handling != want.Handling.String() || len(got.Combination) == 0 {
			t.Fatalf("%+v, %v; decided %+v", got, err, want)
		}
		why, err := e.Explain(t.Context(), req)
		if err != nil || len(why.Reasons) != len(got.Rules) {
			t.Fatalf("%d reasons, %d rules, %v", len(why.Reasons), len(got.Rules), err)
		}
		for i, r := range got.Rules {
			if r.Matched != why.Reasons[i].Matched || r.Counted != why.Reasons[i].Counted || r.Why == "" {
				t.Fatalf("%+v, but %+v", r, why.Reasons[i])
			}
		}
	})
}
