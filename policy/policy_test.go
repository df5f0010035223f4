package policy

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"rollcall/internal/resourcelist"
	"rollcall/internal/store"
)

const (
	alice = "sip:alice@example.com"
	bo    = "sip:bo@example.com"
	cy    = "sip:cy@example.com"
)

// documents is a store of documents in memory, without locks: tests that
// change it do so between decisions.
type documents struct {
	bodies map[store.DocumentKey]string
	err    error
	once   error // for one read
	reads  int
	hook   func() // called at each read
}

func (d *documents) Document(_ context.Context, key store.DocumentKey) (store.Document, error) {
	d.reads++
	if d.hook != nil {
		d.hook()
	}
	if err := cmp.Or(d.once, d.err); err != nil {
		d.once = nil
		return store.Document{}, err
	}
	body, ok := d.bodies[key]
	if !ok {
		return store.Document{}, store.ErrNotFound
	}
	return store.Document{DocumentKey: key, Body: []byte(body)}, nil
}

func (d *documents) ListDocuments(_ context.Context, xui, auid string) ([]store.Document, error) {
	if d.err != nil {
		return nil, d.err
	}
	var list []store.Document
	for key := range d.bodies {
		if key.XUI == xui && (auid == "" || key.AUID == auid) {
			list = append(list, store.Document{DocumentKey: key})
		}
	}
	slices.SortFunc(list, func(a, b store.Document) int { return cmp.Compare(a.Path, b.Path) })
	return list, nil
}

func engine(d *documents, opt Options) *Engine {
	return NewEngine(d, &resourcelist.Resolver{Docs: d, Roots: []string{"/xcap-root"}}, opt)
}

func ietfKey(path string) store.DocumentKey {
	return store.DocumentKey{XUI: alice, AUID: AUIDPresRules, Path: path}
}

var (
	omaKey   = store.DocumentKey{XUI: alice, AUID: AUIDOMAPresRules, Path: "index"}
	listsKey = store.DocumentKey{XUI: alice, AUID: "resource-lists", Path: "index"}
)

// rulesetOf makes a rule document.
func rulesetOf(rules ...string) string {
	return `<cr:ruleset xmlns:cr="` + nsCommon + `" xmlns:pr="` + nsPresence + `" xmlns:ocp="` + nsOMA + `" xmlns:ag="` + nsAG + `" xmlns:x="urn:x">` +
		strings.Join(rules, "") + `</cr:ruleset>`
}

var ruleID int

func ruleOf(conditions, handling, transformations string) string {
	ruleID++
	s := fmt.Sprintf(`<cr:rule id="r%d">`, ruleID)
	if conditions != "" {
		s += "<cr:conditions>" + conditions + "</cr:conditions>"
	}
	if handling != "" {
		s += "<cr:actions><pr:sub-handling>" + handling + "</pr:sub-handling></cr:actions>"
	}
	return s + transformations + "</cr:rule>"
}

func one(id string) string { return `<cr:identity><cr:one id="` + id + `"/></cr:identity>` }

func external(list string) string {
	return `<ocp:external-list><ocp:entry anc="` + listAnchor(list) + `"/></ocp:external-list>`
}

// listAnchor is as Blink writes it: all but the path separators encoded.
func listAnchor(list string) string {
	return "http%3A//127.0.0.1%3A8080/xcap-root/resource-lists/users/sip%3Aalice%40example.com/index/~~/resource-lists/list%5B%40name%3D%22" + list + "%22%5D"
}

func resourceLists(lists map[string][]string) string {
	s := `<rl:resource-lists xmlns:rl="urn:ietf:params:xml:ns:resource-lists">`
	for name, members := range lists {
		s += `<rl:list name="` + name + `">`
		for _, m := range members {
			s += `<rl:entry uri="` + m + `"/>`
		}
		s += `</rl:list>`
	}
	return s + `</rl:resource-lists>`
}

const (
	other     = `<ocp:other-identity/>`
	anonymous = `<ocp:anonymous-request/>`
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func TestDecide(t *testing.T) {
	at := func(h, m, s int) time.Time { return time.Date(2026, 11, 21, h, m, s, 0, time.UTC) }
	valid := `<cr:validity><cr:from>2026-11-21T10:00:00Z</cr:from><cr:until>2026-11-21T11:00:00Z</cr:until></cr:validity>`
	type ask struct {
		watcher string
		want    Handling
	}
	tests := []struct {
		name   string
		ietf   []string // documents
		oma    string
		lists  map[string][]string
		sphere string
		now    time.Time
		asks   []ask
	}{
		{name: "RFC 5025 §3.2.1: maximum wins, block denies nothing",
			ietf: []string{rulesetOf(ruleOf(one(bo), "allow", ""), ruleOf(one(bo), "block", ""))}, asks: []ask{{bo, Allow}, {cy, Block}}},
		{name: "RFC 4745 §10: all rules count, not the first",
			ietf: []string{rulesetOf(ruleOf(one(bo), "block", ""), ruleOf(one(bo), "confirm", ""), ruleOf(one(bo), "polite-block", ""))}, asks: []ask{{bo, PoliteBlock}}},
		{name: "many domain: label by label, no sub-domains, no strangers of equal length",
			ietf: []string{rulesetOf(ruleOf(`<cr:identity><cr:many domain="example.com"/></cr:identity>`, "confirm", ""), ruleOf(one(bo), "polite-block", ""))},
			asks: []ask{{bo, PoliteBlock}, {cy, Confirm}, {"sip:dd@sub.example.com", Block}, {"sip:dd@exbmple.com", Block}, {"sip:dd@example.co", Block}}},
		{name: "RFC 4745 §7.1.3: domains are decoded and converted before they are compared",
			ietf: []string{rulesetOf(ruleOf(`<cr:identity><cr:many domain="B%C3%BCcher.Example"/></cr:identity>`, "allow", ""))},
			asks: []ask{{"sip:x@xn--bcher-kva.example", Allow}, {"sip:x@bcher.example", Block}}},
		{name: "many with exceptions",
			ietf: []string{rulesetOf(ruleOf(`<cr:identity><cr:many><cr:except domain="bad.com"/><cr:except id="sip:x@ok.com"/></cr:many></cr:identity>`, "allow", ""))},
			asks: []ask{{"sip:x@ok.com", Block}, {"sip:y@bad.com", Block}, {"sip:z@ok.com", Allow}, {"", Block}}},
		{name: "an exception nobody understands excludes everyone",
			ietf: []string{rulesetOf(ruleOf(`<cr:identity><cr:many><cr:except domain="b%zz"/></cr:many></cr:identity>`, "allow", ""),
				ruleOf(`<cr:identity><cr:many><x:except domain="bad.com"/></cr:many></cr:identity>`, "allow", ""))},
			asks: []ask{{bo, Block}}},
		{name: "except with neither domain nor id excludes nothing",
			ietf: []string{rulesetOf(ruleOf(`<cr:identity><cr:many><cr:except/></cr:many></cr:identity>`, "allow", ""))}, asks: []ask{{bo, Allow}}},
		{name: "identity: any child will do",
			ietf: []string{rulesetOf(ruleOf(`<cr:identity><x:all/><cr:one id="sip:zz@z"/><cr:one id="sip%3Abo%40EXAMPLE.com"/></cr:identity>`, "allow", ""))},
			asks: []ask{{bo, Allow}, {cy, Block}}},
		{name: "RFC 4745 §10.1: no conditions, everyone, also unauthenticated",
			ietf: []string{rulesetOf(ruleOf("", "allow", ""))}, asks: []ask{{"", Allow}, {bo, Allow}}},
		{name: "many is no anonymous one", ietf: []string{rulesetOf(ruleOf(`<cr:identity><cr:many/></cr:identity>`, "allow", ""))}, asks: []ask{{"", Block}, {bo, Allow}}},
		{name: "RFC 4745 §7: an unknown condition is false",
			ietf: []string{rulesetOf(ruleOf(one(bo)+`<x:moon phase="full"/>`, "allow", ""))}, asks: []ask{{bo, Block}}},
		{name: "unknown children of a known namespace too",
			ietf: []string{rulesetOf(ruleOf(one(bo)+`<cr:moon/>`, "allow", ""))}, asks: []ask{{bo, Block}}},
		{name: "sphere, any token, case-insensitive", sphere: "Work",
			ietf: []string{rulesetOf(ruleOf(`<cr:sphere value="home work"/>`, "allow", ""))}, asks: []ask{{bo, Allow}}},
		{name: "RFC 5025 §3.1.2: an undefined sphere is none",
			ietf: []string{rulesetOf(ruleOf(`<cr:sphere value="home work"/>`, "allow", ""))}, asks: []ask{{bo, Block}}},
		{name: "another sphere", sphere: "pub",
			ietf: []string{rulesetOf(ruleOf(`<cr:sphere value="home work"/>`, "allow", ""))}, asks: []ask{{bo, Block}}},
		{name: "RFC 4745 §7.3: from is inside", now: at(10, 0, 0), ietf: []string{rulesetOf(ruleOf(valid, "allow", ""))}, asks: []ask{{bo, Allow}}},
		{name: "until is outside", now: at(11, 0, 0), ietf: []string{rulesetOf(ruleOf(valid, "allow", ""))}, asks: []ask{{bo, Block}}},
		{name: "before from", now: at(9, 59, 59), ietf: []string{rulesetOf(ruleOf(valid, "allow", ""))}, asks: []ask{{bo, Block}}},
		{name: "several intervals are alternatives", now: at(12, 0, 0),
			ietf: []string{rulesetOf(ruleOf(`<cr:validity><cr:from>2026-11-21T08:00:00Z</cr:from><cr:until>2026-11-21T09:00:00Z</cr:until><cr:from>2026-11-21T13:00:00+02:00</cr:from><cr:until>2026-11-21T20:00:00Z</cr:until></cr:validity>`, "allow", ""))},
			asks: []ask{{bo, Allow}}},
		{name: "several validity elements must all hold", now: at(10, 30, 0),
			ietf: []string{rulesetOf(ruleOf(valid+`<cr:validity><cr:from>2026-11-21T10:45:00Z</cr:from><cr:until>2026-11-21T11:00:00Z</cr:until></cr:validity>`, "allow", ""))},
			asks: []ask{{bo, Block}}},
		{name: "RFC 5025 §3.1.1.2: schemes never match each other",
			ietf: []string{rulesetOf(ruleOf(one("tel:+123"), "allow", ""))}, asks: []ask{{"sip:+123@example.com", Block}}},
		{name: "no document is no policy", asks: []ask{{bo, Confirm}, {"", Confirm}, {alice, Allow}}},
		{name: "an empty ruleset is one", ietf: []string{rulesetOf()}, asks: []ask{{bo, Block}, {alice, Allow}}},
		{name: "all documents of a user are one rule set",
			ietf: []string{rulesetOf(ruleOf(one(bo), "confirm", "")), rulesetOf(ruleOf(one(bo), "allow", ""))}, asks: []ask{{bo, Allow}}},
		{name: "a missing or unknown sub-handling is block",
			ietf: []string{rulesetOf(ruleOf(one(bo), "", ""), ruleOf(one(cy), "Allow", ""))}, asks: []ask{{bo, Block}, {cy, Block}}},
		{name: "white space around values", ietf: []string{rulesetOf(ruleOf(one(bo), "\n  allow\n ", ""))}, asks: []ask{{bo, Allow}}},

		{name: "OMA: identity goes before external-list", lists: map[string][]string{"l": {bo, cy}},
			oma: rulesetOf(ruleOf(one(bo), "block", ""), ruleOf(external("l"), "allow", "")), asks: []ask{{bo, Block}, {cy, Allow}}},
		{name: "the same in an IETF document that uses OMA conditions", lists: map[string][]string{"l": {bo, cy}},
			ietf: []string{rulesetOf(ruleOf(one(bo), "block", ""), ruleOf(external("l"), "allow", ""))}, asks: []ask{{bo, Block}, {cy, Allow}}},
		{name: "OMA: external-list goes before other-identity", lists: map[string][]string{"l": {"bo%40example.com"}},
			oma: rulesetOf(ruleOf(external("l"), "polite-block", ""), ruleOf(other, "allow", "")), asks: []ask{{bo, PoliteBlock}, {cy, Allow}, {"", Block}}},
		{name: "OMA: anonymous", oma: rulesetOf(ruleOf(anonymous, "block", ""), ruleOf(other, "allow", "")), asks: []ask{{"", Block}, {bo, Allow}}},
		{name: "OMA: anonymous polite-block", oma: rulesetOf(ruleOf(anonymous, "polite-block", ""), ruleOf("", "allow", "")), asks: []ask{{"", PoliteBlock}, {bo, Allow}}},
		{name: "OMA: a list that does not exist falls to the other groups", lists: map[string][]string{},
			oma: rulesetOf(ruleOf(external("gone"), "allow", ""), ruleOf(other, "confirm", "")), asks: []ask{{bo, Confirm}}},
		{name: "OMA: without another group there is nothing", lists: map[string][]string{},
			oma: rulesetOf(ruleOf(external("gone"), "allow", "")), asks: []ask{{bo, Block}}},
		{name: "a list that cannot be read lets nobody in as unlisted",
			oma: rulesetOf(ruleOf(`<ocp:external-list><ocp:entry anc="http://elsewhere.example/x/y"/></ocp:external-list>`, "block", ""), ruleOf(other, "allow", "")), asks: []ask{{bo, Confirm}}},
		{name: "referred to, though another condition is false: not unlisted", sphere: "home",
			oma: rulesetOf(ruleOf(one(bo)+`<cr:sphere value="work"/>`, "allow", ""), ruleOf(other, "confirm", "")), asks: []ask{{bo, Block}, {cy, Confirm}}},
		{name: "a rule with an unknown condition still refers",
			oma: rulesetOf(ruleOf(one(bo)+`<x:moon/>`, "block", ""), ruleOf(other, "allow", "")), asks: []ask{{bo, Block}, {cy, Allow}}},
		{name: "a rule switched off refers to nobody",
			oma: rulesetOf(ruleOf(one(bo)+`<ag:false-condition/>`, "allow", ""), ruleOf(other, "confirm", "")), asks: []ask{{bo, Confirm}}},
		{name: "OMA and IETF documents: precedence selects among the OMA rules, then all unite", lists: map[string][]string{"l": {bo, cy}},
			ietf: []string{rulesetOf(ruleOf(one(cy), "confirm", ""))},
			oma:  rulesetOf(ruleOf(one(bo), "block", ""), ruleOf(external("l"), "allow", ""), ruleOf(other, "polite-block", "")),
			asks: []ask{{bo, Block}, {cy, Allow}, {"sip:dd@example.com", PoliteBlock}}},
		{name: "other-identity looks at the IETF documents too",
			ietf: []string{rulesetOf(ruleOf(one(bo), "confirm", ""))}, oma: rulesetOf(ruleOf(other, "allow", "")), asks: []ask{{bo, Confirm}, {cy, Allow}}},
		{name: "a damaged document lets nobody in", ietf: []string{rulesetOf(ruleOf(one(bo), "allow", "")), `<cr:ruleset`}, asks: []ask{{bo, Confirm}, {cy, Block}, {alice, Allow}}},
		{name: "so does one that is something else", ietf: []string{rulesetOf(ruleOf(one(bo), "allow", "")), `<ruleset/>`}, asks: []ask{{bo, Confirm}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := &documents{bodies: make(map[store.DocumentKey]string)}
			for i, body := range tt.ietf {
				d.bodies[ietfKey(fmt.Sprint("index", i))] = body
			}
			if tt.oma != "" {
				d.bodies[omaKey] = tt.oma
			}
			if tt.lists != nil {
				d.bodies[listsKey] = resourceLists(tt.lists)
			}
			e := engine(d, Options{})
			now := tt.now
			if now.IsZero() {
				now = noon
			}
			for _, a := range tt.asks {
				req := Request{Presentity: alice, Watcher: a.watcher, Sphere: tt.sphere, Now: now}
				got, err := e.Decide(t.Context(), req)
				if err != nil {
					t.Fatal(err)
				}
				if got.Handling != a.want {
					why, _ := e.Explain(t.Context(), req)
					t.Errorf("%q: %v, want %v\n%+v", a.watcher, got.Handling, a.want, why.Reasons)
				}
				if (got.Transform != nil) != (got.Handling == Allow) {
					t.Errorf("%q: transformation %v with %v", a.watcher, got.Transform, got.Handling)
				}
				if got.NoPolicy != (len(d.bodies) == 0 && a.watcher != alice) {
					t.Errorf("%q: NoPolicy %v", a.watcher, got.NoPolicy)
				}
			}
		})
	}
}

// Blink's rule document, as it writes it: six rules, no transformations.
func TestBlinkRules(t *testing.T) {
	rules := `<cp:ruleset xmlns:cp="` + nsCommon + `" xmlns:pr="` + nsPresence + `" xmlns:ocp="` + nsOMA + `">`
	for _, r := range [][3]string{
		{"wp_prs_grantedcontacts", external("oma_grantedcontacts"), "allow"},
		{"wp_prs_blockedcontacts", external("oma_blockedcontacts"), "polite-block"},
		{"wp_prs_unlisted", other, "confirm"},
		{"wp_prs_block_anonymous", anonymous, "block"},
		{"wp_prs_allow_own", `<cp:identity><cp:one id="sip%3Aalice%40example.com"/></cp:identity>`, "allow"},
	} {
		rules += `<cp:rule id="` + r[0] + `"><cp:conditions>` + r[1] + `</cp:conditions><cp:actions><pr:sub-handling>` + r[2] + `</pr:sub-handling></cp:actions></cp:rule>`
	}
	rules += `</cp:ruleset>`
	granted := func(members ...string) string {
		return resourceLists(map[string][]string{"oma_grantedcontacts": members, "oma_blockedcontacts": {"cy%40example.com"}})
	}
	d := &documents{bodies: map[store.DocumentKey]string{omaKey: rules, listsKey: granted()}}
	e := engine(d, Options{})
	expect := func(watcher string, want Handling) {
		t.Helper()
		got, err := e.Decide(t.Context(), Request{Presentity: alice, Watcher: watcher, Now: noon})
		if err != nil || got.Handling != want {
			t.Errorf("%q: %v, %v; want %v", watcher, got.Handling, err, want)
		}
		if want == Allow && !got.Transform.All() {
			t.Errorf("%q: allow without transformations must provide everything", watcher)
		}
	}
	expect(bo, Confirm)
	expect(cy, PoliteBlock)
	expect("", Block)
	expect(alice, Allow)

	// The user approves bo: Blink edits the list, never the rules.
	d.bodies[listsKey] = granted("bo%40example.com")
	if got := e.DocumentChanged(listsKey); !slices.Equal(got, []string{alice}) {
		t.Fatalf("presentities to look at again: %v", got)
	}
	expect(bo, Allow)

	// "Allow everyone else": wp_prs_allow_unlisted takes the place of wp_prs_unlisted.
	d.bodies[omaKey] = strings.Replace(strings.Replace(rules, "wp_prs_unlisted", "wp_prs_allow_unlisted", 1), ">confirm<", ">allow<", 1)
	e.DocumentChanged(omaKey)
	expect("sip:dd@example.net", Allow)
	expect(cy, PoliteBlock)
	expect("", Block)
}

func TestUntil(t *testing.T) {
	interval := func(from, until string) string {
		return `<cr:validity><cr:from>2026-11-21T` + from + `:00Z</cr:from><cr:until>2026-11-21T` + until + `:00Z</cr:until></cr:validity>`
	}
	d := &documents{bodies: map[store.DocumentKey]string{ietfKey("index"): rulesetOf(
		ruleOf(one(bo)+interval("10:00", "11:00"), "allow", ""), ruleOf(one(cy)+interval("10:30", "12:00"), "allow", ""))}}
	e := engine(d, Options{})
	day := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	for _, tt := range []struct{ now, want time.Duration }{
		{9 * time.Hour, 10 * time.Hour},
		{10 * time.Hour, 10*time.Hour + 30*time.Minute},
		{10*time.Hour + 59*time.Minute, 11 * time.Hour},
		{11 * time.Hour, 12 * time.Hour},
	} {
		got, err := e.Decide(t.Context(), Request{Presentity: alice, Watcher: bo, Now: day.Add(tt.now)})
		if err != nil || !got.Until.Equal(day.Add(tt.want)) {
			t.Errorf("at %v: until %v, %v; want %v", tt.now, got.Until, err, tt.want)
		}
	}
	got, _ := e.Decide(t.Context(), Request{Presentity: alice, Watcher: bo, Now: day.Add(12 * time.Hour)})
	if !got.Until.IsZero() {
		t.Errorf("after the last boundary: %v", got.Until)
	}
}

func TestExplain(t *testing.T) {
	d := &documents{bodies: map[store.DocumentKey]string{
		omaKey: rulesetOf(`<cr:rule id="own"><cr:conditions>`+one(bo)+`</cr:conditions><cr:actions><pr:sub-handling>confirm</pr:sub-handling></cr:actions></cr:rule>`,
			`<cr:rule id="list"><cr:conditions>`+external("l")+`</cr:conditions><cr:actions><pr:sub-handling>allow</pr:sub-handling></cr:actions></cr:rule>`,
			`<cr:rule id="rest"><cr:conditions>`+other+`</cr:conditions></cr:rule>`),
		listsKey: resourceLists(map[string][]string{"l": {bo}}),
	}}
	got, err := engine(d, Options{}).Explain(t.Context(), Request{Presentity: alice, Watcher: bo, Now: noon})
	if err != nil {
		t.Fatal(err)
	}
	want := []Reason{
		{Document: omaKey, Rule: "own", Matched: true, Counted: true, Handling: Confirm, Why: "all conditions are true"},
		{Document: omaKey, Rule: "list", Matched: true, Handling: Allow, Why: "a rule of higher precedence applies"},
		{Document: omaKey, Rule: "rest", Why: "false: other-identity"},
	}
	if diff := gocmp.Diff(want, got.Reasons); diff != "" || got.Handling != Confirm {
		t.Errorf("%v (-want +got):\n%s", got.Handling, diff)
	}
}
