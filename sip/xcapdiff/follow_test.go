package xcapdiff

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"rollcall/internal/store"
	"rollcall/internal/store/memory"
	"rollcall/internal/xmlpatch"
	"rollcall/internal/xmlscan"
	"rollcall/sip/event"
)

// follower is a subscriber that applies the patches it gets, and fetches what
// comes without.
type follower struct {
	t     *rapid.T
	fetch func(sel string) store.Document
	etags map[string]string
	texts map[string]string

	patched *int
}

func (f *follower) receive(body []byte) {
	report, err := xmlscan.Scan(body, xmlscan.DefaultLimits())
	if err != nil {
		f.t.Fatal(err)
	}
	for i := range report.Children(0) {
		sel, _ := report.Attr(i, "", "sel")
		from, changed := report.Attr(i, "", "previous-etag")
		to, there := report.Attr(i, "", "new-etag")
		if had, known := f.etags[sel]; changed && known && had != from {
			f.t.Fatalf("%s: from %s, the subscriber has %s", sel, from, had)
		}
		ops, err := xmlpatch.Parse(report, i, namespace)
		if err != nil {
			f.t.Fatalf("%v in\n%s", err, body)
		}
		first := report.Elements[i].First
		switch {
		case !there:
			delete(f.etags, sel)
			delete(f.texts, sel)
			continue
		case changed && len(ops) > 0:
			patched, err := xmlpatch.Apply([]byte(f.texts[sel]), ops, xmlscan.DefaultLimits())
			if err != nil {
				f.t.Fatalf("%v for\n%s\nof\n%s", err, body, f.texts[sel])
			}
			f.texts[sel] = string(patched.Src)
			*f.patched++
		case changed && first >= 0 && report.Is(int(first), namespace, "body-not-changed"):
		default:
			doc := f.fetch(sel)
			to, f.texts[sel] = doc.ETag, string(doc.Body)
		}
		f.etags[sel] = to
	}
}

// edit changes a list here and there, or makes another one.
func edit(t *rapid.T, old string) string {
	const head, tail = "<resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\">\n <list name=\"l\">", "\n </list>\n</resource-lists>"
	const entry = "\n  <entry uri="
	if old == "" || rapid.IntRange(0, 9).Draw(t, "anew") == 0 {
		old = head + strings.Repeat(entry+`"sip:first@example.test"/>`, rapid.IntRange(0, 20).Draw(t, "entries")) + tail +
			rapid.SampledFrom([]string{"", "\n"}).Draw(t, "end")
	}
	body, end, _ := strings.Cut(old, "\n </list>")
	entries := strings.Split(body, entry)
	for range rapid.IntRange(1, 3).Draw(t, "edits") {
		at := rapid.IntRange(1, len(entries)).Draw(t, "at")
		text := fmt.Sprintf(`"sip:user%d@example.test">%s</entry>`, rapid.IntRange(0, 99).Draw(t, "user"), rapid.SampledFrom([]string{
			"", "<display-name>A &amp; B</display-name>", `<x:y xmlns:x="urn:x" x:z='"'/>`, "<!-- c -->", "<?p i?>", "<z xmlns=''/>", " "}).Draw(t, "content"))
		switch what := rapid.IntRange(0, 2).Draw(t, "edit"); {
		case what == 0 || at == len(entries):
			entries = slices.Insert(entries, at, text)
		case what == 1:
			entries[at] = text
		default:
			entries = slices.Delete(entries, at, at+1)
		}
	}
	return strings.Join(entries, entry) + "\n </list>" + end
}

// RFC 5875 §4.3: whatever is written and in whatever mode, a subscriber that
// applies what it is told has the documents as they are, byte for byte.
func TestFollowersHaveTheDocuments(t *testing.T) {
	modes := []mode{noPatching, patching, aggregate}
	names := []string{"index", "second"}
	patched := new(int)
	rapid.Check(t, func(rt *rapid.T) {
		ctx := context.Background()
		st := memory.New()
		st.Remember(rapid.IntRange(0, 4).Draw(rt, "history"), 0)
		s := newService(t, st)
		s.cfg.History = st
		sub := &event.Subscription{Event: Event, Resource: amy, Watcher: amy, ContentType: listType, Body: body("resource-lists/")}
		asked := rapid.SampledFrom(modes).Draw(rt, "mode")
		s.asked = func(*event.Subscription) mode { return asked }
		src, err := s.Open(ctx, sub)
		if err != nil {
			rt.Fatal(err)
		}
		f := &follower{t: rt, etags: map[string]string{}, texts: map[string]string{}, patched: patched, fetch: func(sel string) store.Document {
			doc, err := st.Document(ctx, key("resource-lists", sel[strings.LastIndexByte(sel, '/')+1:]))
			if err != nil {
				rt.Fatal(err)
			}
			return doc
		}}
		told := func(full bool) bool {
			v, ok := src.View(full)
			if ok {
				f.receive(v.Body)
			}
			return ok
		}
		told(true)
		for i := range rapid.IntRange(1, 12).Draw(rt, "steps") {
			k := key("resource-lists", rapid.SampledFrom(names).Draw(rt, "name"))
			old, _ := st.Document(ctx, k)
			switch rapid.IntRange(0, 9).Draw(rt, "what") {
			case 0:
				if old.ETag != "" {
					err = st.DeleteDocument(ctx, k, old.ETag, store.Origin{})
				}
			case 1:
				asked = rapid.SampledFrom(modes).Draw(rt, "mode")
			case 2:
				told(false)
			case 3:
				told(true) // as after a NOTIFY of which nothing is known
			default:
				err = st.PutDocument(ctx, store.Document{DocumentKey: k, ETag: fmt.Sprint("v", i), Body: []byte(edit(rt, string(old.Body))), Modified: time.Now()}, old.ETag, nil)
			}
			if err != nil {
				rt.Fatal(err)
			}
		}
		for told(false) {
		}
		var there []string
		docs, _ := st.ListDocuments(ctx, amy, "")
		for _, doc := range docs {
			doc, _ = st.Document(ctx, doc.DocumentKey)
			sel := path(doc.DocumentKey)
			there = append(there, sel)
			if f.etags[sel] != doc.ETag || f.texts[sel] != string(doc.Body) {
				rt.Fatalf("%s is %s\n%s\nthe subscriber has %s\n%s", sel, doc.ETag, doc.Body, f.etags[sel], f.texts[sel])
			}
		}
		for sel := range f.etags {
			if !slices.Contains(there, sel) {
				rt.Fatalf("%s is gone, the subscriber has it", sel)
			}
		}
	})
	if *patched == 0 {
		t.Error("there was not one patch")
	}
}
