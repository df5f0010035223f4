package rls

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"rollcall/internal/bus"
	"rollcall/internal/store"
	"rollcall/sip/presence"
	"rollcall/sip/wire"
)

// expect takes in the NOTIFYs that went out and compares the last one's
// resources, by URI, and whether it is full.
func (r *rig) expect(w *subscriber, full bool, want map[string]row) {
	r.t.Helper()
	log := r.take()
	if len(log) != 1 {
		r.t.Fatalf("%d messages, want one NOTIFY", len(log))
	}
	w.receive(r.t, log[0])
	r.sees(w, full, want)
}

func (r *rig) sees(w *subscriber, full bool, want map[string]row) {
	r.t.Helper()
	if w.last.FullState != fmt.Sprint(full) {
		r.t.Errorf("fullState %s", w.last.FullState)
	}
	got := make(map[string]row)
	for _, res := range w.last.Resources {
		got[res.URI] = w.table[res.URI]
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(row{}), cmpopts.EquateEmpty()); diff != "" {
		r.t.Errorf("version %d (-want +got):\n%s", w.version, diff)
	}
}

func (r *rig) nothing() {
	r.t.Helper()
	if log := r.take(); len(log) != 0 {
		r.t.Fatalf("%d messages, want none: %+v", len(log), log)
	}
}

func TestRefusals(t *testing.T) {
	const all = "multipart/related, application/rlmi+xml, application/pidf+xml"
	tests := []struct {
		name   string
		sub    sub
		list   string // "-" = no services document
		status int
		header string
	}{
		{name: "RFC 4662 §4.1: without eventlist", sub: sub{supported: "-"}, status: 421, header: "Require: eventlist"},
		{name: "RFC 4662 §4.3: Accept without multipart/related", sub: sub{accept: "application/rlmi+xml, application/pidf+xml"}, status: 406},
		{name: "Accept without RLMI", sub: sub{accept: "multipart/related, application/pidf+xml"}, status: 406},
		{name: "Accept without a type of the package", sub: sub{accept: "multipart/related, application/rlmi+xml"}, status: 406},
		{name: "RFC 3261 §8.2.3: a body", sub: sub{body: "<resource-lists/>"}, status: 415},
		{name: "Accept with ranges", sub: sub{accept: "multipart/*, application/*"}, status: 200},
		{name: "without Accept", sub: sub{accept: "-"}, status: 200},
		{name: "RFC 4662 §4.4: owner only", sub: sub{who: bo}, status: 403},
		{name: "RFC 4826 §4.5: packages", list: `<service uri="` + theirs + `"><list/><packages><package>dialog</package><package>x&#10;y</package></packages></service>`, status: 489, header: "Allow-Events: dialog"},
		{name: "no packages, all packages", list: `<service uri="` + theirs + `"><list/></service>`, status: 200},
		{name: "a list that cannot be resolved", list: `<service uri="` + theirs + `"><resource-list>http://elsewhere.example/lists/x</resource-list></service>`, status: 502},
		{name: "no services document, a user's own list", list: "-", status: 200},
		{name: "someone else's own list", sub: sub{who: bo}, list: "-", status: 403},
		{name: "another service", sub: sub{resource: "sip:team@example.test"}, list: `<service uri="sip:team@EXAMPLE.test"><list/></service>`, status: 200},
		{name: "nobody's service goes to the package", sub: sub{resource: "sip:nothing@example.test"}, status: 200},
		{name: "a plain AOR is no list, whatever Accept says", sub: sub{resource: bo, accept: all}, status: 200},
		{name: "a plain AOR cannot be given as a list", sub: sub{resource: bo, accept: "multipart/related, application/rlmi+xml"}, status: 406},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, options{}, func(t *testing.T, r *rig) {
				switch tt.list {
				case "-":
				case "":
					r.putServices("<list/>")
				default:
					r.put(amy, AUID, `<rls-services xmlns="urn:ietf:params:xml:ns:rls-services">`+tt.list+`</rls-services>`, theirs, "sip:team@example.test")
				}
				log := r.subscribe(tt.sub)
				if len(log) == 0 || log[0].status() != tt.status {
					t.Fatalf("%+v, want %d", log, tt.status)
				}
				if name, value, ok := strings.Cut(tt.header, ": "); ok && log[0].header(name) != value {
					t.Errorf("%s is %q, want %q", name, log[0].header(name), value)
				}
				if tt.status != 200 && len(r.lists.index.users) > 0 {
					t.Errorf("a refused subscription is still indexed: %v", r.lists.index.users)
				}
			})
		})
	}
}

// RFC 4826 §4.4.7: only documents named index count.
func TestServiceInOtherDocument(t *testing.T) {
	r := newRig(t, options{})
	defer r.close()
	doc := store.Document{
		DocumentKey: store.DocumentKey{XUI: amy, AUID: AUID, Path: "other"}, ETag: "x",
		Body: []byte(`<rls-services xmlns="urn:ietf:params:xml:ns:rls-services"><service uri="sip:team@example.test"><list/></service></rls-services>`),
	}
	if err := r.store.PutDocument(t.Context(), doc, "", []string{"sip:team@example.test"}); err != nil {
		t.Fatal(err)
	}
	for resource, want := range map[string]bool{"sip:team@example.test": false, theirs: true, amy: false, "sip:nobody+presence@example.test": false} {
		if got := r.lists.IsList(t.Context(), resource); got != want {
			t.Errorf("%s is a list: %v", resource, got)
		}
	}
}

func TestFirstNotify(t *testing.T) {
	inBubble(t, options{}, func(t *testing.T, r *rig) {
		r.presence.set(bo, active("<bo/>"))
		r.presence.set(cy, pending)
		r.presence.set(di, rejected)
		r.putServices(byReference)
		r.putMembers("bo%40example.test Bo &amp; Co", cy, di, "sip:nobody@example.test", "sip:ed@elsewhere.example", "tel:+49", "BO@EXAMPLE.test")
		tag, w := r.establish(sub{})
		r.sees(w, true, map[string]row{
			"sip:BO@example.test":      {state: "terminated", reason: "noresource"},
			bo:                         {state: "active", body: "<bo/>", name: "Bo & Co"},
			cy:                         {state: "pending"},
			di:                         {state: "terminated", reason: "rejected"},
			"sip:nobody@example.test":  {state: "terminated", reason: "noresource"},
			"sip:ed@elsewhere.example": {state: "terminated", reason: "giveup"},
			"tel:+49":                  {state: "terminated", reason: "noresource"},
		})
		if w.version != 0 || !strings.HasPrefix(w.state, "active;expires=") {
			t.Errorf("version %d, %s", w.version, w.state)
		}
		// RFC 4662 §7.1.1: the members' watcher is the owner.
		want := []string{amy + " sip:BO@example.test", amy + " " + bo, amy + " " + cy, amy + " " + di, amy + " sip:nobody@example.test"}
		slices.Sort(want)
		if diff := cmp.Diff(want, r.presence.watched()); diff != "" {
			t.Errorf("watches (-want +got):\n%s", diff)
		}

		// A change: partial, only what changed.
		r.presence.set(bo, active("<bo2/>"))
		r.expect(w, false, map[string]row{bo: {state: "active", body: "<bo2/>", name: "Bo & Co"}})
		r.presence.set(bo, active("<bo2/>"))
		r.nothing() // nothing changed, nothing sent
		r.presence.set(bo, rejected)
		r.expect(w, false, map[string]row{bo: {state: "terminated", reason: "rejected", name: "Bo & Co"}})
		r.presence.set(cy, active("<cy/>"))
		r.expect(w, false, map[string]row{cy: {state: "active", body: "<cy/>"}})
		if w.version != 3 || w.gaps != 0 {
			t.Errorf("version %d, %d gaps", w.version, w.gaps)
		}

		// A refresh: full, all that is known.
		log := r.subscribe(sub{toTag: tag, expires: "1200"})
		if len(log) != 2 || log[0].status() != 200 {
			t.Fatalf("refresh: %+v", log)
		}
		w.receive(t, log[1])
		if w.last.FullState != "true" || len(w.table) != 7 || w.bodies != 1 || w.version != 4 {
			t.Errorf("refresh: %+v", w.last)
		}
		for _, watch := range r.presence.watches {
			if time.Until(watch.Expires) < 1000*time.Second {
				t.Errorf("the watch of %s ends in %v", watch.Presentity, time.Until(watch.Expires))
			}
		}

		// A list in the body of a refresh (RFC 5367 §4).
		if log := r.subscribe(sub{toTag: tag, body: "<resource-lists/>"}); len(log) != 1 || log[0].status() != 415 {
			t.Fatalf("refresh with a body: %+v", log)
		}

		// The end: full, terminated, nobody watches any more.
		log = r.subscribe(sub{toTag: tag, expires: "0"})
		if len(log) != 2 || log[0].status() != 200 {
			t.Fatalf("unsubscribe: %+v", log)
		}
		w.receive(t, log[1])
		if w.state != "terminated;reason=timeout" || w.last.FullState != "true" {
			t.Errorf("unsubscribe: %s, %+v", w.state, w.last)
		}
		if len(r.presence.watched()) != 0 || len(r.lists.index.users) != 0 {
			t.Errorf("left behind: %v, %v", r.presence.watched(), r.lists.index.users)
		}
		if !slices.Contains(r.presence.ended, bo+" timeout") {
			t.Errorf("reasons: %v", r.presence.ended)
		}
	})
}

// An edit over XCAP reaches the subscription that is there, and no other.
func TestEdit(t *testing.T) {
	inBubble(t, options{}, func(t *testing.T, r *rig) {
		r.presence.set(bo, active("<bo/>"))
		r.presence.set(cy, active("<cy/>"))
		_, w := r.establish(sub{}) // on a new account: before there is any document
		r.sees(w, true, nil)

		r.putServices(byReference)
		r.nothing() // a list that does not exist yet
		r.putMembers(bo)
		r.expect(w, false, map[string]row{bo: {state: "active", body: "<bo/>"}})
		r.putMembers(cy, bo+" Bo")
		r.expect(w, false, map[string]row{cy: {state: "active", body: "<cy/>"}, bo: {state: "active", body: "<bo/>", name: "Bo"}})
		r.putMembers(cy)
		r.expect(w, false, map[string]row{bo: {state: "terminated", reason: "noresource", name: "Bo"}})
		r.presence.set(bo, active("<secret/>"))
		r.nothing() // nobody watches bo now
		if diff := cmp.Diff([]string{amy + " " + cy}, r.presence.watched()); diff != "" {
			t.Errorf("watches (-want +got):\n%s", diff)
		}
		r.putMembers(bo, cy)
		r.expect(w, false, map[string]row{bo: {state: "active", body: "<secret/>"}})

		// Another document of the same user and another user's are no reason to read again.
		asked := r.presence.asked
		r.lists.DocumentChanged(bus.DocumentChanged{Key: store.DocumentKey{XUI: amy, AUID: "pres-rules", Path: "index"}})
		r.put(bo, "resource-lists", `<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"/>`)
		r.nothing()
		if r.presence.asked != asked {
			t.Error("foreign documents touched the list")
		}

		// An inline list in place of the reference.
		r.putServices(`<list>` + entries(cy) + `</list>`)
		r.expect(w, false, map[string]row{bo: {state: "terminated", reason: "noresource"}})
		if w.gaps != 0 || len(w.table) != 2 {
			t.Errorf("%d gaps, %v", w.gaps, w.table)
		}
	})
}

// The name of the list is told when it changes, and whoever has the state can say so.
func TestTitle(t *testing.T) {
	inBubble(t, options{}, func(t *testing.T, r *rig) {
		r.presence.set(bo, active("<bo/>"))
		titled := func(name string) {
			r.putServices(`<list><rl:display-name>` + name + `</rl:display-name>` + entries(bo) + `</list>`)
		}
		titled("Team")
		log := r.subscribe(sub{})
		w := newSubscriber(theirs)
		w.receive(t, log[1])
		etag := log[1].header("SIP-ETag")
		titled("Crew")
		log = r.take()
		w.receive(t, log[0])
		if diff := cmp.Diff([]string{"Crew"}, w.last.Names); diff != "" || len(log) != 1 || w.last.FullState != "false" || len(w.last.Resources) != 0 || w.gaps != 0 {
			t.Errorf("after another name: %+v\n%s", w.last, diff)
		}
		if log[0].header("SIP-ETag") == etag {
			t.Error("the entity-tag is that of before")
		}
		titled("Team")
		log = r.take()
		if got := log[0].header("SIP-ETag"); got != etag {
			t.Errorf("the name of before has the entity-tag %s, not %s", got, etag)
		}
		r.putServices(`<list>` + entries(bo) + `</list>`)
		r.nothing() // only a full state can say that there is no name
	})
}

// RFC 5839 §6.5: the entity is the state of the list, in whatever NOTIFY.
func TestCondition(t *testing.T) {
	inBubble(t, options{}, func(t *testing.T, r *rig) {
		r.presence.set(bo, active("<bo/>"))
		r.putServices(`<list>` + entries(bo) + `</list>`)
		log := r.subscribe(sub{})
		_, tag, _ := strings.Cut(log[0].header("To"), ";tag=")
		etag := log[1].header("SIP-ETag")
		condition := "Suppress-If-Match: " + etag + "\r\n"
		if log = r.subscribe(sub{toTag: tag, more: condition}); len(log) != 1 || log[0].status() != 204 {
			t.Errorf("refresh with what is known: %+v", log)
		}
		r.presence.set(bo, active("<bo2/>"))
		if log = r.take(); len(log) != 1 || len(log[0].out.Body) == 0 || log[0].header("SIP-ETag") == etag {
			t.Errorf("news: %+v", log)
		}
		if log = r.subscribe(sub{toTag: tag, more: condition}); len(log) != 2 || log[0].status() != 200 || len(log[1].out.Body) == 0 {
			t.Errorf("refresh with what was known: %+v", log)
		}
		r.presence.set(bo, active("<bo/>"))
		r.take()
		if log = r.subscribe(sub{more: condition}); len(log) != 2 || log[0].status() != 200 || len(log[1].out.Body) != 0 {
			t.Errorf("another subscription with what is known: %+v", log)
		}
	})
}

// A service that is removed ends the subscription; the user's own list becomes empty.
func TestServiceRemoved(t *testing.T) {
	inBubble(t, options{}, func(t *testing.T, r *rig) {
		const team = "sip:team@example.test"
		r.presence.set(bo, active("<bo/>"))
		services := func(s ...string) {
			r.put(amy, AUID, `<rls-services xmlns="urn:ietf:params:xml:ns:rls-services" xmlns:rl="urn:ietf:params:xml:ns:resource-lists">`+strings.Join(s, "")+`</rls-services>`, team, theirs)
		}
		service := func(uri string) string {
			return `<service uri="` + uri + `"><list>` + entries(bo) + `</list></service>`
		}
		services(service(team), service(theirs))
		_, a := r.establish(sub{resource: team})
		_, b := r.establish(sub{})
		services()
		for _, m := range r.take() {
			if m.header("Subscription-State") == "terminated;reason=noresource" {
				a.state = m.header("Subscription-State")
				continue
			}
			b.receive(t, m)
		}
		if !strings.HasPrefix(a.state, "terminated") {
			t.Errorf("the service's subscription: %s", a.state)
		}
		r.sees(b, false, map[string]row{bo: {state: "terminated", reason: "noresource"}})
	})
}

// With the account goes its list.
func TestOwnerRemoved(t *testing.T) {
	inBubble(t, options{}, func(t *testing.T, r *rig) {
		r.presence.set(bo, active("<bo/>"))
		r.putServices(`<list>` + entries(bo) + `</list>`)
		r.establish(sub{})
		r.lists.UserChanged(amy) // a new password
		r.nothing()
		if err := r.store.RemoveUser(t.Context(), amy); err != nil {
			t.Fatal(err)
		}
		r.lists.UserChanged(amy)
		log := r.take()
		if len(log) != 1 || log[0].header("Subscription-State") != "terminated;reason=noresource" || len(r.presence.watched()) != 0 {
			t.Errorf("%+v, %v", log, r.presence.watched())
		}
	})
}

// Changes while a NOTIFY is on its way collect; the newest state follows.
func TestOneInFlight(t *testing.T) {
	inBubble(t, options{}, func(t *testing.T, r *rig) {
		r.presence.set(bo, active("<bo/>"))
		r.presence.set(cy, active("<cy/>"))
		r.putServices(`<list>` + entries(bo, cy) + `</list>`)
		_, w := r.establish(sub{})
		r.sender.auto = 0
		r.presence.set(bo, active("<1/>"))
		log := r.take()
		if len(log) != 1 {
			t.Fatalf("%d messages", len(log))
		}
		w.receive(t, log[0])
		r.presence.set(bo, active("<2/>"))
		r.presence.set(cy, active("<3/>"))
		r.presence.set(bo, active("<4/>"))
		r.nothing()
		log[0].done(wire.Result{Status: 200})
		r.expect(w, false, map[string]row{bo: {state: "active", body: "<4/>"}, cy: {state: "active", body: "<3/>"}})
		if w.gaps != 0 {
			t.Errorf("%d gaps", w.gaps)
		}
	})
}

// What a failed NOTIFY told may be lost: the next one is full.
func TestFailedNotify(t *testing.T) {
	inBubble(t, options{}, func(t *testing.T, r *rig) {
		r.presence.set(bo, active("<bo/>"))
		r.presence.set(cy, active("<cy/>"))
		r.putServices(`<list>` + entries(bo, cy) + `</list>`)
		_, w := r.establish(sub{})
		r.sender.auto = 500
		r.presence.set(bo, active("<lost/>"))
		r.take()
		r.sender.auto = 200
		r.presence.set(cy, active("<cy2/>"))
		r.expect(w, true, map[string]row{bo: {state: "active", body: "<lost/>"}, cy: {state: "active", body: "<cy2/>"}})
	})
}

func TestWindow(t *testing.T) {
	inBubble(t, options{window: 2 * time.Second}, func(t *testing.T, r *rig) {
		r.presence.set(bo, active("<bo/>"))
		r.presence.set(cy, active("<cy/>"))
		r.putServices(`<list>` + entries(bo, cy) + `</list>`)
		_, w := r.establish(sub{})
		r.presence.set(bo, active("<1/>"))
		r.nothing()
		time.Sleep(time.Second)
		r.presence.set(cy, active("<2/>"))
		r.presence.set(bo, active("<3/>"))
		r.nothing()
		time.Sleep(1100 * time.Millisecond)
		r.expect(w, false, map[string]row{bo: {state: "active", body: "<3/>"}, cy: {state: "active", body: "<2/>"}})
		if w.version != 1 {
			t.Errorf("version %d: two changes within the window are one NOTIFY", w.version)
		}
	})
}

// A list too large for one NOTIFY comes in several, none too large, none lost.
func TestLargeList(t *testing.T) {
	for _, tt := range []struct {
		name    string
		members int
		body    int
	}{{"bodies do not fit", 60, 1000}, {"not even the resources fit", 400, 30}} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, options{maxBody: 16 << 10}, func(t *testing.T, r *rig) {
				var members []string
				want := make(map[string]row)
				for i := range tt.members {
					m := fmt.Sprintf("sip:u%d@example.test", i)
					members = append(members, m)
					body := fmt.Sprintf("<p>%d%s</p>", i, strings.Repeat(".", tt.body))
					r.presence.set(m, active(body))
					want[m] = row{state: "active", body: body}
				}
				r.putServices(`<list>` + entries(members...) + `</list>`)
				log := r.subscribe(sub{})
				if len(log) < 3 {
					t.Fatalf("%d messages", len(log))
				}
				w := newSubscriber(theirs)
				for i, m := range log[1:] {
					if len(m.out.Body) > 16<<10 {
						t.Errorf("body of %d bytes", len(m.out.Body))
					}
					w.receive(t, m)
					if (w.last.FullState == "true") != (i == 0) {
						t.Errorf("NOTIFY %d: fullState %s", i, w.last.FullState)
					}
				}
				if diff := cmp.Diff(want, w.table, cmp.AllowUnexported(row{})); diff != "" {
					t.Errorf("in the end (-want +got):\n%s", diff)
				}
				if w.gaps != 0 {
					t.Errorf("%d gaps", w.gaps)
				}
			})
		})
	}
}

// A document that no NOTIFY can carry leaves its resource without an instance,
// and does not stop the others.
func TestOversizeDocument(t *testing.T) {
	inBubble(t, options{maxBody: 8 << 10}, func(t *testing.T, r *rig) {
		r.presence.set(bo, active(strings.Repeat("x", 9<<10)))
		r.presence.set(cy, active("<cy/>"))
		r.putServices(`<list>` + entries(bo, cy) + `</list>`)
		_, w := r.establish(sub{})
		r.presence.set(cy, active("<cy2/>"))
		for _, m := range r.take() {
			w.receive(t, m)
		}
		want := map[string]row{bo: {}, cy: {state: "active", body: "<cy2/>"}}
		if diff := cmp.Diff(want, w.table, cmp.AllowUnexported(row{})); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if w.version > 3 {
			t.Errorf("version %d: told again and again", w.version)
		}
	})
}

func TestFetch(t *testing.T) {
	inBubble(t, options{}, func(t *testing.T, r *rig) {
		r.presence.set(bo, active("<bo/>"))
		r.presence.set(cy, pending)
		r.putServices(`<list>` + entries(bo, cy) + `</list>`)
		log := r.subscribe(sub{expires: "0"})
		if len(log) != 2 {
			t.Fatalf("%d messages", len(log))
		}
		w := newSubscriber(theirs)
		w.receive(t, log[1])
		r.sees(w, true, map[string]row{bo: {state: "active", body: "<bo/>"}, cy: {state: "pending"}})
		if w.state != "terminated;reason=timeout" || len(r.presence.watched()) != 0 {
			t.Errorf("%s, %v", w.state, r.presence.watched())
		}
		// RFC 3857 §4.7.1: who had to wait goes on waiting.
		if diff := cmp.Diff([]string{cy + " timeout"}, r.presence.ended); diff != "" {
			t.Errorf("ended (-want +got):\n%s", diff)
		}
	})
}

// After a restart members are watched under the same names, a list that did not
// change says nothing, and the next NOTIFY is full.
func TestRestore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, options{})
		r.presence.set(bo, active("<bo/>"))
		r.presence.set(cy, active("<cy/>"))
		r.putServices(`<list>` + entries(bo, cy) + `</list>`)
		tag, w := r.establish(sub{})
		r.presence.set(bo, active("<bo2/>"))
		r.expect(w, false, map[string]row{bo: {state: "active", body: "<bo2/>"}})
		r.n.Stop(t.Context())
		synctest.Wait()
		ids := r.presence.watched()
		r.close()

		fake := &fakePresence{views: r.presence.views, watches: nil}
		fake.watches = make(map[string]presence.Watch)
		again := newRig(t, options{st: r.store, fake: fake})
		defer again.close()
		again.sender.flow = again.flow()
		if err := again.n.Restore(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		again.nothing()
		if diff := cmp.Diff(ids, fake.watched()); diff != "" {
			t.Errorf("watches (-before +after):\n%s", diff)
		}
		for id := range fake.watches {
			if _, ok := r.presence.watches[id]; !ok {
				t.Errorf("watch %q is new", id)
			}
		}
		fake.set(cy, active("<cy2/>"))
		again.expect(w, true, map[string]row{bo: {state: "active", body: "<bo2/>"}, cy: {state: "active", body: "<cy2/>"}})
		if tag == "" || w.version < 2 {
			t.Errorf("version %d", w.version)
		}
	})
}

// The store being away for a while does not lose an edit.
func TestStoreDown(t *testing.T) {
	inBubble(t, options{}, func(t *testing.T, r *rig) {
		r.presence.set(bo, active("<bo/>"))
		r.putServices(byReference)
		r.putMembers()
		_, w := r.establish(sub{})
		key := store.DocumentKey{XUI: amy, AUID: "resource-lists", Path: "index"}
		r.putMembers(bo)
		r.expect(w, false, map[string]row{bo: {state: "active", body: "<bo/>"}})
		r.store.Fail(store.ErrUnavailable)
		r.lists.DocumentChanged(bus.DocumentChanged{Key: key})
		r.nothing()
		r.store.Fail(nil)
		doc, err := r.store.Document(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		doc.Body = bytes.ReplaceAll(doc.Body, []byte(bo), []byte(cy))
		if err := r.store.PutDocument(t.Context(), doc, doc.ETag, nil); err != nil {
			t.Fatal(err)
		}
		time.Sleep(retry + time.Second)
		r.expect(w, false, map[string]row{bo: {state: "terminated", reason: "noresource"}, cy: {state: "terminated", reason: "noresource"}})
		if r.subscribe(sub{})[0].status() != 200 {
			t.Error("afterwards nothing works")
		}
		r.store.Fail(store.ErrUnavailable)
		if got := r.subscribe(sub{})[0].status(); got != 503 {
			t.Errorf("new subscription without a store: %d", got)
		}
	})
}
