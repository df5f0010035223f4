package rls

import (
	"testing"
	"time"
)

const blf = "sip:blf@example.test"

var lampAccept = sub{resource: blf, event: "dialog", expires: "3600", accept: "multipart/related, application/rlmi+xml, application/dialog-info+xml"}

// Lists of dialogs: what a desk phone has lamps for. They are not collected, as
// lists of presence are, and their documents have versions that go up.
func TestLamps(t *testing.T) {
	inBubble(t, options{window: 10 * time.Second}, func(t *testing.T, r *rig) {
		r.putAll(amy, service(blf, entries(bo, cy, "sip:ed@elsewhere.example")))
		r.lamps.set(bo, active("idle"))
		r.lamps.set(cy, rejected)
		s := lampAccept
		log := r.subscribe(s)
		if log[0].status() != 200 {
			t.Fatalf("%+v", log)
		}
		w := newSubscriber(blf)
		w.member = "application/dialog-info+xml"
		w.receive(t, log[1])
		r.sees(w, true, map[string]row{
			bo: {state: "active", body: "0 idle"}, cy: {state: "terminated", reason: "rejected"},
			"sip:ed@elsewhere.example": {state: "terminated", reason: "giveup"},
		})
		for i, call := range []string{"early", "confirmed", "idle"} {
			r.lamps.set(bo, active(call))
			r.expect(w, false, map[string]row{bo: {state: "active", body: string(rune('1'+i)) + " " + call}})
		}
		r.presence.set(bo, active("<pidf/>")) // another package
		r.nothing()
		if len(r.presence.watches) > 0 || len(r.lamps.watches) != 2 {
			t.Errorf("watches: %v, %v", r.presence.watches, r.lamps.watches)
		}
	})
}

// RFC 4826 §4.1, and lists that are there without a service.
func TestPackages(t *testing.T) {
	inBubble(t, options{}, func(t *testing.T, r *rig) {
		r.putAll(amy, service(blf, entries(bo)),
			`<service uri="sip:calls@example.test"><list/><packages><package>dialog</package></packages></service>`,
			`<service uri="sip:none@example.test"><list/><packages/></service>`)
		for _, tt := range []struct {
			resource, event string
			status          int
			allow           string
		}{
			{blf, "dialog", 200, ""},
			{blf, "presence", 200, ""},
			{"sip:calls@example.test", "dialog", 200, ""},
			{"sip:calls@example.test", "presence", 489, "dialog"},
			{"sip:none@example.test", "presence", 489, ""},
			{"sip:amy+dialog@example.test", "dialog", 200, ""},
			{"sip:amy+dialog@example.test", "presence", 489, "dialog"},
			{"sip:amy+presence@example.test", "dialog", 489, "presence"},
			{lists, "dialog", 200, ""},
		} {
			s := sub{resource: tt.resource, event: tt.event, accept: "*/*", expires: "3600"}
			if tt.resource == lists {
				s.body = recipients(bo)
			}
			log := r.subscribe(s)
			if log[0].status() != tt.status || log[0].header("Allow-Events") != tt.allow {
				t.Errorf("%s for %s: %d, Allow-Events %q", tt.resource, tt.event, log[0].status(), log[0].header("Allow-Events"))
			}
		}
	})
}

// RFC 4662 §4.4: who may use a list. Members are watched in the name of who does.
func TestWhoMay(t *testing.T) {
	inBubble(t, options{helper: cy, public: []string{"sip:desk@example.test"}}, func(t *testing.T, r *rig) {
		r.putAll(amy, service(blf, entries(bo)), service("sip:desk@example.test", entries(bo)))
		for _, tt := range []struct {
			resource, who string
			status        int
		}{
			{blf, amy, 200}, {blf, cy, 200}, {blf, di, 403},
			{"sip:desk@example.test", di, 200}, {"sip:desk@example.test", "sip:eve@elsewhere.example", 200},
			{theirs, di, 403},
		} {
			log := r.subscribe(sub{resource: tt.resource, who: tt.who, expires: "3600"})
			if log[0].status() != tt.status {
				t.Errorf("%s to %s: %d, want %d", tt.who, tt.resource, log[0].status(), tt.status)
			}
		}
		want := map[string]bool{amy: true, cy: true, di: true, "sip:eve@elsewhere.example": true}
		for _, w := range r.presence.watches {
			if !want[w.Watcher] || w.Presentity != bo {
				t.Errorf("watch of %+v", w)
			}
			delete(want, w.Watcher)
		}
		if len(want) > 0 {
			t.Errorf("not watching: %v", want)
		}
	})
}
