package policy

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"rollcall/internal/store"
)

// The reference evaluator: rules as values, and what the RFCs say about them in
// so many words. Rapid compares it with the engine on the same rules as XML.

type refCondition struct {
	kind   string // one, many, domain, sphere, valid, list, other, anonymous, unknown, off
	value  string
	except []string
}

type refRule struct {
	oma        bool
	conditions []refCondition
	handling   Handling
	provides   []string // nil: no transformations
}

type refWorld struct {
	rules        []refRule
	ietf, oma    bool // there is such a document
	lists        map[string][]string
	watcher      string
	sphere       string
	now          time.Time
	validityFrom time.Time
}

func (w *refWorld) true(c refCondition, referred bool) bool {
	domain := w.watcher[strings.IndexByte(w.watcher, '@')+1:]
	switch c.kind {
	case "one":
		return w.watcher == c.value
	case "many", "domain":
		if w.watcher == "" || c.kind == "domain" && domain != c.value {
			return false
		}
		for _, e := range c.except {
			if e == w.watcher || e == domain {
				return false
			}
		}
		return true
	case "sphere":
		return w.sphere != "" && strings.Contains(" "+c.value+" ", " "+w.sphere+" ")
	case "valid":
		return !w.now.Before(w.validityFrom) && w.now.Before(w.validityFrom.Add(time.Hour))
	case "list":
		for _, m := range w.lists[c.value] {
			if m == w.watcher {
				return true
			}
		}
		return false
	case "other":
		return w.watcher != "" && !referred
	case "anonymous":
		return w.watcher == ""
	}
	return false
}

func (r *refRule) rank() int {
	best := 5
	for _, c := range r.conditions {
		switch c.kind {
		case "anonymous":
			best = min(best, 1)
		case "one", "many", "domain":
			best = min(best, 2)
		case "list":
			best = min(best, 3)
		case "other":
			best = min(best, 4)
		}
	}
	if best == 5 {
		return 2
	}
	return best
}

func (w *refWorld) decide() (Handling, map[string]bool) {
	if !w.ietf && !w.oma {
		return Confirm, nil
	}
	omaConditions := false
	referred := false
	for i := range w.rules {
		r := &w.rules[i]
		off := false
		for _, c := range r.conditions {
			off = off || c.kind == "off"
			if !r.oma && (c.kind == "list" || c.kind == "other" || c.kind == "anonymous") {
				omaConditions = true
			}
		}
		for _, c := range r.conditions {
			if !off && (c.kind == "one" || c.kind == "many" || c.kind == "domain" || c.kind == "list") && w.true(c, false) {
				referred = true
			}
		}
	}
	var applicable []*refRule
	best := 5
	for i := range w.rules {
		r := &w.rules[i]
		all := true
		for _, c := range r.conditions {
			all = all && w.true(c, referred)
		}
		if all {
			applicable = append(applicable, r)
			if r.oma || omaConditions {
				best = min(best, r.rank())
			}
		}
	}
	handling := Block
	provided := make(map[string]bool)
	said, byDefault := false, false
	for _, r := range applicable {
		if (r.oma || omaConditions) && r.rank() != best {
			continue
		}
		handling = max(handling, r.handling)
		for _, p := range r.provides {
			provided[p] = true
		}
		if r.handling == Allow {
			said = said || r.provides != nil
			byDefault = byDefault || r.oma
		}
	}
	if byDefault && !said {
		provided = map[string]bool{"everything": true}
	}
	return handling, provided
}

func (c refCondition) xml(w *refWorld) string {
	switch c.kind {
	case "one":
		return one(c.value)
	case "many", "domain":
		s := `<cr:identity><cr:many`
		if c.kind == "domain" {
			s += ` domain="` + c.value + `"`
		}
		s += `>`
		for _, e := range c.except {
			if strings.Contains(e, "@") {
				s += `<cr:except id="` + e + `"/>`
			} else {
				s += `<cr:except domain="` + e + `"/>`
			}
		}
		return s + `</cr:many></cr:identity>`
	case "sphere":
		return `<cr:sphere value="` + c.value + `"/>`
	case "valid":
		f := w.validityFrom
		return `<cr:validity><cr:from>` + f.Format(time.RFC3339) + `</cr:from><cr:until>` + f.Add(time.Hour).Format(time.RFC3339) + `</cr:until></cr:validity>`
	case "list":
		return external(c.value)
	case "other":
		return other
	case "anonymous":
		return anonymous
	case "off":
		return `<ag:false-condition/>`
	}
	return `<x:unknown/>`
}

func (w *refWorld) documents() map[store.DocumentKey]string {
	var ietf, oma []string
	for _, r := range w.rules {
		conditions := ""
		for _, c := range r.conditions {
			conditions += c.xml(w)
		}
		transformations := ""
		if r.provides != nil {
			transformations = "<cr:transformations>"
			for _, p := range r.provides {
				transformations += "<pr:provide-" + p + ">true</pr:provide-" + p + ">"
			}
			transformations += "</cr:transformations>"
		}
		s := ruleOf(conditions, r.handling.String(), transformations)
		if r.oma {
			oma = append(oma, s)
		} else {
			ietf = append(ietf, s)
		}
	}
	bodies := map[store.DocumentKey]string{listsKey: resourceLists(w.lists)}
	if w.oma {
		bodies[omaKey] = rulesetOf(oma...)
	}
	if w.ietf {
		bodies[ietfKey("index")] = rulesetOf(ietf...)
	}
	return bodies
}

func drawWorld(t *rapid.T) *refWorld {
	people := rapid.SampledFrom([]string{"sip:a@x.test", "sip:b@x.test", "sip:c@y.test"})
	domains := rapid.SampledFrom([]string{"x.test", "y.test"})
	spheres := rapid.SampledFrom([]string{"", "work", "home"})
	w := &refWorld{
		ietf: rapid.Bool().Draw(t, "ietf"), oma: rapid.Bool().Draw(t, "oma"),
		lists: map[string][]string{
			"l": rapid.SliceOfN(people, 0, 2).Draw(t, "l"),
			"m": rapid.SliceOfN(people, 0, 2).Draw(t, "m"),
		},
		watcher:      rapid.OneOf(people, rapid.Just("")).Draw(t, "watcher"),
		sphere:       spheres.Draw(t, "sphere"),
		now:          noon,
		validityFrom: noon.Add(time.Duration(rapid.IntRange(-2, 1).Draw(t, "from")) * 30 * time.Minute),
	}
	if !w.ietf && !w.oma {
		return w
	}
	kinds := []string{"one", "many", "domain", "sphere", "valid", "list", "other", "anonymous", "unknown", "off"}
	for range rapid.IntRange(0, 6).Draw(t, "rules") {
		r := refRule{
			oma:      w.oma && (!w.ietf || rapid.Bool().Draw(t, "rule is OMA")),
			handling: rapid.SampledFrom([]Handling{Block, Confirm, PoliteBlock, Allow, Allow}).Draw(t, "handling"),
		}
		if rapid.Bool().Draw(t, "transformations") {
			r.provides = append([]string{}, rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"note", "mood", "sphere"}), 0, 2, rapid.ID[string]).Draw(t, "provides")...)
		}
		for range rapid.IntRange(0, 2).Draw(t, "conditions") {
			c := refCondition{kind: rapid.SampledFrom(kinds).Draw(t, "kind")}
			switch c.kind {
			case "one":
				c.value = people.Draw(t, "one")
			case "many":
				c.except = rapid.SliceOfN(rapid.OneOf(people, domains), 0, 2).Draw(t, "except")
			case "domain":
				c.value = domains.Draw(t, "domain")
				c.except = rapid.SliceOfN(people, 0, 2).Draw(t, "except")
			case "sphere":
				c.value = rapid.SampledFrom([]string{"work", "home work", "pub"}).Draw(t, "spheres")
			case "list":
				c.value = rapid.SampledFrom([]string{"l", "m", "gone"}).Draw(t, "list")
			}
			r.conditions = append(r.conditions, c)
		}
		w.rules = append(w.rules, r)
	}
	return w
}

func TestDecideAgainstReference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		d := &documents{bodies: w.documents()}
		got, err := engine(d, Options{}).Decide(t.Context(), Request{Presentity: alice, Watcher: w.watcher, Sphere: w.sphere, Now: w.now})
		if err != nil {
			t.Fatal(err)
		}
		handling, provided := w.decide()
		if got.Handling != handling {
			t.Fatalf("%v, reference says %v\n%v", got.Handling, handling, d.bodies)
		}
		if handling != Allow {
			return
		}
		if got.Transform.All() != provided["everything"] {
			t.Fatalf("everything: %v, reference says %v\n%v", got.Transform.All(), provided, d.bodies)
		}
		for p, bit := range map[string]attribute{"note": attrNote, "mood": attrMood, "sphere": attrSphere} {
			if !provided["everything"] && (got.Transform.grant.attributes&bit != 0) != provided[p] {
				t.Fatalf("provide-%s: reference says %v\n%v", p, provided, d.bodies)
			}
		}
	})
}

// RFC 4745 §10: rules only ever grant. One more rule in a plain document never
// makes a decision stricter.
func TestRulesOnlyGrant(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		w.oma, w.ietf = false, true
		plain := w.rules[:0]
		for _, r := range w.rules {
			ocp := false
			for _, c := range r.conditions {
				ocp = ocp || c.kind == "list" || c.kind == "other" || c.kind == "anonymous"
			}
			if r.oma = false; !ocp {
				plain = append(plain, r)
			}
		}
		w.rules = plain
		if len(w.rules) == 0 {
			t.Skip("nothing to leave out")
		}
		ask := func() Handling {
			d := &documents{bodies: w.documents()}
			got, err := engine(d, Options{}).Decide(t.Context(), Request{Presentity: alice, Watcher: w.watcher, Sphere: w.sphere, Now: w.now})
			if err != nil {
				t.Fatal(err)
			}
			return got.Handling
		}
		all := ask()
		w.rules = w.rules[1:]
		if less := ask(); less > all {
			t.Fatalf("%v with the rule, %v without it", all, less)
		}
	})
}

func FuzzRules(f *testing.F) {
	f.Add(rulesetOf(ruleOf(one(bo), "allow", `<cr:transformations><pr:provide-persons><pr:all-persons/></pr:provide-persons></cr:transformations>`)), bo)
	f.Add(rulesetOf(ruleOf(external("l"), "polite-block", ""), ruleOf(other+anonymous, "confirm", "")), cy)
	f.Add(rulesetOf(ruleOf(`<cr:validity><cr:from>2026-11-21T10:00:00Z</cr:from><cr:until>x</cr:until></cr:validity><cr:sphere value="a b"/>`, "allow", "")), "")
	f.Add(`<cr:ruleset`, bo)
	f.Fuzz(func(t *testing.T, body, watcher string) {
		d := &documents{bodies: map[store.DocumentKey]string{ietfKey("index"): body, listsKey: resourceLists(map[string][]string{"l": {bo}})}}
		e := engine(d, Options{})
		req := Request{Presentity: alice, Watcher: watcher, Sphere: "a", Now: noon}
		got, err := e.Decide(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		if (got.Transform != nil) != (got.Handling == Allow) || got.NoPolicy {
			t.Fatalf("%+v", got)
		}
		why, err := e.Explain(t.Context(), req)
		if err != nil || why.Handling != got.Handling || why.Transform != got.Transform {
			t.Fatalf("explained as %+v, decided as %+v", why, got)
		}
	})
}

// benchmarkEngine is Blink's rules with 2,000 granted contacts.
func benchmarkEngine() (*Engine, *documents) {
	members := make([]string, 2000)
	for i := range members {
		members[i] = fmt.Sprintf("u%d%%40example.com", i)
	}
	d := &documents{bodies: map[store.DocumentKey]string{
		omaKey: rulesetOf(ruleOf(external("l"), "allow", ""), ruleOf(external("b"), "polite-block", ""), ruleOf(other, "confirm", ""),
			ruleOf(anonymous, "block", ""), ruleOf(one(alice), "allow", "")),
		listsKey: resourceLists(map[string][]string{"l": members, "b": {cy}}),
	}}
	return engine(d, Options{}), d
}

func BenchmarkDecide(b *testing.B) {
	e, _ := benchmarkEngine()
	for name, watcher := range map[string]string{"listed": "sip:u1000@example.com", "unlisted": bo} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := e.Decide(b.Context(), Request{Presentity: alice, Watcher: watcher, Now: noon}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkCompile(b *testing.B) {
	e, _ := benchmarkEngine()
	b.ReportAllocs()
	for b.Loop() {
		e.DocumentChanged(listsKey)
		if _, err := e.Decide(b.Context(), Request{Presentity: alice, Watcher: bo, Now: noon}); err != nil {
			b.Fatal(err)
		}
	}
}
