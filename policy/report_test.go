package policy

import (
	"slices"
	"strings"
	"testing"

	"rollcall/internal/store"
)

func TestReport(t *testing.T) {
	lists := resourceLists(map[string][]string{"granted": {bo, cy}, "blocked": nil})
	oma := rulesetOf(
		lintRule("granted", external("granted"), "allow"),
		lintRule("blocked", external("blocked"), "polite-block"),
		lintRule("named", one(cy), "confirm"),
		lintRule("unlisted", other, "confirm"),
		lintRule("anonymous", anonymous, "block"),
		lintRule("off", `<ag:false-condition/>`, "allow"),
		lintRule("new", `<x:y/>`, "allow"),
		lintRule("work", `<cr:sphere value="work"/>`, "allow"),
		lintRule("then", `<cr:validity><cr:from>2031-01-01T00:00:00Z</cr:from><cr:until>2031-01-02T00:00:00Z</cr:until></cr:validity>`, "allow"),
		lintRule("most", `<cr:identity><cr:many domain="example.com"><cr:except id="`+bo+`"/></cr:many></cr:identity>`, "polite-block"),
	)
	d := &documents{bodies: map[store.DocumentKey]string{omaKey: oma, listsKey: lists}}
	for _, tt := range []struct {
		watcher  string
		handling string
		why      map[string]string // by rule
		combined string
	}{
		{bo, "allow", map[string]string{
			"granted":   `the list "granted" (resource-lists/users/sip:alice@example.com/index) has the entry bo@example.com`,
			"blocked":   `the list "blocked" (resource-lists/users/sip:alice@example.com/index) is empty`,
			"named":     "it is for cy@example.com, not for bo@example.com",
			"unlisted":  "it is for those whom no other rule names, and another rule names bo@example.com",
			"anonymous": "it is for watchers without an identity, and this is bo@example.com",
			"off":       "the rule has been switched off (false-condition)",
			"new":       `the condition "y" is not known here, and an unknown condition is never true`,
			"work":      "the owner's sphere is not known (devices say none, or different ones), and the rule wants work",
			"then":      "it is valid from 2031-01-01 00:00:00 UTC until 2031-01-02 00:00:00 UTC, and it is now 2026-11-21 12:00:00 UTC",
			"most":      "it is for everybody of example.com, but excludes bo@example.com",
		}, `One rule counts: "granted" (allow).`},
		{cy, "polite-block", map[string]string{
			"granted": `the list "granted" (resource-lists/users/sip:alice@example.com/index) has the entry cy@example.com`,
			"named":   "it names cy@example.com",
			"most":    "it is for everybody of example.com",
		}, `Only the rules that name people count here, as the first group in which a rule applies; set aside: "granted" (allow). ` +
			`2 rules count: "named" (confirm), "most" (polite-block). The most generous wins: polite-block.`},
		{"", "block", map[string]string{
			"anonymous": "the watcher has no identity",
			"most":      "it is for watchers with an identity, and this one has none",
		}, `One rule counts: "anonymous" (block).`},
		{"sip:who@example.net", "confirm", map[string]string{"unlisted": "no rule names who@example.net"}, `One rule counts: "unlisted" (confirm).`},
		{alice, "allow", nil, "The watcher is the owner, who always sees everything."},
	} {
		r, err := engine(d, Options{}).Report(t.Context(), Request{Presentity: alice, Watcher: tt.watcher, Now: noon})
		if err != nil {
			t.Fatal(err)
		}
		if r.Handling != tt.handling || r.Stale {
			t.Errorf("%q: %s, stale %t; want %s", tt.watcher, r.Handling, r.Stale, tt.handling)
		}
		if got := strings.Join(r.Combination, " "); got != tt.combined {
			t.Errorf("%q: combined as %s\nwant %s", tt.watcher, got, tt.combined)
		}
		for id, want := range tt.why {
			i := slices.IndexFunc(r.Rules, func(r RuleReport) bool { return r.ID == id })
			if i < 0 || r.Rules[i].Why != want {
				t.Errorf("%q: rule %s: %+v\nwant %s", tt.watcher, id, r.Rules[max(i, 0)], want)
			}
		}
	}
}

// A document that was changed behind the engine's back is told of.
func TestReportStale(t *testing.T) {
	d := &documents{bodies: map[store.DocumentKey]string{omaKey: rulesetOf(lintRule("a", one(bo), "allow"))}}
	e := engine(d, Options{})
	ask(t, e, bo)
	d.bodies[omaKey] = rulesetOf(lintRule("a", one(bo), "block"))
	r, err := e.Report(t.Context(), Request{Presentity: alice, Watcher: bo, Now: noon})
	if err != nil || !r.Stale || r.Handling != "allow" {
		t.Errorf("%+v, %v", r, err)
	}
	e.DocumentChanged(omaKey)
	if r, err = e.Report(t.Context(), Request{Presentity: alice, Watcher: bo, Now: noon}); err != nil || r.Stale || r.Handling != "block" {
		t.Errorf("after the change was told %+v, %v", r, err)
	}
}

func TestWords(t *testing.T) {
	for _, tt := range []struct {
		permissions string
		want        []string
	}{
		{"<pr:provide-services><pr:all-services/></pr:provide-services><pr:provide-persons><pr:all-persons/></pr:provide-persons>" +
			"<pr:provide-devices><pr:all-devices/></pr:provide-devices><pr:provide-all-attributes/>", []string{"everything"}},
		{"<pr:provide-services><pr:service-uri-scheme>sip</pr:service-uri-scheme><pr:class>work</pr:class></pr:provide-services>" +
			"<pr:provide-mood>true</pr:provide-mood><pr:provide-user-input>bare</pr:provide-user-input>", []string{
			"ways to reach the owner: only those of class work or with addresses of the scheme sip",
			"nothing about the person", "no devices", "of these: mood, whether the device is in use"}},
	} {
		got := transform(t, Options{}, provide(tt.permissions)).Words()
		if !slices.Equal(got, tt.want) {
			t.Errorf("%q\nwant %q", got, tt.want)
		}
	}
}

func TestListName(t *testing.T) {
	for anchor, want := range map[string]string{
		listAnchor("granted"): `the list "granted" (resource-lists/users/sip:alice@example.com/index)`,
		`/xcap-root/resource-lists/global/index/~~/resource-lists/list[@name="a"]/list[@name='b']`: `the list "b" (resource-lists/global/index)`,
		"/resource-lists/users/x/index/~~/resource-lists/list[1]":                                  "/resource-lists/users/x/index/~~/resource-lists/list[1]",
		"%zz": "%zz",
		"":    "",
	} {
		if got := listName(anchor); got != want {
			t.Errorf("%s is called %s, want %s", anchor, got, want)
		}
	}
}
