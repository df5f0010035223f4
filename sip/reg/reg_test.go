package reg

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"rollcall/internal/store"
	"rollcall/internal/xmlscan"
	"rollcall/sip/event"
)

const alice = "sip:alice@example.org"

// parsed is a reginfo document as an XML library sees it.
type parsed struct {
	XMLName       xml.Name `xml:"urn:ietf:params:xml:ns:reginfo reginfo"`
	Version       uint32   `xml:"version,attr"`
	State         string   `xml:"state,attr"`
	Registrations []struct {
		AOR      string `xml:"aor,attr"`
		ID       string `xml:"id,attr"`
		State    string `xml:"state,attr"`
		Contacts []struct {
			ID      string `xml:"id,attr"`
			State   string `xml:"state,attr"`
			Event   string `xml:"event,attr"`
			Expires string `xml:"expires,attr"`
			Q       string `xml:"q,attr"`
			CallID  string `xml:"callid,attr"`
			CSeq    string `xml:"cseq,attr"`
			URI     string `xml:"urn:ietf:params:xml:ns:reginfo uri"`
			Params  []struct {
				Name  string `xml:"name,attr"`
				Value string `xml:",chardata"`
			} `xml:"urn:ietf:params:xml:ns:reginfo unknown-param"`
			Public struct {
				URI string `xml:"uri,attr"`
			} `xml:"urn:ietf:params:xml:ns:gruuinfo pub-gruu"`
			Temporary struct {
				URI  string `xml:"uri,attr"`
				CSeq string `xml:"first-cseq,attr"`
			} `xml:"urn:ietf:params:xml:ns:gruuinfo temp-gruu"`
		} `xml:"urn:ietf:params:xml:ns:reginfo contact"`
	} `xml:"urn:ietf:params:xml:ns:reginfo registration"`
}

// desk is a subscription of alice to her own registrations.
type desk struct {
	fail func(format string, args ...any)
	list []Contact
	src  event.Source
}

func newDesk(fail func(format string, args ...any)) *desk {
	d := &desk{fail: fail}
	src, err := New(Registrations{Contacts: func(string) []Contact { return d.list }}).Open(context.Background(),
		&event.Subscription{Event: Event, Resource: alice, Watcher: alice})
	if err != nil {
		fail("%v", err)
	}
	d.src = src
	return d
}

func (d *desk) parse(v event.View) parsed {
	if _, err := xmlscan.Scan(v.Body, xmlscan.DefaultLimits()); err != nil {
		d.fail("%v in\n%s", err, v.Body)
	}
	var doc parsed
	if err := xml.Unmarshal(v.Body, &doc); err != nil {
		d.fail("%v in\n%s", err, v.Body)
	}
	if v.State != event.Active || v.ContentType != "application/reginfo+xml" || v.Tag == "" || len(doc.Registrations) != 1 || doc.Registrations[0].AOR != alice {
		d.fail("view %+v", v)
	}
	return doc
}

// view returns the document in short: "version full registration-state uri/state/event ...".
func (d *desk) view(full bool) string {
	v, ok := d.src.View(full)
	if !ok {
		return "nothing"
	}
	doc := d.parse(v)
	r := doc.Registrations[0]
	short := fmt.Sprintf("%d %s %s", doc.Version, doc.State, r.State)
	for _, c := range r.Contacts {
		short += fmt.Sprintf(" %s/%s/%s", c.URI, c.State, c.Event)
	}
	return short
}

func contact(name string, lifetime time.Duration) Contact {
	now := time.Now()
	return Contact{Binding: store.Binding{AOR: alice, ID: name, Contact: "sip:" + name + "@h", Q: 1000, CallID: "c", CSeq: 1,
		Registered: now, Updated: now, Expires: now.Add(lifetime)}, Ends: now.Add(lifetime)}
}

// RFC 3680 §4.6: who may know.
func TestWhoMayKnow(t *testing.T) {
	r := Registrations{Contacts: func(string) []Contact { return nil }, Observers: []string{"sip:switch@example.org"}}
	for who, may := range map[string]bool{alice: true, "sip:switch@example.org": true, "sip:bob@example.org": false, "": false} {
		_, err := New(r).Open(t.Context(), &event.Subscription{Resource: alice, Watcher: who})
		var refusal *event.Refusal
		if may && err != nil || !may && (!errors.As(err, &refusal) || refusal.Status != 403) {
			t.Errorf("watcher %q: %v", who, err)
		}
		if v := r.Look(t.Context(), alice, who, 0); (v.State == event.Active) != may {
			t.Errorf("watcher %q in a list: %v", who, v.State)
		}
	}
}

// RFC 3680 §4.7.1, §5.2: full after SUBSCRIBE, then what has changed.
func TestDocuments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t.Errorf)
		expect := func(full bool, want string) {
			t.Helper()
			if got := d.view(full); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		}
		expect(true, "0 full init")
		expect(false, "nothing")
		d.list = []Contact{contact("a", time.Hour)}
		expect(false, "1 partial active sip:a@h/active/registered")
		d.list = append(d.list, contact("b", time.Minute))
		expect(false, "2 partial active sip:b@h/active/registered")
		time.Sleep(10 * time.Second)
		d.list[0].Updated, d.list[0].CSeq = time.Now(), 2
		expect(false, "nothing") // a refresh is no news
		expect(true, "3 full active sip:a@h/active/refreshed sip:b@h/active/registered")
		d.list = slices.Clone(d.list)
		d.list[0].Ends = time.Now().Add(time.Minute) // its connection closed
		expect(false, "4 partial active sip:a@h/active/shortened")
		time.Sleep(50 * time.Second)
		d.list = d.list[:1]
		expect(false, "5 partial active sip:b@h/terminated/expired")
		time.Sleep(10 * time.Second)
		d.list = nil
		expect(false, "6 partial terminated sip:a@h/terminated/deactivated")
		d.list = []Contact{contact("c", time.Hour)}
		expect(false, "7 partial active sip:c@h/active/registered")
		d.list = nil
		expect(false, "8 partial terminated sip:c@h/terminated/unregistered")
		expect(true, "9 full terminated")
	})
}

// RFC 5628 §4 and RFC 3680 §5.1.
func TestContact(t *testing.T) {
	d := newDesk(t.Fatalf)
	c := contact("a", time.Hour)
	c.Params, c.Q, c.EraCSeq = `;q=0.5;+sip.instance="<urn:uuid:1>";reg-id=1;x`, 500, 7
	c.PublicGRUU, c.TemporaryGRUU = alice+";gr=urn:uuid:1", "sip:tgruu.x@example.org;gr"
	d.list = []Contact{c}
	v, _ := d.src.View(true)
	got := d.parse(v).Registrations[0].Contacts[0]
	if got.Q != "0.5" || got.CallID != "c" || got.CSeq != "1" || got.Expires != "3600" || got.Public.URI != c.PublicGRUU ||
		got.Temporary.URI != c.TemporaryGRUU || got.Temporary.CSeq != "7" {
		t.Errorf("%+v", got)
	}
	if want := "[{+sip.instance \"<urn:uuid:1>\"} {reg-id 1} {x }]"; fmt.Sprint(got.Params) != want {
		t.Errorf("parameters %v, want %s", got.Params, want)
	}
}

// The first document after a restart is complete, and the same view as before has
// the same tag.
func TestTag(t *testing.T) {
	d := newDesk(t.Fatalf)
	d.list = []Contact{contact("a", time.Hour), contact("b", time.Hour)}
	before, _ := d.src.View(true)
	again := newDesk(t.Fatalf)
	again.list = []Contact{d.list[1], d.list[0]}
	again.list[0].CSeq++
	after, ok := again.src.View(false)
	if !ok || after.Tag != before.Tag || again.parse(after).State != "full" {
		t.Errorf("%v, tags %q %q", ok, before.Tag, after.Tag)
	}
}

// Whoever puts all documents together knows what is registered.
func TestPartialsAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := newDesk(t.Fatalf)
		known := map[string]bool{}
		version := -1
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			d.list = nil
			names := rapid.SliceOfDistinct(rapid.SampledFrom([]string{"a", "b", "c", "d"}), func(s string) string { return s }).Draw(t, "contacts")
			for _, name := range names {
				d.list = append(d.list, contact(name, time.Hour))
			}
			v, ok := d.src.View(rapid.IntRange(0, 4).Draw(t, "full") == 0)
			if ok {
				doc := d.parse(v)
				if int(doc.Version) <= version {
					t.Fatalf("version %d after %d", doc.Version, version)
				}
				version = int(doc.Version)
				if doc.State == "full" {
					clear(known)
				}
				for _, c := range doc.Registrations[0].Contacts {
					delete(known, c.URI)
					if c.State == "active" {
						known[c.URI] = true
					}
				}
			}
			var want, got []string
			for _, name := range names {
				want = append(want, "sip:"+name+"@h")
			}
			for uri := range known {
				got = append(got, uri)
			}
			slices.Sort(want)
			slices.Sort(got)
			if strings.Join(got, " ") != strings.Join(want, " ") {
				t.Fatalf("known %q, want %q", got, want)
			}
		}
	})
}
