package rls

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
)

// Lists in front of the real presence service and policy.

func (r *rig) putPresence(who, note string) {
	r.t.Helper()
	r.put(who, "pidf-manipulation", fmt.Sprintf(`<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="%s"><tuple id="t"><status><basic>open</basic></status><note>%s</note></tuple></presence>`, who, note))
}

func (r *rig) putRules(who, rules string) {
	r.t.Helper()
	r.put(who, "org.openmobilealliance.pres-rules", `<cr:ruleset xmlns:cr="urn:ietf:params:xml:ns:common-policy" xmlns:pr="urn:ietf:params:xml:ns:pres-rules" xmlns:ocp="urn:oma:xml:xdm:common-policy">`+rules+`</cr:ruleset>`)
}

func ruleFor(id, watcher, handling, more string) string {
	return `<cr:rule id="` + id + `"><cr:conditions><cr:identity><cr:one id="` + watcher + `"/></cr:identity></cr:conditions><cr:actions><pr:sub-handling>` + handling + `</pr:sub-handling></cr:actions>` + more + `</cr:rule>`
}

// brief sums up what a subscriber knows of a member.
func (w *subscriber) brief(uri string) string {
	r := w.table[uri]
	switch {
	case r.state == "terminated":
		return "terminated " + r.reason
	case strings.Contains(r.body, "<note>"):
		_, note, _ := strings.Cut(r.body, "<note>")
		note, _, _ = strings.Cut(note, "</note>")
		return r.state + " " + note
	case strings.Contains(r.body, "open"):
		return r.state + " open"
	case strings.Contains(r.body, "closed"):
		return r.state + " closed"
	}
	return r.state
}

func (r *rig) learns(w *subscriber, uri, want string) {
	r.t.Helper()
	for _, m := range r.take() {
		w.receive(r.t, m)
	}
	if got := w.brief(uri); got != want {
		r.t.Errorf("%s: %q, want %q", uri, got, want)
	}
	if w.gaps > 0 {
		r.t.Errorf("%d gaps", w.gaps)
	}
}

func TestMemberPolicy(t *testing.T) {
	inBubble(t, options{real: true}, func(t *testing.T, r *rig) {
		r.putPresence(bo, "first")
		r.putServices(`<list>` + entries(bo, amy, "sip:nobody@example.test") + `</list>`)
		_, w := r.establish(sub{})
		r.learns(w, bo, "pending") // no rules at all
		r.learns(w, amy, "active closed")
		r.learns(w, "sip:nobody@example.test", "terminated noresource")
		synctest.Wait()
		if list := r.real.Watchers(bo); len(list) != 1 || list[0].Watcher.Watcher != amy || list[0].Status != "pending" {
			t.Errorf("bo's watchers: %+v", list)
		}
		r.putRules(bo, ruleFor("a", amy, "allow", ""))
		r.learns(w, bo, "active first")
		r.putPresence(bo, "second")
		r.learns(w, bo, "active second")
		r.putRules(bo, ruleFor("a", amy, "polite-block", ""))
		r.learns(w, bo, "active closed")
		version := w.version
		r.putPresence(bo, "hidden")
		r.learns(w, bo, "active closed")
		if w.version != version {
			t.Error("a polite-blocked watcher hears of a change")
		}
		r.putRules(bo, ruleFor("a", amy, "confirm", ""))
		r.learns(w, bo, "pending")
		r.putRules(bo, ruleFor("a", amy, "block", ""))
		r.learns(w, bo, "terminated rejected")
		r.putRules(bo, ruleFor("a", amy, "allow", ""))
		r.learns(w, bo, "active hidden")
	})
}

// RFC 4662 §7.2: each owner sees what the member's rules say of that owner.
func TestTwoOwners(t *testing.T) {
	inBubble(t, options{real: true}, func(t *testing.T, r *rig) {
		r.putPresence(bo, "secret")
		rules := ruleFor("a", amy, "allow", "") +
			ruleFor("b", cy, "allow", `<cr:transformations><pr:provide-services><pr:all-services/></pr:provide-services></cr:transformations>`)
		r.putRules(bo, rules)
		const cys = "sip:cy+presence@example.test"
		r.putServices(`<list>` + entries(bo) + `</list>`)
		r.put(cy, AUID, `<rls-services xmlns="urn:ietf:params:xml:ns:rls-services" xmlns:rl="urn:ietf:params:xml:ns:resource-lists"><service uri="`+cys+`"><list>`+entries(bo)+`</list></service></rls-services>`, cys)
		_, a := r.establish(sub{})
		_, c := r.establish(sub{who: cy, resource: cys})
		r.learns(a, bo, "active secret")
		r.learns(c, bo, "active open")
		r.putRules(bo, rules+ruleFor("c", di, "allow", ""))
		r.nothing() // neither sees anything else, least of all the whole document
	})
}

// A user approves a watcher by an edit of a resource list.
func TestApprovalByList(t *testing.T) {
	inBubble(t, options{real: true}, func(t *testing.T, r *rig) {
		r.putPresence(bo, "here")
		r.putRules(bo, `<cr:rule id="g"><cr:conditions><ocp:external-list><ocp:entry anc="http%3A//x/xcap-root/resource-lists/users/sip%3Abo%40example.test/index/~~/resource-lists/list%5B%40name%3D%22oma_grantedcontacts%22%5D"/></ocp:external-list></cr:conditions><cr:actions><pr:sub-handling>allow</pr:sub-handling></cr:actions></cr:rule>`+
			`<cr:rule id="o"><cr:conditions><ocp:other-identity/></cr:conditions><cr:actions><pr:sub-handling>confirm</pr:sub-handling></cr:actions></cr:rule>`)
		r.putServices(`<list>` + entries(bo) + `</list>`)
		_, w := r.establish(sub{})
		r.learns(w, bo, "pending")
		granted := func(members string) {
			r.put(bo, "resource-lists", `<rl:resource-lists xmlns:rl="urn:ietf:params:xml:ns:resource-lists"><rl:list name="oma_grantedcontacts">`+members+`</rl:list></rl:resource-lists>`)
		}
		granted(entries("amy%40example.test"))
		r.learns(w, bo, "active here")
		granted("")
		r.learns(w, bo, "pending")
	})
}
