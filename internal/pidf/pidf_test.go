package pidf

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"rollcall/internal/xmlscan"
)

var now = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

func mustParse(t testing.TB, body string) *Document {
	t.Helper()
	d, err := Parse([]byte(body), xmlscan.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// presence wraps components in a root with the usual prefixes.
func presence(components string) string {
	return `<?xml version="1.0"?><presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="` + DataModel +
		`" xmlns:rpid="` + RPID + `" entity="sip:alice@example.com">` + components + `</presence>`
}

func soft(t testing.TB, lineage, components string, at time.Duration) Input {
	t.Helper()
	return Input{Lineage: lineage, Doc: mustParse(t, presence(components)), Published: now.Add(at)}
}

func compose(inputs ...Input) *Composed {
	return Compose(Composition{AOR: "sip:alice@example.com", Soft: inputs, Now: now})
}

func mustContain(t *testing.T, c *Composed, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(string(c.Body), p) {
			t.Errorf("no %s in\n%s", p, c.Body)
		}
	}
}

func mustNotContain(t *testing.T, c *Composed, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if strings.Contains(string(c.Body), p) {
			t.Errorf("there is %s in\n%s", p, c.Body)
		}
	}
}

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		name, body, entity string
		tuples, persons    int
	}{
		{"plain", presence(`<tuple id="a"><status><basic>open</basic></status></tuple>`), "sip:alice@example.com", 1, 0},
		{"entity percent-encoded as a whole", `<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="sip%3Aalice%40Example.com"/>`, "sip:alice@example.com", 0, 0},
		{"entity without scheme", `<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="alice%40example.com"/>`, "sip:alice@example.com", 0, 0},
		{"RFC 3856 §5: pres URI", `<p:presence xmlns:p="urn:ietf:params:xml:ns:pidf" entity="pres:alice@example.com"/>`, "sip:alice@example.com", 0, 0},
		{"opaque entity", `<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="xmpp:a@b"/>`, "xmpp:a@b", 0, 0},
		{"RFC 4479 §5: wrong order, no status, no id", presence(`<dm:person/><tuple/>`), "sip:alice@example.com", 1, 1},
		{"cpim-pidf", `<presence xmlns="urn:ietf:params:xml:ns:cpim-pidf" entity="sip:alice@example.com"><tuple id="a"/></presence>`, "sip:alice@example.com", 1, 0},
		{"cpim-pidf with colon", `<presence xmlns='urn:ietf:params:xml:ns:cpim-pidf:' entity="sip:alice@example.com"><tuple id="a"/></presence>`, "sip:alice@example.com", 1, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := mustParse(t, tt.body)
			if d.Entity != tt.entity || len(d.Tuples) != tt.tuples || len(d.Persons) != tt.persons {
				t.Errorf("%q %d tuples %d persons", d.Entity, len(d.Tuples), len(d.Persons))
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for _, tt := range []struct{ name, body, says string }{
		{"empty", ``, "root"},
		{"not well-formed", `<presence`, "line 1"},
		{"other root", `<tuple xmlns="urn:ietf:params:xml:ns:pidf" entity="a"/>`, "root element"},
		{"other namespace", `<presence xmlns="urn:x" entity="a"/>`, "root element"},
		{"RFC 3863 §4.1.1: no entity", `<presence xmlns="urn:ietf:params:xml:ns:pidf"/>`, "entity"},
		{"blank entity", `<presence xmlns="urn:ietf:params:xml:ns:pidf" entity=" "/>`, "entity"},
		{"RFC 3863 §4.1.4: basic", presence(`<tuple id="a"><status><basic>Open</basic></status></tuple>`), "basic"},
		{"two basics", presence(`<tuple id="a"><status><basic>open</basic><basic>closed</basic></status></tuple>`), "basic"},
		{"two statuses", presence(`<tuple id="a"><status/><status/></tuple>`), "status"},
		{"two contacts", presence(`<tuple id="a"><status/><contact>a:b</contact><contact>a:b</contact></tuple>`), "contact"},
		{"DTD", `<!DOCTYPE presence><presence xmlns="urn:ietf:params:xml:ns:pidf" entity="a"/>`, "document type"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse([]byte(tt.body), xmlscan.DefaultLimits())
			if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("error %v, want one that says %q", err, tt.says)
			}
		})
	}
}

// A component is copied as it was, extensions, comments and prefixes included.
func TestComponentsAreCopiedByteForByte(t *testing.T) {
	tuple := `<tuple id="a" ><!-- mine --><status><basic>open</basic><x:ext  a='1' x:b="&lt;"/></status>` + "\n\t" +
		`<y:any xmlns:y="urn:y"><![CDATA[<z>]]></y:any><contact>sip:alice@example.com</contact></tuple>`
	d := mustParse(t, `<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:x="urn:x" xmlns:unused="urn:u" entity="sip:alice@example.com">`+tuple+`</presence>`)
	c := compose(Input{Lineage: "1", Doc: d})
	want := strings.Replace(tuple, "<tuple", `<tuple xmlns:x="urn:x"`, 1)
	mustContain(t, c, want)
	mustNotContain(t, c, "unused")
}

// Whatever prefixes the publisher uses, names expand to what they did.
func TestNamespacesSurvive(t *testing.T) {
	for _, src := range []string{
		`<p:presence xmlns:p="urn:ietf:params:xml:ns:pidf" xmlns="urn:x" entity="sip:a@b"><p:tuple id="a"><p:status><p:basic>open</p:basic></p:status><e/></p:tuple></p:presence>`,
		`<p:presence xmlns:p="urn:ietf:params:xml:ns:pidf" entity="sip:a@b"><p:tuple id="a"><p:status/><e/></p:tuple></p:presence>`,
		`<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="sip:a@b"><tuple id="a"><status/><e xmlns="urn:x"/></tuple></presence>`,
		`<p:presence xmlns:p="urn:ietf:params:xml:ns:pidf" xmlns="` + DataModel + `" entity="sip:a@b"><person id="a"><e xmlns="urn:x"/></person></p:presence>`,
		`<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:t="urn:types" xmlns:i="urn:i" entity="sip:a@b"><tuple id="a"><status/><i:e type="t:int"/></tuple></presence>`,
	} {
		d := mustParse(t, src)
		c := compose(Input{Lineage: "1", Doc: d})
		if len(c.Index().Doc.Elements) != len(d.Doc.Elements) {
			t.Fatalf("%d elements became %d: %s", len(d.Doc.Elements), len(c.Index().Doc.Elements), c.Body)
		}
		for i := 1; i < len(d.Doc.Elements); i++ {
			if g, w := expanded(c.Index().Doc, i), expanded(d.Doc, i); g != w {
				t.Errorf("element %d is %v, was %v in %s", i, g, w, c.Body)
			}
		}
	}
	c := compose(Input{Lineage: "1", Doc: mustParse(t, `<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:t="urn:types" entity="sip:a@b"><tuple id="a"><status/><e xmlns="urn:x" type="t:int"/></tuple></presence>`)})
	mustContain(t, c, `xmlns:t="urn:types"`)
}

func TestOrder(t *testing.T) {
	c := compose(soft(t, "1", `<x:y xmlns:x="urn:x"/><dm:device id="d"><dm:deviceID>urn:d</dm:deviceID></dm:device><note>n</note>
		<dm:person id="p"><dm:timestamp>2026-05-04T11:00:00Z</dm:timestamp><dm:note>hi</dm:note><rpid:mood/></dm:person>
		<tuple id="t"><timestamp>2026-05-04T11:00:00Z</timestamp><note>a</note><contact>sip:a@b</contact><x:z xmlns:x="urn:x"/><status><basic>open</basic></status></tuple>`, 0))
	var got []string
	for i := range c.Index().Doc.Elements {
		got = append(got, c.Index().Doc.Elements[i].Local)
	}
	want := "presence tuple status basic z contact note timestamp note person mood note timestamp device deviceID y"
	if strings.Join(got, " ") != want {
		t.Errorf("order is %v\nwant %s", got, want)
	}
}

// What the schema refuses and a reader would choke on is put right.
func TestRepair(t *testing.T) {
	for _, tt := range []struct{ name, in, want, gone string }{
		{"status added", `<tuple id="a"/>`, `<tuple id="a"><status xmlns="` + Namespace + `"/></tuple>`, ""},
		{"status added before content", `<tuple id="a"> <contact>x:y</contact></tuple>`, `<status xmlns="` + Namespace + `"/> <contact>`, ""},
		{"id added", `<tuple><status/></tuple>`, `<tuple id="t`, ""},
		{"id starts with a digit", `<tuple id="1a"><status/></tuple>`, `id="_1a"`, ""},
		{"id with a blank and a colon", `<tuple id="a:b c"><status/></tuple>`, `id="a_b_c"`, ""},
		{"blanks around basic", "<tuple id='a'><status><basic>\n open </basic></status></tuple>", `<basic>open</basic>`, ""},
		{"timestamp", `<tuple id="a"><status/><timestamp>yesterday</timestamp></tuple>`, `<status/></tuple>`, "timestamp"},
		{"priority", `<tuple id="a"><status/><contact priority="high">a:b</contact></tuple>`, `>a:b</contact>`, "priority"},
		{"good priority", `<tuple id="a"><status/><contact priority="0.8">a:b</contact></tuple>`, `priority="0.8"`, ""},
		{"RFC 4479 §3.4: device without deviceID", `<dm:device id="d"/><note>n</note>`, `<note>`, "device"},
		{"nested ids", `<tuple id="a"><status/><rpid:user-input id="a">idle</rpid:user-input></tuple>`, `<rpid:user-input id="p`, ""},
		{"foreign ids are not ours", `<tuple id="a"><status/><x:e xmlns:x="urn:x" id="a"/></tuple>`, `<x:e xmlns:x="urn:x" id="a"/>`, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := compose(soft(t, "1", tt.in, 0))
			mustContain(t, c, tt.want)
			if tt.gone != "" {
				mustNotContain(t, c, tt.gone)
			}
		})
	}
}

// Two lineages with the same id: the older keeps it, the other gets one that stays.
func TestClashingIDs(t *testing.T) {
	a := soft(t, "1", `<tuple id="t1"><status/><contact>sip:a@b</contact></tuple>`, 0)
	b := soft(t, "2", `<tuple id="t1"><status/><contact>sip:c@d</contact></tuple>`, -time.Minute)
	c := compose(b, a)
	if len(c.Index().Tuples) != 2 || c.Index().Tuples[0].ID != "t1" || c.Index().Tuples[1].ID == "t1" {
		t.Fatalf("%+v", c.Index().Tuples)
	}
	if c.Index().Tuples[1].PublishedID != "t1" {
		t.Errorf("published id %q", c.Index().Tuples[1].PublishedID)
	}
	renamed := c.Index().Tuples[1].ID
	b.Doc, b.Published = mustParse(t, presence(`<tuple id="t1"><status/><contact>sip:e@f</contact></tuple>`)), now.Add(time.Hour)
	if c = compose(a, b); c.Index().Tuples[1].ID != renamed {
		t.Errorf("%s became %s", renamed, c.Index().Tuples[1].ID)
	}
	if c = compose(b); c.Index().Tuples[0].ID != "t1" {
		t.Errorf("alone it is %s", c.Index().Tuples[0].ID)
	}
}

func TestPersonsBecomeOne(t *testing.T) {
	a := soft(t, "1", `<dm:person id="PID-x"><rpid:activities><rpid:away/></rpid:activities><rpid:mood><rpid:happy/></rpid:mood><dm:note>old</dm:note></dm:person>`, -time.Minute)
	b := soft(t, "2", `<dm:person id="PID-x"><rpid:activities><rpid:busy/></rpid:activities><dm:timestamp>2026-05-04T12:00:00Z</dm:timestamp></dm:person>`, 0)
	c := compose(a, b)
	if len(c.Index().Persons) != 1 || c.Index().Persons[0].ID != "PID-x" {
		t.Fatalf("%s", c.Body)
	}
	mustContain(t, c, "rpid:busy", "rpid:happy", ">old<")
	mustNotContain(t, c, "rpid:away")
	if at := bytes.Index(c.Body, []byte("mood")); at > bytes.Index(c.Body, []byte("old")) {
		t.Errorf("mood after note: %s", c.Body)
	}
}

// RFC 5025 §3.3.1.3: persons may be granted by class, so classes are not mixed.
func TestPersonsOfSeveralClassesStay(t *testing.T) {
	c := compose(soft(t, "1", `<dm:person id="a"><rpid:class>work</rpid:class></dm:person><dm:person id="b"><rpid:class>home</rpid:class></dm:person>`, 0))
	if len(c.Index().Persons) != 2 {
		t.Errorf("%s", c.Body)
	}
}

// A publisher whose clock is ahead does not win for ever.
func TestNewestByTimestampNotBeyondPublication(t *testing.T) {
	a := soft(t, "1", `<dm:person id="p"><rpid:activities><rpid:away/></rpid:activities><dm:timestamp>2031-01-01T00:00:00Z</dm:timestamp></dm:person>`, -time.Minute)
	b := soft(t, "2", `<dm:person id="p"><rpid:activities><rpid:busy/></rpid:activities></dm:person>`, 0)
	mustContain(t, compose(a, b), "rpid:busy")
}

// The 200 got lost, the device published anew: one tuple, one device.
func TestDuplicatePublicationOfOneDevice(t *testing.T) {
	doc := `<tuple id="s"><status><basic>%s</basic></status><dm:deviceID>urn:uuid:D1</dm:deviceID><contact>%s</contact></tuple>` +
		`<dm:device id="d"><dm:deviceID>urn:uuid:d1</dm:deviceID></dm:device>`
	a := soft(t, "1", fmt.Sprintf(doc, "open", "sip:alice@example.com"), 0)
	b := soft(t, "2", fmt.Sprintf(doc, "closed", "sip%3Aalice%40example.com"), time.Second)
	c := compose(a, b)
	if len(c.Index().Tuples) != 1 || len(c.Index().Devices) != 1 || c.Index().Tuples[0].ID != "s" || c.Index().Devices[0].ID != "d" {
		t.Fatalf("%s", c.Body)
	}
	mustContain(t, c, "closed")
}

func TestHardStateIsFallback(t *testing.T) {
	hard := mustParse(t, presence(`<tuple id="h"><status><basic>closed</basic></status><note>on holiday</note></tuple>`))
	in := soft(t, "1", `<tuple id="s"><status><basic>open</basic></status></tuple>`, 0)
	c := Compose(Composition{AOR: "sip:alice@example.com", Hard: hard, Soft: []Input{in}, Now: now})
	mustContain(t, c, `id="s"`)
	mustNotContain(t, c, "holiday")
	c = Compose(Composition{AOR: "sip:alice@example.com", Hard: hard, Now: now,
		Registrations: []Registration{{ID: "r", Instance: "urn:uuid:1", Q: 1000}}})
	mustContain(t, c, "holiday")
	mustNotContain(t, c, "open") // RFC 3856 §7.2: registration does not overrule a published closed
}

func TestRegistrarTuple(t *testing.T) {
	reg := func(instance string, q int) Registration {
		return Registration{ID: "b" + instance, Instance: instance, Q: q, Expires: now.Add(time.Hour)}
	}
	published := soft(t, "1", `<tuple id="s"><status><basic>open</basic></status><dm:deviceID>urn:uuid:a</dm:deviceID></tuple>`, 0)
	anonymous := soft(t, "1", `<tuple id="s"><status><basic>open</basic></status></tuple>`, 0)
	for _, tt := range []struct {
		name   string
		regs   []Registration
		soft   []Input
		tuples int
	}{
		{"registered", []Registration{reg("", 500)}, nil, 1},
		{"two bindings that do not say what they are", []Registration{reg("", 500), reg("", 1000)}, nil, 1},
		{"two devices", []Registration{reg("urn:uuid:a", 1000), reg("urn:uuid:b", 1000)}, nil, 2},
		{"published by that device", []Registration{reg("urn:uuid:A", 1000)}, []Input{published}, 1},
		{"another device", []Registration{reg("urn:uuid:b", 1000)}, []Input{published}, 2},
		{"published by nobody knows whom", []Registration{reg("urn:uuid:b", 1000)}, []Input{anonymous}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := Compose(Composition{AOR: "sip:alice@example.com", Soft: tt.soft, Registrations: tt.regs, Now: now})
			if len(c.Index().Tuples) != tt.tuples {
				t.Errorf("%s", c.Body)
			}
			mustContain(t, c, "open")
			if !c.Until.Equal(now.Add(time.Hour)) && len(tt.soft) == 0 {
				t.Errorf("until %v", c.Until)
			}
		})
	}
	c := Compose(Composition{AOR: "sip:alice@example.com", Registrations: []Registration{reg("", 500)}, Now: now})
	mustContain(t, c, `<contact priority="0.5">sip:alice@example.com</contact>`)
	c = Compose(Composition{AOR: "sip:alice@example.com", Registrations: []Registration{reg("", 500)}, Now: now.Add(time.Hour)})
	mustContain(t, c, "closed")
}

func TestNothingIsOffline(t *testing.T) {
	aor := "sip:alice@example.com"
	want := Offline(aor, OfflineTupleID(aor))
	for name, c := range map[string]*Composed{
		"nothing":         Compose(Composition{AOR: aor, Now: now}),
		"empty documents": compose(soft(t, "1", "", 0)),
	} {
		if !bytes.Equal(c.Body, want) {
			t.Errorf("%s: %s\nwant %s", name, c.Body, want)
		}
		if len(c.Index().Tuples) != 1 || c.Index().Doc.Text(3) != "closed" {
			t.Errorf("%s: %+v", name, c.Index().Tuples)
		}
	}
	if _, err := Parse(Offline(`sip:"<a>&"@b`, "t"), xmlscan.DefaultLimits()); err != nil {
		t.Error(err)
	}
}

// RFC 4480 §3.2, RFC 4481 §3: what is over goes, and when is told.
func TestUntil(t *testing.T) {
	in := soft(t, "1", `<dm:person id="p"><rpid:activities until="2026-05-04T12:00:00Z"><rpid:meeting/></rpid:activities><rpid:mood until="2026-05-04T14:00:00+01:00"><rpid:happy/></rpid:mood></dm:person>`, 0)
	c := compose(in)
	mustNotContain(t, c, "meeting")
	mustContain(t, c, "happy")
	if want := now.Add(time.Hour); !c.Until.Equal(want) {
		t.Errorf("until %v, want %v", c.Until, want)
	}
	timed := soft(t, "1", `<tuple id="a"><status/><ts:timed-status xmlns:ts="`+TimedStatus+`" from="2026-05-04T12:30:00Z"><ts:x/></ts:timed-status></tuple>`, 0)
	if c = compose(timed); !c.Until.Equal(now.Add(30 * time.Minute)) {
		t.Errorf("until %v", c.Until)
	}
	c = Compose(Composition{AOR: "sip:alice@example.com", Soft: []Input{timed}, Now: c.Until})
	mustNotContain(t, c, "timed-status")
	if !c.Until.IsZero() {
		t.Errorf("until %v", c.Until)
	}
}

// An element that is over does not hide the older person's that is not.
func TestOverElementDoesNotShadow(t *testing.T) {
	a := soft(t, "1", `<dm:person id="p"><rpid:mood><rpid:happy/></rpid:mood></dm:person>`, -time.Minute)
	b := soft(t, "2", `<dm:person id="p"><rpid:mood until="2026-05-04T11:00:00Z"><rpid:sad/></rpid:mood></dm:person>`, 0)
	c := compose(a, b)
	mustContain(t, c, "happy")
	mustNotContain(t, c, "sad")
}

func TestSphere(t *testing.T) {
	sphere := func(s string) string {
		return `<dm:person id="p"><rpid:sphere>` + s + `</rpid:sphere></dm:person>`
	}
	for _, tt := range []struct {
		name string
		in   []string
		want string
	}{
		{"none", []string{`<dm:person id="p"/>`}, ""},
		{"one", []string{sphere(`<rpid:Work/>`)}, "work"},
		{"one of two", []string{sphere(`<rpid:work/>`), `<dm:person id="p"/>`}, "work"},
		{"agreed", []string{sphere(`<rpid:work/>`), sphere("work")}, "work"},
		{"RFC 5025 §3.1.2: undefined", []string{sphere(`<rpid:work/>`), sphere(`<rpid:home/>`)}, ""},
	} {
		var in []Input
		for i, s := range tt.in {
			in = append(in, soft(t, fmt.Sprint(i), s, 0))
		}
		if c := compose(in...); c.Sphere != tt.want {
			t.Errorf("%s: %q", tt.name, c.Sphere)
		}
	}
}

// A document larger than one NOTIFY loses the oldest publication, not the newest.
func TestTooLarge(t *testing.T) {
	big := func(id string) string {
		return `<tuple id="` + id + `"><status/><note>` + strings.Repeat("x", 150<<10) + `</note></tuple>`
	}
	c := compose(soft(t, "1", big("a"), 0), soft(t, "2", big("b"), -time.Minute))
	if len(c.Index().Tuples) != 1 || c.Index().Tuples[0].ID != "a" {
		t.Errorf("%+v", c.Index().Tuples)
	}
}
