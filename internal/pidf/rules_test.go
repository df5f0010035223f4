package pidf

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

const alice = "sip:alice@example.com"

func person(content string) string { return `<dm:person id="p">` + content + `</dm:person>` }

func activity(a string) string { return `<rpid:activities><rpid:` + a + `/></rpid:activities>` }

func override(t *testing.T, c Composition, components string) *Composed {
	t.Helper()
	c.AOR, c.Override = alice, mustParse(t, presence(components))
	if c.Now.IsZero() {
		c.Now = now
	}
	out := Compose(c)
	checkComposed(t, out)
	return out
}

// The override is all that is said of what it speaks of, tuples or the person.
func TestOverride(t *testing.T) {
	device := soft(t, "1", `<tuple id="s"><status><basic>open</basic></status><dm:deviceID>urn:uuid:1</dm:deviceID></tuple>`+
		person(activity("away")+`<rpid:mood><rpid:happy/></rpid:mood><dm:note>lunch</dm:note>`)+`<note>n</note>`, 0)
	reg := []Registration{{ID: "r", Instance: "urn:uuid:2", Q: 1000}}
	busy := person(activity("busy"))
	hidden := `<tuple id="o"><status><basic>closed</basic></status></tuple>`
	for _, tt := range []struct {
		name, override string
		c              Composition
		has, hasNot    []string
	}{
		{"person over devices", busy, Composition{Soft: []Input{device}}, []string{"busy", `id="s"`}, []string{"away", "happy", "lunch", ">n<"}},
		{"tuples over devices and registrations", hidden, Composition{Soft: []Input{device}, Registrations: reg}, []string{`id="o"`, "away", ">n<"}, []string{`id="s"`, "open"}},
		{"both", hidden + busy, Composition{Soft: []Input{device}}, []string{`id="o"`, "busy"}, []string{"open", "away"}},
		{"without anything else", busy, Composition{Registrations: reg}, []string{"busy", "open"}, nil},
		{"hard state is still the fallback for tuples", busy, Composition{Hard: mustParse(t, presence(`<tuple id="h"><status/></tuple>`+person(activity("vacation"))))}, []string{`id="h"`, "busy"}, []string{"vacation"}},
		{"a call does not show through", busy, Composition{OnPhone: true}, []string{"busy"}, []string{"on-the-phone"}},
		{"nothing in it", "", Composition{Soft: []Input{device}}, []string{"away", `id="s"`}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := override(t, tt.c, tt.override)
			mustContain(t, c, tt.has...)
			mustNotContain(t, c, tt.hasNot...)
			if c.Overridden != (tt.override != "") {
				t.Errorf("overridden: %v", c.Overridden)
			}
		})
	}
}

// "Busy until 15:00" is over then as a whole, note included.
func TestOverrideEnds(t *testing.T) {
	device := soft(t, "1", person(activity("away")), 0)
	text := person(`<rpid:activities until="2026-05-04T15:00:00Z"><rpid:busy/></rpid:activities><rpid:mood until="2026-05-04T14:00:00Z"><rpid:sad/></rpid:mood><dm:note>in a meeting</dm:note>`)
	c := override(t, Composition{Soft: []Input{device}}, text)
	mustContain(t, c, "busy", "sad", "in a meeting")
	if want := now.Add(2 * time.Hour); !c.Until.Equal(want) {
		t.Errorf("until %v, want %v", c.Until, want)
	}
	c = override(t, Composition{Soft: []Input{device}, Now: c.Until}, text)
	mustContain(t, c, "busy", "in a meeting")
	mustNotContain(t, c, "sad")
	if want := now.Add(3 * time.Hour); !c.Until.Equal(want) {
		t.Errorf("until %v, want %v", c.Until, want)
	}
	c = override(t, Composition{Soft: []Input{device}, Now: c.Until}, text)
	mustContain(t, c, "away")
	mustNotContain(t, c, "busy", "in a meeting")
	if !c.Until.IsZero() || c.Overridden {
		t.Errorf("until %v, overridden %v", c.Until, c.Overridden)
	}
}

// A call is added to what is published and hides none of it (RFC 4480 §3.2).
func TestOnThePhone(t *testing.T) {
	const phone = "<rpid:on-the-phone/>"
	for _, tt := range []struct {
		name, published string
		has             []string
		hasNot          string
	}{
		{"nobody says anything", "", []string{`<dm:person `, phone, ">closed<"}, ""},
		{"no person", `<tuple id="t"><status><basic>open</basic></status></tuple>`, []string{`<dm:person `, phone, ">open<"}, ""},
		{"person without attributes", `<dm:person id="p"/>`, []string{`<dm:person `, `<rpid:activities xmlns:rpid="` + RPID + `">` + phone, `</dm:person>`}, ""},
		{"activities", person(activity("away") + `<dm:note>n</dm:note>`), []string{`<rpid:away/>` + phone + `</rpid:activities><dm:note>n`}, ""},
		{"in the middle", person(`<rpid:mood/><dm:note>n</dm:note>`), []string{`<rpid:mood/><rpid:activities`, `</rpid:activities><dm:note>n`}, ""},
		{"empty activities", person(`<rpid:activities/>`), []string{`<rpid:activities>` + phone + `</rpid:activities>`}, ""},
		{"unknown activities", person(activity("unknown")), []string{`<rpid:activities>` + phone + `</rpid:activities>`}, "unknown"},
		{"said already", person(activity("on-the-phone")), []string{`<rpid:activities>` + phone + `</rpid:activities>`}, phone + phone},
		{"default namespace", person(`<activities xmlns="` + RPID + `"><away/></activities>`), []string{`<away/><on-the-phone/>`}, ""},
		{"until", person(`<rpid:activities until="2026-05-04T11:00:00Z"><rpid:away/></rpid:activities>`), []string{phone}, "away"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := Composition{AOR: alice, Now: now, OnPhone: true}
			if tt.published != "" {
				in.Soft = []Input{soft(t, "1", tt.published, 0)}
			}
			c := Compose(in)
			checkComposed(t, c)
			mustContain(t, c, tt.has...)
			if tt.hasNot != "" {
				mustNotContain(t, c, tt.hasNot)
			}
		})
	}
}

// With a call the person that was put together keeps what it had.
func TestOnThePhoneOfSeveralDevices(t *testing.T) {
	a := soft(t, "1", person(activity("away")), -time.Minute)
	b := soft(t, "2", person(`<rpid:mood><rpid:happy/></rpid:mood>`), 0)
	c := Compose(Composition{AOR: alice, Soft: []Input{a, b}, OnPhone: true, Now: now})
	checkComposed(t, c)
	mustContain(t, c, "<rpid:happy/>", "<rpid:away/><rpid:on-the-phone/>")
	if n := strings.Count(string(c.Body), "<rpid:activities"); n != 1 {
		t.Errorf("%d activities in %s", n, c.Body)
	}
}

func TestPersonConflict(t *testing.T) {
	older := soft(t, "1", person(activity("busy")+`<dm:note>do not disturb</dm:note>`), -time.Minute)
	newer := soft(t, "2", person(activity("playing")+`<dm:note>at home</dm:note>`), 0)
	for _, tt := range []struct {
		rule   Conflict
		lead   string
		has    []string
		leader string
	}{
		{Newest, "", []string{"playing", "at home"}, "2"},
		{Restrictive, "", []string{"busy", "do not disturb"}, "1"},
		{Newest, "1", []string{"busy", "do not disturb"}, "1"},
		{Restrictive, "2", []string{"playing", "at home"}, "2"},
		{Newest, "gone", []string{"playing", "at home"}, "2"},
	} {
		c := Compose(Composition{AOR: alice, Soft: []Input{older, newer}, Conflict: tt.rule, Lead: tt.lead, Now: now})
		checkComposed(t, c)
		mustContain(t, c, tt.has...)
		if c.Lead != tt.leader || len(c.Index().Persons) != 1 || strings.Count(string(c.Body), "<dm:note") != 1 {
			t.Errorf("lead %q, want %q\n%s", c.Lead, tt.leader, c.Body)
		}
	}
	if c := compose(older); c.Lead != "" {
		t.Errorf("lead of one is %q", c.Lead)
	}
}

// RFC 4480 §3.2: how much each activity restricts.
func TestRestriction(t *testing.T) {
	order := [][]string{
		{"unknown", "other>available</rpid:other", "other>x</rpid:other"},
		{"working", "playing", "looking-for-work"},
		{"away", "vacation", "meal", "travel", "permanent-absence", "other> Away </rpid:other"},
		{"busy", "meeting", "on-the-phone", "sleeping", "other>DND</rpid:other"},
	}
	for want, names := range order {
		for _, name := range names {
			el := `<rpid:` + name + `/>`
			if strings.Contains(name, ">") {
				el = `<rpid:` + name + `>`
			}
			d := mustParse(t, presence(person(`<rpid:activities>`+el+`</rpid:activities>`)))
			if got := int(d.pieces[0].rank); got != want {
				t.Errorf("%s restricts by %d, want %d", name, got, want)
			}
		}
	}
}

// What a device said of the person and does not say any more does not come back,
// neither after a modification nor from a publication that the device has forgotten.
func TestDroppedAttributesDisappear(t *testing.T) {
	const device = `<tuple id="%s"><status/><dm:deviceID>urn:uuid:1</dm:deviceID><contact>sip:%s@b</contact></tuple>`
	full := fmt.Sprintf(device, "a", "x") + person(activity("busy")+`<dm:note>gone</dm:note>`) + `<note>gone too</note>`
	less := fmt.Sprintf(device, "b", "y") + person(activity("away"))
	other := soft(t, "3", person(`<rpid:mood><rpid:happy/></rpid:mood>`), -time.Hour)
	modified := soft(t, "1", less, 0)
	for name, in := range map[string][]Input{
		"modified":                       {modified, other},
		"forgotten":                      {soft(t, "1", full, -time.Minute), soft(t, "2", less, 0), other},
		"forgotten, in one instant":      {soft(t, "1", full, 0), soft(t, "2", less, 0), other},
		"forgotten, published backwards": {soft(t, "2", full, -time.Minute), soft(t, "1", less, 0), other},
	} {
		t.Run(name, func(t *testing.T) {
			c := compose(in...)
			checkComposed(t, c)
			mustContain(t, c, "away", "happy", `id="b"`)
			mustNotContain(t, c, "gone", "busy")
		})
	}
	c := compose(soft(t, "1", full, -time.Minute), soft(t, "2", strings.ReplaceAll(less, "uuid:1", "uuid:2"), 0))
	mustContain(t, c, "gone", "away") // another device
}

// RFC 4481 §3: a timed status whose time has come is the status, then is gone.
func TestTimedStatus(t *testing.T) {
	timed := func(basic, times string) string {
		return `<ts:timed-status xmlns:ts="` + TimedStatus + `" ` + times + `><ts:basic>` + basic + `</ts:basic></ts:timed-status>`
	}
	const first, second = `from="2026-05-04T12:30:00Z" until="2026-05-04T13:00:00Z"`, `from="2026-05-04T12:45:00Z" until="2026-05-04T12:50:00Z"`
	at := func(m int) time.Time { return now.Add(time.Duration(m) * time.Minute) }
	for _, tt := range []struct {
		name, status, timed string
		minutes             int
		has, hasNot         string
		until               time.Time
	}{
		{"before", `<status><basic>open</basic></status>`, timed("closed", first), 0, "timed-status", ">closed</basic>", at(30)},
		{"begun", `<status><basic>open</basic></status>`, timed("closed", first), 30, `<status><basic>closed</basic></status>`, "timed-status", at(60)},
		{"over", `<status><basic>open</basic></status>`, timed("closed", first), 60, `<basic>open</basic>`, "timed-status", time.Time{}},
		{"two: the later begun", `<status><basic>open</basic></status>`, timed("open", second) + timed("closed", first), 46, `<basic>open</basic>`, "timed-status", at(50)},
		{"two: the other again", `<status><basic>open</basic></status>`, timed("open", second) + timed("closed", first), 50, `<basic>closed</basic>`, "timed-status", at(60)},
		{"without end", `<status><basic>open</basic></status>`, timed("closed", `from="2026-05-04T12:30:00Z"`), 90, `<basic>closed</basic>`, "timed-status", time.Time{}},
		{"no basic", `<status><x:e xmlns:x="urn:x"/></status>`, timed("closed", first), 31, `>closed</basic><x:e`, "timed-status", at(60)},
		{"empty status", `<status/>`, timed("closed", first), 31, `>closed</basic></status>`, "timed-status", at(60)},
		{"no status", ``, timed("closed", first), 31, `>closed</basic></status>`, "timed-status", at(60)},
		{"neither open nor closed", `<status><basic>open</basic></status>`, timed("maybe", first), 31, `<basic>open</basic>`, "timed-status", at(60)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := soft(t, "1", `<tuple id="a">`+tt.status+tt.timed+`<contact>a:b</contact></tuple>`, 0)
			c := Compose(Composition{AOR: alice, Soft: []Input{in}, Now: at(tt.minutes)})
			checkComposed(t, c)
			mustContain(t, c, tt.has)
			mustNotContain(t, c, tt.hasNot)
			if !c.Until.Equal(tt.until) {
				t.Errorf("until %v, want %v", c.Until, tt.until)
			}
		})
	}
}

// RFC 4480 §3.2: what is to come is passed on, but decides nothing before it has come.
func TestAhead(t *testing.T) {
	const later = ` from="2026-05-04T12:30:00Z" until="2026-05-04T13:00:00Z"`
	in := []Input{
		soft(t, "1", person(`<rpid:activities`+later+`><rpid:busy/></rpid:activities><rpid:sphere`+later+`><rpid:work/></rpid:sphere><rpid:sphere until="2026-05-04T12:30:00Z"><rpid:home/></rpid:sphere>`), 0),
		soft(t, "2", person(activity("away")), 0),
	}
	for _, tt := range []struct {
		minutes       int
		leads, sphere string
		until         int
	}{{0, "2", "home", 30}, {29, "2", "home", 30}, {30, "1", "work", 60}, {60, "2", "", 0}} {
		at := func(m int) time.Time { return now.Add(time.Duration(m) * time.Minute) }
		c := Compose(Composition{AOR: alice, Soft: in, Now: at(tt.minutes), Conflict: Restrictive})
		if c.Lead != tt.leads || c.Sphere != tt.sphere || tt.until > 0 && !c.Until.Equal(at(tt.until)) {
			t.Errorf("after %d minutes %q leads, sphere %q, until %v", tt.minutes, c.Lead, c.Sphere, c.Until)
		}
	}
}

// A device that publishes again what it said before has not said anything new.
func TestPersonIsAsOldAsWhatItSays(t *testing.T) {
	stamped := func(a, at string) string {
		return person(activity(a) + `<dm:timestamp>2026-05-04T` + at + `Z</dm:timestamp>`)
	}
	old, again := mustParse(t, presence(stamped("away", "11:00:00"))), mustParse(t, presence(stamped("away", "11:59:00")))
	if !SamePersons(old, again) || SamePersons(old, mustParse(t, presence(stamped("busy", "11:00:00")))) || SamePersons(old, mustParse(t, presence(""))) {
		t.Error("what is the same")
	}
	b := soft(t, "2", stamped("busy", "11:30:00"), -30*time.Minute)
	a := Input{Lineage: "1", Doc: again, Published: now, PersonsSince: now.Add(-time.Hour)}
	mustContain(t, compose(a, b), "busy")
	a.PersonsSince = time.Time{}
	mustContain(t, compose(a, b), "away")
}

// The person keeps its id, whoever comes first.
func TestPersonKeepsItsID(t *testing.T) {
	a := soft(t, "1", `<dm:person id="one">`+activity("away")+`</dm:person>`, 0)
	b := soft(t, "2", `<dm:person id="two">`+activity("busy")+`</dm:person>`, time.Minute)
	for _, in := range [][]Input{{a, b}, {a, {Lineage: "2", Doc: b.Doc, Published: now.Add(-time.Hour)}}} {
		if c := compose(in...); c.Index().Persons[0].ID != "one" {
			t.Errorf("%s", c.Body)
		}
	}
}

func TestOrigins(t *testing.T) {
	a := soft(t, "1", `<tuple id="s"><status/><dm:deviceID>urn:1</dm:deviceID></tuple>`+person(activity("away")), -time.Minute)
	b := soft(t, "2", person(`<rpid:mood/>`), 0)
	in := Composition{AOR: alice, Soft: []Input{a, b}, OnPhone: true, Now: now, Trace: true,
		Registrations: []Registration{{ID: "r", Instance: "urn:uuid:2", Q: 1000}}}
	var got []string
	for _, o := range Compose(in).Origins {
		got = append(got, fmt.Sprint(o.Kind, " ", o.Element, " ", o.Source, " ", o.Lineage))
	}
	want := []string{"tuple  0 1", "tuple  3 ", "person  0 2", "person activities 0 1", "person on-the-phone 4 "}
	if strings.Join(got, ",") != strings.Join(want, ",") {
		t.Errorf("%q\nwant %q", got, want)
	}
	in.Trace = false
	if Compose(in).Origins != nil {
		t.Error("told without being asked")
	}
}
