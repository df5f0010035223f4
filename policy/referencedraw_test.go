package policy

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"rollcall/internal/store"
)

func (c refCondition) xml() string {
	switch c.kind {
	case "identity":
		s := `<cr:identity>`
		for _, child := range c.children {
			s += child.xml()
		}
		return s + `</cr:identity>`
	case "one":
		return `<cr:one id="` + c.spelled + `"/>`
	case "many", "domain":
		s := `<cr:many`
		if c.kind == "domain" {
			s += ` domain="` + c.spelled + `"`
		}
		s += `>`
		for _, e := range c.except {
			s += `<cr:except ` + e.spelled + `/>`
		}
		return s + `</cr:many>`
	case "stray":
		return `<x:everybody/>`
	case "sphere":
		return `<cr:sphere value="` + c.value + `"/>`
	case "valid":
		return `<cr:validity><cr:from>` + c.from.Format(time.RFC3339) + `</cr:from><cr:until>` + c.from.Add(time.Hour).Format(time.RFC3339) + `</cr:until></cr:validity>`
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

func (p *refProvides) xml() string {
	if p == nil {
		return ""
	}
	s := "<cr:transformations><x:provide-all-attributes/><pr:provide-status-icon>false</pr:provide-status-icon>"
	for _, b := range slices.Sorted(maps.Keys(p.booleans)) {
		s += "<pr:provide-" + b + "> true </pr:provide-" + b + ">"
	}
	if p.allTuples {
		s += "<pr:provide-services><pr:all-services/></pr:provide-services>"
	} else if len(p.classes) > 0 {
		s += "<pr:provide-services>"
		for _, c := range slices.Sorted(maps.Keys(p.classes)) {
			s += "<pr:class>" + c + "</pr:class>"
		}
		s += "</pr:provide-services>"
	}
	s += "<pr:provide-user-input>" + [...]string{"false", "bare", "thresholds", "full"}[p.input] + "</pr:provide-user-input>"
	if p.unknown {
		s += `<pr:provide-unknown-attribute name="icon" ns="urn:x">1</pr:provide-unknown-attribute>`
	}
	return s + "</cr:transformations>"
}

func (w *refWorld) documents() map[store.DocumentKey]string {
	var ietf, oma []string
	for _, r := range w.rules {
		conditions := ""
		for _, c := range r.conditions {
			conditions += c.xml()
		}
		s := ruleOf(conditions, r.handling.String(), r.provides.xml())
		if r.oma {
			oma = append(oma, s)
		} else {
			ietf = append(ietf, s)
		}
	}
	lists := `<rl:resource-lists xmlns:rl="urn:ietf:params:xml:ns:resource-lists">`
	for _, name := range slices.Sorted(maps.Keys(w.lists)) {
		lists += `<rl:list name="` + name + `"><rl:entry uri="tel:+1"/>`
		for _, m := range w.lists[name].spelled {
			lists += `<rl:entry uri="` + m + `"/>`
		}
		for _, other := range w.lists[name].refers {
			lists += `<rl:external anchor="` + strings.ReplaceAll(listAnchor(other), `"`, "&quot;") + `"/>`
		}
		lists += `</rl:list>`
	}
	bodies := map[store.DocumentKey]string{listsKey: lists + `</rl:resource-lists>`}
	if w.oma {
		bodies[omaKey] = rulesetOf(oma...)
	}
	if w.ietf {
		bodies[ietfKey("index")] = rulesetOf(ietf...)
	}
	return bodies
}

// How people and domains may be written, by what is meant.
var (
	refPeople = map[string][]string{
		"sip:a@x.test":             {"sip:a@x.test", "a@x.test", "sip%3Aa%40x.test", "pres:a@X.test", "sip:%61@x.test;user=phone"},
		"sip:b@x.test":             {"b%40x.test", "sips:b@x.test"},
		"sip:c@y.test":             {"sip:c@Y.TEST"},
		"sip:d@xn--bcher-kva.test": {"sip:d@xn--bcher-kva.test", "d@XN--BCHER-KVA.test"},
		"sip:e@example.com":        {"sip:e@example.com"},
		"sip:nobody@nowhere.test":  {"sip:nobody@nowhere.test"},
		"tel:+1":                   {"tel:+1"}, // another scheme is another person
	}
	refDomains = map[string][]string{
		"x.test":             {"x.test", "X.TEST", "x%2Etest", "x.test."},
		"y.test":             {"y.test"},
		"xn--bcher-kva.test": {"b\u00fccher.test", "b%C3%BCcher.test", "XN--bcher-kva.test", "B\u00dcCHER.test"},
		"example.com":        {"example.com"},
		"sub.x.test":         {"sub.x.test"},
	}
	refWatchers = []string{"", "sip:a@x.test", "sip:b@x.test", "sip:c@y.test", "sip:d@xn--bcher-kva.test", "sip:e@example.com"}
)

// spell draws a meaning and a way to write it.
func spell(t *rapid.T, from map[string][]string, label string) (meant, spelled string) {
	meant = rapid.SampledFrom(slices.Sorted(maps.Keys(from))).Draw(t, label)
	return meant, rapid.SampledFrom(from[meant]).Draw(t, label+" is written")
}

func drawList(t *rapid.T, name string, mayRefer ...string) (l refList) {
	for range rapid.IntRange(0, 2).Draw(t, name) {
		meant, spelled := spell(t, refPeople, "entry")
		l.members, l.spelled = append(l.members, meant), append(l.spelled, spelled)
	}
	for _, other := range mayRefer {
		if rapid.Bool().Draw(t, name+" refers to "+other) {
			l.refers = append(l.refers, other)
		}
	}
	return l
}

func drawIdentity(t *rapid.T) refCondition {
	id := refCondition{kind: "identity"}
	for range rapid.IntRange(1, 3).Draw(t, "children") {
		c := refCondition{kind: rapid.SampledFrom([]string{"one", "one", "many", "domain", "stray"}).Draw(t, "child")}
		switch c.kind {
		case "one":
			c.value, c.spelled = spell(t, refPeople, "one")
		case "domain":
			c.value, c.spelled = spell(t, refDomains, "domain")
		}
		if c.kind == "many" || c.kind == "domain" {
			for range rapid.IntRange(0, 2).Draw(t, "exceptions") {
				e := refExcept{id: "-", domain: "-"}
				if rapid.Bool().Draw(t, "except id") {
					var spelled string
					e.id, spelled = spell(t, refPeople, "except")
					e.spelled = `id="` + spelled + `" `
				}
				if rapid.Bool().Draw(t, "except domain") {
					var spelled string
					e.domain, spelled = spell(t, refDomains, "except")
					e.spelled += `domain="` + spelled + `"`
				}
				c.except = append(c.except, e)
			}
		}
		id.children = append(id.children, c)
	}
	return id
}

func drawCondition(t *rapid.T) refCondition {
	kinds := []string{"identity", "identity", "sphere", "valid", "list", "other", "anonymous", "unknown", "off"}
	c := refCondition{kind: rapid.SampledFrom(kinds).Draw(t, "kind")}
	switch c.kind {
	case "identity":
		return drawIdentity(t)
	case "sphere":
		c.value = rapid.SampledFrom([]string{"work", "home WORK", "pub"}).Draw(t, "spheres")
	case "list":
		c.value = rapid.SampledFrom([]string{"l", "m", "n", "gone"}).Draw(t, "list")
	case "valid":
		c.from = noon.Add(time.Duration(rapid.IntRange(-2, 1).Draw(t, "from")) * 30 * time.Minute)
	}
	return c
}

func drawProvides(t *rapid.T) *refProvides {
	if !rapid.Bool().Draw(t, "transformations") {
		return nil
	}
	some := func(label string, of ...string) map[string]bool {
		set := map[string]bool{}
		for _, x := range rapid.SliceOfNDistinct(rapid.SampledFrom(of), 0, 2, rapid.ID[string]).Draw(t, label) {
			set[x] = true
		}
		return set
	}
	return &refProvides{
		booleans: some("provides", "note", "mood", "sphere"), classes: some("classes", "biz", "home"),
		allTuples: rapid.IntRange(0, 3).Draw(t, "all services") == 0,
		input:     rapid.IntRange(0, 3).Draw(t, "user-input"), unknown: rapid.Bool().Draw(t, "unknown attribute"),
	}
}

func drawTenant(t *rapid.T) *Tenant {
	if !rapid.Bool().Draw(t, "tenant") {
		return nil
	}
	tenant := DefaultTenant()
	for _, column := range []*[Groups]Handling{&tenant.NoDocument, &tenant.NoRule, &tenant.Floor, &tenant.Ceiling} {
		if rapid.Bool().Draw(t, "is set") {
			column[rapid.IntRange(0, Groups-1).Draw(t, "group")] = rapid.SampledFrom([]Handling{Block, Confirm, PoliteBlock, Allow}).Draw(t, "operator")
		}
	}
	return &tenant
}

func drawWorld(t *rapid.T) *refWorld {
	w := &refWorld{
		ietf: rapid.Bool().Draw(t, "ietf"), oma: rapid.Bool().Draw(t, "oma"),
		lists: map[string]refList{
			"l": drawList(t, "l", "m", "gone"), "m": drawList(t, "m", "n"), "n": drawList(t, "n"),
		},
		watcher: rapid.SampledFrom(refWatchers).Draw(t, "watcher"),
		sphere:  rapid.SampledFrom([]string{"", "work", "Home"}).Draw(t, "sphere"),
		now:     noon,
		tenant:  drawTenant(t),
	}
	if !w.ietf && !w.oma {
		return w
	}
	for range rapid.IntRange(0, 6).Draw(t, "rules") {
		r := refRule{
			oma:      w.oma && (!w.ietf || rapid.Bool().Draw(t, "rule is OMA")),
			handling: rapid.SampledFrom([]Handling{Block, Confirm, PoliteBlock, Allow, Allow}).Draw(t, "handling"),
			provides: drawProvides(t),
		}
		for range rapid.IntRange(0, 2).Draw(t, "conditions") {
			r.conditions = append(r.conditions, drawCondition(t))
		}
		w.rules = append(w.rules, r)
	}
	return w
}

func (w *refWorld) ask(t *rapid.T) (Decision, map[store.DocumentKey]string) {
	d := &documents{bodies: w.documents()}
	opt := Options{}
	if w.tenant != nil {
		opt.Tenants = Tenants{"": w.tenant}
	}
	got, err := engine(d, opt).Decide(t.Context(), Request{Presentity: alice, Watcher: w.watcher, Sphere: w.sphere, Now: w.now})
	if err != nil {
		t.Fatal(err)
	}
	return got, d.bodies
}

func TestDecideAgainstReference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		got, bodies := w.ask(t)
		handling, provides := w.decide()
		if got.Handling != handling {
			t.Fatalf("%v for %q, reference says %v\n%v", got.Handling, w.watcher, handling, bodies)
		}
		if handling != Allow {
			return
		}
		if got.Transform.All() != provides.everything {
			t.Fatalf("everything: %v, reference says %v\n%v", got.Transform.All(), provides, bodies)
		}
		if !provides.everything {
			provides.compare(t, &got.Transform.grant, bodies)
		}
	})
}

func (p *refProvides) compare(t *rapid.T, g *grant, bodies map[store.DocumentKey]string) {
	for b, bit := range map[string]attribute{"note": attrNote, "mood": attrMood, "sphere": attrSphere, "status-icon": attrStatusIcon} {
		if (g.attributes&bit != 0) != p.booleans[b] {
			t.Fatalf("provide-%s: reference says %v\n%v", b, p.booleans[b], bodies)
		}
	}
	_, unknown := g.unknown[name{"urn:x", "icon"}]
	same := g.services.all == p.allTuples && (p.allTuples || len(g.services.classes) == len(p.classes)) && int(g.input) == p.input && unknown == p.unknown && !g.everything
	for c := range g.services.classes {
		same = same && (p.allTuples || p.classes[c])
	}
	if !same {
		t.Fatalf("%+v, reference says %+v\n%v", g, p, bodies)
	}
}

// RFC 4745 §10: rules only ever grant. One more rule in a plain document never
// makes a decision stricter.
func TestRulesOnlyGrant(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		w.oma, w.ietf = false, true
		plain := w.rules[:0]
		for _, r := range w.rules {
			if r.oma = false; !r.has("list", "other", "anonymous") {
				plain = append(plain, r)
			}
		}
		w.rules = plain
		if len(w.rules) == 0 {
			t.Skip("nothing to leave out")
		}
		w.tenant = nil
		all, _ := w.ask(t)
		w.rules = w.rules[1:]
		if less, _ := w.ask(t); less.Handling > all.Handling {
			t.Fatalf("%v with the rule, %v without it", all.Handling, less.Handling)
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
