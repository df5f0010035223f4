package pidf

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"rollcall/internal/xmlscan"
)

// checkComposed fails unless c is a valid document with unique ids whose
// components are where it says.
func checkComposed(t interface{ Fatalf(string, ...any) }, c *Composed) {
	d, err := Parse(c.Body, xmlscan.DefaultLimits())
	if err != nil {
		t.Fatalf("%v\n%s", err, c.Body)
	}
	seen := make(map[string]bool)
	for i := range d.Doc.Elements {
		for _, a := range d.Doc.Attributes(i) {
			if a.Local != "id" || !(a.Space == xmlscan.XMLNamespace || a.Space == "" && ofPresence(d.Doc.Elements[i].Space)) {
				continue
			}
			id := d.Doc.AttrValue(&a)
			if seen[id] || ncname(id) != id || id == "" {
				t.Fatalf("id %q twice or no name\n%s", id, c.Body)
			}
			seen[id] = true
		}
	}
	last := Tuple
	for i := range c.Index().Doc.Children(0) {
		k, comp := find(c, i)
		if comp == nil || k < last {
			t.Fatalf("component %d is not indexed or out of order\n%s", i, c.Body)
		}
		last = k
		if id, _ := c.Index().Doc.Attr(i, "", "id"); k != Note && k != Other && id != comp.ID {
			t.Fatalf("id %q indexed as %q", id, comp.ID)
		}
	}
}

func find(c *Composed, elem int) (Kind, *Component) {
	for _, list := range [...][]Component{c.Index().Tuples, c.Index().Notes, c.Index().Persons, c.Index().Devices, c.Index().Others} {
		for i := range list {
			if list[i].Elem == elem {
				return list[i].Kind, &list[i]
			}
		}
	}
	return 0, nil
}

func seeds() []string {
	return []string{
		blink,
		strings.ReplaceAll(blink, "d1", "d2"),
		presence(`<tuple id="1"/><dm:person><rpid:mood id="1" until="2020-01-01T00:00:00Z"/></dm:person>`),
		presence(`<tuple id="a" xml:id="a"><status><basic> open<rpid:x until="2020-01-01T00:00:00Z"/></basic></status></tuple>`),
		presence(`<rpid:mood until="2020-01-01T00:00:00Z"/><dm:timestamp/><note>x</note><note>x</note>`),
		`<presence xmlns="urn:ietf:params:xml:ns:cpim-pidf:" entity="a@b"><tuple id="a"/></presence>`,
		presence(`<tuple id="a"><status><basic>open</basic></status><s:timed-status xmlns:s="` + TimedStatus + `" from="2026-05-04T13:00:00Z"><s:basic>closed</s:basic></s:timed-status></tuple>`),
		presence(`<dm:person id="a"><rpid:activities><rpid:unknown/></rpid:activities></dm:person><dm:person><activities xmlns="` + RPID + `"/></dm:person>`),
		`<p:presence xmlns:p="urn:ietf:params:xml:ns:pidf" entity="a@b"><p:tuple id="a"><x/></p:tuple></p:presence>`,
		`<p:presence xmlns:p="urn:ietf:params:xml:ns:pidf" xmlns="urn:x" xmlns:q="` + DataModel + `" entity="a@b"><q:person><x/><q:note/><y/></q:person><z/></p:presence>`,
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range seeds() {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		d, err := Parse(body, xmlscan.DefaultLimits())
		if err == nil {
			checkComposed(t, compose(Input{Lineage: "1", Doc: d, Published: now}))
		}
	})
}

func FuzzCompose(f *testing.F) {
	for i, s := range seeds() {
		f.Add([]byte(s), []byte(seeds()[(i+1)%len(seeds())]), "sip:alice@example.com")
	}
	f.Fuzz(func(t *testing.T, a, b []byte, aor string) {
		var c Composition
		for i, body := range [][]byte{a, b} {
			if d, err := Parse(body, xmlscan.DefaultLimits()); err == nil {
				c.Soft = append(c.Soft, Input{Lineage: fmt.Sprint(i), Doc: d, Published: now})
			}
		}
		c.AOR, c.Now = aor, now
		c.Registrations = []Registration{{ID: aor, Instance: aor, Contact: aor}}
		if strings.TrimSpace(printable(aor)) == "" {
			return // not an address-of-record at all
		}
		checkComposed(t, Compose(c))
		if len(c.Soft) > 0 { // the same with everything else there is
			c.OnPhone, c.Override, c.Conflict, c.Lead = true, c.Soft[0].Doc, Restrictive, "1"
			checkComposed(t, Compose(c))
			c.Soft[0].Doc.Compact()
			c.Override, c.Now = nil, now.Add(24*time.Hour)
			checkComposed(t, Compose(c))
			Effective(Compose(c).Body, "t")
		}
	})
}

// Equal inputs give equal bytes, whatever order they come in.
func TestComposeIsDeterministic(t *testing.T) {
	component := rapid.SampledFrom([]string{
		`<tuple id="a"><status><basic>open</basic></status></tuple>`,
		`<tuple id="a"><status><basic>closed</basic></status><dm:deviceID>urn:1</dm:deviceID><contact>sip:a@b</contact></tuple>`,
		`<tuple><timestamp>2026-05-04T11:00:00Z</timestamp><status/></tuple>`,
		`<dm:person id="a"><rpid:mood id="m"/></dm:person>`,
		`<dm:person id="b"><rpid:activities id="m" until="2026-05-04T13:00:00Z"/><dm:note>x</dm:note></dm:person>`,
		`<dm:device id="a"><dm:deviceID>urn:1</dm:deviceID></dm:device>`,
		`<note>n</note>`,
		`<x:foreign xmlns:x="urn:x"/>`,
	})
	rapid.Check(t, func(t *rapid.T) {
		var in []Input
		for i := range rapid.IntRange(0, 5).Draw(t, "publications") {
			body := presence(strings.Join(rapid.SliceOfN(component, 0, 5).Draw(t, "components"), ""))
			d, err := Parse([]byte(body), xmlscan.DefaultLimits())
			if err != nil {
				t.Fatal(err)
			}
			at := now.Add(-time.Duration(rapid.IntRange(0, 2).Draw(t, "age")) * time.Minute)
			in = append(in, Input{Lineage: fmt.Sprint(i), Doc: d, Published: at})
		}
		whole := Composition{
			AOR: alice, Now: now, OnPhone: rapid.Bool().Draw(t, "call"),
			Conflict: Conflict(rapid.IntRange(0, 1).Draw(t, "rule")),
		}
		for i := range rapid.IntRange(0, 3).Draw(t, "registrations") {
			whole.Registrations = append(whole.Registrations, Registration{ID: fmt.Sprint(i), Instance: fmt.Sprint("urn:", i%2), Q: 500 * i})
		}
		if len(in) > 0 && rapid.Bool().Draw(t, "override") {
			whole.Override = in[0].Doc
		}
		whole.Soft = in
		a := Compose(whole)
		checkComposed(t, a)
		whole.Soft = rapid.Permutation(in).Draw(t, "order")
		whole.Registrations = rapid.Permutation(whole.Registrations).Draw(t, "order of registrations")
		for i := range whole.Soft {
			whole.Soft[i].Doc.Compact()
		}
		if b := Compose(whole); !bytes.Equal(a.Body, b.Body) || !a.Until.Equal(b.Until) || a.Sphere != b.Sphere || a.Lead != b.Lead {
			t.Fatalf("%s\n%s", a.Body, b.Body)
		}
		if n := len(a.Index().Persons); n > 1 {
			t.Fatalf("%d persons", n)
		}
		// Later publications come and go; those that were there keep their ids.
		whole.Soft = append(slices.Clone(in), Input{Lineage: "later", Doc: mustParseFor(t, `<tuple id="a"/><dm:device id="a"><dm:deviceID>urn:2</dm:deviceID></dm:device>`), Published: now})
		b := Compose(whole)
		checkComposed(t, b)
		if whole.Override == nil && len(in) > 0 {
			for _, c := range a.Index().Tuples {
				if !slices.ContainsFunc(b.Index().Tuples, func(x Component) bool { return x.ID == c.ID && x.PublishedID == c.PublishedID }) && c.PublishedID != "" {
					t.Fatalf("tuple %q is gone\n%s\n%s", c.ID, a.Body, b.Body)
				}
			}
		}
	})
}

func mustParseFor(t *rapid.T, components string) *Document {
	d, err := Parse([]byte(presence(components)), xmlscan.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// blink is a document of the size and shape that desktop clients publish.
const blink = `<?xml version='1.0' encoding='UTF-8'?>
<presence xmlns:c="urn:ietf:params:xml:ns:pidf:cipid" xmlns:caps="urn:ietf:params:xml:ns:pidf:caps" xmlns="urn:ietf:params:xml:ns:pidf" xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid" xmlns:agp-pidf="urn:ag-projects:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" entity="sip%3Aalice%40example.com"><tuple id="SID-d1"><status><basic>open</basic><agp-pidf:extended>available</agp-pidf:extended></status><agp-pidf:device-info id="d1"><agp-pidf:description>laptop</agp-pidf:description><agp-pidf:user-agent>Desktop 1.0</agp-pidf:user-agent><agp-pidf:time-offset>60</agp-pidf:time-offset></agp-pidf:device-info><rpid:user-input idle-threshold="600">active</rpid:user-input><dm:deviceID>urn:uuid:d1</dm:deviceID><caps:servcaps><caps:audio>true</caps:audio><caps:message>true</caps:message><caps:video>false</caps:video><caps:text>true</caps:text></caps:servcaps><c:display-name>Alice</c:display-name><c:icon>http://xcap.example.com/icon</c:icon><contact>sip%3Aalice%40example.com</contact><note>here</note><timestamp>2026-05-04T11:00:00Z</timestamp></tuple><dm:person id="PID-9f"><rpid:activities><rpid:other>available</rpid:other></rpid:activities><dm:timestamp>2026-05-04T11:00:00Z</dm:timestamp></dm:person><dm:device id="DID-d1"><dm:deviceID>urn:uuid:d1</dm:deviceID><dm:note>laptop</dm:note><dm:timestamp>2026-05-04T11:00:00Z</dm:timestamp></dm:device></presence>`

func BenchmarkParse(b *testing.B) {
	body := []byte(blink)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(body, xmlscan.DefaultLimits()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCompose(b *testing.B) {
	for _, n := range []int{1, 3} {
		b.Run(fmt.Sprintf("publications=%d", n), func(b *testing.B) {
			var in []Input
			for i := range n {
				d := mustParse(b, strings.ReplaceAll(blink, "d1", fmt.Sprintf("d%d", i)))
				in = append(in, Input{Lineage: fmt.Sprint(i), Doc: d, Published: now})
			}
			b.ReportAllocs()
			for b.Loop() {
				compose(in...)
			}
		})
	}
}
