package main

import (
	"fmt"
	"strings"
	"testing"
)

// blinkPolicy are the rules as Blink writes them, with one of the two about the
// unlisted.
func blinkPolicy(root, user, unlisted string) string {
	rules := blinkRules(root, user)
	if unlisted == "allow" {
		const conditions = `<cp:conditions><ocp:other-identity/></cp:conditions><cp:actions><pr:sub-handling>`
		rules = strings.Replace(rules, `"wp_prs_unlisted">`+conditions+"confirm", `"wp_prs_allow_unlisted">`+conditions+"allow", 1)
	}
	return rules
}

// blinkStands is how a watcher on a list, or on none, is treated.
func blinkStands(list, unlisted string) string {
	switch list {
	case "oma_grantedcontacts":
		return "allow"
	case "oma_blockedcontacts":
		return "polite-block"
	case "both": // the most generous of the same kind
		return "allow"
	}
	return unlisted
}

// Blink's six rules: every watcher it can tell apart, moved from every list to
// every other while it watches.
func TestBlinkRules(t *testing.T) {
	places := []string{"oma_grantedcontacts", "oma_blockedcontacts", "both", ""}
	var rows []row
	for _, unlisted := range []string{"confirm", "allow"} {
		for _, from := range places {
			for _, to := range places {
				if unlisted == "allow" && from != "" && to != "" {
					continue // as with confirm
				}
				name := fmt.Sprintf("unlisted %s, from %q to %q", unlisted, from, to)
				rows = append(rows, row{name, "tcp", func(t *testing.T, v *venue) { moveContact(t, v, unlisted, from, to) }})
			}
		}
	}
	playAll(t, venues(t), rows)
}

func moveContact(t *testing.T, v *venue, unlisted, from, to string) {
	owner, watcher, friend := v.phone(t), v.phone(t), v.phone(t)
	docs := newXCAPClient(t, v.xcap, owner.user, owner.password)
	lists := func(status int, list string) {
		body := blinkLists(v.xcap, owner.user, friend.user) // friend is granted
		for _, name := range []string{"oma_grantedcontacts", "oma_blockedcontacts"} {
			if list != name && list != "both" {
				continue
			}
			entry := fmt.Sprintf(`<rl:entry uri="%s%%40%s"/>`, watcher.user, domain)
			body = strings.Replace(body, `<rl:list name="`+name+`"/>`, `<rl:list name="`+name+`"></rl:list>`, 1)
			body = strings.Replace(body, `<rl:list name="`+name+`">`, `<rl:list name="`+name+`">`+entry, 1)
		}
		docs.put(status, "resource-lists/users/"+owner.aor()+"/index", typeLists, body)
	}
	lists(201, from)
	docs.put(201, "org.openmobilealliance.pres-rules/users/"+owner.aor()+"/index", typeRules, blinkPolicy(v.xcap, owner.user, unlisted))
	publish(owner, tupleOf("t", "open"))
	self := v.another(t, owner).watch(owner) // wp_prs_allow_own
	expectShown(t, self.notify(), "active", "open")
	untouched := friend.watch(owner)
	expectShown(t, untouched.notify(), "active", "open")
	info := v.another(t, owner).subscribe(owner.aor(), "presence.winfo", "application/watcherinfo+xml")
	info.notify()
	d := watcher.watch(owner)
	before, after := blinkStands(from, unlisted), blinkStands(to, unlisted)
	expectShown(t, d.notify(), shownFor[before][0], shownFor[before][1])
	status := map[bool]string{true: "pending", false: "active"}
	expectWinfo(t, info.notify(), 1, "partial", owner.aor(), watcher.aor()+" "+status[before == "confirm"]+" subscribe")

	lists(200, to)
	if before == after {
		watcher.silent(quiet)
	} else {
		expectShown(t, d.notify(), shownFor[after][0], shownFor[after][1])
	}
	switch was, is := before == "confirm", after == "confirm"; {
	case was && !is:
		expectWinfo(t, info.notify(), 2, "partial", owner.aor(), watcher.aor()+" active approved")
	case !was && is:
		expectWinfo(t, info.notify(), 2, "partial", owner.aor(), watcher.aor()+" pending subscribe")
	default:
		info.c.silent(quiet)
	}
	untouched.c.silent(1)
	self.c.silent(1)
}

// wp_prs_block_anonymous: without an identity there is no way in, listed or not.
func TestBlinkAnonymous(t *testing.T) {
	args := []string{"--data", t.TempDir(), "--domain", domain}
	s := start(t, args, "--trust", "127.0.0.1/32")
	docs := newXCAPClient(t, s.xcapRoot, "alice", password("alice"))
	docs.put(201, "resource-lists/users/sip:alice@"+domain+"/index", typeLists, blinkLists(s.xcapRoot, "alice", "bob"))
	for _, unlisted := range []string{"confirm", "allow"} {
		docs.do("PUT", "org.openmobilealliance.pres-rules/users/sip:alice@"+domain+"/index", blinkPolicy(s.xcapRoot, "alice", unlisted), "Content-Type: "+typeRules)
		c := dialSIP(t, "tcp", s.sip, "nobody", "")
		r := subscribing(c, "sip:alice@"+domain)
		r.from = "sip:anonymous@anonymous.invalid"
		c.want(403, r)
		r = subscribing(c, "sip:alice@"+domain)
		r.from = "sip:carol@" + domain // trusted to say who it is
		d := &dialog{c: c, r: r}
		d.accepted(c.want(200, r))
		state := map[string]string{"confirm": "pending", "allow": "active"}[unlisted]
		if m := d.notify(); !strings.HasPrefix(m.get("Subscription-State"), state) {
			t.Errorf("unlisted %s: %s", unlisted, m)
		}
	}
}
