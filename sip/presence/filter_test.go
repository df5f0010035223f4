package presence

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/internal/store"
	"rollcall/internal/store/memory"
)

const filterType = "Content-Type: application/simple-filter+xml\n"

// filters is a filter document; each filter is as it stands there.
func filters(list ...string) string {
	return `<filter-set xmlns="urn:ietf:params:xml:ns:simple-filter"><ns-bindings><ns-binding prefix="pidf" urn="urn:ietf:params:xml:ns:pidf"/>` +
		`<ns-binding prefix="rpid" urn="urn:ietf:params:xml:ns:pidf:rpid"/></ns-bindings>` + strings.Join(list, "") + `</filter-set>`
}

const (
	onlyA    = `<what><include>//pidf:tuple[@id="a"]</include></what>`
	whenOpen = `<trigger><changed from="closed" to="open">//pidf:basic</changed></trigger>`
)

// state publishes amy's tuples: "a closed", ...
func (p *party) state(tag string, tuples ...string) string {
	body := ""
	for _, text := range tuples {
		id, basic, _ := strings.Cut(text, " ")
		body += tuple(id, basic)
	}
	headers := typed
	if tag != "" {
		headers += "SIP-If-Match: " + tag
	}
	return p.must(amy, headers, document(body))
}

// seen is what a NOTIFY shows, as "a=open b=closed".
func (p *party) seen(what string) string {
	p.t.Helper()
	out := p.one(what)
	if len(out.Body) == 0 {
		return "nothing"
	}
	var list []string
	got := tuplesOf(p.t, out.Body)
	for _, id := range []string{"a", "b", "c"} {
		if basic, ok := got[id]; ok {
			list = append(list, id+"="+basic)
		}
	}
	return strings.Join(list, " ")
}

// RFC 4660 §5.2, §5.3
func TestFilters(t *testing.T) {
	inParty(t, func(t *testing.T, p *party) {
		expect := func(what, want string) {
			t.Helper()
			if got := p.seen(what); got != want {
				t.Errorf("%s: %s, want %s", what, got, want)
			}
		}
		tag := p.state("", "a closed", "b open")
		s := p.subscriber()
		must := func(headers, body string) {
			t.Helper()
			if a := s.subscribe(headers, body); a.status != 200 {
				t.Fatalf("%s", a.text)
			}
		}
		must(filterType, filters(`<filter id="1" uri="`+amy+`">`+onlyA+`</filter>`))
		expect("first", "a=closed")
		tag = p.state(tag, "a closed", "b closed")
		p.none("a change that is filtered out")
		tag = p.state(tag, "a open", "b closed")
		expect("a change that is not", "a=open")
		must("", "")
		expect("refresh without filters keeps them", "a=open")
		must(filterType, filters(`<filter id="1" enabled="false"/>`))
		expect("disabled", "a=open b=closed")
		must(filterType, filters(`<filter id="1" enabled="true"/>`))
		expect("enabled", "a=open")
		for _, refused := range []string{
			filters(`<filter id="2">` + onlyA + `</filter>`), filters(`<filter id="1"><what><include>a[</include></what></filter>`), "<filter-set", "x",
		} {
			a := s.subscribe(filterType, refused)
			if warning := a.header("Warning"); a.status != 488 || !strings.HasPrefix(warning, `399 example.test "`) || strings.Count(warning, `"`) != 2 {
				t.Errorf("%s: %s", refused, a.text)
			}
		}
		if a := s.subscribe("Content-Type: text/plain\n", "x"); a.status != 415 || a.header("Accept") != "application/simple-filter+xml" {
			t.Errorf("another type: %s", a.text)
		}
		must("", "")
		expect("after refusals", "a=open")
		must(filterType, filters(`<filter id="1" remove="true"/><filter id="2">`+whenOpen+`</filter>`))
		expect("the first one goes by no trigger", "a=open b=closed")
		tag = p.state(tag, "a closed", "b closed")
		p.none("no trigger")
		tag = p.state(tag, "a open", "b closed")
		p.none("as it was told")
		tag = p.state(tag, "a closed", "b open", "c open")
		expect("trigger, against what was told", "a=closed b=open c=open")
		p.rules(amy, "polite-block "+bo)
		p.none("offline is no trigger")
		must("", "")
		expect("what a politely blocked watcher sees", "")
		p.rules(amy, "confirm "+bo)
		if out := p.one("pending"); len(out.Body) != 0 {
			t.Errorf("pending: %s", out.Body)
		}
		p.rules(amy, "allow "+bo)
		expect("allowed again", "a=closed b=open c=open")
		must(filterType, filters(`<filter id="2"><what><include>//pidf:note</include></what>`+whenOpen+`</filter>`))
		expect("nothing to deliver", "nothing")
		tag = p.state(tag, "a open", "b open", "c open")
		expect("the trigger alone", "nothing")
		must(filterType, filters(`<filter id="2" remove="true"/>`))
		expect("no filters", "a=open b=open c=open")
		p.state(tag, "a open", "b open", "c closed")
		expect("every change", "a=open b=open c=closed")
		if a := s.subscribe(filterType+"Expires: 0", ""); a.status != 200 {
			t.Error(a.text)
		}
		p.sent()

		// A poll, and filters that are for others.
		s = p.subscriber()
		must(filterType+"Expires: 0", filters(`<filter id="1" domain="example.test">`+onlyA+whenOpen+`</filter>`))
		expect("poll", "a=open")
		s = p.subscriber()
		must(filterType+"Expires: 0", filters(`<filter id="1" uri="`+cy+`">`+onlyA+`</filter><filter id="2" domain="other.example">`+onlyA+`</filter>`))
		expect("for somebody else", "a=open b=open c=closed")
	})
}

// The rules come first: what they hide cannot be asked for, or triggered by (RFC
// 4660 §5.3.1).
func TestFiltersSeeWhatTheWatcherSees(t *testing.T) {
	inParty(t, func(t *testing.T, p *party) {
		p.put(rulesOf(amy), strings.Replace(ruleset("allow "+bo), "</cr:actions>", `</cr:actions><cr:transformations>`+
			`<pr:provide-services><pr:class>public</pr:class></pr:provide-services></cr:transformations>`, 1))
		doc := func(class, basic string) string {
			return document(`<tuple id="a"><status><basic>` + basic + `</basic></status><rpid:class>` + class + `</rpid:class></tuple>` +
				`<tuple id="b"><status><basic>open</basic></status><rpid:class>public</rpid:class></tuple>`)
		}
		tag := p.must(amy, typed, doc("private", "closed"))
		s := p.subscriber()
		s.subscribe(filterType, filters(`<filter id="1"><what><include>//pidf:tuple[rpid:class="private"]</include><include>//rpid:class</include></what>`+whenOpen+`</filter>`))
		if got := p.seen("first"); got != "nothing" {
			t.Errorf("hidden things are delivered: %s", got)
		}
		p.must(amy, typed+"SIP-If-Match: "+tag, doc("private", "open"))
		p.none("hidden things trigger")
	})
}

// Partial notifications are about what the filter delivers; max-rate tells of what
// came of several changes (RFC 6446 §5.5).
func TestFilteredDifferences(t *testing.T) {
	inParty(t, func(t *testing.T, p *party) {
		doc := func(a, b string) string {
			return document(tuple("a", a) + `<tuple id="b"><status><basic>` + b + `</basic></status>` + much + `</tuple>`)
		}
		tag := p.must(amy, typed, doc("closed", "closed"))
		s, c := p.subscriber(), &copyOf{t: t}
		s.subscribe(preferPartial+filterType+"Event: presence;max-rate=0.1\n", filters(`<filter id="1"><what><include>//pidf:tuple[@id="b"]</include></what></filter>`))
		c.take(p.one("first"))
		time.Sleep(20 * time.Second)
		for _, state := range [][2]string{{"open", "closed"}, {"open", "open"}, {"closed", "closed"}, {"closed", "open"}} {
			tag = p.must(amy, typed+"SIP-If-Match: "+tag, doc(state[0], state[1]))
		}
		if root := c.take(p.one("the first change")); root != "pidf-diff" || !strings.Contains(string(c.doc), ">open<") {
			t.Errorf("%s\n%s", root, c.doc)
		}
		tag = p.must(amy, typed+"SIP-If-Match: "+tag, doc("closed", "closed"))
		p.must(amy, typed+"SIP-If-Match: "+tag, doc("open", "closed"))
		p.none("too early")
		time.Sleep(20 * time.Second)
		if root := c.take(p.one("all later ones")); root != "pidf-diff" || c.version != 3 || strings.Contains(string(c.doc), ">open<") {
			t.Errorf("%s version %d\n%s", root, c.version, c.doc)
		}
	})
}

// Filters are part of the subscription: a restart keeps them.
func TestFiltersSurviveARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newParty(newRig(t, Config{}, memory.New()))
		p.rules(amy, "allow "+bo)
		tag := p.state("", "a closed", "b open")
		s := p.subscriber()
		s.subscribe(filterType, filters(`<filter id="1">`+onlyA+`</filter>`))
		s.subscribe(filterType, filters(`<filter id="2" uri="`+cy+`">`+whenOpen+`</filter>`))
		p.sent()
		p.n.Stop(context.Background())
		p = newParty(p.restart())
		defer p.close()
		if err := p.n.Restore(context.Background()); err != nil {
			t.Fatal(err)
		}
		s.p = p
		p.state(tag, "a open", "b open")
		s.subscribe("", "")
		if got := p.seen("after a restart"); got != "a=open" {
			t.Errorf("after a restart: %s", got)
		}
		if a := s.subscribe(filterType, filters(`<filter id="3" uri="`+cy+`">`+onlyA+`</filter>`)); a.status != 488 {
			t.Errorf("the filter for cy is forgotten: %d", a.status)
		}
		if a := s.subscribe(filterType, filters(`<filter id="1" remove="1"/>`)); a.status != 200 {
			t.Error(a.text)
		}
		if got := p.seen("without"); got != "a=open b=open" {
			t.Errorf("removed after a restart: %s", got)
		}
		p.n.Stop(context.Background())
	})
}

// A refresh that cannot be stored leaves the filters as they were.
func TestFiltersAreTakenBack(t *testing.T) {
	inParty(t, func(t *testing.T, p *party) {
		p.state("", "a closed", "b open")
		s := p.subscriber()
		s.subscribe(filterType, filters(`<filter id="1">`+onlyA+`</filter>`))
		p.sent()
		p.store.Fail(store.ErrUnavailable)
		a := s.subscribe(filterType, filters(`<filter id="1"><what><include>//pidf:tuple</include></what></filter><filter id="2" uri="`+cy+`">`+onlyA+`</filter>`))
		p.store.Fail(nil)
		if a.status != 503 {
			t.Fatal(a.text)
		}
		p.sent()
		s.subscribe("", "")
		if got := p.seen("refresh"); got != "a=closed" {
			t.Errorf("after the failure: %s", got)
		}
		if a := s.subscribe(filterType, filters(`<filter id="3" uri="`+cy+`">`+onlyA+`</filter>`)); a.status != 200 {
			t.Errorf("the filter for cy is there: %s", a.text)
		}
	})
}
