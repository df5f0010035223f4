package rls

import (
	"bytes"
	"compress/flate"
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"rollcall/internal/resourcelist"
	"rollcall/internal/store"
	"rollcall/internal/store/memory"
	"rollcall/sip/event"
	"rollcall/sip/presence"
	"rollcall/sip/wire"
)

const lists = "sip:rls@example.test"

func recipients(members ...string) string {
	return `<?xml version="1.0" encoding="UTF-8"?><rl:resource-lists xmlns:rl="urn:ietf:params:xml:ns:resource-lists"><rl:list>` +
		entries(members...) + `</rl:list></rl:resource-lists>`
}

func raw(t testing.TB, text string) string {
	t.Helper()
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

const encoded = "Content-Encoding: deflate\r\nAccept-Encoding: gzip;q=0.5, deflate\r\nRequire: recipient-list-subscribe\r\nContent-Disposition: recipient-list\r\n"

func TestRecipientsRefused(t *testing.T) {
	for _, tt := range []struct {
		name   string
		sub    sub
		status int
		header string
	}{
		{name: "RFC 4662 §4.1: without eventlist", sub: sub{body: recipients(), supported: "-"}, status: 421, header: "Require: eventlist"},
		{name: "Accept without multipart/related", sub: sub{body: recipients(), accept: "application/rlmi+xml, application/pidf+xml"}, status: 406},
		{name: "no list", status: 400},
		{name: "no XML", sub: sub{body: "hello"}, status: 400},
		{name: "a DTD", sub: sub{body: `<!DOCTYPE x>` + recipients()}, status: 400},
		{name: "another root", sub: sub{body: `<list xmlns="urn:ietf:params:xml:ns:resource-lists"/>`}, status: 400},
		{name: "another namespace", sub: sub{body: `<resource-lists/>`}, status: 400},
		{name: "another user of the domain has no list there", sub: sub{who: "sip:eve@elsewhere.example", body: recipients()}, status: 403},
		{name: "to somebody else", sub: sub{resource: bo, body: recipients()}, status: 403},
		{name: "where there is a list already", sub: sub{resource: theirs, body: recipients()}, status: 415},
		{name: "RFC 5363 §5.2: too long", sub: sub{body: recipients(many(11000)...), more: encoded}, status: 413},
		{name: "not deflated", sub: sub{body: recipients(), more: encoded}, status: 400},
		{name: "an unknown coding", sub: sub{body: recipients(), more: "Content-Encoding: br\r\n"}, status: 415, header: "Accept-Encoding: deflate, gzip, identity"},
		{name: "not compressed", sub: sub{body: recipients(), more: "Content-Encoding: gzip\r\n"}, status: 400},
		{name: "two codings", sub: sub{body: recipients(), more: "Content-Encoding: deflate, deflate\r\n"}, status: 415},
		{name: "RFC 3261 §20.11: for something else", sub: sub{body: recipients(), more: "Content-Disposition: render\r\n"}, status: 415},
		{name: "for something else that does not matter", sub: sub{resource: amy, body: recipients(), more: "Content-Disposition: render; handling=optional\r\n"}, status: 200},
		{name: "a list of nobody", sub: sub{body: recipients()}, status: 200},
		{name: "to oneself", sub: sub{resource: amy, body: recipients()}, status: 200},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, options{}, func(t *testing.T, r *rig) {
				s := tt.sub
				s.resource = or(s.resource, lists)
				if len(s.body) > 60_000 {
					s.body = raw(t, s.body)
				}
				log := r.subscribe(s)
				if len(log) == 0 || log[0].status() != tt.status {
					t.Fatalf("%+v, want %d", log, tt.status)
				}
				if name, value, ok := strings.Cut(tt.header, ": "); ok && log[0].header(name) != value {
					t.Errorf("%s is %q, want %q", name, log[0].header(name), value)
				}
				if tt.status != 200 && len(r.lists.index.users)+len(r.presence.watches) > 0 {
					t.Errorf("left behind: %v, %v", r.lists.index.users, r.presence.watches)
				}
			})
		})
	}
}

func many(n int) []string {
	members := make([]string, n)
	for i := range members {
		members[i] = fmt.Sprintf("u%d@a", i)
	}
	return members
}

// RFC 5367 §4, RFC 5363 §4.1: hierarchy is dropped, duplicates collapse.
func TestRecipients(t *testing.T) {
	const nested = `<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list>` +
		`<entry uri="SIP:bo@EXAMPLE.test"/><list name="n"><entry uri="sip:bo@example.test"><display-name>Bo</display-name></entry><entry uri="sip:cy@example.test"/></list></list>` +
		`<list><entry uri="sip%3Acy%40example.test"/></list></resource-lists>`
	inBubble(t, options{}, func(t *testing.T, r *rig) {
		r.presence.set(bo, active("<bo/>"))
		r.presence.set(cy, pending)
		tag, w := r.establish(sub{resource: lists, body: raw(t, nested), more: encoded})
		r.sees(w, true, map[string]row{bo: {state: "active", body: "<bo/>", name: "Bo"}, cy: {state: "pending"}})
		if diff := cmp.Diff([]string{amy + " " + bo, amy + " " + cy}, r.presence.watched()); diff != "" {
			t.Errorf("watches (-want +got):\n%s", diff)
		}
		r.presence.set(cy, active("<cy/>"))
		r.expect(w, false, map[string]row{cy: {state: "active", body: "<cy/>"}})

		// Another list takes its place.
		log := r.subscribe(sub{resource: lists, toTag: tag, body: recipients(cy, di)})
		w.receive(t, log[1])
		r.sees(w, true, map[string]row{cy: {state: "active", body: "<cy/>"}, di: {state: "terminated", reason: "noresource"}})
		if diff := cmp.Diff([]string{amy + " " + cy, amy + " " + di}, r.presence.watched()); diff != "" {
			t.Errorf("watches (-want +got):\n%s", diff)
		}
		// One that is none leaves everything as it is, and a refresh without one as well.
		if log := r.subscribe(sub{resource: lists, toTag: tag, body: "<list/>"}); log[0].status() != 400 {
			t.Fatalf("%+v", log)
		}
		if log = r.subscribe(sub{resource: lists, toTag: tag}); len(log) != 2 || log[1].header("Content-Encoding") != "" {
			t.Fatalf("%+v", log)
		}
		w.receive(t, log[1])
		r.sees(w, true, map[string]row{cy: {state: "active", body: "<cy/>"}, di: {state: "terminated", reason: "noresource"}})

		// With the account goes its list.
		if err := r.store.RemoveUser(t.Context(), amy); err != nil {
			t.Fatal(err)
		}
		r.lists.UserChanged(amy)
		log = r.take()
		if len(log) != 1 || log[0].header("Subscription-State") != "terminated;reason=noresource" || len(r.presence.watched()) != 0 {
			t.Errorf("%+v, %v", log, r.presence.watched())
		}
	})
}

// All send their lists to one address; each has its own.
func TestRecipientsOfTwo(t *testing.T) {
	inBubble(t, options{}, func(t *testing.T, r *rig) {
		r.presence.set(cy, active("<cy/>"))
		_, a := r.establish(sub{resource: lists, body: recipients(cy)})
		_, b := r.establish(sub{resource: lists, who: bo, body: recipients(di)})
		if len(a.table) != 1 || len(b.table) != 1 || r.lists.Resource(lists, amy) == r.lists.Resource(lists, bo) {
			t.Errorf("%v, %v", a.table, b.table)
		}
	})
	s := New(Config{Domains: []string{"example.test"}})
	for aor, same := range map[string]bool{lists: true, amy: true, "sip:rls@elsewhere.example": true} {
		if got := s.Resource(aor, amy); (got == aor) != same {
			t.Errorf("without a list service %s is about %s", aor, got)
		}
	}
}

// A list that came in a SUBSCRIBE is still there after a restart.
func TestRecipientsRestored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, options{})
		r.presence.set(bo, active("<bo/>"))
		_, w := r.establish(sub{resource: lists, body: raw(t, recipients(bo, cy)), more: encoded})
		r.n.Stop(t.Context())
		synctest.Wait()
		ids := r.presence.watched()
		r.close()
		again := newRig(t, options{st: r.store, fake: &fakePresence{views: r.presence.views, watches: map[string]presence.Watch{}}})
		defer again.close()
		again.sender.flow = again.flow()
		if err := again.n.Restore(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		again.nothing()
		if diff := cmp.Diff(ids, again.presence.watched()); diff != "" {
			t.Errorf("watches (-before +after):\n%s", diff)
		}
		again.presence.set(cy, active("<cy/>"))
		again.expect(w, true, map[string]row{bo: {state: "active", body: "<bo/>"}, cy: {state: "active", body: "<cy/>"}})
	})
}

// References of a recipient list lead into documents of its owner, and follow them.
func TestRecipientsReference(t *testing.T) {
	inBubble(t, options{}, func(t *testing.T, r *rig) {
		r.presence.set(bo, active("<bo/>"))
		r.putMembers(bo)
		external := func(user string) string {
			return `<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list><external anchor="http://x/xcap-root/resource-lists/users/sip:` + user +
				`@example.test/index/~~/resource-lists/list%5b@name=%22sipsimple_presence_rls%22%5d"/></list></resource-lists>`
		}
		_, w := r.establish(sub{resource: lists, body: external("amy")})
		r.sees(w, true, map[string]row{bo: {state: "active", body: "<bo/>"}})
		r.putMembers()
		r.expect(w, false, map[string]row{bo: {state: "terminated", reason: "noresource"}})
		_, w = r.establish(sub{resource: lists, who: bo, body: external("amy")})
		r.sees(w, true, nil)
	})
}

// Datagrams end at 64 kB.
func TestDatagrams(t *testing.T) {
	inBubble(t, options{}, func(t *testing.T, r *rig) {
		members := make([]string, 60)
		for i := range members {
			members[i] = fmt.Sprintf("sip:u%d@example.test", i)
			r.presence.set(members[i], active(fmt.Sprintf("<p n='%d'>%2000s</p>", i, "")))
		}
		r.putServices(`<list>` + entries(members...) + `</list>`)
		for _, udp := range []bool{false, true} {
			log := r.subscribe(sub{udp: udp})[1:]
			w := newSubscriber(theirs)
			for _, m := range log {
				if udp && len(m.out.Body) > maxDatagram {
					t.Errorf("%d bytes over UDP", len(m.out.Body))
				}
				w.receive(t, m)
			}
			if (len(log) > 1) != udp || w.gaps > 0 || w.table[members[59]].state != "active" {
				t.Errorf("%d NOTIFYs, %d gaps, the last member is %v; UDP: %v", len(log), w.gaps, w.table[members[59]], udp)
			}
		}
	})
}

// Room in a datagram is not lost to estimates.
func TestDatagramsAreFull(t *testing.T) {
	inBubble(t, options{}, func(t *testing.T, r *rig) {
		members := make([]string, 400)
		for i := range members {
			members[i] = fmt.Sprintf("sip:user%d@example.test", i)
			r.presence.set(members[i], active(fmt.Sprintf("<p n='%d'>%300s</p>", i, "")))
		}
		r.putServices(`<list>` + entries(members...) + `</list>`)
		log := r.subscribe(sub{udp: true})[1:]
		for i, m := range log[:len(log)-1] {
			if n := len(m.out.Body); n < maxDatagram*3/4 || n > maxDatagram {
				t.Errorf("NOTIFY %d has %d bytes", i, n)
			}
		}
	})
}

// A change that comes when nothing was sent for the time of the window goes at once.
func TestIdle(t *testing.T) {
	inBubble(t, options{window: 200 * time.Millisecond}, func(t *testing.T, r *rig) {
		r.presence.set(bo, active("<bo/>"))
		r.putServices(`<list>` + entries(bo) + `</list>`)
		_, w := r.establish(sub{})
		for i := range 3 {
			time.Sleep(250 * time.Millisecond)
			body := fmt.Sprintf("<bo n='%d'/>", i)
			r.presence.set(bo, active(body))
			r.expect(w, false, map[string]row{bo: {state: "active", body: body}})
			r.presence.set(bo, active("<bo/>"))
			r.nothing()
			time.Sleep(250 * time.Millisecond)
			r.expect(w, false, map[string]row{bo: {state: "active", body: "<bo/>"}})
		}
	})
}

func FuzzRecipients(f *testing.F) {
	f.Add([]byte(recipients(bo, cy)), "")
	f.Add([]byte(raw(f, recipients(bo, cy))), "deflate")
	f.Add(new(deflater).deflate([]byte(recipients(bo, cy, "tel:+1"))), "Deflate")
	f.Add(new(deflater).deflate(bytes.Repeat([]byte(" "), 1<<20)), "deflate")
	f.Add([]byte("\x78\x9c"), "deflate")
	s := New(Config{Users: everybody{}, Domains: []string{"example.test"}, User: "rls", Resolver: newResolver()})
	w := s.Wrap(plainPackage{}, nil).(event.BodyReader)
	f.Fuzz(func(t *testing.T, body []byte, coding string) {
		head := "SUBSCRIBE sip:rls@example.test SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.9:5060;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n" +
			"From: <sip:amy@example.test>;tag=a\r\nTo: <sip:rls@example.test>\r\nCall-ID: c\r\nCSeq: 1 SUBSCRIBE\r\nContact: <sip:a@192.0.2.9>\r\nEvent: presence\r\n" +
			"Content-Type: application/resource-lists+xml\r\nContent-Encoding: " + strings.Map(token, coding) + "\r\n"
		req, _, err := wire.ParseRequest(fmt.Appendf(nil, "%sContent-Length: %d\r\n\r\n%s", head, len(body), body),
			wire.NewFlow("TCP", local0, remote0, func([]byte) error { return nil }))
		if err != nil || len(req.Body) == 0 {
			return
		}
		kept, err := w.ReadBody(req)
		if err != nil {
			return
		}
		if len(kept) > maxInflated {
			t.Errorf("%d bytes kept", len(kept))
		}
		at := place{resource: lists, owner: amy, document: serviceDocument(amy), recipients: true}
		one, err := s.readRecipients(t.Context(), at, kept)
		if err != nil {
			return
		}
		two, err := s.readRecipients(t.Context(), at, kept)
		if diff := cmp.Diff(one.Entries, two.Entries); err != nil || diff != "" {
			t.Errorf("%v, %s", err, diff)
		}
		seen := map[string]bool{}
		for _, e := range one.Entries {
			if seen[e.URI] {
				t.Errorf("%q twice", e.URI)
			}
			seen[e.URI] = true
		}
	})
}

func token(r rune) rune {
	if r <= ' ' || r > '~' {
		return -1
	}
	return r
}

// everybody has an account.
type everybody struct{}

func (everybody) Get(context.Context, string) (store.User, error) { return store.User{}, nil }

func newResolver() *resourcelist.Resolver {
	return &resourcelist.Resolver{Docs: memory.New(), Roots: []string{"/xcap-root"}}
}

// Linphone gets what it understands, after a restart as well; others get what the
// standards say.
func TestLinphone(t *testing.T) {
	const linphone = encoded + "User-Agent: Linphonec/5.1.65\r\n"
	looks := func(t *testing.T, m message, want bool) {
		t.Helper()
		body, err := inflate(m.out.Body)
		if m.header("Content-Encoding") == "" {
			body, err = m.out.Body, nil
		}
		bare := bytes.Contains(body, []byte("\r\nContent-Id: m0."))
		if err != nil || bare != want || bytes.Contains(body, []byte("\r\nContent-ID: <m0.")) == want || (m.header("Event") == "Presence") != want {
			t.Errorf("Event %s, for Linphone: %v, %v\n%s", m.header("Event"), want, err, body)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, options{})
		r.presence.set(bo, active("<bo/>"))
		looks(t, r.subscribe(sub{resource: lists, body: raw(t, recipients(bo)), more: encoded, expires: "0"})[1], false)
		looks(t, r.subscribe(sub{resource: lists, body: raw(t, recipients(bo)), more: linphone})[1], true)
		r.n.Stop(t.Context())
		synctest.Wait()
		r.close()
		again := newRig(t, options{st: r.store, fake: &fakePresence{views: r.presence.views, watches: map[string]presence.Watch{}}})
		defer again.close()
		again.sender.flow = again.flow()
		if err := again.n.Restore(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		again.presence.set(bo, active("<bo2/>"))
		log := again.take()
		if len(log) != 1 {
			t.Fatalf("%+v", log)
		}
		looks(t, log[0], true)
	})
}
