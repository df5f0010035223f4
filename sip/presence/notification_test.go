package presence

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"rollcall/internal/auth"
	"rollcall/internal/pidf"
	"rollcall/internal/store/memory"
	"rollcall/internal/xmlpatch"
	"rollcall/internal/xmlscan"
	"rollcall/sip/event"
	"rollcall/sip/wire"
)

// party is a rig with the real notifier.
type party struct {
	*rig
	out *mailbox
	n   *event.Notifier
}

// mailbox is a sender whose watchers may answer something else than 200.
type mailbox struct {
	sender
	answer int
}

func (m *mailbox) Do(out wire.Outgoing, done func(wire.Result)) {
	m.sender.Do(out, func(res wire.Result) {
		if m.answer != 0 {
			res.Status = m.answer
		}
		done(res)
	})
}

func newParty(r *rig) *party {
	p := &party{rig: r, out: &mailbox{}}
	p.n = event.New(event.Config{
		Store: r.store, Sender: p.out, Pool: r.pool, Wheel: r.wheel, Metrics: r.s.cfg.Metrics, Pacing: event.Off,
		MinExpires: time.Minute, MaxExpires: 24 * time.Hour, MaxPerWatcher: 100, MaxPerResource: 100,
	})
	p.n.Register(r.s.Package())
	r.s.Notify(p.n.Changed)
	return p
}

// inParty runs a test with bo, who may see amy.
func inParty(t *testing.T, test func(t *testing.T, p *party)) {
	inBubble(t, Config{}, func(t *testing.T, r *rig) {
		p := newParty(r)
		r.rules(amy, "allow "+bo)
		test(t, p)
		p.n.Stop(context.Background())
	})
}

// subscriber is a dialog of bo with amy.
type subscriber struct {
	p     *party
	call  int
	cseq  int
	toTag string
}

func (p *party) subscriber() *subscriber {
	p.calls++
	return &subscriber{p: p, call: p.calls}
}

// subscribe sends a SUBSCRIBE with the given header lines, separated by newlines,
// and returns the answer.
func (s *subscriber) subscribe(headers, body string) response {
	s.p.t.Helper()
	s.cseq++
	s.p.calls++
	to := ""
	if s.toTag != "" {
		to = ";tag=" + s.toTag
	}
	text := "SUBSCRIBE " + amy + " SIP/2.0\r\n" +
		fmt.Sprintf("Via: SIP/2.0/TCP 192.0.2.9:4444;branch=z9hG4bK%d\r\n", s.p.calls) +
		"From: <" + bo + ">;tag=a\r\nTo: <" + amy + ">" + to + "\r\nContact: <sip:192.0.2.9:4444;transport=tcp>\r\n" +
		fmt.Sprintf("Call-ID: call%d\r\nCSeq: %d SUBSCRIBE\r\nMax-Forwards: 70\r\n", s.call, s.cseq)
	if !strings.Contains(headers, "Event:") {
		text += "Event: presence\r\n"
	}
	for line := range strings.SplitSeq(headers, "\n") {
		if line != "" {
			text += line + "\r\n"
		}
	}
	text += "Content-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body
	var a response
	flow := wire.NewFlow("TCP", local, remote, func(b []byte) error {
		a.text = string(b)
		a.status, _ = strconv.Atoi(strings.Fields(a.text)[1])
		return nil
	})
	req, _, err := wire.ParseRequest([]byte(text), flow)
	if err != nil {
		s.p.t.Fatal(err)
	}
	s.p.on(amy, func() { s.p.n.Subscribe(context.Background(), req, amy, auth.Identity{AOR: bo}) })
	if _, tag, ok := strings.Cut(a.header("To"), ";tag="); ok {
		s.toTag = tag
	}
	return a
}

// sent returns the NOTIFY requests since the last call.
func (p *party) sent() []wire.Outgoing {
	synctest.Wait()
	p.out.mu.Lock()
	defer p.out.mu.Unlock()
	out := p.out.out
	p.out.out = nil
	return out
}

// one returns the NOTIFY that was sent since the last call.
func (p *party) one(what string) wire.Outgoing {
	p.t.Helper()
	sent := p.sent()
	if len(sent) != 1 {
		p.t.Fatalf("%s: %d NOTIFYs", what, len(sent))
	}
	return sent[0]
}

func (p *party) none(what string) {
	p.t.Helper()
	for _, out := range p.sent() {
		p.t.Errorf("%s: sent\n%s%s", what, out.Head, out.Body)
	}
}

func headerOf(out wire.Outgoing, name string) string {
	return response{text: string(out.Head)}.header(name)
}

const preferPartial = "Accept: application/pidf+xml;q=0.3, application/pidf-diff+xml;q=1\n"

// copyOf is what a watcher does with partial notifications (RFC 5263 §4.5).
type copyOf struct {
	t interface {
		Helper()
		Fatal(...any)
		Fatalf(string, ...any)
	}
	version int
	doc     []byte
}

// take works a NOTIFY in and returns the name of its root element.
func (c *copyOf) take(out wire.Outgoing) string {
	c.t.Helper()
	if got := headerOf(out, "Content-Type"); got != partialType {
		c.t.Fatalf("Content-Type %s", got)
	}
	d, err := xmlscan.Scan(out.Body, xmlscan.Limits{})
	if err != nil {
		c.t.Fatalf("%v\n%s", err, out.Body)
	}
	root := &d.Elements[0]
	text, _ := d.Attr(0, "", "version")
	version, err := strconv.Atoi(text)
	if entity, _ := d.Attr(0, "", "entity"); err != nil || root.Space != partialNamespace || entity != amy {
		c.t.Fatalf("%v\n%s", err, out.Body)
	}
	if root.Local == "pidf-full" {
		c.version, c.doc = version, out.Body
		return root.Local
	}
	if version != c.version+1 {
		c.t.Fatalf("version %d after %d", version, c.version)
	}
	ops, err := xmlpatch.Parse(d, 0, partialNamespace)
	if err != nil {
		c.t.Fatalf("%v\n%s", err, out.Body)
	}
	patched, err := xmlpatch.Apply(c.doc, ops, xmlscan.Limits{})
	if err != nil {
		c.t.Fatalf("%v\n%s\nto\n%s", err, out.Body, c.doc)
	}
	c.version, c.doc = version, patched.Src
	return root.Local
}

// expect compares the copy with what the watcher is to see.
func (c *copyOf) expect(v View) {
	c.t.Helper()
	if got, want := c.inside(c.doc), c.inside(v.Body); got != want {
		c.t.Fatalf("the copy is\n%s\nand should be\n%s", got, want)
	}
}

// inside is what is in the root element.
func (c *copyOf) inside(doc []byte) string {
	c.t.Helper()
	d, err := xmlscan.Scan(doc, xmlscan.Limits{})
	if err != nil {
		c.t.Fatal(err)
	}
	return string(doc[d.Elements[0].StartEnd:d.Elements[0].EndStart])
}

// much is what does not change, so that differences are smaller.
var much = `<note>` + strings.Repeat("Gone to the mountains. ", 20) + `</note>`

// RFC 5263 §5: what the example has, over two refreshes and a change of the format.
func TestPartialNotification(t *testing.T) {
	inParty(t, func(t *testing.T, p *party) {
		tag := p.must(amy, typed, document(tuple("a", "open")+tuple("b", "open")))
		s, c := p.subscriber(), &copyOf{t: t}
		s.subscribe(preferPartial, "")
		step := func(what, root string, version int) {
			t.Helper()
			if got := c.take(p.one(what)); got != root || c.version != version {
				t.Errorf("%s: %s version %d", what, got, c.version)
			}
			c.expect(p.view(bo))
		}
		step("first", "pidf-full", 1)
		tag = p.must(amy, typed+"SIP-If-Match: "+tag, document(tuple("a", "closed")+tuple("b", "open")))
		step("change", "pidf-diff", 2)
		tag = p.must(amy, refresh(tag), "")
		p.none("nothing changed")
		s.subscribe(preferPartial, "")
		step("refresh", "pidf-full", 3)
		tag = p.must(amy, typed+"SIP-If-Match: "+tag, document(tuple("a", "closed")+tuple("b", "open")+tuple("c", "open")))
		step("addition", "pidf-diff", 4)
		tag = p.must(amy, typed+"SIP-If-Match: "+tag, document(tuple("z", "closed")+much))
		step("all is new", "pidf-full", 5)

		s.subscribe("", "")
		if out := p.one("no Accept"); headerOf(out, "Content-Type") != "application/pidf+xml" || string(out.Body) != string(p.view(bo).Body) {
			t.Errorf("without Accept: %s%s", out.Head, out.Body)
		}
		s.subscribe(preferPartial, "")
		step("partial again", "pidf-full", 6)
		tag = p.must(amy, typed+"SIP-If-Match: "+tag, document(tuple("z", "open")+much))
		step("change after that", "pidf-diff", 7)

		// RFC 5839 §6.4: the tag is that of the full state.
		tag = p.must(amy, typed+"SIP-If-Match: "+tag, document(tuple("z", "closed")+much))
		out := p.one("change")
		c.take(out)
		if a := s.subscribe(preferPartial+"Suppress-If-Match: "+headerOf(out, "SIP-ETag"), ""); a.status != 204 {
			t.Errorf("refresh of one who knows: %d", a.status)
		}
		p.none("204")
		p.must(amy, typed+"SIP-If-Match: "+tag, document(tuple("z", "open")+much))
		step("after a 204", "pidf-diff", 9)

		// Without permission there is no document to tell differences from.
		p.rules(amy, "confirm "+bo)
		if out := p.one("to be confirmed"); len(out.Body) != 0 || headerOf(out, "Content-Type") != "" {
			t.Errorf("pending: %s%s", out.Head, out.Body)
		}
		p.rules(amy, "allow "+bo)
		step("allowed again", "pidf-full", 10)
		p.rules(amy, "polite-block "+bo)
		c.take(p.one("politely blocked"))
		c.expect(p.view(bo))
		s.subscribe(preferPartial+"Expires: 0", "")
		step("the last one", "pidf-full", 12)
	})
}

// RFC 5263 §4.3, RFC 3856 §6.7
func TestFormatIsNegotiated(t *testing.T) {
	inParty(t, func(t *testing.T, p *party) {
		for _, tt := range []struct {
			accept string
			status int
			format string
		}{
			{"", 200, "application/pidf+xml"},
			{"Accept: application/pidf+xml", 200, "application/pidf+xml"},
			{"Accept: application/pidf+xml, application/pidf-diff+xml", 200, partialType},
			{"Accept: application/pidf+xml, application/pidf-diff+xml;q=0.9", 200, "application/pidf+xml"},
			{"Accept: application/pidf+xml;q=0.3\nAccept: application/pidf-diff+xml;q=1", 200, partialType},
			{"Accept: application/pidf-diff+xml", 200, partialType},
			{"Accept: */*", 200, "application/pidf+xml"},
			{"Accept: application/pidf+xml, application/pidf-diff+xml;q=0", 200, "application/pidf+xml"},
			{"Accept: application/foo", 406, ""},
		} {
			a := p.subscriber().subscribe(tt.accept+"\nExpires: 0", "")
			if a.status != tt.status {
				t.Errorf("%q: %d", tt.accept, a.status)
			}
			if tt.status != 200 {
				continue
			}
			if out := p.one(tt.accept); headerOf(out, "Content-Type") != tt.format {
				t.Errorf("%q: %s", tt.accept, headerOf(out, "Content-Type"))
			}
		}
	})
}

// After a NOTIFY that failed, and after a restart, the watcher gets everything,
// with a version that is higher.
func TestPartialAfterAGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newParty(newRig(t, Config{}, memory.New()))
		p.rules(amy, "allow "+bo)
		tag := p.must(amy, typed, document(tuple("a", "open")+tuple("b", "open")))
		s, c := p.subscriber(), &copyOf{t: t}
		s.subscribe(preferPartial, "")
		c.take(p.one("first"))
		p.out.answer = 500
		tag = p.must(amy, typed+"SIP-If-Match: "+tag, document(tuple("a", "closed")+tuple("b", "open")))
		p.one("lost")
		p.out.answer = 0
		tag = p.must(amy, typed+"SIP-If-Match: "+tag, document(tuple("a", "closed")+tuple("b", "closed")))
		if root := c.take(p.one("after a loss")); root != "pidf-full" || c.version != 3 {
			t.Errorf("after a loss: %s version %d", root, c.version)
		}
		p.n.Stop(context.Background())

		p = newParty(p.restart())
		defer p.close()
		if err := p.n.Restore(context.Background()); err != nil {
			t.Fatal(err)
		}
		s.p = p
		p.must(amy, typed+"SIP-If-Match: "+tag, document(tuple("a", "closed")))
		p.none("nobody to reach")
		s.subscribe(preferPartial, "")
		if root := c.take(p.one("after a restart")); root != "pidf-full" || c.version < 4 {
			t.Errorf("after a restart: %s version %d", root, c.version)
		}
		c.expect(p.view(bo))
		p.n.Stop(context.Background())
	})
}

// randomDevice is what one device publishes.
func randomDevice(t *rapid.T) pidf.Input {
	text := rapid.SampledFrom([]string{"", "x", "a &amp; b", "long enough to matter"})
	var b strings.Builder
	for i := range rapid.IntRange(0, 3).Draw(t, "tuples") {
		fmt.Fprintf(&b, `<tuple id="t%d"><status><basic>%s</basic></status><rpid:class>%s</rpid:class><contact priority="0.%d">sip:%d@h</contact></tuple>`, i,
			rapid.SampledFrom([]string{"open", "closed"}).Draw(t, "basic"), text.Draw(t, "class"), rapid.IntRange(0, 3).Draw(t, "priority"), i)
	}
	for range rapid.IntRange(0, 1).Draw(t, "notes") {
		b.WriteString(`<note xml:lang="en">` + text.Draw(t, "note") + `</note>`)
	}
	for range rapid.IntRange(0, 1).Draw(t, "persons") {
		b.WriteString(`<dm:person id="p"><rpid:activities from="2026-01-01T00:00:00Z"><rpid:` +
			rapid.SampledFrom([]string{"away", "busy"}).Draw(t, "activity") + `/></rpid:activities><x:y xmlns:x="urn:x" x:z="` + text.Draw(t, "value") + `"/></dm:person>`)
	}
	for range rapid.IntRange(0, 1).Draw(t, "devices") {
		b.WriteString(`<dm:device id="d"><p:q xmlns:p="urn:p"/><dm:deviceID>urn:uuid:1</dm:deviceID></dm:device>`)
	}
	doc, err := pidf.Parse([]byte(document(b.String())), xmlscan.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	return pidf.Input{Doc: doc}
}

// Whatever happens to the state, one who applies what it is sent has the state.
func TestPartialIsRight(t *testing.T) {
	full, diffs := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		soft := make([]pidf.Input, rapid.IntRange(1, 4).Draw(rt, "publications"))
		for i := range soft {
			soft[i] = randomDevice(rt)
		}
		c, copied := chain{}, &copyOf{t: rt}
		for version := range uint32(8) {
			i := rapid.IntRange(0, len(soft)-1).Draw(rt, "who")
			soft[i] = randomDevice(rt)
			soft[i].Lineage, soft[i].Published = strconv.Itoa(i), time.Unix(int64(version), 0)
			v := activeView(pidf.Compose(pidf.Composition{AOR: amy, Soft: soft}).Body)
			body := c.next(&v, version+1, rapid.IntRange(0, 9).Draw(rt, "full") == 0)
			if copied.take(wire.Outgoing{Head: []byte("Content-Type: " + partialType), Body: body}) == "pidf-full" {
				full++
			} else {
				diffs++
			}
			copied.expect(v)
		}
	})
	if diffs < full/4 {
		t.Errorf("%d differences, %d full documents", diffs, full)
	}
	t.Logf("%d differences, %d full documents", diffs, full)
}

// Watchers of one view share the work: what is measured is the next one of 1,000.
func BenchmarkPartialNotification(b *testing.B) {
	devices := ""
	for i := range 6 {
		devices += fmt.Sprintf(`<tuple id="t%d"><status><basic>open</basic></status>%s</tuple>`, i, strings.Repeat("<note>something to say</note>", 8))
	}
	views := [2]View{}
	fresh := func() {
		for i, basic := range [...]string{"open", "closed"} {
			views[i] = activeView([]byte(document(devices + tuple("z", basic))))
		}
	}
	fresh()
	b.Run("first", func(b *testing.B) {
		for b.Loop() {
			fresh()
			views[1].forms.pidfDiff(&views[0])
		}
	})
	b.Run("next", func(b *testing.B) {
		for b.Loop() {
			c := chain{view: views[0], from: 1, to: 1}
			c.next(&views[1], 2, false)
		}
	})
}
