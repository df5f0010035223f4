package presence

import (
	"bytes"
	"testing"
	"time"

	"rollcall/internal/pidf"
	"rollcall/internal/xmlscan"
)

// A simple phone gets one tuple of what it may see, others all of it; the entity-tags
// differ (RFC 5839 §4), and who is offline looks like one who says so politely.
func TestSimpleClients(t *testing.T) {
	inBubble(t, Config{Simple: []string{"phone"}}, func(t *testing.T, r *rig) {
		r.rules(amy, "allow "+bo, "polite-block "+cy)
		if terms := r.s.Package().Terms(); len(terms.Simple) != 1 {
			t.Errorf("%v", terms.Simple)
		}
		simple := subscription("s1", bo, time.Hour)
		simple.Simple = true
		src, offline, err := r.subscribe(simple)
		if err != nil {
			t.Fatal(err)
		}
		polite := subscription("s3", cy, time.Hour)
		polite.Simple = true
		_, hidden, err := r.subscribe(polite)
		if err != nil || !bytes.Equal(hidden.Body, offline.Body) || hidden.Tag != offline.Tag {
			t.Errorf("%v\n%s\n%s", err, hidden.Body, offline.Body)
		}
		r.must(amy, typed, document(tuple("a", "closed")+tuple("b", "open")+person("busy")))
		r.must(amy, typed, document(tuple("c", "closed")))
		_, full, err := r.subscribe(subscription("s2", bo, time.Hour))
		if err != nil || len(tuplesOf(t, full.Body)) != 3 {
			t.Fatalf("%v %s", err, full.Body)
		}
		v, _ := src.View(true)
		d, err := pidf.Parse(v.Body, xmlscan.DefaultLimits())
		if err != nil || len(d.Tuples) != 1 || !bytes.Contains(v.Body, []byte(">open<")) || !bytes.Contains(v.Body, []byte("<rpid:busy/>")) {
			t.Errorf("%v %s", err, v.Body)
		}
		if v.Tag == full.Tag || v.Tag == "" {
			t.Errorf("tags %q and %q", v.Tag, full.Tag)
		}
		again, _ := src.View(true)
		if &again.Body[0] != &v.Body[0] {
			t.Error("made twice")
		}
	})
}
