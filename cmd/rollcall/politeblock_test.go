package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// politeBlock plays the same scene for an owner who is really offline and for one
// who publishes but blocks politely: what a watcher gets must not differ (RFC 5025
// §3.2.1) but for what differs from subscription to subscription anyway.
func politeBlock(t *testing.T, v *venue) {
	transcript := func(active bool) string {
		owner, watcher := v.phone(t), v.phone(t)
		docs := newXCAPClient(t, v.xcap, owner.user, owner.password)
		handling := "allow"
		if active {
			handling = "polite-block"
			publish(owner, tupleOf("t", "open"))
		}
		docs.put(201, "org.openmobilealliance.pres-rules/users/"+owner.aor()+"/index", typeRules,
			`<ruleset xmlns="urn:ietf:params:xml:ns:common-policy" xmlns:pr="urn:ietf:params:xml:ns:pres-rules">`+
				ruleFor("r", watcher.aor(), handling, "")+`</ruleset>`)
		var seen strings.Builder
		note := func(m *message) *message {
			text := m.String()
			for _, own := range []string{owner.user, watcher.user} {
				text = strings.ReplaceAll(text, own, "USER")
			}
			seen.WriteString(text + "\n\n")
			return m
		}
		r := subscribing(watcher, owner.aor())
		d := &dialog{c: watcher, r: r}
		m := note(watcher.want(200, r))
		d.accepted(m)
		etag := note(d.notify()).get("SIP-ETag")
		if active {
			publish(owner, tupleOf("u", "open"))
			watcher.silent(quiet)
		}
		note(d.refresh(watcher, 600))
		if again := note(d.notify()).get("SIP-ETag"); again != etag || etag == "" {
			t.Errorf("SIP-ETag %q, then %q", etag, again)
		}
		note(watcher.want(204, d.again(watcher, 600, "Suppress-If-Match: "+etag)))
		if active {
			publish(owner, tupleOf("v", "closed"))
			watcher.silent(quiet)
		}
		note(d.refresh(watcher, 0))
		note(d.notify())
		poll := &dialog{c: watcher, r: subscribing(watcher, owner.aor(), "Expires: 0")}
		m = note(watcher.want(200, poll.r))
		poll.accepted(m)
		note(poll.notify())
		note(watcher.do(request{method: "MESSAGE", uri: owner.aor(), body: "hi", lines: []string{"Content-Type: text/plain"}}))
		return seen.String()
	}
	offline, blocked := shape(transcript(false)), shape(transcript(true))
	if offline != blocked {
		a, b := strings.Split(offline, "\n"), strings.Split(blocked, "\n")
		for i := range min(len(a), len(b)) {
			if a[i] != b[i] {
				t.Fatalf("line %d: offline %q, politely blocked %q\n%s", i, a[i], b[i], blocked)
			}
		}
		t.Fatalf("%d lines offline, %d politely blocked", len(a), len(b))
	}
}

// What differs between any two subscriptions, and what stands for it.
var (
	addresses = regexp.MustCompile(`127\.0\.0\.1:\d+`)
	lengths   = regexp.MustCompile(`(?m)^Content-Length: .*\n`) // the bodies are compared
	tokens    = regexp.MustCompile(`(branch=|tag=|Call-Id: |Sip-Etag: |id="|<sip:)([A-Za-z0-9]+)`)
	numbers   = regexp.MustCompile(`(Cseq: |;expires=|rport=)\d+`)
)

// shape sorts header lines, and leaves of a token only how long it is.
func shape(text string) string {
	text = addresses.ReplaceAllString(text, "ADDRESS")
	text = lengths.ReplaceAllString(text, "")
	text = numbers.ReplaceAllString(text, "${1}N")
	text = tokens.ReplaceAllStringFunc(text, func(s string) string {
		part := tokens.FindStringSubmatch(s)
		return fmt.Sprintf("%s[%d]", part[1], len(part[2]))
	})
	var out []string
	for m := range strings.SplitSeq(text, "\n\n\n") {
		head, body, _ := strings.Cut(strings.TrimLeft(m, "\n"), "\n\n")
		lines := strings.Split(head, "\n")
		slices.Sort(lines)
		out = append(out, strings.Join(lines, "\n")+"\n\n"+body)
	}
	return strings.Join(out, "\n\n\n")
}
