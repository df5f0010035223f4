package events

import (
	"bufio"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// reader is a client that follows the rules: it forgets all at a reset, and names
// the last event it got when it comes back.
type reader struct {
	documents map[string]string // entity-tags by selector
	last      string
	resets    int
}

// take reads events, at most so many as if the connection broke then.
func (r *reader) take(t *rapid.T, text string, most int) {
	lines := bufio.NewScanner(strings.NewReader(text))
	lines.Buffer(nil, 1<<20)
	var name, id string
	for most > 0 && lines.Scan() {
		field, value, _ := strings.Cut(lines.Text(), ": ")
		switch field {
		case "event":
			name = value
		case "id":
			id = value
		case "data":
			most--
			r.last = id
			r.event(t, name, value)
		}
	}
}

func (r *reader) event(t *rapid.T, name, data string) {
	switch name {
	case "reset":
		r.documents = map[string]string{}
		r.resets++
	case "document":
		var d documentData
		if err := json.Unmarshal([]byte(data), &d); err != nil {
			t.Fatal(err)
		}
		had, known := r.documents[d.Document]
		if d.Previous != "" && d.Previous != had {
			t.Fatalf("%s: the version before is %s, the client has %q", d.Document, d.Previous, had)
		}
		if d.Change == "changed" && !known {
			t.Fatalf("%s is said to be %s, the client has %q", d.Document, d.Change, had)
		}
		if d.Change == "removed" {
			delete(r.documents, d.Document)
		} else {
			r.documents[d.Document] = d.NewETag
		}
	}
}

// Whatever changes, and whenever connections break, a client that has been told
// everything knows what there is.
func TestClientsConverge(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := &feed{table: newTable("e")}
		truth := map[string]string{}
		r := &reader{documents: map[string]string{}}
		var w discard
		st := &stream{feed: f, w: &w}
		connect := func() {
			st = &stream{feed: f, w: &w}
			at, ok := f.table.resume(r.last)
			if ok {
				st.at = at
				return
			}
			st.whole = f.table.last
			r.take(t, string(appendEvent(nil, "reset", "", struct{}{})), 1)
		}
		// reads lets the client read so many events.
		reads := func(most int) (done bool) {
			b, behind := st.next()
			if behind {
				r.last = ""
				connect()
				return false
			}
			total := strings.Count(string(b), "data: ")
			r.take(t, string(b), most)
			if total > most { // the connection broke
				connect()
				return false
			}
			return total == 0
		}
		connect()
		churn := rapid.SampledFrom([]int{3, 3, 3, 2 * maxGone}).Draw(t, "documents")
		for i := range rapid.IntRange(0, 30).Draw(t, "steps") {
			// Some at a time, so that removals are forgotten, too.
			from, count, removes := rapid.IntRange(0, churn).Draw(t, "from"), rapid.IntRange(1, churn/3).Draw(t, "count"), rapid.Bool().Draw(t, "remove")
			for n := from; n < from+count; n++ {
				name := fmt.Sprintf("d%d", n)
				if removes {
					delete(truth, name)
					f.table.remove(documentPrefix+name, func(state) state { return documentState{selector: name} })
				} else {
					truth[name] = fmt.Sprint(i)
					f.table.set(documentPrefix+name, documentState{name, truth[name]})
				}
			}
			reads(rapid.IntRange(0, 5).Draw(t, "read"))
			if f.table.gone > maxGone || len(f.table.log) > 2*(len(f.table.items)+1)+64 {
				t.Fatalf("%d items that are gone, %d entries for %d items", f.table.gone, len(f.table.log), len(f.table.items))
			}
		}
		for !reads(1 << 30) {
		}
		if !maps.Equal(truth, r.documents) {
			t.Fatalf("there is %v, the client knows %v", truth, r.documents)
		}
	})
}

// A resumption in the middle of the whole state loses nothing and repeats nothing.
func TestResume(t *testing.T) {
	tab := newTable("e")
	for i := range 5 {
		tab.set(fmt.Sprint(documentPrefix, i), documentState{fmt.Sprint(i), "v"})
	}
	tab.set(documentPrefix+"1", documentState{"1", "v"}) // nothing new
	for id, want := range map[string]string{"e-3": "4 5", "e-5": "", "e-0": "1 2 3 4 5", "e-4-2": "5"} {
		at, ok := tab.resume(id)
		var got []string
		tab.after(at.number, func(it *item) bool { got = append(got, fmt.Sprint(it.number)); return true })
		if !ok || strings.Join(got, " ") != want {
			t.Errorf("%s: %v", id, got)
		}
	}
	for _, id := range []string{"", "e-6", "f-1", "e-", "e--1", "e-x", "e", "e-18446744073709551616", "e-1-2", "e-1-x", "e-1-1-1"} {
		if _, ok := tab.resume(id); ok {
			t.Errorf("%q is taken", id)
		}
	}
}
