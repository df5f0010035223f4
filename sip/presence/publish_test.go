package presence

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/internal/store"
	"rollcall/internal/store/memory"
)

// RFC 3903 §4.1, §6: the matrix of operations and the order of checks.
func TestPublish(t *testing.T) {
	doc := document(tuple("t", "open"))
	const tag = "TAG" // stands for the one of a live publication
	for _, tt := range []struct {
		name, headers, body string
		status              int
		header, value       string
	}{
		{"initial", typed, doc, 200, "Expires", "3600"},
		{"initial with lifetime", typed + "Expires: 600", doc, 200, "Expires", "600"},
		{"too long is lowered", typed + "Expires: 99999999", doc, 200, "Expires", "86400"},
		{"refresh", refresh(tag), "", 200, "Expires", "3600"},
		{"modify", typed + "SIP-If-Match: " + tag, document(tuple("t", "closed")), 200, "Expires", "3600"},
		{"remove", refresh(tag) + "Expires: 0", "", 200, "Expires", "0"},
		{"remove with body", typed + "Expires: 0\nSIP-If-Match: " + tag, doc, 200, "Expires", "0"},
		{"nothing stored", typed + "Expires: 0", doc, 200, "Expires", "0"},
		{"nothing at all", "Event: presence", "", 400, "", ""},
		{"remove nothing", "Event: presence\nExpires: 0", "", 400, "", ""},
		{"unknown tag", refresh("other"), "", 412, "", ""},
		{"star is a tag like others", refresh("*"), "", 412, "", ""},
		{"two tags", refresh(tag + ", b"), "", 400, "", ""},
		{"quoted tag", refresh(`"a"`), "", 400, "", ""},
		{"too short", typed + "Expires: 59", doc, 423, "Min-Expires", "60"},
		{"shortest", typed + "Expires: 60", doc, 200, "Expires", "60"},
		{"wrong type", "Event: presence\nContent-Type: text/plain", "x", 415, "Accept", "application/pidf+xml, application/cpim-pidf+xml, application/pidf-diff+xml"},
		{"partial that is not", "Event: presence\nContent-Type: application/pidf-diff+xml", doc, 400, "Warning", ""},
		{"coded", typed + "Content-Encoding: gzip", doc, 415, "Accept-Encoding", "identity"},
		{"older type", "Event: presence\nContent-Type: application/cpim-pidf+xml", doc, 200, "Expires", "3600"},
		{"type with parameter", "Event: presence\nContent-Type: application/pidf+xml;charset=UTF-8", doc, 200, "Expires", "3600"},
		{"not well-formed", typed, "<presence", 400, "Warning", ""},
		{"no entity", typed, `<presence xmlns="urn:ietf:params:xml:ns:pidf"/>`, 400, "Warning", `399 example.test "invalid presence document: presence has no entity"`},
		{"entity of somebody else", typed, strings.ReplaceAll(doc, amy, bo), 200, "Expires", "3600"},
		{"entity percent-encoded, no scheme", typed, strings.ReplaceAll(doc, amy, "amy%40example.test"), 200, "Expires", "3600"},
		{"too large", typed, document("<note>" + strings.Repeat("x", 64<<10) + "</note>"), 413, "", ""},
		{"other package", "Event: dialog\nContent-Type: application/pidf+xml", doc, 489, "Allow-Events", "presence"},
		{"case of the package", "Event: Presence\nContent-Type: application/pidf+xml", doc, 489, "Allow-Events", "presence"},
		{"no package", "Content-Type: application/pidf+xml", doc, 489, "Allow-Events", "presence"},
		{"RFC 3261 §8.2.2.3: extension", typed + "Require: 100rel, x-y", doc, 420, "Unsupported", "100rel, x-y"},
		{"package before tag", "Event: dialog\nSIP-If-Match: a, b", "", 489, "", ""},
		{"tag before lifetime", refresh("other") + "Expires: 1", "", 412, "", ""},
		{"lifetime before body", "Event: presence\nContent-Type: text/plain\nExpires: 1", "x", 423, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, Config{}, func(t *testing.T, r *rig) {
				live := r.must(amy, typed, doc)
				before := r.tuples(amy)
				a := r.publish(amy, strings.ReplaceAll(tt.headers, tag, live), tt.body)
				if a.status != tt.status {
					t.Fatalf("want %d, got %s", tt.status, a.text)
				}
				if got := a.header(tt.header); tt.header != "" && (got == "" || tt.value != "" && got != tt.value) {
					t.Errorf("%s is %q, want %q", tt.header, got, tt.value)
				}
				if etag := a.header("SIP-ETag"); (etag != "") != (tt.status == 200) || etag == live || strings.ContainsAny(etag, "\" ,;") {
					t.Errorf("SIP-ETag %q", etag)
				}
				if after := r.tuples(amy); tt.status != 200 && !maps.Equal(before, after) {
					t.Errorf("refused, but %v became %v", before, after)
				}
			})
		})
	}
}

func TestPublishForOthers(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, r *rig) {
		if a := r.publishAs(bo, amy, typed, document("")); a.status != 403 {
			t.Errorf("for another: %d", a.status)
		}
		r.users.set(amy, false)
		if a := r.publish(amy, typed, document("")); a.status != 404 {
			t.Errorf("unknown: %d", a.status)
		}
		r.users.err = store.ErrUnavailable
		if a := r.publish(amy, typed, document("")); a.status != 503 || a.header("Retry-After") == "" {
			t.Errorf("store down: %s", a.text)
		}
	})
}

// RFC 3903 §6 step 6: a new tag every time; the old one is dead at once.
func TestTagsAreUsedOnce(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, r *rig) {
		a := r.must(amy, typed, document(tuple("t", "open")))
		b := r.must(amy, refresh(a), "")
		if got := r.publish(amy, refresh(a), ""); got.status != 412 {
			t.Errorf("old tag: %d", got.status)
		}
		c := r.must(amy, typed+"SIP-If-Match: "+b, document(tuple("u", "closed")))
		if got := r.tuples(amy); len(got) != 1 || got["u"] != "closed" {
			t.Errorf("after modification %v", got)
		}
		d := r.must(amy, refresh(c)+"Expires: 0", "")
		for _, tag := range []string{c, d} {
			if got := r.publish(amy, refresh(tag), ""); got.status != 412 {
				t.Errorf("after removal: %d", got.status)
			}
		}
		if got := r.tuples(amy); len(got) != 1 || got["u"] != "" {
			t.Errorf("after removal %v", got)
		}
	})
}

func TestTwoDevices(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, r *rig) {
		r.must(amy, typed+"Expires: 600", document(tuple("a", "open")))
		r.must(amy, typed+"Expires: 100", document(tuple("b", "closed")))
		if got := r.tuples(amy); len(got) != 2 {
			t.Fatalf("%v", got)
		}
		r.news(Event, amy)
		time.Sleep(100*time.Second + 2*tick)
		if got := r.tuples(amy); len(got) != 1 || got["a"] != "open" {
			t.Errorf("after the expiry of one: %v", got)
		}
		if r.news(Event, amy) != 1 {
			t.Error("watchers were not told of the expiry")
		}
		time.Sleep(500 * time.Second)
		if got := r.tuples(amy); len(got) != 1 || got["a"] != "" {
			t.Errorf("after the expiry of both: %v", got)
		}
	})
}

func TestExpiredTagIsUnknown(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, r *rig) {
		tag := r.must(amy, typed+"Expires: 60", document(tuple("a", "open")))
		time.Sleep(60 * time.Second)
		if a := r.publish(amy, refresh(tag), ""); a.status != 412 {
			t.Errorf("%d", a.status)
		}
	})
}

// What changes nothing is told to nobody.
func TestNewsOnlyOfChanges(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, r *rig) {
		r.view(amy)
		doc := document(tuple("a", "open"))
		for _, tt := range []struct {
			name, headers, body string
			news                int
		}{
			{"initial", "", doc, 1},
			{"refresh", "x", "", 0},
			{"same body", "x", doc, 0},
			{"another body", "x", document(tuple("a", "closed")), 1},
			{"same state in other words", "x", strings.Replace(document(tuple("a", "closed")), "<presence", "<presence ", 1), 0},
		} {
			headers := typed
			if tt.headers != "" {
				headers += "SIP-If-Match: " + r.tag()
			}
			r.news(Event, amy)
			r.must(amy, headers, tt.body)
			if got := r.news(Event, amy); got != tt.news {
				t.Errorf("%s: told %d times, want %d", tt.name, got, tt.news)
			}
		}
	})
}

// tag is the current entity-tag of the first publication.
func (r *rig) tag() string { return r.s.find(amy).publications[0].ETag }

func TestRoomForPublications(t *testing.T) {
	inBubble(t, Config{MaxPublications: 3}, func(t *testing.T, r *rig) {
		for i := range 5 {
			r.must(amy, typed, document(tuple(fmt.Sprint("t", i), "open")))
			time.Sleep(time.Second)
		}
		got := r.tuples(amy)
		if len(got) != 3 || got["t4"] == "" || got["t1"] != "" {
			t.Errorf("%v", got)
		}
		n := 0
		err := r.store.LoadPublications(context.Background(), time.Now(), func(store.Publication) error { n++; return nil })
		if err != nil || n != 3 {
			t.Errorf("%d rows, %v", n, err)
		}
	})
}

// A 2xx means durable; without it memory is as before.
func TestStoreDown(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, r *rig) {
		tag := r.must(amy, typed, document(tuple("a", "open")))
		r.store.Fail(store.ErrUnavailable)
		for _, headers := range []string{typed, typed + "SIP-If-Match: " + tag, refresh(tag) + "Expires: 0\nContent-Type: application/pidf+xml"} {
			if a := r.publish(amy, headers, document(tuple("b", "open"))); a.status != 503 || a.header("Retry-After") == "" {
				t.Errorf("%s", a.text)
			}
		}
		r.store.Fail(nil)
		if got := r.tuples(amy); len(got) != 1 || got["a"] == "" {
			t.Errorf("%v", got)
		}
		r.must(amy, refresh(tag), "")
	})
}

func TestRestorePublications(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Config{}, memory.New())
		tag := r.must(amy, typed+"Expires: 600", document(tuple("a", "open")))
		r.must(amy, typed+"Expires: 100", document(tuple("a", "closed")))
		body := string(r.view(amy).Body)
		r = r.restart()
		defer func() { r.close() }()
		if got := string(r.view(amy).Body); got != body {
			t.Errorf("after the restart\n%s\nbefore\n%s", got, body)
		}
		time.Sleep(101 * time.Second)
		if got := r.tuples(amy); len(got) != 1 || got["a"] != "open" {
			t.Errorf("expiry after the restart: %v", got)
		}
		r.must(amy, refresh(tag), "")
	})
}
