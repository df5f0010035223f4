package policy

import (
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"rollcall/internal/pidf"
	"rollcall/internal/store"
	"rollcall/internal/xmlscan"
)

const presenceDocument = `<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:r="urn:ietf:params:xml:ns:pidf:rpid" xmlns:c="urn:ietf:params:xml:ns:pidf:cipid" xmlns:x="urn:x" entity="sip:alice@example.com">
  <tuple id="t1"><status><basic>open</basic><x:extended>busy</x:extended></status><r:class>biz</r:class><dm:deviceID>urn:uuid:1</dm:deviceID><r:privacy><r:unknown/></r:privacy><r:relationship><r:family/></r:relationship><r:service-class><r:electronic/></r:service-class><r:status-icon>http://i</r:status-icon><r:user-input idle-threshold="600" last-input="2026-11-21T08:00:00Z">idle</r:user-input><c:icon>http://x/i</c:icon><x:caps/><contact>sip:alice@example.com;b=2;a=1</contact><note>in a tuple</note><timestamp>2026-11-21T08:00:00Z</timestamp></tuple>
  <tuple id="t2"><status><basic>open</basic></status><r:class>biz</r:class><contact>mailto:alice@example.com</contact></tuple>
  <tuple id="t3"><status><basic>closed</basic></status><contact>tel:+123</contact></tuple>
  <note>of the presence</note>
  <dm:person id="p1"><r:activities><r:away/><r:note>inner</r:note></r:activities><r:class>home</r:class><r:mood><r:happy/></r:mood><r:place-is><r:audio><r:noisy/></r:audio></r:place-is><r:place-type><r:unknown/></r:place-type><r:privacy><r:unknown/></r:privacy><r:sphere><r:work/></r:sphere><r:status-icon>http://i</r:status-icon><r:time-offset>60</r:time-offset><r:user-input>active</r:user-input><c:homepage>http://h</c:homepage><dm:note>of the person</dm:note><dm:timestamp>2026-11-21T08:00:00Z</dm:timestamp></dm:person>
  <dm:device id="d1"><r:class>mobile</r:class><r:user-input>active</r:user-input><x:battery/><dm:deviceID>urn:uuid:1</dm:deviceID><dm:note>of the device</dm:note><dm:timestamp>2026-11-21T08:00:00Z</dm:timestamp></dm:device>
  <x:extra/>
</presence>`

func composed(t testing.TB, body string) *pidf.Composed {
	t.Helper()
	doc, err := pidf.Parse([]byte(body), xmlscan.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	return pidf.Compose(pidf.Composition{AOR: alice, Soft: []pidf.Input{{Lineage: "l", Doc: doc}}})
}

// transform is the transformation of an IETF rule with the given permissions.
func transform(t testing.TB, opt Options, rules ...string) *Transformation {
	t.Helper()
	d := &documents{bodies: map[store.DocumentKey]string{ietfKey("index"): rulesetOf(rules...)}}
	got, err := engine(d, opt).Decide(t.Context(), Request{Presentity: alice, Watcher: bo, Now: noon})
	if err != nil || got.Handling != Allow {
		t.Fatalf("%+v, %v", got, err)
	}
	return got.Transform
}

func provide(permissions string) string {
	return ruleOf(one(bo), "allow", "<cr:transformations>"+permissions+"</cr:transformations>")
}

const (
	allServices = `<pr:provide-services><pr:all-services/></pr:provide-services>`
	allPersons  = `<pr:provide-persons><pr:all-persons/></pr:provide-persons>`
	allDevices  = `<pr:provide-devices><pr:all-devices/></pr:provide-devices>`
	all         = allServices + allPersons + allDevices
)

// shown names the elements of a view: components, and their children by local
// name behind a colon.
func shown(t testing.TB, view []byte) string {
	t.Helper()
	d, err := xmlscan.Scan(view, xmlscan.DefaultLimits())
	if err != nil {
		t.Fatalf("%v in %s", err, view)
	}
	var parts []string
	for c := range d.Children(0) {
		id, _ := d.Attr(c, "", "id")
		if id == "" {
			id = d.Elements[c].Local
		}
		var kids []string
		for k := range d.Children(c) {
			name := d.Elements[k].Local
			for s := range d.Children(k) {
				if n := d.Elements[s].Local; n == "extended" || n == "note" {
					name += "+" + n
				}
			}
			for _, a := range d.Attributes(k) {
				name += "@" + a.Local
			}
			kids = append(kids, name)
		}
		parts = append(parts, id+":"+strings.Join(kids, ","))
	}
	return strings.Join(parts, " ")
}

func TestApply(t *testing.T) {
	// What is visible of each component without any attribute permission, RFC 5025 §3.3.2.
	const (
		t1 = "t1:status,service-class,contact,timestamp"
		t2 = "t2:status,contact"
		t3 = "t3:status,contact"
		p1 = "p1:timestamp"
		d1 = "d1:deviceID,timestamp"
	)
	tests := []struct {
		name  string
		rules []string
		want  string
	}{
		{"nothing", []string{provide("")}, ""},
		{"strict: no transformations, no components", []string{ruleOf(one(bo), "allow", "")}, ""},
		{"all components, no attributes", []string{provide(all)}, t1 + " " + t2 + " " + t3 + " " + p1 + " " + d1},
		{"service-uri by URI equality", []string{provide(`<pr:provide-services><pr:service-uri>sip:alice@EXAMPLE.com;a=1;b=2</pr:service-uri></pr:provide-services>`)}, t1},
		{"service-uri-scheme and class of two rules unite", []string{
			provide(`<pr:provide-services><pr:service-uri-scheme>sip</pr:service-uri-scheme></pr:provide-services>`),
			provide(`<pr:provide-services><pr:class>biz</pr:class></pr:provide-services>`)}, t1 + " " + t2},
		{"schemes are case-sensitive", []string{provide(`<pr:provide-services><pr:service-uri-scheme>SIP</pr:service-uri-scheme></pr:provide-services>`)}, ""},
		{"occurrence-id", []string{provide(`<pr:provide-services><pr:occurrence-id>t3</pr:occurrence-id></pr:provide-services><pr:provide-persons><pr:occurrence-id>t1</pr:occurrence-id></pr:provide-persons><pr:provide-devices><pr:occurrence-id>d1</pr:occurrence-id></pr:provide-devices>`)}, t3 + " " + d1},
		{"class of persons and devices", []string{provide(`<pr:provide-persons><pr:class>home</pr:class></pr:provide-persons><pr:provide-devices><pr:class>Mobile</pr:class></pr:provide-devices>`)}, p1},
		{"deviceID", []string{provide(`<pr:provide-devices><pr:deviceID>urn:uuid:1</pr:deviceID></pr:provide-devices>`)}, d1},
		{"activities keep their note", []string{provide(allPersons + `<pr:provide-activities>true</pr:provide-activities>`)}, "p1:activities+note,timestamp"},
		{"activities go with their note", []string{provide(allPersons + `<pr:provide-note>true</pr:provide-note>`)}, "note: p1:note,timestamp"},
		{"the note of the presence needs a visible person", []string{provide(allDevices + `<pr:provide-note>1</pr:provide-note>`)}, "d1:deviceID,note,timestamp"},
		{"false grants nothing", []string{provide(allPersons + `<pr:provide-mood>false</pr:provide-mood><pr:provide-sphere>TRUE</pr:provide-sphere>`)}, p1},
		{"white space around true", []string{provide(allPersons + "<pr:provide-mood>\n true </pr:provide-mood>")}, "p1:mood,timestamp"},
		{"deviceID is an attribute of tuples only", []string{provide(allServices + allDevices + `<pr:provide-deviceID>true</pr:provide-deviceID>`)},
			"t1:status,deviceID,service-class,contact,timestamp " + t2 + " " + t3 + " " + d1},
		{"class of all components", []string{provide(all + `<pr:provide-class>true</pr:provide-class>`)},
			"t1:status,class,service-class,contact,timestamp t2:status,class,contact " + t3 + " p1:class,timestamp d1:class,deviceID,timestamp"},
		{"the rest of a tuple", []string{provide(`<pr:provide-services><pr:occurrence-id>t1</pr:occurrence-id></pr:provide-services><pr:provide-privacy>true</pr:provide-privacy><pr:provide-relationship>true</pr:provide-relationship><pr:provide-status-icon>true</pr:provide-status-icon>`)},
			"t1:status,privacy,relationship,service-class,status-icon,contact,timestamp"},
		{"the rest of a person", []string{provide(allPersons + `<pr:provide-place-is>true</pr:provide-place-is><pr:provide-place-type>true</pr:provide-place-type><pr:provide-sphere>true</pr:provide-sphere><pr:provide-time-offset>true</pr:provide-time-offset>`)},
			"p1:place-is,place-type,sphere,time-offset,timestamp"},
		{"user-input bare", []string{provide(`<pr:provide-services><pr:occurrence-id>t1</pr:occurrence-id></pr:provide-services><pr:provide-user-input>bare</pr:provide-user-input>`)},
			"t1:status,service-class,user-input,contact,timestamp"},
		{"user-input thresholds beats bare", []string{provide(`<pr:provide-services><pr:occurrence-id>t1</pr:occurrence-id></pr:provide-services><pr:provide-user-input>thresholds</pr:provide-user-input>`),
			provide(`<pr:provide-user-input>bare</pr:provide-user-input>`)}, "t1:status,service-class,user-input@idle-threshold,contact,timestamp"},
		{"user-input full", []string{provide(`<pr:provide-services><pr:occurrence-id>t1</pr:occurrence-id></pr:provide-services><pr:provide-user-input>full</pr:provide-user-input>`)},
			"t1:status,service-class,user-input@idle-threshold@last-input,contact,timestamp"},
		{"an unknown attribute by its name", []string{provide(`<pr:provide-services><pr:occurrence-id>t1</pr:occurrence-id></pr:provide-services><pr:provide-unknown-attribute name="icon" ns="urn:ietf:params:xml:ns:pidf:cipid">true</pr:provide-unknown-attribute>`)},
			"t1:status,service-class,icon,contact,timestamp"},
		{"extensions of status are attributes of the tuple", []string{provide(`<pr:provide-services><pr:occurrence-id>t1</pr:occurrence-id></pr:provide-services><pr:provide-unknown-attribute name="extended" ns="urn:x">true</pr:provide-unknown-attribute>`)},
			"t1:status+extended,service-class,contact,timestamp"},
		{"no way round a permission of its own", []string{provide(allPersons + `<pr:provide-unknown-attribute name="mood" ns="urn:ietf:params:xml:ns:pidf:rpid">true</pr:provide-unknown-attribute>`)}, p1},
		{"all attributes, no devices", []string{provide(allServices + allPersons + `<pr:provide-all-attributes/>`)},
			"t1:status+extended,class,deviceID,privacy,relationship,service-class,status-icon,user-input@idle-threshold@last-input,icon,caps,contact,note,timestamp t2:status,class,contact " + t3 +
				" note: p1:activities+note,class,mood,place-is,place-type,privacy,sphere,status-icon,time-offset,user-input,homepage,note,timestamp extra:"},
		{"permissions of rules that only confirm count, too", []string{provide(allPersons), ruleOf(one(bo), "confirm", `<cr:transformations><pr:provide-mood>true</pr:provide-mood></cr:transformations>`)}, "p1:mood,timestamp"},
		{"permissions of other namespaces are ignored", []string{provide(allPersons + `<x:provide-mood>true</x:provide-mood>`)}, p1},
	}
	c := composed(t, presenceDocument)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tr := transform(t, Options{}, tt.rules...)
			view := tr.Apply(c)
			if diff := gocmp.Diff(tt.want, shown(t, view)); diff != "" {
				t.Errorf("shown (-want +got):\n%s\n%s", diff, view)
			}
			if tt.name == "nothing" && strings.Contains(string(view), "\n\n") {
				t.Errorf("hidden components leave traces: %q", view)
			}
		})
	}
}

// RFC 5025 read strictly shows nothing for an allow rule alone; the switch and
// OMA documents show everything, and then not a byte differs.
func TestDefaultTransformation(t *testing.T) {
	c := composed(t, presenceDocument)
	everything := transform(t, Options{ProvideDefault: ProvideAll}, ruleOf(one(bo), "allow", ""))
	if view := everything.Apply(c); &view[0] != &c.Body[0] || len(view) != len(c.Body) {
		t.Error("everything is not the document itself")
	}
	d := &documents{bodies: map[store.DocumentKey]string{omaKey: rulesetOf(ruleOf(one(bo), "allow", ""))}}
	got, err := engine(d, Options{}).Decide(t.Context(), Request{Presentity: alice, Watcher: bo, Now: noon})
	if err != nil || !got.Transform.All() || got.Transform.Key() != everything.Key() {
		t.Errorf("OMA: %+v, %v", got, err)
	}
	// One applicable allow rule that says something is enough for the default not to apply.
	some := transform(t, Options{ProvideDefault: ProvideAll}, ruleOf(one(bo), "allow", ""), provide(allPersons))
	if got := shown(t, some.Apply(c)); got != "p1:timestamp" {
		t.Errorf("with one rule that says something: %s", got)
	}
}

// Hiding must not leave traces: documents that differ in what is hidden only
// have the same view.
func TestHiddenLeavesNoTrace(t *testing.T) {
	tr := transform(t, Options{}, provide(allPersons+`<pr:provide-activities>true</pr:provide-activities>`))
	const head = `<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:r="urn:ietf:params:xml:ns:pidf:rpid" entity="sip:alice@example.com">`
	const person = `<dm:person id="p1"><r:activities><r:away/></r:activities>%</dm:person>`
	a := composed(t, head+strings.Replace(person, "%", "", 1)+`</presence>`)
	b := composed(t, head+`<tuple id="t1"><status><basic>open</basic></status></tuple> <tuple id="t2"><status><basic>open</basic></status></tuple>`+
		strings.Replace(person, "%", "\n  <r:mood><r:sad/></r:mood>", 1)+`</presence>`)
	va, vb := shown(t, tr.Apply(a)), shown(t, tr.Apply(b))
	if va != vb {
		t.Errorf("%s\n%s", va, vb)
	}
}

func TestKey(t *testing.T) {
	a := transform(t, Options{}, provide(`<pr:provide-services><pr:class>a</pr:class><pr:class>b</pr:class></pr:provide-services><pr:provide-note>true</pr:provide-note>`))
	b := transform(t, Options{}, provide(`<pr:provide-note>1</pr:provide-note>`), provide(`<pr:provide-services><pr:class>b</pr:class></pr:provide-services>`),
		provide(`<pr:provide-services><pr:class>a</pr:class></pr:provide-services><pr:provide-mood>false</pr:provide-mood>`))
	if a.Key() != b.Key() {
		t.Error("equal grants have different keys")
	}
	seen := map[string]string{a.Key(): "first"}
	for _, permissions := range []string{"", all, allPersons, allDevices, allServices, allPersons + `<pr:provide-mood>true</pr:provide-mood>`,
		`<pr:provide-persons><pr:class>x</pr:class></pr:provide-persons>`, `<pr:provide-devices><pr:class>x</pr:class></pr:provide-devices>`,
		`<pr:provide-services><pr:occurrence-id>x</pr:occurrence-id></pr:provide-services>`, `<pr:provide-user-input>bare</pr:provide-user-input>`,
		`<pr:provide-unknown-attribute name="a" ns="b">true</pr:provide-unknown-attribute>`, all + `<pr:provide-all-attributes/>`} {
		key := transform(t, Options{}, provide(permissions)).Key()
		if before, ok := seen[key]; ok {
			t.Errorf("%q and %q have the same key", before, permissions)
		}
		seen[key] = permissions
	}
}

func BenchmarkApply(b *testing.B) {
	c := composed(b, presenceDocument)
	tr := transform(b, Options{}, provide(all+`<pr:provide-activities>true</pr:provide-activities>`))
	b.ReportAllocs()
	for b.Loop() {
		tr.Apply(c)
	}
}

// A view is always a presence document, and more permissions never show less.
func TestApplyOnlyAdds(t *testing.T) {
	permissions := []string{allServices, allPersons, allDevices, `<pr:provide-all-attributes/>`,
		`<pr:provide-services><pr:class>biz</pr:class></pr:provide-services>`, `<pr:provide-persons><pr:class>home</pr:class></pr:provide-persons>`,
		`<pr:provide-user-input>bare</pr:provide-user-input>`, `<pr:provide-user-input>full</pr:provide-user-input>`,
		`<pr:provide-unknown-attribute name="icon" ns="urn:ietf:params:xml:ns:pidf:cipid">true</pr:provide-unknown-attribute>`}
	for p := range booleans {
		permissions = append(permissions, "<pr:"+p+">true</pr:"+p+">")
	}
	slices.Sort(permissions)
	c := composed(t, presenceDocument)
	size := func(t *rapid.T, chosen []string) (elements, attributes int) {
		d := &documents{bodies: map[store.DocumentKey]string{ietfKey("index"): rulesetOf(provide(strings.Join(chosen, "")))}}
		got, err := engine(d, Options{}).Decide(t.Context(), Request{Presentity: alice, Watcher: bo, Now: noon})
		if err != nil {
			t.Fatal(err)
		}
		view, err := pidf.Parse(got.Transform.Apply(c), xmlscan.DefaultLimits())
		if err != nil || view.Entity != alice {
			t.Fatalf("view of %v: %v", chosen, err)
		}
		return len(view.Doc.Elements), len(view.Doc.Attrs)
	}
	rapid.Check(t, func(t *rapid.T) {
		some := rapid.SliceOfDistinct(rapid.SampledFrom(permissions), rapid.ID[string]).Draw(t, "some")
		more := append(slices.Clone(some), rapid.SampledFrom(permissions).Draw(t, "one more"))
		e1, a1 := size(t, some)
		e2, a2 := size(t, more)
		if e2 < e1 || a2 < a1 {
			t.Fatalf("%d elements and %d attributes, with one more permission %d and %d", e1, a1, e2, a2)
		}
	})
}
