package winfo

import (
	"context"
	"encoding/xml"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"rollcall/internal/store"
	"rollcall/internal/xmlscan"
	"rollcall/sip/event"
)

const amy = "sip:amy@example.test"

// parsed is a watcherinfo document as an XML library sees it.
type parsed struct {
	XMLName xml.Name `xml:"urn:ietf:params:xml:ns:watcherinfo watcherinfo"`
	Version uint32   `xml:"version,attr"`
	State   string   `xml:"state,attr"`
	Lists   []struct {
		Resource string `xml:"resource,attr"`
		Package  string `xml:"package,attr"`
		Watchers []struct {
			ID         string `xml:"id,attr"`
			Status     string `xml:"status,attr"`
			Event      string `xml:"event,attr"`
			Name       string `xml:"display-name,attr"`
			Expiration string `xml:"expiration,attr"`
			Duration   string `xml:"duration-subscribed,attr"`
			URI        string `xml:",chardata"`
		} `xml:"urn:ietf:params:xml:ns:watcherinfo watcher"`
	} `xml:"urn:ietf:params:xml:ns:watcherinfo watcher-list"`
}

// desk is a subscription of amy to her own watchers.
type desk struct {
	t    *testing.T
	list []Watcher
	src  event.Source
}

func newDesk(t *testing.T) *desk {
	d := &desk{t: t}
	src, err := New(Config{Watched: "presence", Watchers: func(string) []Watcher { return d.list }}).Open(context.Background(),
		&event.Subscription{Event: "presence.winfo", Resource: amy, Watcher: amy})
	if err != nil {
		t.Fatal(err)
	}
	d.src = src
	return d
}

// view returns the document in short: "version state id/status/event ...".
func (d *desk) view(full bool) string {
	d.t.Helper()
	v, ok := d.src.View(full)
	if !ok {
		return "nothing"
	}
	doc := d.parse(v)
	short := fmt.Sprintf("%d %s", doc.Version, doc.State)
	for _, w := range doc.Lists[0].Watchers {
		short += fmt.Sprintf(" %s/%s/%s", w.ID, w.Status, w.Event)
	}
	return short
}

func (d *desk) parse(v event.View) parsed {
	d.t.Helper()
	if v.State != event.Active || v.ContentType != "application/watcherinfo+xml" || v.Tag == "" {
		d.t.Errorf("view %+v", v)
	}
	if _, err := xmlscan.Scan(v.Body, xmlscan.DefaultLimits()); err != nil {
		d.t.Fatalf("%v in\n%s", err, v.Body)
	}
	var doc parsed
	if err := xml.Unmarshal(v.Body, &doc); err != nil {
		d.t.Fatal(err)
	}
	if len(doc.Lists) != 1 || doc.Lists[0].Resource != amy || doc.Lists[0].Package != "presence" {
		d.t.Errorf("the watcher-list of the resource is always there, RFC 3858 §4.2: %+v", doc.Lists)
	}
	return doc
}

func watcher(id, status, cause string) Watcher {
	return Watcher{Watcher: store.Watcher{Presentity: amy, Event: "presence", ID: id,
		Watcher: "sip:" + id + "@example.test", Status: status, Cause: cause,
		Since: time.Now(), Expires: time.Now().Add(10 * time.Minute)}, Terminated: status == Terminated}
}

// RFC 3857 §4.6: who may know.
func TestOwnerOnly(t *testing.T) {
	p := New(Config{Watched: "presence", Watchers: func(string) []Watcher { return nil }})
	for _, who := range []string{"sip:bob@example.test", ""} {
		_, err := p.Open(context.Background(), &event.Subscription{Resource: amy, Watcher: who})
		if refusal, ok := err.(*event.Refusal); !ok || refusal.Status != 403 {
			t.Errorf("watcher %q: %v, want 403", who, err)
		}
	}
}

// RFC 3857 §4.7.2 and RFC 3858 §3: full after a SUBSCRIBE, then what changed;
// versions from 0 without a gap.
func TestDocuments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		step := func(name string, full bool, want string) {
			t.Helper()
			if got := d.view(full); got != want {
				t.Errorf("%s: %s, want %s", name, got, want)
			}
			time.Sleep(time.Second)
		}
		step("no watchers", true, "0 full")
		step("no news", false, "nothing")
		d.list = []Watcher{watcher("w1", "pending", "subscribe"), watcher("w2", "active", "subscribe")}
		step("two come", false, "1 partial w1/pending/subscribe w2/active/subscribe")
		d.list[0].Status, d.list[0].Cause = "active", "approved"
		step("one is approved", false, "2 partial w1/active/approved")
		step("no news", false, "nothing")
		d.list[1] = watcher("w2", Terminated, "timeout")
		step("one ends", false, "3 partial w2/terminated/timeout")
		step("its end is told once", false, "nothing")
		step("refresh", true, "4 full w1/active/approved")
		d.list = append(d.list, watcher("w3", Terminated, "rejected"))
		step("one came and went", false, "5 partial w3/terminated/rejected")
		step("that is told once, too", false, "nothing")
		d.list = d.list[:2]
		step("the past is forgotten", false, "nothing")
		d.list = nil
		step("gone without a word", false, "6 full")
	})
}

// A pending watcher that is not seen in time waits, RFC 3857 §4.7.1.
func TestWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.list = []Watcher{watcher("w1", "pending", "subscribe")}
		d.view(true)
		d.list[0].Status, d.list[0].Cause = "waiting", "timeout"
		time.Sleep(time.Second)
		if got := d.view(false); got != "1 partial w1/waiting/timeout" {
			t.Error(got)
		}
		v, _ := d.src.View(true)
		if w := d.parse(v).Lists[0].Watchers[0]; w.Expiration != "" || w.Duration != "1" {
			t.Errorf("expiration %q, duration %q", w.Expiration, w.Duration)
		}
		d.list[0].Cause, d.list[0].Terminated = "approved", true
		if got := d.view(false); got != "3 partial w1/terminated/approved" {
			t.Error(got)
		}
	})
}

// A new subscriber does not hear of watchers that had gone before.
func TestNoOldTerminated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.list = []Watcher{watcher("w1", Terminated, "timeout")}
		if got := d.view(true); got != "0 full" {
			t.Error(got)
		}
		time.Sleep(time.Second)
		if got := d.view(false); got != "nothing" {
			t.Error(got)
		}
	})
}

// One entry that a client's schema refuses makes the whole document useless.
func TestUsable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		odd := watcher("w1", "active", "subscribe")
		odd.DisplayName = "\"Bo\" <&> '\x01"
		odd.Watcher.Watcher = "sip:b&o@example.test"
		tel := watcher("w2", "active", "subscribe")
		tel.Watcher.Watcher = "tel:+123"
		anonymous := watcher("w3", "active", "subscribe")
		anonymous.Watcher.Watcher = ""
		d.list = []Watcher{odd, tel, anonymous, watcher("w1", "pending", "subscribe"),
			watcher("w4", "asleep", "subscribe"), watcher("w5", "active", "whim")}
		v, _ := d.src.View(true)
		var got []string
		for _, w := range d.parse(v).Lists[0].Watchers {
			got = append(got, strings.Join([]string{w.ID, w.Name, w.Event, w.URI, w.Expiration, w.Duration}, "|"))
		}
		want := []string{
			"w1|\"Bo\" <&> '\uFFFD|subscribe|sip:b&o@example.test|600|0",
			"w5||subscribe|sip:w5@example.test|600|0",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

// What is too much for one document follows in partial ones, each below the bound.
func TestLargeLists(t *testing.T) {
	d := newDesk(t)
	const count = 3000
	for i := range count {
		w := watcher(fmt.Sprintf("w%04d", i), "active", "subscribe")
		w.DisplayName = strings.Repeat("x", 60)
		d.list = append(d.list, w)
	}
	seen := map[string]bool{}
	for full := true; len(seen) < count; full = false {
		v, ok := d.src.View(full)
		if !ok {
			t.Fatalf("only %d of %d told", len(seen), count)
		}
		if len(v.Body) > 256<<10 {
			t.Fatalf("document of %d bytes", len(v.Body))
		}
		for _, w := range d.parse(v).Lists[0].Watchers {
			if seen[w.ID] {
				t.Fatalf("%s told twice", w.ID)
			}
			seen[w.ID] = true
		}
	}
	if got := d.view(false); got != "nothing" {
		t.Errorf("after all is told: %.80s", got)
	}
}

// Equal knowledge has equal tags, so that a restart sends nothing new.
func TestTag(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.list = []Watcher{watcher("w1", "active", "subscribe"), watcher("w2", "active", "subscribe")}
		before, _ := d.src.View(true)
		time.Sleep(time.Minute)
		again := newDesk(t)
		again.list = []Watcher{d.list[1], d.list[0]}
		after, _ := again.src.View(true)
		if before.Tag != after.Tag {
			t.Errorf("tags %s and %s", before.Tag, after.Tag)
		}
		again.list[0].Status = "pending"
		if changed, _ := again.src.View(false); changed.Tag == after.Tag {
			t.Error("a change keeps the tag")
		}
	})
}

func BenchmarkPartial(b *testing.B) {
	list := make([]Watcher, 200)
	for i := range list {
		list[i] = watcher(fmt.Sprintf("w%04d", i), "active", "subscribe")
	}
	src, err := New(Config{Watched: "presence", Watchers: func(string) []Watcher { return list }}).Open(context.Background(), &event.Subscription{Resource: amy, Watcher: amy})
	if err != nil {
		b.Fatal(err)
	}
	src.View(true)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		list[i%200].Cause = causes[i%2]
		src.View(false)
	}
}
