package event

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/internal/store/memory"
)

// entityTag makes a subscription and returns its To tag and the entity-tag shown.
func (r *rig) entityTag(s sub) (toTag, etag string) {
	r.t.Helper()
	r.subscribe(s)
	log := r.take()
	if len(log) != 2 || log[0].status() != 200 {
		r.t.Fatalf("not established: %s", describe(log))
	}
	return log[0].toTag(), log[1].header("SIP-ETag")
}

func suppress(tag string) string { return "Suppress-If-Match: " + tag + "\r\n" }

// RFC 5839 §6.1: each view has its own entity-tag, a token, the same for the same
// view and another one for another watcher, type or state of the resource.
func TestEntityTags(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, r *rig) {
		toTag, first := r.entityTag(sub{})
		_, again := r.entityTag(sub{callID: "again"})
		_, other := r.entityTag(sub{callID: "other", who: "sip:eve@example.test"})
		if first == "" || !isToken(first) || again != first || other == first {
			t.Errorf("%q, again %q, for somebody else %q", first, again, other)
		}
		seen := map[string]bool{first: true}
		v := text("1")
		v.Tag = "1 as other"
		v.ContentType = "application/other+xml"
		for _, v := range []View{text("1"), v, {State: Pending, Tag: "none"}, {State: Active, Body: []byte("x"), ContentType: "a/b"}} {
			r.set(v)
			tag := ""
			for _, m := range r.take() {
				if m.header("Call-ID") == "call1" {
					tag = m.header("SIP-ETag")
				}
			}
			if tag == "" || seen[tag] {
				t.Errorf("%v %q: entity-tag %q", v.State, v.Body, tag)
			}
			seen[tag] = true
		}
		r.set(text("none"))
		for _, m := range r.take() {
			if m.header("Call-ID") == "call1" && m.header("SIP-ETag") != first {
				t.Errorf("the first view again: %q", m.header("SIP-ETag"))
			}
		}
		r.subscribe(sub{toTag: toTag, expires: "0"})
		if log := r.take(); len(log) != 2 || log[1].header("SIP-ETag") != first {
			t.Errorf("final NOTIFY: %s", describe(log))
		}
	})
}

// The table of RFC 5839 §6.2, §6.3: what a SUBSCRIBE with a condition is answered
// with, and what follows.
func TestConditions(t *testing.T) {
	tests := []struct {
		name     string
		inDialog bool
		expires  string
		tag      string // "" = the current one
		pending  bool   // the state of the subscription changes as well
		status   int
		notify   bool
		body     string
	}{
		{name: "out of dialog, true", status: 200, notify: true},
		{name: "out of dialog, any", tag: "*", status: 200, notify: true},
		{name: "out of dialog, false", tag: "stale", status: 200, notify: true, body: "none"},
		{name: "poll, true", expires: "0", status: 200, notify: true},
		{name: "poll, false", expires: "0", tag: "stale", status: 200, notify: true, body: "none"},
		{name: "in dialog, true", inDialog: true, status: 204},
		{name: "in dialog, any", inDialog: true, tag: "*", status: 204},
		{name: "in dialog, false", inDialog: true, tag: "stale", status: 200, notify: true, body: "none"},
		{name: "in dialog, other state", inDialog: true, tag: "*", pending: true, status: 200, notify: true},
		{name: "unsubscribe, true", inDialog: true, expires: "0", status: 204},
		{name: "unsubscribe, false", inDialog: true, expires: "0", tag: "stale", status: 200, notify: true, body: "none"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, Config{}, func(t *testing.T, r *rig) {
				toTag, etag := r.entityTag(sub{})
				s := sub{callID: "new", expires: test.expires, extra: suppress(or(test.tag, etag))}
				if test.inDialog {
					s.callID, s.toTag = "", toTag
				}
				if test.pending {
					r.pkg.set(amy, View{State: Pending, Tag: "p"})
				}
				r.subscribe(s)
				log := r.take()
				if log[0].status() != test.status || log[0].header("Expires") != or(test.expires, "600") {
					t.Fatalf("answered %q", log[0].response)
				}
				if test.notify != (len(log) == 2) {
					t.Fatalf("got %s", describe(log))
				}
				if test.notify {
					m := log[1]
					if string(m.out.Body) != test.body || (m.header("Content-Type") == "") != (test.body == "") {
						t.Errorf("got %s", describe(log))
					}
					if !test.pending && m.header("SIP-ETag") != etag {
						t.Errorf("entity-tag %q, want %q unchanged", m.header("SIP-ETag"), etag)
					}
				}
				live := 1
				if !test.inDialog && test.expires == "" {
					live = 2
				}
				if test.inDialog && test.expires == "0" {
					live = 0
				}
				if got := len(r.rows()); got != live {
					t.Errorf("%d subscriptions, want %d", got, live)
				}
			})
		})
	}
}

// RFC 5839 §6.3: while the condition holds nothing is sent; the first other view
// ends it, and then things are as usual. With "*" it always holds.
func TestConditionHolds(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, r *rig) {
		toTag, etag := r.entityTag(sub{})
		r.subscribe(sub{toTag: toTag, extra: suppress(etag)})
		r.take()
		r.n.Changed("presence", amy)
		r.nothing()
		r.set(text("1"))
		if got := string(r.notify().out.Body); got != "1" {
			t.Errorf("body %q", got)
		}
		r.set(text("none"))
		if m := r.notify(); string(m.out.Body) != "none" || m.header("SIP-ETag") != etag {
			t.Errorf("the old state again: %s", describe([]message{m}))
		}
		r.subscribe(sub{toTag: toTag, extra: suppress("*")})
		if log := r.take(); len(log) != 1 || log[0].status() != 204 {
			t.Fatalf("got %s", describe(log))
		}
		r.set(text("2"))
		r.nothing()
		r.set(View{State: Pending, Tag: "p"})
		if m := r.notify(); m.header("Subscription-State") != "pending;expires=600" || len(m.out.Body) != 0 {
			t.Errorf("got %s", describe([]message{m}))
		}
		r.set(text("2"))
		if m := r.notify(); m.header("Subscription-State") != "active;expires=600" || len(m.out.Body) != 0 || m.header("SIP-ETag") == "" {
			t.Errorf("got %s", describe([]message{m}))
		}
		r.subscribe(sub{toTag: toTag}) // without a condition all is told
		if log := r.take(); len(log) != 2 || string(log[1].out.Body) != "2" {
			t.Errorf("got %s", describe(log))
		}
	})
}

// RFC 5839 §6.4: after a suppressed document the first one of a dialog is whole,
// and versions begin with it.
func TestConditionThenPartial(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, r *rig) {
		_, etag := r.entityTag(sub{})
		r.entityTag(sub{callID: "new", extra: suppress(etag)})
		s := r.pkg.opened[1]
		if s.lease.version != 0 {
			t.Errorf("version %d used by no document", s.lease.version)
		}
		r.pkg.fulls = nil
		r.set(text("1"))
		r.take()
		if len(r.pkg.fulls) != 2 || r.pkg.fulls[0] == r.pkg.fulls[1] {
			t.Errorf("full views asked for: %v, want one", r.pkg.fulls)
		}
	})
}

func TestMalformedCondition(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, r *rig) {
		for _, value := range []string{"a, b", `"quoted"`, "a;b"} {
			r.subscribe(sub{extra: suppress(value)})
			if log := r.take(); len(log) != 1 || log[0].status() != 400 {
				t.Errorf("%s: %s", value, describe(log))
			}
		}
	})
}

// A condition from before a restart still holds.
func TestConditionAfterRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := memory.New()
		r := newRig(t, Config{}, st)
		toTag, etag := r.entityTag(sub{})
		r.close()
		r = newRig(t, Config{}, st)
		defer r.close()
		r.cseq = 100
		if err := r.n.Restore(context.Background()); err != nil {
			t.Fatal(err)
		}
		r.set(View{State: Active, Body: []byte("none"), ContentType: "application/pidf+xml", Tag: "none"})
		r.take()
		r.subscribe(sub{toTag: toTag, extra: suppress(etag)})
		log := r.take()
		// What state was shown last may have been lost with the crash.
		if len(log) == 0 || log[0].status() >= 300 || len(log) == 2 && len(log[1].out.Body) != 0 {
			t.Errorf("got %s", describe(log))
		}
	})
}

// A refresh that cannot be stored leaves the old condition and rates.
func TestConditionNotStored(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, r *rig) {
		toTag, _ := r.entityTag(sub{event: "presence;max-rate=0.5"})
		r.store.Fail(errors.New("disk full"))
		r.subscribe(sub{toTag: toTag, extra: suppress("*")})
		if log := r.take(); len(log) != 1 || log[0].status() != 500 {
			t.Fatalf("got %s", describe(log))
		}
		r.store.Fail(nil)
		time.Sleep(time.Minute)
		r.set(text("1"))
		if m := r.notify(); m.header("Subscription-State") != "active;expires=540;max-rate=0.5" {
			t.Errorf("got %s", describe([]message{m}))
		}
	})
}

// A device that has lost its memory does not leave a second subscription behind:
// it is known by its instance, else by its Contact.
func TestSuperseded(t *testing.T) {
	const phone = `<sip:b@192.0.2.9:1111>;+sip.instance="<urn:uuid:11111111-2222-3333-4444-555555555555>"`
	const rebooted = `<sip:b@192.0.2.9:2222>;+sip.instance="<urn:uuid:11111111-2222-3333-4444-555555555555>"`
	tests := []struct {
		name          string
		first, second sub
		left          int
	}{
		{"same Contact", sub{contact: "<sip:b@192.0.2.9:1>"}, sub{contact: "<sip:b@192.0.2.9:1>"}, 1},
		{"same instance", sub{contact: phone}, sub{contact: rebooted}, 1},
		{"other Contact", sub{contact: "<sip:b@192.0.2.9:1>"}, sub{contact: "<sip:b@192.0.2.9:2>"}, 2},
		{"other watcher", sub{contact: phone}, sub{contact: phone, who: "sip:eve@example.test"}, 2},
		{"other id", sub{contact: phone, event: "presence;id=1"}, sub{contact: phone, event: "presence;id=2"}, 2},
		{"other resource", sub{contact: phone}, sub{contact: phone, resource: "sip:cat@example.test"}, 2},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, Config{}, func(t *testing.T, r *rig) {
				test.first.callID, test.second.callID = "first", "second"
				r.establish(test.first)
				r.subscribe(test.second)
				if log := r.take(); len(log) != 2 || log[1].header("Call-ID") != "second" {
					t.Fatalf("got %s, want nothing for the old one", describe(log))
				}
				if got := len(r.rows()); got != test.left {
					t.Fatalf("%d left, want %d", got, test.left)
				}
				if test.left == 1 && (len(r.pkg.ended) != 1 || r.pkg.ended[0] != "deactivated") {
					t.Errorf("ended %v", r.pkg.ended)
				}
			})
		})
	}
}
