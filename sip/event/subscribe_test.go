package event

import (
	"errors"
	"strings"
	"testing"
	"time"

	"rollcall/internal/store"
)

// RFC 6665 §4.2.1: what is refused, and how.
func TestRefusals(t *testing.T) {
	tests := []struct {
		name   string
		sub    sub
		status int
		header string // "Name: value"
	}{
		{"423 below the minimum, RFC 6665 §4.2.1.1", sub{expires: "100"}, 423, "Min-Expires: 300"},
		{"event tokens are case-sensitive, §8.2.1", sub{event: "Presence"}, 489, "Allow-Events: presence"},
		{"no Event, §4.2.1.1", sub{event: "-"}, 489, "Allow-Events: presence"},
		{"Accept that nothing satisfies, §4.1.2.1", sub{extra: "Accept: application/foo\r\n"}, 406, ""},
		{"Accept with q=0", sub{extra: "Accept: application/foo, application/pidf+xml;q=0.0\r\n"}, 406, ""},
		{"Accept of nothing, RFC 3261 §20.1", sub{extra: "Accept: \r\n"}, 406, ""},
		{"Accept with q=0 alone", sub{extra: "Accept: application/pidf+xml;q=0\r\n"}, 406, ""},
		{"unknown option, RFC 3261 §8.2.2.3", sub{extra: "Require: eventlist, magic\r\n"}, 420, "Unsupported: magic"},
		{"Require before Event", sub{event: "foo", extra: "Require: magic\r\n"}, 420, "Unsupported: magic"},
		{"no Contact, RFC 3261 §12.1.1", sub{contact: "-"}, 400, ""},
		{"Contact is no SIP URI", sub{contact: "<mailto:bob@example.test>"}, 400, ""},
		{"two Contacts", sub{contact: "<sip:a@192.0.2.9>, <sip:b@192.0.2.9>"}, 400, ""},
		{"Record-Route is no address", sub{extra: "Record-Route: <sip:p.example.test;lr>, foo\r\n"}, 400, ""},
		{"Record-Route is no SIP URI", sub{extra: "Record-Route: <tel:+1>\r\n"}, 400, ""},
		{"unknown dialog, RFC 3261 §12.2.2", sub{toTag: "0012345678901234ff"}, 481, ""},
		{"foreign To tag", sub{toTag: "whatever"}, 481, ""},
		{"body too large", sub{body: strings.Repeat("x", maxBody+1)}, 413, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, Config{MinExpires: 300 * time.Second}, func(t *testing.T, r *rig) {
				r.subscribe(test.sub)
				log := r.take()
				if len(log) != 1 || log[0].status() != test.status {
					t.Fatalf("got %s, want %d alone", describe(log), test.status)
				}
				if name, value, ok := strings.Cut(test.header, ": "); ok && log[0].header(name) != value {
					t.Errorf("%s: %q, want %q", name, log[0].header(name), value)
				}
				if len(r.rows()) != 0 || len(r.pkg.opened) != 0 {
					t.Error("a refused SUBSCRIBE left something behind")
				}
			})
		})
	}
}

// RFC 6665 §4.2.1.1: the interval may be shortened, never lengthened.
func TestGrantedExpires(t *testing.T) {
	tests := []struct{ name, asked, granted string }{
		{"as asked", "600", "600"},
		{"no Expires is the package's default, RFC 3856 §6.4", "-", "3600"},
		{"lowered to the maximum", "999999", "7200"},
		{"an hour is never too brief", "3600", "3600"},
		{"malformed counts as an hour", "soon", "3600"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, Config{MinExpires: 5 * time.Minute}, func(t *testing.T, r *rig) {
				r.subscribe(sub{expires: test.asked})
				log := r.take()
				if len(log) != 2 || log[0].status() != 200 || log[0].header("Expires") != test.granted {
					t.Fatalf("got %s Expires %q, want 200 with %s and a NOTIFY", describe(log), log[0].header("Expires"), test.granted)
				}
				if got, want := log[1].header("Subscription-State"), "active;expires="+test.granted; got != want {
					t.Errorf("Subscription-State %q, want %q", got, want)
				}
			})
		})
	}
}

// The 200 comes first, on the same flow, and has what a dialog needs.
func TestInitial(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, r *rig) {
		flow := r.flow("TCP", remote)
		r.subscribe(sub{event: "presence;id=x7", flow: flow, extra: "Record-Route: <sip:p1.example.test;lr>\r\nRecord-Route: <sip:p2.example.test;lr>, <sip:p3.example.test;lr>\r\n"})
		log := r.take()
		if len(log) != 2 || log[0].status() != 200 {
			t.Fatalf("got %s, want 200 and NOTIFY", describe(log))
		}
		ok, notify := log[0], log[1]
		if got := ok.header("Contact"); got != "<sip:192.0.2.1:5060;transport=tcp;gr>" {
			t.Errorf("Contact of the 200: %q", got)
		}
		if i, good := TagShard(ok.toTag()); !good || i != r.pkg.opened[0].Shard {
			t.Errorf("To tag %q does not lead to the shard", ok.toTag())
		}
		if strings.Count(ok.response, "Record-Route:") == 0 {
			t.Error("Record-Route not copied, RFC 3261 §12.1.1")
		}
		for name, want := range map[string]string{
			"From":    "<" + amy + ">;tag=" + ok.toTag(),
			"To":      "<" + bob + ">;tag=from1",
			"Call-ID": "call1",
			"Event":   "presence;id=x7",
			"Contact": "<sip:192.0.2.1:5060;transport=tcp;gr>",
			"Route":   "<sip:p1.example.test;lr>, <sip:p2.example.test;lr>, <sip:p3.example.test;lr>",
		} {
			if got := notify.header(name); got != want {
				t.Errorf("NOTIFY %s: %q, want %q", name, got, want)
			}
		}
		if notify.out.Flow != flow || notify.out.RequestURI != "sip:call1@192.0.2.9:5062;transport=tcp" {
			t.Errorf("NOTIFY to %s on flow %p", notify.out.RequestURI, notify.out.Flow)
		}
		if string(notify.out.Body) != "none" || notify.header("Content-Type") != "application/pidf+xml" {
			t.Errorf("body %q of type %q", notify.out.Body, notify.header("Content-Type"))
		}
		rows := r.rows()
		if len(rows) != 1 || rows[0].ID != ok.toTag() || len(rows[0].RouteSet) != 3 || rows[0].CSeqLease < notify.out.CSeq {
			t.Errorf("stored: %+v", rows)
		}
	})
}

// RFC 6665 §4.4.3: a poll gets the state once and leaves nothing.
func TestFetch(t *testing.T) {
	inBubble(t, Config{MinExpires: 300 * time.Second}, func(t *testing.T, r *rig) {
		r.subscribe(sub{expires: "0"})
		log := r.take()
		if len(log) != 2 || log[0].status() != 200 || log[0].header("Expires") != "0" {
			t.Fatalf("got %s", describe(log))
		}
		if got := log[1].header("Subscription-State"); got != "terminated;reason=timeout" {
			t.Errorf("Subscription-State %q", got)
		}
		if string(log[1].out.Body) != "none" {
			t.Errorf("body %q, want the state", log[1].out.Body)
		}
		if len(r.rows()) != 0 || len(r.n.rooms[r.pkg.opened[0].Shard].byTag) != 0 || len(r.pkg.ended) != 1 {
			t.Error("a poll left something behind")
		}
	})
}

// RFC 6665 §4.4.3, RFC 3857 §4.7.1: a poll that waits for a decision sees nothing.
func TestFetchPending(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, r *rig) {
		r.pkg.set(amy, View{State: Pending, Body: []byte("secret"), ContentType: "text/plain"})
		r.subscribe(sub{expires: "0"})
		log := r.take()
		if len(log) != 2 || len(log[1].out.Body) != 0 || log[1].header("Content-Type") != "" {
			t.Fatalf("got %s", describe(log))
		}
	})
}

// RFC 3261 §8.2.2.2: the same request on another path.
func TestMergedRequest(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, r *rig) {
		r.establish(sub{cseq: 7})
		r.subscribe(sub{cseq: 7})
		if log := r.take(); len(log) != 1 || log[0].status() != 482 {
			t.Fatalf("got %s, want 482", describe(log))
		}
		r.subscribe(sub{cseq: 8})
		if log := r.take(); len(log) != 2 || log[0].status() != 200 {
			t.Fatalf("got %s: another CSeq is another subscription", describe(log))
		}
		r.subscribe(sub{cseq: 8, who: "sip:carol@example.test"})
		if log := r.take(); len(log) != 2 || log[0].status() != 200 {
			t.Fatalf("got %s: two copies of libpurple begin alike", describe(log))
		}
		r.subscribe(sub{cseq: 8, who: "sip:carol@example.test"})
		if log := r.take(); len(log) != 1 || log[0].status() != 482 {
			t.Fatalf("got %s, want 482", describe(log))
		}
		time.Sleep(timerJ)
		r.subscribe(sub{cseq: 8, who: "sip:carol@example.test"})
		if log := r.take(); len(log) != 2 || log[0].status() != 200 {
			t.Fatalf("got %s: the transaction is over", describe(log))
		}
	})
}

func TestQuotas(t *testing.T) {
	inBubble(t, Config{MaxPerWatcher: 2, MaxPerResource: 3}, func(t *testing.T, r *rig) {
		first := r.establish(sub{callID: "a"})
		r.establish(sub{callID: "b"})
		status := func(s sub, want int) {
			t.Helper()
			r.subscribe(s)
			if log := r.take(); len(log) == 0 || log[0].status() != want {
				t.Fatalf("got %s, want %d", describe(log), want)
			}
		}
		status(sub{callID: "c"}, 403)
		status(sub{callID: "d", who: "sip:carol@example.test"}, 200)
		status(sub{callID: "e", who: "sip:dave@example.test"}, 503)
		status(sub{callID: "a", toTag: first, expires: "0"}, 200)
		status(sub{callID: "f"}, 200)
	})
}

// What the package refuses is refused, and what the store cannot keep too.
func TestRefusedByPackageOrStore(t *testing.T) {
	tests := []struct {
		name          string
		refuse, store error
		status        int
	}{
		{"refusal", &Refusal{Status: 404}, nil, 404},
		{"other error", errors.New("broken"), nil, 500},
		{"store down", nil, store.ErrUnavailable, 503},
		{"store broken", nil, errors.New("disk full"), 500},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, Config{}, func(t *testing.T, r *rig) {
				r.pkg.refuse = test.refuse
				r.store.Fail(test.store)
				r.subscribe(sub{})
				if log := r.take(); len(log) != 1 || log[0].status() != test.status {
					t.Fatalf("got %s, want %d", describe(log), test.status)
				}
				if len(r.pkg.ended) != len(r.pkg.opened) {
					t.Error("an opened source was not ended")
				}
				r.store.Fail(nil)
				r.set(text("later"))
				r.nothing()
				if len(r.n.quota.held) != 0 {
					t.Error("quota not given back")
				}
			})
		})
	}
}

func TestAccepts(t *testing.T) {
	e := &entry{terms: Terms{ContentTypes: []string{"application/pidf+xml", "multipart/related"}}}
	tests := []struct {
		accept []string
		media  string
		want   bool
	}{
		{nil, "application/pidf+xml", true},
		{nil, "multipart/related", false},
		{[]string{"multipart/related"}, "multipart/related", true},
		{[]string{"multipart/related"}, "application/pidf+xml", false},
		{[]string{"*/*"}, "application/pidf+xml", true},
		{[]string{"application/*"}, "application/pidf+xml", true},
		{[]string{"application/*"}, "multipart/related", false},
	}
	for _, test := range tests {
		s := &Subscription{Accept: test.accept, entry: e}
		if got := s.Accepts(test.media); got != test.want {
			t.Errorf("Accept %q, %s: %v", test.accept, test.media, got)
		}
	}
}
