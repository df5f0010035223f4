package presence

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"rollcall/internal/pidf"
	"rollcall/internal/store"
	"rollcall/internal/xmlscan"
	"rollcall/policy"
	"rollcall/sip/event"
)

// blink is what a Blink client publishes; DEVICE and STATE vary.
const blink = `<?xml version="1.0" encoding="UTF-8"?>
<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:agp-pidf="urn:ag-projects:xml:ns:pidf" xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid" xmlns:caps="urn:ietf:params:xml:ns:pidf:caps" entity="sip%3Aamy%40example.test">` +
	`<tuple id="SID-DEVICE"><status><basic>open</basic><agp-pidf:extended>STATE</agp-pidf:extended></status><agp-pidf:device-info id="DEVICE">` +
	`<agp-pidf:description>desk</agp-pidf:description><agp-pidf:user-agent>Blink 6.0.1 (Linux)</agp-pidf:user-agent><agp-pidf:time-offset>0.0</agp-pidf:time-offset></agp-pidf:device-info>` +
	`<rpid:user-input idle-threshold="600">active</rpid:user-input><dm:deviceID>DEVICE</dm:deviceID><caps:servcaps><caps:audio>true</caps:audio><caps:message>true</caps:message><caps:text>false</caps:text></caps:servcaps>` +
	`<contact>sip%3Aamy%40example.test</contact><note>lunch</note><timestamp>2026-05-04T11:56:21.361604+00:00</timestamp></tuple>` +
	`<dm:person id="PID-94dbbb40db96c96463c3e6402e50a40c"><rpid:activities><rpid:STATE/></rpid:activities><dm:timestamp>2026-05-04T11:56:21.361604+00:00</dm:timestamp></dm:person>` +
	`<dm:device id="DID-DEVICE"><dm:deviceID>DEVICE</dm:deviceID><dm:note>desk</dm:note><dm:timestamp>2026-05-04T11:56:21.361604+00:00</dm:timestamp></dm:device></presence>
`

func blinkBody(device int, state string) []byte {
	return []byte(strings.NewReplacer("DEVICE", fmt.Sprintf("534815d2-1459-4072-8f06-815e27c30a8%d", device), "STATE", state).Replace(blink))
}

// benched is a presentity with so many devices, off its shard.
func benched(b testing.TB, devices int) *presentity {
	s := New(Config{SettleWindow: 10 * time.Second})
	p := newPresentity(s, amy)
	p.storedRead = true
	for i := range devices {
		doc, err := pidf.Parse(blinkBody(i, "away"), xmlscan.DefaultLimits())
		if err != nil {
			b.Fatal(err)
		}
		doc.Compact()
		pub := &publication{Doc: doc}
		pub.Lineage, pub.Published = fmt.Sprint("0000", i), time.Now()
		p.publications = append(p.publications, pub)
	}
	return p
}

// From the body of a PUBLISH of one of three devices to the composed document.
func BenchmarkPublishToComposed(b *testing.B) {
	p := benched(b, 3)
	bodies := [][]byte{blinkBody(1, "away"), blinkBody(1, "busy")}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		content, err := p.s.read(pidf.ContentType, bodies[i%2], p.publications[1])
		if err != nil {
			b.Fatal(err)
		}
		p.publications[1].Doc = content.Doc
		newSnapshot(p.compose())
	}
}

// One more view of a composed document of three devices.
func BenchmarkFurtherView(b *testing.B) {
	transform := transformOf(b, `<pr:provide-services><pr:all-services/></pr:provide-services><pr:provide-persons><pr:all-persons/></pr:provide-persons><pr:provide-activities>true</pr:provide-activities>`)
	doc := benched(b, 3).compose()
	transform.Apply(doc) // whoever is first has it indexed
	b.ReportAllocs()
	for b.Loop() {
		activeView(transform.Apply(doc))
	}
}

func transformOf(b testing.TB, transformations string) *policy.Transformation {
	r := newRig(b, Config{}, newMemory())
	defer r.close()
	body := strings.Replace(ruleset("allow "+bo), "</cr:rule>", "<cr:transformations>"+transformations+"</cr:transformations></cr:rule>", 1)
	doc := store.Document{DocumentKey: rulesOf(amy), Body: []byte(body), ETag: "1"}
	if err := r.store.PutDocument(context.Background(), doc, "", nil); err != nil {
		b.Fatal(err)
	}
	d, err := r.engine.Decide(context.Background(), policy.Request{Presentity: amy, Watcher: bo, Now: time.Now()})
	if err != nil || d.Transform == nil {
		b.Fatal(d, err)
	}
	return d.Transform
}

// Views for a thousand watchers of three kinds are rendered three times.
func TestViewsAreRenderedOncePerKind(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, r *rig) {
		var rules []string
		for i := range 1000 {
			rules = append(rules, fmt.Sprintf("%s sip:w%d@example.test", [...]string{"allow", "polite-block", "allow"}[i%3], i))
		}
		body := ruleset(rules...)
		for i := 2; i < 1000; i += 3 {
			id := fmt.Sprintf(`<cr:rule id="r%d">`, i)
			at := strings.Index(body, id)
			end := at + strings.Index(body[at:], "</cr:rule>")
			body = body[:end] + `<cr:transformations><pr:provide-services><pr:all-services/></pr:provide-services></cr:transformations>` + body[end:]
		}
		r.put(rulesOf(amy), body)
		r.must(amy, typed, string(blinkBody(1, "away")))
		rendered := make(map[*byte]int)
		for i := range 1000 {
			v := r.view(fmt.Sprintf("sip:w%d@example.test", i))
			if v.State != event.Active {
				t.Fatalf("watcher %d: %v", i, v.State)
			}
			rendered[&v.Body[0]]++
		}
		if len(rendered) != 3 {
			t.Errorf("rendered %d times", len(rendered))
		}
	})
}

// What a presentity with one Blink publication takes, reported in bytes.
func BenchmarkMemory(b *testing.B) {
	const n = 2000
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		kept := make([]*presentity, n)
		s := New(Config{})
		for i := range kept {
			p := benched(b, 1)
			p.s = s
			p.publications[0].Body = p.publications[0].Doc.Src
			p.current.Store(newSnapshot(p.compose()))
			kept[i] = p
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/n, "B/presentity")
		runtime.KeepAlive(kept)
	}
}
