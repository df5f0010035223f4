package eventfilter

import (
	"errors"
	"strings"
	"testing"

	"rollcall/internal/sipuri"
	"rollcall/internal/xmlscan"
)

const presentity = "sip:presentity@example.com"

// RFC 4660 §7.1
const example = `<?xml version="1.0" encoding="UTF-8"?>
<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid" entity="sip:presentity@example.com">
  <tuple id="432sd">
    <status>
      <basic>closed</basic>
    </status>
    <rpid:class>IM</rpid:class>
    <contact priority="0.5">im:presentity@example.com</contact>
  </tuple>
  <tuple id="thr76jk">
    <status>
      <basic>open</basic>
    </status>
    <rpid:class>voice</rpid:class>
    <contact>tel:2224055555@example.com</contact>
    <note>ring</note>
  </tuple>
  <note>note</note>
  <dm:device xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" id="d"><rpid:user-input>idle</rpid:user-input><dm:deviceID>urn:x:1</dm:deviceID></dm:device>
</presence>
`

const bound = `<ns-bindings><ns-binding prefix="pidf" urn="urn:ietf:params:xml:ns:pidf"/>` +
	`<ns-binding prefix="rpid" urn="urn:ietf:params:xml:ns:pidf:rpid"/>` +
	`<ns-binding prefix="dm" urn="urn:ietf:params:xml:ns:pidf:data-model"/></ns-bindings>`

func filterSet(inner string) string {
	return `<?xml version="1.0" encoding="UTF-8"?><filter-set xmlns="urn:ietf:params:xml:ns:simple-filter">` + bound + inner + `</filter-set>`
}

func parse(t testing.TB, doc string) *Set {
	t.Helper()
	s, err := Parse([]byte(doc), "presence", presentity)
	if err != nil {
		t.Fatalf("%v\n%s", err, doc)
	}
	if s, err = (*Set)(nil).Merge(s); err != nil {
		t.Fatalf("%v\n%s", err, doc)
	}
	return s
}

func scan(t testing.TB, doc string) *xmlscan.Doc {
	t.Helper()
	d, err := xmlscan.Scan([]byte(doc), xmlscan.Limits{})
	if err != nil {
		t.Fatalf("%v\n%s", err, doc)
	}
	return d
}

// outline is a document without prolog, declarations and white space between tags.
func outline(doc []byte) string {
	text := string(doc)
	for _, cut := range []string{`<?xml version="1.0" encoding="UTF-8"?>`, ` xmlns="urn:ietf:params:xml:ns:pidf"`,
		` xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid"`, ` entity="sip:presentity@example.com"`, ` xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model"`} {
		text = strings.ReplaceAll(text, cut, "")
	}
	var b strings.Builder
	for part := range strings.SplitSeq(text, "\n") {
		b.WriteString(strings.TrimSpace(part))
	}
	return b.String()
}

func TestContent(t *testing.T) {
	include := func(expressions ...string) string {
		w := "<what>"
		for _, e := range expressions {
			if uri, ok := strings.CutPrefix(e, "!ns "); ok {
				w += `<exclude type="namespace">` + uri + "</exclude>"
			} else if rest, ok := strings.CutPrefix(e, "!"); ok {
				w += "<exclude>" + rest + "</exclude>"
			} else if uri, ok := strings.CutPrefix(e, "ns "); ok {
				w += `<include type="namespace"> ` + uri + " </include>"
			} else {
				w += `<include type="xpath"> ` + e + " </include>"
			}
		}
		return w + "</what>"
	}
	const (
		pidf   = "urn:ietf:params:xml:ns:pidf"
		im     = `<tuple id="432sd"><status><basic>closed</basic></status><rpid:class>IM</rpid:class><contact priority="0.5">im:presentity@example.com</contact></tuple>`
		device = `<dm:device id="d"><rpid:user-input>idle</rpid:user-input><dm:deviceID>urn:x:1</dm:deviceID></dm:device>`
	)
	for _, tt := range []struct {
		rule, what string
		want       string
	}{
		{"4660 §7.1.1", include(
			`//pidf:tuple[rpid:class="IM" or rpid:class="SMS"
           or rpid:class="MMS"]/pidf:status/pidf:basic`,
			`//pidf:tuple[rpid:class="IM" or rpid:class="SMS" or rpid:class="MMS"]/rpid:class`,
			`//pidf:tuple[rpid:class="IM" or rpid:class="SMS" or rpid:class="MMS"]/pidf:contact`),
			"<presence>" + im + "</presence>"},
		{"4660 §7.1.2", include(
			`//pidf:tuple/pidf:status[pidf:basic="open"]/pidf:basic`,
			`//pidf:tuple[pidf:status/pidf:basic="open"]/rpid:class`,
			`//pidf:tuple[pidf:status/pidf:basic="open"]/pidf:contact`),
			`<presence><tuple id="thr76jk"><status><basic>open</basic></status><rpid:class>voice</rpid:class><contact>tel:2224055555@example.com</contact></tuple></presence>`},
		{"4661 §6.1", include(`/pidf:presence/pidf:tuple[rpid:class="IM" or rpid:class="SMS"
           or rpid:class="MMS"]/pidf:status/pidf:basic`),
			`<presence><tuple id="432sd"><status><basic>closed</basic></status></tuple></presence>`},
		{"4661 §6.4", include("ns " + pidf),
			`<presence><tuple id="432sd"><status><basic>closed</basic></status><contact priority="0.5">im:presentity@example.com</contact></tuple>` +
				`<tuple id="thr76jk"><status><basic>open</basic></status><contact>tel:2224055555@example.com</contact><note>ring</note></tuple><note>note</note></presence>`},
		{"4661 §6.5, across a line", include("/pidf:presence/pidf:tuple/\n  pidf:status[pidf:basic=\"closed\"]"),
			`<presence><tuple id="432sd"><status><basic>closed</basic></status></tuple></presence>`},
		{"4661 §6.6", include("ns "+pidf, "!/pidf:presence/pidf:tuple/pidf:note", "!//pidf:contact"),
			`<presence><tuple id="432sd"><status><basic>closed</basic></status></tuple><tuple id="thr76jk"><status><basic>open</basic></status></tuple><note>note</note></presence>`},
		{"4661 §5: wildcards", include(`//*[pidf:status/pidf:basic="closed"]`), "<presence>" + im + "</presence>"},
		{"4661 §5: child of any name", include(`/pidf:presence/pidf:tuple[*/pidf:basic="closed"]`), "<presence>" + im + "</presence>"},
		{"4661 §5: numbers", include(`//pidf:tuple[pidf:contact/@priority&lt;0.6]`), "<presence>" + im + "</presence>"},
		{"4661 §5: text and text", include(`//pidf:tuple[pidf:status/pidf:basic="closed" and rpid:class='voice']`), ""},
		{"4661 §5: .", include(`//pidf:basic[.="closed"]`), `<presence><tuple id="432sd"><status><basic>closed</basic></status></tuple></presence>`},
		{"4661 §5: ..", include(`//pidf:basic[..="closed"]`), `<presence><tuple id="432sd"><status><basic>closed</basic></status></tuple></presence>`},
		{"4661 §5: no prefix is no namespace", include("//tuple"), ""},
		{"4661 §3.5.1: attribute of an optional element", include("//pidf:contact/@priority"),
			`<presence><tuple id="432sd"><status><basic>closed</basic></status><contact priority="0.5">im:presentity@example.com</contact></tuple></presence>`},
		{"4660 §5.3.1: mandatory children come back", include("//rpid:class", "//rpid:user-input"),
			`<presence><tuple id="432sd"><status><basic>closed</basic></status><rpid:class>IM</rpid:class></tuple>` +
				`<tuple id="thr76jk"><status><basic>open</basic></status><rpid:class>voice</rpid:class></tuple>` + device + `</presence>`},
		{"4660 §5.3.1: nothing to deliver", include("//rpid:mood"), ""},
		{"4661 §3.5.2: mandatory parts stay", include("!//pidf:status", "!//pidf:basic", "!//dm:deviceID", "!//@id", "!//@entity", "!/pidf:presence", "!//pidf:note", "!//pidf:contact", "!//rpid:class", "!//rpid:user-input"),
			`<presence><tuple id="432sd"><status><basic>closed</basic></status></tuple><tuple id="thr76jk"><status><basic>open</basic></status></tuple><dm:device id="d"><dm:deviceID>urn:x:1</dm:deviceID></dm:device></presence>`},
		{"4661 §3.5.2: attribute", include("//pidf:contact", "!//@priority", `!//pidf:tuple[@id="thr76jk"]`),
			`<presence><tuple id="432sd"><status><basic>closed</basic></status><contact>im:presentity@example.com</contact></tuple></presence>`},
		{"everything taken out", include("!//pidf:tuple", "!//pidf:note", "!//dm:device"), ""},
		{"all but a namespace", include("!ns urn:ietf:params:xml:ns:pidf"), "<presence>" + device + "</presence>"},
		{"the root alone", include("/pidf:presence/@entity"), "<presence></presence>"},
		{"the prefix that needs no binding", include("//*[@xml:lang='en']"), ""},
		{"everything", include("/*"), outline([]byte(example))},
		{"4660 §5.4: empty what", "<what/>", outline([]byte(example))},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			f := parse(t, filterSet(`<filter id="1">`+tt.what+`</filter>`)).For(presentity, "example.com")
			got := f.Apply(scan(t, example))
			if outline(got) != tt.want {
				t.Errorf("got\n%s\nwant\n%s", outline(got), tt.want)
			}
			if got != nil {
				scan(t, string(got))
			}
			if (f.Key() == "") != (tt.what == "<what/>") {
				t.Errorf("key %q", f.Key())
			}
		})
	}
}

func TestTriggers(t *testing.T) {
	replace := func(pairs ...string) string { return strings.NewReplacer(pairs...).Replace(example) }
	const third = `<tuple id="3"><status><basic>open</basic></status></tuple>`
	basic := "/pidf:presence/pidf:tuple/pidf:status/pidf:basic"
	for _, tt := range []struct {
		rule, trigger string
		now           string
		want          bool
	}{
		{"4660 §7.1.3", `<trigger><changed from="closed" to="open">` + basic + `</changed></trigger>`, replace(">closed<", ">open<"), true},
		{"4660 §7.1.3, both closed", `<trigger><changed from="closed" to="open">` + basic + `</changed></trigger>`, replace(">open<", ">closed<"), false},
		{"no change", `<trigger><changed>` + basic + `</changed></trigger>`, example, false},
		{"white space is no change", `<trigger><changed>` + basic + `</changed></trigger>`, replace(">closed<", "> closed <"), false},
		{"any change", `<trigger><changed>` + basic + `</changed></trigger>`, replace(">open<", ">closed<"), true},
		{"from only", `<trigger><changed from="open">` + basic + `</changed></trigger>`, replace(">open<", ">closed<"), true},
		{"to only", `<trigger><changed to="open">` + basic + `</changed></trigger>`, replace(">open<", ">closed<"), false},
		{"order is no change", `<trigger><changed>` + basic + `</changed></trigger>`,
			strings.Replace(strings.Replace(example, `<tuple id="432sd">`, third+`<tuple id="432sd">`, 1), "<note>note</note>", "", 1), false},
		{"a new one has not changed", `<trigger><changed to="open">` + basic + `</changed></trigger>`, replace("<note>note</note>", third), false},
		{"condition that held before", `<trigger><changed>//pidf:tuple[pidf:status/pidf:basic="closed"]/pidf:status/pidf:basic</changed></trigger>`, replace(">closed<", ">open<"), true},
		{"what is in it", `<trigger><changed>//dm:device</changed></trigger>`, replace("urn:x:1", "urn:x:2"), true},
		{"attribute", `<trigger><changed>//@priority</changed></trigger>`, replace("0.5", "0.6"), true},
		{"attribute, from", `<trigger><changed from="0.6">//@priority</changed></trigger>`, replace("0.5", "0.6"), false},
		{"§3.6.1.3 by", `<trigger><changed by="0.2">//@priority</changed></trigger>`, replace("0.5", "0.7"), true},
		{"§3.6.1.3 by less", `<trigger><changed by="0.2">//@priority</changed></trigger>`, replace("0.5", "0.4"), false},
		{"by of what is no number", `<trigger><changed by="1">` + basic + `</changed></trigger>`, replace(">open<", ">closed<"), false},
		{"§3.6.2 added", `<trigger><added>//pidf:tuple</added></trigger>`, replace("<note>note</note>", third), true},
		{"added, but changed only", `<trigger><added>//pidf:tuple</added></trigger>`, replace(">open<", ">closed<"), false},
		{"added attribute", `<trigger><added>//pidf:contact/@priority</added></trigger>`, replace("<contact>", `<contact priority="1">`), true},
		{"§3.6.3 removed", `<trigger><removed>//pidf:note</removed></trigger>`, replace("<note>note</note>", ""), true},
		{"removed elsewhere", `<trigger><removed>/pidf:presence/pidf:tuple</removed></trigger>`, replace("<note>note</note>", ""), false},
		{"§3.6 and", `<trigger><changed>` + basic + `</changed><removed>//pidf:note</removed></trigger>`, replace(">open<", ">closed<"), false},
		{"§3.6 or", `<trigger><changed>` + basic + `</changed></trigger><trigger><removed>//pidf:note</removed></trigger>`, replace(">open<", ">closed<"), true},
		{"4660 §5.4: empty trigger", `<trigger/>`, replace(">open<", ">closed<"), true},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			set := parse(t, filterSet(`<filter id="1">`+tt.trigger+`</filter>`))
			for _, s := range []*Set{set, parse(t, string(set.Append(nil)))} {
				f := s.For(presentity, "example.com")
				if got := f.Triggered(scan(t, example), scan(t, tt.now)); got != tt.want {
					t.Errorf("%v", got)
				}
				if f.HasTriggers() != !strings.Contains(tt.rule, "empty") {
					t.Error(f.HasTriggers())
				}
			}
		})
	}
}

// RFC 4660 §5.4, RFC 4661 §7
func TestInvalid(t *testing.T) {
	with := func(inner string) string { return filterSet(`<filter id="1">` + inner + `</filter>`) }
	for _, doc := range []string{
		"", "<x/>", "<filter-set/>", filterSet(""), filterSet("text"), filterSet(`<filter><what/></filter>`),
		filterSet(`<filter id="1"/>`),
		filterSet(`<filter id="1" uri="sip:a@b" domain="b"><what/></filter>`),
		filterSet(`<filter id="1" uri=""><what/></filter>`),
		filterSet(`<filter id="1" enabled="maybe"><what/></filter>`),
		filterSet(`<filter id="1" colour="red"><what/></filter>`),
		filterSet(`<filter id="1"><what/></filter><filter id="1" uri="sip:a@b"><what/></filter>`),
		filterSet(`<filter id="1"><what/></filter><filter id="2"><what/></filter>`),
		filterSet(`<filter id="1"><what/></filter><filter id="2" uri="` + presentity + `"><what/></filter>`),
		filterSet(`<filter id="1" domain="a"><what/></filter><filter id="2" domain="A"><what/></filter>`),
		`<filter-set xmlns="` + namespace + `" package="dialog"><filter id="1"><what/></filter></filter-set>`,
		`<filter-set xmlns="` + namespace + `"><ns-bindings/><filter id="1"><what/></filter></filter-set>`,
		`<filter-set xmlns="` + namespace + `"><ns-bindings><ns-binding prefix="a"/></ns-bindings><filter id="1"><what/></filter></filter-set>`,
		`<filter-set xmlns="` + namespace + `"><filter id="1"><what/></filter><ns-bindings><ns-binding prefix="a" urn="b"/></ns-bindings></filter-set>`,
		with("<why/>"), with("<what/><what/>"), with("<trigger/><what/>"), with("<what>x</what>"),
		with("<what><exclude>//*</exclude><include>//*</include></what>"),
		with("<what><include type='regexp'>//*</include></what>"), with("<what><include><a/></include></what>"),
		with("<trigger><became>//*</became></trigger>"), with("<trigger><changed by='x'>//*</changed></trigger>"),
		with("<trigger><added from='a'>//*</added></trigger>"),
		with("<what>" + strings.Repeat("<include>//*</include>", maxExpressions+1) + "</what>"),
		filterSet(func() (s string) {
			for i := range maxFilters + 1 {
				s += `<filter id="f` + strings.Repeat("x", i) + `" uri="sip:` + strings.Repeat("x", i+1) + `@b"><what/></filter>`
			}
			return s
		}()),
	} {
		expectInvalid(t, doc)
	}
	for _, expression := range []string{
		"", "a", "/", "//", "/a/", "/a[", "/a]", "/a[]", "/a[b=]", "/a[b='c]", "/a[b=c]", "/a[1]", "/a[last()]", "//text()", "/a|/b", "/a and /b",
		"/@a/b", "/@a[b]", "/a[b[c]]", "/x:a", "/a[x:b='1']", "/a[b='1' or]", "/a[b &lt; 'c']", "/a::b", "/child::a", "/$a", "id('a')", "/..", "/.", "/a[../b='1']",
		"/a:", "/1", "/-", strings.Repeat("/a", maxSteps+1), "/a[" + strings.Repeat("b='1' or ", maxConditions) + "b='1']", "/" + strings.Repeat("a", maxExpression),
	} {
		expectInvalid(t, with("<what><include>"+expression+"</include></what>"))
		expectInvalid(t, with("<trigger><added>"+expression+"</added></trigger>"))
	}
}

func expectInvalid(t *testing.T, doc string) {
	t.Helper()
	var e *Error
	s, err := Parse([]byte(doc), "presence", presentity)
	if err == nil {
		_, err = (*Set)(nil).Merge(s)
	}
	if !errors.As(err, &e) {
		t.Errorf("%v of %.200s", err, doc)
	}
}

// What RFC 4661 §4 lets others add is no mistake.
func TestExtensions(t *testing.T) {
	parse(t, `<filter-set xmlns="`+namespace+`" xmlns:x="urn:x" x:a="1" package="presence"><filter id="1" x:a="1"><what x:a="1"><include x:a="1">//*</include><x:more/></what><trigger><x:more/></trigger><x:more/></filter></filter-set>`)
}

// RFC 4660 §3.3.2, §4.1: which filter is for whom.
func TestTargets(t *testing.T) {
	s := parse(t, filterSet(`<filter id="list"><what/></filter><filter id="bob" uri="SIP:bob@Example.com"><what/></filter>`+
		`<filter id="pres" uri="pres:eve@example.com"><what/></filter><filter id="domain" domain="Example.net"><what/></filter>`+
		`<filter id="off" uri="sip:off@example.net" enabled="0"><what/></filter>`))
	for resource, want := range map[string]string{
		presentity: "list", "sip:bob@example.com": "bob", "sip:ann@example.com": "list", "sip:ann@example.net": "domain",
		"sip:off@example.net": "domain", "sip:eve@example.com": "pres",
	} {
		_, domain := sipuri.Split(resource)
		if f := s.For(resource, domain); f == nil || f.id != want {
			t.Errorf("%s: %+v", resource, f)
		}
	}
	if f := parse(t, filterSet(`<filter id="1" uri="sip:bob@example.com"><what/></filter>`)).For(presentity, "example.com"); f != nil {
		t.Errorf("a filter for another: %+v", f)
	}
	if f := s.For("sip:ann@example.net", "", "sip:inner@example.com", "sip:bob@example.com"); f == nil || f.id != "bob" {
		t.Errorf("in a list of a list, by another server: %+v", f)
	}
	if f := (*Set)(nil).For(presentity, "example.com"); f != nil {
		t.Errorf("no filters: %+v", f)
	}
}

// RFC 4660 §3.3.3, §5.2.2
func TestMerge(t *testing.T) {
	const a, b = `<what><include>//pidf:tuple</include></what>`, `<what><include>//pidf:note</include></what>`
	set := parse(t, filterSet(`<filter id="1">`+a+`</filter>`))
	steps := []struct {
		what, filters, want string // ids in force for the presentity and bob; "!": refused
	}{
		{"replace", `<filter id="1">` + b + `</filter>`, "1 1"},
		{"one more", `<filter id="2" uri="sip:bob@example.com">` + a + `</filter>`, "1 2"},
		{"the same resource under another id", `<filter id="3">` + a + `</filter>`, "!"},
		{"off", `<filter id="2" enabled="false"/>`, "1 1"},
		{"taken, though off", `<filter id="3" uri="sip:bob@example.com">` + a + `</filter>`, "!"},
		{"on again", `<filter id="2" enabled="true"/>`, "1 2"},
		{"one new without content", `<filter id="4" uri="sip:x@y"/>`, "!"},
		{"another in its place", `<filter id="2" remove="true"/><filter id="3" uri="sip:bob@example.com">` + a + `</filter>`, "1 3"},
		{"removal of what is not there", `<filter id="9" remove="1"/>`, "1 3"},
		{"to another resource", `<filter id="3" uri="sip:cy@example.com">` + a + `</filter>`, "1 1"},
		{"the last ones", `<filter id="1" remove="true"/><filter id="3" remove="true"/>`, "- -"},
		{"anew", `<filter id="1">` + a + `</filter>`, "1 1"},
	}
	for _, tt := range steps {
		update, err := Parse([]byte(filterSet(tt.filters)), "presence", presentity)
		if err != nil {
			t.Fatal(err)
		}
		next, err := set.Merge(update)
		if (err != nil) != (tt.want == "!") {
			t.Errorf("%s: %v", tt.what, err)
		}
		if err != nil {
			continue
		}
		set = next
		if set != nil {
			set = parse(t, string(set.Append(nil))) // as after a restart
		}
		got := ""
		for _, resource := range []string{presentity, "sip:bob@example.com"} {
			id := "-"
			if f := set.For(resource, "example.com"); f != nil {
				id = f.id
			}
			got += id + " "
		}
		if strings.TrimSpace(got) != tt.want {
			t.Errorf("%s: %s, want %s", tt.what, got, tt.want)
		}
	}
}

// FuzzParse: what is accepted can be written, read again and applied, and leaves a
// document.
func FuzzParse(f *testing.F) {
	f.Add(filterSet(`<filter id="1"><what><include>//pidf:tuple[rpid:class="IM" or @id='a']/*</include><exclude type="namespace">urn:x</exclude><exclude>//@priority</exclude></what></filter>`))
	f.Add(filterSet(`<filter id="1" domain="b"><trigger><changed from="a" to='b' by="1.5">//pidf:*/@x</changed><added>/*</added></trigger></filter>`))
	f.Add(filterSet(`<filter id="1"><what><include>//*[..="x" and .!="y" and pidf:a/@b>=5]</include></what></filter>`))
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse([]byte(text), "presence", presentity)
		if err == nil {
			s, err = (*Set)(nil).Merge(s)
		}
		var e *Error
		if err != nil {
			if !errors.As(err, &e) {
				t.Fatal(err)
			}
			return
		}
		if s == nil {
			return
		}
		written := s.Append(nil)
		again := parse(t, string(written))
		if string(again.Append(nil)) != string(written) {
			t.Fatalf("%s\nwritten as\n%s\nthen\n%s", text, written, again.Append(nil))
		}
		d := scan(t, example)
		for i, fl := range s.filters {
			out := fl.Apply(d)
			if out != nil {
				scan(t, string(out))
			}
			if other := again.filters[i]; other.Key() != fl.Key() || string(other.Apply(d)) != string(out) {
				t.Fatalf("%s\n%s differs", text, written)
			}
			fl.Triggered(d, scan(t, `<presence xmlns="urn:ietf:params:xml:ns:pidf"/>`))
		}
	})
}

// A document as large as any, with the most expensive filter.
func BenchmarkApply(b *testing.B) {
	steps := strings.Repeat("//*", maxSteps)
	set := parse(b, filterSet(`<filter id="1"><what>`+strings.Repeat("<include>"+steps+`[..="x" or */*="y"]</include>`, maxExpressions)+`</what></filter>`))
	common := parse(b, filterSet(`<filter id="1"><what><include>//pidf:tuple[pidf:status/pidf:basic="open"]/pidf:status</include></what></filter>`))
	large := strings.Replace(example, "<note>note</note>", strings.Repeat(`<note>note</note>`, 3000), 1)
	for name, bench := range map[string]struct {
		set *Set
		doc string
	}{"common": {common, example}, "worst": {set, large}} {
		b.Run(name, func(b *testing.B) {
			d := scan(b, bench.doc)
			for b.Loop() {
				bench.set.For(presentity, "example.com").Apply(d)
			}
		})
	}
}
