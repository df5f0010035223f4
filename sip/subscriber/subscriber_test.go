package subscriber

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/sip/event"
	"rollcall/sip/wire"
)

// RFC 6665 §4.1.2.1: what the first SUBSCRIBE says.
func TestSubscribe(t *testing.T) {
	trust := []netip.Prefix{netip.PrefixFrom(there.Addr(), 24)}
	inBubble(t, Config{Trust: trust, Expires: 30 * time.Minute}, func(t *testing.T, r *rig) {
		i := r.watch(bob)
		a := r.one()
		if a.out.Method != "SUBSCRIBE" || a.out.RequestURI != bob || a.out.CSeq != 1 {
			t.Errorf("%s %s %d", a.out.Method, a.out.RequestURI, a.out.CSeq)
		}
		for name, want := range map[string]string{
			"To": "<" + bob + ">", "Event": "presence", "Accept": "application/pidf+xml", "Expires": "1800",
			"Contact": "<sip:192.0.2.1:5060>", "P-Asserted-Identity": "<" + amy + ">",
		} {
			if got := a.header(name); got != want {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		}
		if from := a.header("From"); !strings.HasPrefix(from, "<"+amy+">;tag=") {
			t.Errorf("From is %q", from)
		}
		if a.hop.URI.String() != bob || a.hop.TLS {
			t.Errorf("hop is %+v", a.hop)
		}
		shows(t, i, "unknown", "")
		answer(a, 200, "Expires: 1800")
		shows(t, i, "unknown", "") // RFC 4662 §4.5: no instance before the first NOTIFY
		ok := r.want(200, notice{to: a, cseq: 7, state: "active;expires=1800", body: "<here/>"})
		if !strings.Contains(ok, "Contact: <sip:192.0.2.1:5060>") {
			t.Errorf("no Contact in the answer that makes the dialog:\n%s", ok)
		}
		shows(t, i, "active", "<here/>")
	})
}

func TestHops(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, r *rig) {
		// After a restart nobody knows who wished for it; who comes along is asked.
		known := wire.NewFlow("TCP", here, netip.MustParseAddrPort("10.0.0.5:5060"), func([]byte) error { return nil })
		i := r.watch(bob)
		a := r.one()
		if a.hop.Like != stranger {
			t.Errorf("like %v", a.hop.Like)
		}
		a.done(wire.Result{Err: wire.ErrUnreachable})
		r.s.Watch(i.key, i.id, known, func() {})
		if a = r.one(); a.hop.Like != known {
			t.Errorf("like %v", a.hop.Like)
		}
		answer(a, 403)
		r.watch("sip:cy@c.example")
		if hop := r.one().hop; hop.URI.String() != "sip:gw.c.example;transport=tcp" || hop.TLS {
			t.Errorf("by the table: %+v", hop)
		}
		r.watch("sip:di@d.example")
		if hop := r.one().hop; hop.URI.String() != "sip:di@d.example" || !hop.TLS {
			t.Errorf("DNS and TLS: %+v", hop)
		}
		for _, nowhere := range []string{"sip:x@x.example", "sip:y@elsewhere.example", "tel:+1555", "junk"} {
			shows(t, r.watch(nowhere), "terminated", "giveup")
			r.none()
		}
	})
}

// RFC 6665 §4.1.2.4: the NOTIFY may come first.
func TestNotifyFirst(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, r *rig) {
		i := r.watch(bob)
		a := r.one()
		r.want(200, notice{to: a, cseq: 1, state: "pending;expires=3600"})
		shows(t, i, "pending", "")
		r.want(200, notice{to: a, cseq: 2, body: "<here/>"})
		shows(t, i, "active", "<here/>")
		answer(a, 200, "Expires: 600")
		shows(t, i, "active", "<here/>")
		b := r.within(400*time.Second, 580*time.Second)
		if b.out.CSeq != 2 || b.header("To") != "<"+bob+">;tag=bobs" || b.tag() != a.tag() || b.header("Call-ID") != a.header("Call-ID") {
			t.Errorf("refresh outside the dialog:\n%s", b.out.Head)
		}
	})
	inBubble(t, Config{}, func(t *testing.T, r *rig) { // and the answer get lost
		i := r.watch(bob)
		a := r.one()
		r.want(200, notice{to: a, cseq: 1, body: "<here/>"})
		a.done(wire.Result{Err: wire.ErrTimeout})
		synctest.Wait()
		shows(t, i, "active", "<here/>")
		r.none()
	})
}

// RFC 6665 §4.4.1: the route set is that of the NOTIFY; a refresh goes along it.
func TestRouteSet(t *testing.T) {
	refresh := func(a, first notice, lines ...string) func(*testing.T, *rig) asked {
		return func(t *testing.T, r *rig) asked {
			r.watch(bob)
			sent := r.one()
			answer(sent, 200, append(lines, "Expires: 600", "To: <"+bob+">;tag=bobs")...)
			first.to = sent
			r.want(200, first)
			return r.within(400*time.Second, 580*time.Second)
		}
	}
	for _, tc := range []struct {
		name, uri, route, hop string
		run                   func(*testing.T, *rig) asked
	}{
		{"none", "sip:b@198.51.100.7", "", "sip:b@198.51.100.7",
			refresh(notice{}, notice{contact: "sip:b@198.51.100.7"})},
		{"of the NOTIFY", "sip:b@198.51.100.7", "<sip:p1.example;lr>, <sip:p2.example;lr>", "sip:p1.example;lr",
			refresh(notice{}, notice{contact: "sip:b@198.51.100.7", routes: "<sip:p1.example;lr>, <sip:p2.example;lr>"}, "Record-Route: <sip:p3.example;lr>")},
		{"of the answer, backwards", "sip:b@198.51.100.7", "<sip:p2.example;lr>, <sip:p1.example;lr>", "sip:p2.example;lr",
			refresh(notice{}, notice{contact: "sip:b@198.51.100.7"}, "Record-Route: <sip:p1.example;lr>,<sip:p2.example;lr>")},
		{"strict", "sip:p1.example", "<sip:p2.example;lr>, <sip:b@198.51.100.7>", "sip:p1.example",
			refresh(notice{}, notice{contact: "sip:b@198.51.100.7", routes: "<sip:p1.example>, <sip:p2.example;lr>"})},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inBubble(t, Config{}, func(t *testing.T, r *rig) {
				a := tc.run(t, r)
				if a.out.RequestURI != tc.uri || a.header("Route") != tc.route || a.hop.URI.String() != tc.hop {
					t.Errorf("%s\n%sto %s", a.out.RequestURI, a.out.Head, a.hop.URI)
				}
			})
		})
	}
}

// A gateway that the table names stays the way into the domain.
func TestRouteOfTable(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, r *rig) {
		r.watch("sip:cy@c.example")
		a := r.one()
		answer(a, 200, "Expires: 600")
		r.want(200, notice{to: a, contact: "sip:10.0.0.7"})
		if b := r.within(400*time.Second, 580*time.Second); b.hop.URI.Host != "gw.c.example" || b.out.RequestURI != "sip:10.0.0.7" {
			t.Errorf("%s to %s", b.out.RequestURI, b.hop.URI)
		}
	})
}

// RFC 6665 §4.1.3: the states and reasons, and what follows.
func TestStates(t *testing.T) {
	const no = time.Duration(-1)
	for _, tc := range []struct {
		state, shows, detail string
		least, most          time.Duration // until the next SUBSCRIBE
	}{
		{"pending;expires=3600", "pending", "", 2900 * time.Second, 3300 * time.Second},
		{"active;expires=3600", "active", "<here/>", 2900 * time.Second, 3300 * time.Second},
		{"ACTIVE ; Expires=600;retry-after=3", "active", "<here/>", 500 * time.Second, 570 * time.Second},
		{"active;expires=99999999999", "active", "<here/>", 2900 * time.Second, 3300 * time.Second},
		{"active", "active", "<here/>", 2900 * time.Second, 3300 * time.Second},
		{"waiting;expires=3600", "pending", "", 2900 * time.Second, 3300 * time.Second},
		{"terminated;reason=deactivated;retry-after=1000", "terminated", "deactivated", 0, 2 * time.Second},
		{"terminated;reason=timeout", "terminated", "timeout", 0, 2 * time.Second},
		{"terminated;reason=probation", "terminated", "probation", 20 * time.Second, 45 * time.Second},
		{"terminated;reason=probation;retry-after=1000", "terminated", "probation", 1000 * time.Second, 1110 * time.Second},
		{"terminated;reason=giveup;retry-after=100", "terminated", "giveup", 100 * time.Second, 115 * time.Second},
		{"terminated;reason=giveup", "terminated", "giveup", 20 * time.Second, 45 * time.Second},
		{"terminated", "terminated", "probation", 20 * time.Second, 45 * time.Second},
		{"terminated;retry-after=90", "terminated", "probation", 90 * time.Second, 110 * time.Second},
		{"terminated;reason=Moved;retry-after=90", "terminated", "moved", 90 * time.Second, 110 * time.Second},
		{"terminated;reason=rejected;retry-after=1", "terminated", "rejected", no, no},
		{"terminated;reason=noresource;retry-after=1", "terminated", "noresource", no, no},
		{"terminated;reason=invariant;retry-after=1", "terminated", "invariant", no, no},
		{"terminated;reason=badfilter", "terminated", "badfilter", no, no},
	} {
		t.Run(tc.state, func(t *testing.T) {
			inBubble(t, Config{}, func(t *testing.T, r *rig) {
				i := r.watch(bob)
				a := r.one()
				answer(a, 200, "Expires: 3600")
				r.want(200, notice{to: a, state: tc.state, body: "<here/>"})
				shows(t, i, tc.shows, tc.detail)
				if tc.least == no {
					time.Sleep(30 * time.Hour)
					r.none()
					return
				}
				b := r.within(tc.least, tc.most)
				if again := b.tag() != a.tag() && b.header("Call-ID") != a.header("Call-ID") && b.header("To") == "<"+bob+">"; again != (tc.shows == "terminated") {
					t.Errorf("new dialog: %v\n%s", again, b.out.Head)
				}
			})
		})
	}
}

// What becomes of a first SUBSCRIBE that fails.
func TestRefusals(t *testing.T) {
	const no = time.Duration(-1)
	for _, tc := range []struct {
		status      int
		lines       []string
		reason      string
		least, most time.Duration
	}{
		{401, nil, "rejected", no, no}, {407, nil, "rejected", no, no},
		{403, nil, "rejected", no, no}, {603, nil, "rejected", no, no},
		{404, nil, "noresource", no, no}, {410, nil, "noresource", no, no}, {604, nil, "noresource", no, no},
		{489, nil, "noresource", 40 * time.Minute, 80 * time.Minute}, {406, nil, "noresource", 40 * time.Minute, 80 * time.Minute},
		{421, nil, "noresource", 40 * time.Minute, 80 * time.Minute}, {501, nil, "noresource", 40 * time.Minute, 80 * time.Minute},
		{302, nil, "giveup", 40 * time.Minute, 80 * time.Minute}, {482, nil, "giveup", 40 * time.Minute, 80 * time.Minute},
		{408, nil, "probation", 20 * time.Second, 45 * time.Second}, {480, nil, "probation", 20 * time.Second, 45 * time.Second},
		{500, nil, "probation", 20 * time.Second, 45 * time.Second},
		{503, []string{"Retry-After: 300"}, "probation", 300 * time.Second, 340 * time.Second},
		{0, nil, "probation", 20 * time.Second, 45 * time.Second},
	} {
		t.Run(fmt.Sprint(tc.status), func(t *testing.T) {
			inBubble(t, Config{}, func(t *testing.T, r *rig) {
				i := r.watch(bob)
				a := r.one()
				if tc.status == 0 {
					a.done(wire.Result{Err: wire.ErrUnreachable})
				} else {
					answer(a, tc.status, tc.lines...)
				}
				synctest.Wait()
				shows(t, i, "terminated", tc.reason)
				r.want(481, notice{to: a}) // what comes later is too late
				if tc.least == no {
					time.Sleep(30 * time.Hour)
					r.none()
					// Somebody new is worth another try.
					r.watch(bob)
					r.one()
					return
				}
				r.within(tc.least, tc.most)
			})
		})
	}
}

// A request that fails on our side says nothing about the resource.
func TestOurOwnFailure(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, r *rig) {
		i := r.watch(bob)
		r.one().done(wire.Result{Err: wire.ErrBusy})
		synctest.Wait()
		shows(t, i, "unknown", "")
		r.within(5*time.Second, 12*time.Second)
	})
}

// Delays grow, up to an hour, and begin anew after a dialog that lasted.
func TestBackOff(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, r *rig) {
		r.watch(bob)
		a := r.one()
		for _, want := range []int{30, 60, 120, 240, 480, 960, 1920, 3600, 3600} {
			answer(a, 500)
			d := time.Duration(want) * time.Second
			a = r.within(d*3/4-time.Second, d*5/4+d/50+time.Second)
		}
		answer(a, 200, "Expires: 3600")
		r.want(200, notice{to: a, cseq: 1})
		time.Sleep(2 * time.Minute)
		r.want(200, notice{to: a, cseq: 2, state: "terminated;reason=deactivated"})
		a = r.one()
		r.want(200, notice{to: a, cseq: 1})
		r.want(200, notice{to: a, cseq: 2, state: "terminated;reason=deactivated"})
		r.none() // it is not believed twice
		r.within(20*time.Second, 40*time.Second)
	})
}

// Timer N, RFC 6665 §4.1.2.4.
func TestNoNotify(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, r *rig) {
		i := r.watch(bob)
		a := r.one()
		answer(a, 200, "Expires: 3600")
		time.Sleep(31 * time.Second)
		synctest.Wait()
		shows(t, i, "unknown", "")
		time.Sleep(2 * time.Second)
		synctest.Wait()
		shows(t, i, "terminated", "probation")
		r.want(481, notice{to: a})
		r.within(20*time.Second, 45*time.Second)
	})
	inBubble(t, Config{}, func(t *testing.T, r *rig) { // an answer that comes after that
		i := r.watch(bob)
		a := r.one()
		time.Sleep(33 * time.Second)
		answer(a, 403)
		shows(t, i, "terminated", "probation")
		b := r.within(20*time.Second, 45*time.Second)
		answer(a, 404)
		r.want(200, notice{to: b, body: "<here/>"})
		shows(t, i, "active", "<here/>")
	})
	inBubble(t, Config{}, func(t *testing.T, r *rig) { // after a refresh
		i, _ := r.established()
		b := r.within(2900*time.Second, 3300*time.Second)
		answer(b, 200, "Expires: 3600")
		c := r.within(30*time.Second, 40*time.Second)
		if c.tag() == b.tag() {
			t.Error("the dialog went on")
		}
		shows(t, i, "active", "<here/>") // until the new one settles
		r.want(481, notice{to: b, cseq: 2})
		answer(c, 403)
		shows(t, i, "terminated", "rejected")
	})
}

// RFC 6665 §4.1.2.1, RFC 3261 §20.23
func TestTooBrief(t *testing.T) {
	inBubble(t, Config{Expires: time.Minute}, func(t *testing.T, r *rig) {
		i := r.watch(bob)
		answer(r.one(), 423, "Min-Expires: 300")
		a := r.one()
		if a.header("Expires") != "300" {
			t.Errorf("Expires is %s", a.header("Expires"))
		}
		answer(a, 423, "Min-Expires: 600")
		r.none() // once
		shows(t, i, "terminated", "giveup")
	})
}

func TestRefreshFails(t *testing.T) {
	for _, tc := range []struct {
		name        string
		result      wire.Result
		state       string
		detail      string
		least, most time.Duration
		sameDialog  bool
	}{
		{"481", wire.Result{Status: 481}, "active", "<here/>", 0, time.Second, false},
		{"404", wire.Result{Status: 404}, "terminated", "noresource", -1, 0, false},
		{"489", wire.Result{Status: 489}, "terminated", "noresource", 40 * time.Minute, 80 * time.Minute, false},
		{"500", wire.Result{Status: 500}, "active", "<here/>", 20 * time.Second, 42 * time.Second, true},
		{"503", wire.Result{Status: 503, RetryAfter: time.Minute}, "active", "<here/>", time.Minute, 62 * time.Second, true},
		{"lost", wire.Result{Err: wire.ErrTimeout}, "active", "<here/>", 20 * time.Second, 42 * time.Second, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inBubble(t, Config{}, func(t *testing.T, r *rig) {
				i, _ := r.established()
				b := r.within(2900*time.Second, 3300*time.Second)
				b.done(tc.result)
				synctest.Wait()
				shows(t, i, tc.state, tc.detail)
				if tc.least < 0 {
					time.Sleep(30 * time.Hour)
					r.none()
					return
				}
				c := r.within(tc.least, tc.most)
				if (c.tag() == b.tag()) != tc.sameDialog {
					t.Errorf("same dialog: %v", c.tag() == b.tag())
				}
			})
		})
	}
}

// When every refresh fails the subscription ends, and a new one is begun.
func TestExpires(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, r *rig) {
		i, a := r.established()
		begun := time.Now()
		for {
			b := r.within(0, 3300*time.Second)
			if b.tag() != a.tag() {
				break
			}
			answer(b, 500)
		}
		if d := time.Since(begun); d < 3595*time.Second || d > 3640*time.Second {
			t.Errorf("new dialog after %v", d)
		}
		shows(t, i, "active", "<here/>")
	})
}

// RFC 3261 §12.2.2, RFC 6665 §4.1.3 and §4.4.1
func TestNotifyRefused(t *testing.T) {
	inBubble(t, Config{MaxBody: 100}, func(t *testing.T, r *rig) {
		i, a := r.established()
		r.want(200, notice{to: a, cseq: 5, body: "<five/>"})
		for _, tc := range []struct {
			name string
			n    notice
			code int
		}{
			{"fork", notice{tag: "other", cseq: 6}, 481},
			{"foreign Call-ID", notice{callID: "x", cseq: 6}, 481},
			{"unknown tag", notice{toTag: "00ffffffffffffffff", cseq: 6}, 481},
			{"tag of nobody", notice{toTag: "x", cseq: 6}, 481},
			{"out of order", notice{cseq: 4, body: "<four/>"}, 500},
			{"the same again", notice{cseq: 5, body: "<other/>"}, 200},
			{"another package", notice{event: "dialog", cseq: 6}, 481},
			{"unknown package", notice{event: "foo", cseq: 6}, 489},
			{"event id", notice{event: "presence;id=1", cseq: 6}, 481},
			{"extension", notice{more: "Require: foo\r\n", cseq: 6}, 420},
			{"no state", notice{state: "-", cseq: 6}, 400},
			{"bad state", notice{state: "active;expires=x", cseq: 6}, 400},
			{"two states", notice{more: "Subscription-State: pending\r\n", cseq: 6}, 400},
		} {
			if got := status(r.notify(withTarget(tc.n, a))); got != tc.code {
				t.Errorf("%s: %d, want %d", tc.name, got, tc.code)
			}
			shows(t, i, "active", "<five/>")
		}
		for n, tc := range []struct {
			n    notice
			code int
		}{
			{notice{body: strings.Repeat("x", 101)}, 413},
			{notice{body: "<x/>", kind: "text/plain"}, 415},
			{notice{body: "<x/>", more: "Content-Encoding: gzip\r\n"}, 415},
			{notice{body: "<broken/>"}, 400},
		} {
			r.want(200, notice{to: a, cseq: 10 + 2*n, body: "<good/>"})
			shows(t, i, "active", "<good/>")
			tc.n.cseq = 11 + 2*n
			r.want(tc.code, withTarget(tc.n, a))
			shows(t, i, "active", "") // what was known is not true any more
		}
	})
}

func withTarget(n notice, a asked) notice {
	n.to = a
	return n
}

// RFC 5839: a body that was left out is the one before.
func TestWithoutBody(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, r *rig) {
		i, a := r.established()
		r.want(200, notice{to: a, cseq: 2})
		shows(t, i, "active", "<here/>")
		r.want(200, notice{to: a, cseq: 3, state: "pending;expires=3600"})
		shows(t, i, "pending", "")
		r.want(200, notice{to: a, cseq: 4})
		shows(t, i, "active", "")
	})
}

// One subscription serves all who want the same, on behalf of the same user.
func TestSharing(t *testing.T) {
	inBubble(t, Config{Linger: 10 * time.Second}, func(t *testing.T, r *rig) {
		first, a := r.established()
		news := r.news.Load()
		second := r.watch(bob)
		r.none()
		shows(t, second, "active", "<here/>")
		if r.news.Load() != news+1 {
			t.Error("the second was not told of what is known")
		}
		r.watchAs("sip:di@example.test", bob)
		if b := r.one(); !strings.HasPrefix(b.header("From"), "<sip:di@example.test>") {
			t.Errorf("another user: %s", b.out.Head)
		} else {
			answer(b, 403)
		}
		first.End()
		time.Sleep(time.Minute)
		r.none()
		second.End()
		time.Sleep(8 * time.Second)
		r.none()
		third := r.watch(bob) // in time
		time.Sleep(time.Minute)
		r.none()
		third.End()
		b := r.within(9*time.Second, 12*time.Second)
		if b.header("Expires") != "0" || b.header("To") != "<"+bob+">;tag=bobs" || b.tag() != a.tag() {
			t.Errorf("no end of the dialog:\n%s", b.out.Head)
		}
		answer(b, 200, "Expires: 0")
		r.want(200, notice{to: a, cseq: 2, state: "terminated;reason=timeout"})
		r.want(481, notice{to: a, cseq: 3})
		time.Sleep(time.Minute)
		r.none()
	})
}

// Who wants it again while it is being ended gets a new one.
func TestWantedAgain(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, r *rig) {
		i, a := r.established()
		i.End()
		r.within(9*time.Second, 12*time.Second)
		again := r.watch(bob)
		b := r.one()
		if b.tag() == a.tag() {
			t.Error("the old dialog")
		}
		r.want(200, notice{to: a, cseq: 2, state: "terminated;reason=timeout"})
		r.want(200, notice{to: b, cseq: 1, body: "<anew/>"})
		shows(t, again, "active", "<anew/>")
	})
}

// Nobody wants it before it began: a NOTIFY is told so.
func TestEndedEarly(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, r *rig) {
		i := r.watch(bob)
		a := r.one()
		i.End()
		time.Sleep(11 * time.Second)
		r.want(481, notice{to: a})
		answer(a, 200, "Expires: 3600")
		r.none()
	})
}

func TestLimits(t *testing.T) {
	inBubble(t, Config{Max: 3, MaxPerWatcher: 2}, func(t *testing.T, r *rig) {
		one, _ := r.watch("sip:1@b.example"), r.watch("sip:2@b.example")
		three := r.watch("sip:3@b.example")
		shows(t, three, "terminated", "probation")
		other := func(resource string) interest { return r.watchAs("sip:di@example.test", resource) }
		shows(t, other("sip:1@b.example"), "unknown", "")
		shows(t, other("sip:2@b.example"), "terminated", "probation")
		if n := len(r.take()); n != 3 {
			t.Fatalf("%d SUBSCRIBEs", n)
		}
		one.End()
		time.Sleep(11 * time.Second)
		three.Renew()
		if a := r.one(); a.out.RequestURI != "sip:3@b.example" {
			t.Errorf("%s", a.out.RequestURI)
		}
	})
}

// A restart is no storm: new subscriptions begin at a limited rate, per domain.
func TestPace(t *testing.T) {
	inBubble(t, Config{Rate: 10}, func(t *testing.T, r *rig) {
		for n := range 100 {
			r.watch(fmt.Sprintf("sip:%d@b.example", n))
		}
		if n := len(r.take()); n != burst {
			t.Errorf("%d at once", n)
		}
		r.watch("sip:cy@c.example")
		r.one()
		time.Sleep(4 * time.Second)
		if n := len(r.take()); n < 38 || n > 42 {
			t.Errorf("%d in 4 s", n)
		}
		time.Sleep(5 * time.Second)
		if n := len(r.take()); n < 35 {
			t.Errorf("%d of the rest", n)
		}
	})
}

func TestParseState(t *testing.T) {
	for _, tc := range []struct {
		value string
		want  substate
		ok    bool
	}{
		{"active;expires=60", substate{state: event.Active, expires: time.Minute}, true},
		{"Pending", substate{state: event.Pending, expires: -1}, true},
		{"terminated ; reason = NoResource ; retry-after=5", substate{state: event.Terminated, expires: -1, reason: "noresource", retryAfter: 5 * time.Second}, true},
		{`terminated;x="a;reason=b";reason=c`, substate{state: event.Terminated, expires: -1, reason: "c"}, true},
		{"active;foo;bar=1", substate{state: event.Active, expires: -1}, true},
		{"active;expires=4294967296", substate{state: event.Active, expires: longest}, true},
		{"", substate{}, false}, {";expires=1", substate{}, false}, {"a b", substate{}, false}, {"active;", substate{}, false},
		{"active;expires=-1", substate{}, false}, {"active;expires=", substate{}, false}, {"terminated;reason=a b", substate{}, false},
	} {
		got, ok := parseState(tc.value)
		if ok != tc.ok || ok && got != tc.want {
			t.Errorf("%q: %+v %v", tc.value, got, ok)
		}
	}
}

func FuzzParseState(f *testing.F) {
	for _, s := range []string{"active;expires=60", "terminated;reason=giveup;retry-after=1", `pending;x="\";"`, "a;b=c;;"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, ok := parseState(s)
		if !ok {
			return
		}
		if got.expires > longest || got.retryAfter > longest || got.retryAfter < 0 || got.expires < -1 {
			t.Errorf("%q: %+v", s, got)
		}
		if got.reason != "" && !token(got.reason) {
			t.Errorf("reason %q", got.reason)
		}
	})
}
