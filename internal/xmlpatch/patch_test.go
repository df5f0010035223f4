package xmlpatch

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"rollcall/internal/xmlscan"
)

// patch reads operations as they stand in a document of RFC 5261's examples.
func patch(t testing.TB, ops string) []Op {
	t.Helper()
	d, err := xmlscan.Scan([]byte(ops), xmlscan.Limits{})
	if err != nil {
		t.Fatalf("%s: %v", ops, err)
	}
	parsed, err := Parse(d, 0, d.Elements[0].Space)
	if err != nil {
		t.Fatalf("%s: %v", ops, err)
	}
	return parsed
}

func TestApply(t *testing.T) {
	const note = "<doc>\n  <note id='a'>This is a sample document</note>\n  <!-- c1 --><?p x?>\n</doc>"
	for _, c := range []struct{ rule, doc, diff, want string }{
		{"§4.3.1 element", note, `<diff><add sel="doc"><foo id="e">new</foo></add></diff>`, strings.Replace(note, "</doc>", `<foo id="e">new</foo></doc>`, 1)},
		{"§4.3.1 into an empty tag", "<doc a='1' />", `<diff><add sel="doc"><x/></add></diff>`, "<doc a='1' ><x/></doc>"},
		{"§4.3.2 attribute", "<doc><foo id='e'/></doc>", `<diff><add sel="doc/foo[@id='e']" type="@user">Bob &amp; "Al"</add></diff>`, `<doc><foo id='e' user="Bob &amp; &quot;Al&quot;"/></doc>`},
		{"§4.3.3 namespace", "<doc/>", `<diff><add sel="doc" type="namespace::pref">urn:ns:xxx</add></diff>`, `<doc xmlns:pref="urn:ns:xxx"/>`},
		{"§4.3.4 before", "<doc><foo id='e'/></doc>", `<diff><add sel="doc/foo[@id='e']" pos="before"><!-- comment --></add></diff>`, "<doc><!-- comment --><foo id='e'/></doc>"},
		{"§4.3.4 prepend", "<doc>t</doc>", `<diff><add sel="*" pos="prepend"><a/>b</add></diff>`, "<doc><a/>bt</doc>"},
		{"§4.3.5 text", "<r><foo>a<!---->b</foo></r>", `<diff><add sel="*/foo/text()[2]" pos="after">new<bar/>elem</add></diff>`, "<r><foo>a<!---->bnew<bar/>elem</foo></r>"},
		{"comment in front of the root", "<doc/>", `<diff><add sel="doc" pos="before"><!--x--></add></diff>`, "<!--x--><doc/>"},
		{"§4.4.1 element", "<doc><foo a='1'>x</foo></doc>", `<diff><replace sel="doc/foo[@a='1']"><bar a="2"/></replace></diff>`, `<doc><bar a="2"/></doc>`},
		{"§4.4.2 attribute", "<doc a='1'/>", `<diff><replace sel="doc/@a">new value</replace></diff>`, "<doc a='new value'/>"},
		{"§4.4.2 empty", "<doc a='1'/>", `<diff><replace sel="doc/@a"/></diff>`, "<doc a=''/>"},
		{"§4.4.3 namespace", "<doc xmlns:pref='u'/>", `<diff><replace sel="doc/namespace::pref">urn:new:xxx</replace></diff>`, "<doc xmlns:pref='urn:new:xxx'/>"},
		{"§4.4.4 comment", note, `<diff><replace sel="doc/comment()[1]"><!-- new --></replace></diff>`, strings.Replace(note, "<!-- c1 -->", "<!-- new -->", 1)},
		{"§4.4.5 instruction", note, `<diff><replace sel='doc/processing-instruction("p")'><?p y?></replace></diff>`, strings.Replace(note, "<?p x?>", "<?p y?>", 1)},
		{"§4.4.6 text", note, `<diff><replace sel="doc/note/text()[1]">new &lt;<![CDATA[<]]></replace></diff>`, strings.Replace(note, "This is a sample document", "new &lt;<![CDATA[<]]>", 1)},
		{"§4.4.6 empty", note, `<diff><replace sel="doc/note/text()"/></diff>`, strings.Replace(note, "This is a sample document", "", 1)},
		{"§4.5.1 with white space", "<d>\n <a/>\n <b/>\n</d>", `<diff><remove sel="d/a" ws="after"/></diff>`, "<d>\n <b/>\n</d>"},
		{"§4.5.1 both", "<d>\n <a/>\n <b/>\n</d>", `<diff><remove sel="d/b" ws="both"/></diff>`, "<d>\n <a/></d>"},
		{"§4.5.2 attribute", "<d a='1' b='2'/>", `<diff><remove sel="d/@a"/></diff>`, "<d b='2'/>"},
		{"§4.5.3 namespace", "<d xmlns:p='u'><a/></d>", `<diff><remove sel="d/namespace::p"/></diff>`, "<d><a/></d>"},
		{"§4.5.4 comment", note, `<diff><remove sel="doc/comment()"/></diff>`, strings.Replace(note, "<!-- c1 -->", "", 1)},
		{"§4.5.6 text", "<d>x<a/>y</d>", `<diff><remove sel="d/text()[2]"/></diff>`, "<d>x<a/></d>"},
		{"selected by a child", "<d><e><k>1</k></e><e><k>2</k></e></d>", `<diff><remove sel="d/e[k='2']"/></diff>`, "<d><e><k>1</k></e></d>"},
		{"selected by itself", "<d><e>1</e><e>2</e></d>", `<diff><remove sel="/d/e[.='2']"/></diff>`, "<d><e>1</e></d>"},
		{"position then test", "<d><e/><e k='/'/></d>", `<diff><remove sel="d/e[2][@k='/']"/></diff>`, "<d><e/></d>"},
		{"in order", "<d/>", `<diff><add sel="d"><a/></add><add sel="d/a"><b/></add></diff>`, "<d><a><b/></a></d>"},
		{"§4.2.1 prefix of the patch", "<x:d xmlns:x='u'/>", `<diff><add xmlns:a="u" sel="a:d"><a:b c="1"></a:b></add></diff>`, `<x:d xmlns:x='u'><x:b c="1"></x:b></x:d>`},
		{"§4.2.1 default of the patch", "<d xmlns='u'/>", `<p:diff xmlns:p="urn:p"><p:add xmlns="u" sel="d"><b/></p:add></p:diff>`, "<d xmlns='u'><b/></d>"},
		{"§4.2.3 default to prefix", "<x:d xmlns:x='u'/>", `<p:diff xmlns:p="urn:p"><p:add xmlns="u" sel="d"><b/></p:add></p:diff>`, "<x:d xmlns:x='u'><x:b/></x:d>"},
		{"§4.2.3 alphabetical", "<d xmlns:x='u' xmlns:y='u'/>", `<diff><add xmlns:xx="u" sel="d"><xx:b/></add></diff>`, "<d xmlns:x='u' xmlns:y='u'><x:b/></d>"},
		{"§4.2.3 first", "<d xmlns:x='u' xmlns:y='u'/>", `<diff><add xmlns:a="u" sel="d"><a:b/></add></diff>`, "<d xmlns:x='u' xmlns:y='u'><x:b/></d>"},
		{"§4.2.3 local declarations stay", "<d/>", `<diff><add sel="d"><q:b xmlns:q="u" q:a=""/></add></diff>`, `<d><q:b xmlns:q="u" q:a=""/></d>`},
		{"no namespace under a default", "<x:d xmlns:x='v' xmlns='u'/>", `<diff><add xmlns:v="v" sel="v:d"><b><c/></b></add></diff>`, `<x:d xmlns:x='v' xmlns='u'><b xmlns=""><c/></b></x:d>`},
		{"§4.3.2 prefixed attribute", "<d xmlns:x='u' xmlns='u'/>", `<diff><add xmlns="u" xmlns:a="u" sel="d" type="@a:b">1</add></diff>`, ""},
	} {
		if c.want == "" {
			continue
		}
		d, err := Apply([]byte(c.doc), patch(t, c.diff), xmlscan.Limits{})
		if err != nil {
			t.Errorf("%s: %v", c.rule, err)
			continue
		}
		if diff := cmp.Diff(c.want, string(d.Src)); diff != "" {
			t.Errorf("%s: %s", c.rule, diff)
		}
	}
}

// RFC 5261 §5.1.
func TestErrors(t *testing.T) {
	const doc = "<d a='1' xmlns:p='u'><e/><e/>x<p:f/><!--c--></d>"
	for _, c := range []struct{ ops, element string }{
		{`<add sel="d/nope"><x/></add>`, unlocatedNode},
		{`<add sel="d/e"><x/></add>`, unlocatedNode},
		{`<remove sel="d/e[3]"/>`, unlocatedNode},
		{`<remove sel="d/q:f"/>`, invalidNamespacePrefix},
		{`<remove sel="d/e["/>`, invalidAttributeValue},
		{`<remove sel="d//e"/>`, invalidAttributeValue},
		{`<remove sel="d/@a/b"/>`, invalidAttributeValue},
		{`<remove sel="id('x')"/>`, unsupportedID},
		{`<remove sel="d"/>`, invalidRootElement},
		{`<add sel="d" pos="after"><x/></add>`, invalidProlog},
		{`<add sel="d" pos="inside"><x/></add>`, invalidAttributeValue},
		{`<add sel="d/@a"><x/></add>`, invalidNodeTypes},
		{`<add sel="d" type="@a">2</add>`, invalidPatchDirective},
		{`<add sel="d" type="@b"><x/></add>`, invalidNodeTypes},
		{`<add sel="d" type="@q:b" xmlns:q="urn:q">x</add>`, invalidNamespaceURI},
		{`<add sel="d" xmlns:q="urn:q"><q:x/></add>`, invalidNamespaceURI},
		{`<add sel="d" type="namespace::p">u</add>`, invalidPatchDirective},
		{`<replace sel="d/e[1]">text</replace>`, invalidNodeTypes},
		{`<replace sel="d/e[1]"><x/><y/></replace>`, invalidNodeTypes},
		{`<replace sel="d/@a"><x/></replace>`, invalidNodeTypes},
		{`<replace sel="d/comment()">x</replace>`, invalidNodeTypes},
		{`<remove sel="d/e[1]" ws="before"/>`, invalidWhitespaceDirective},
		{`<remove sel="d/@a" ws="after"/>`, invalidWhitespaceDirective},
		{`<remove sel="d/namespace::p"/>`, invalidNamespacePrefix},
	} {
		_, err := Apply([]byte(doc), patch(t, "<diff>"+c.ops+"</diff>"), xmlscan.Limits{})
		var e *Error
		if !errors.As(err, &e) || e.Element != c.element {
			t.Errorf("%s: %v, want %s", c.ops, err, c.element)
			continue
		}
		if d, err := xmlscan.Scan(e.Document(), xmlscan.Limits{}); err != nil || !d.Is(1, "urn:ietf:params:xml:ns:patch-ops-error", c.element) {
			t.Errorf("%s: %v", e.Document(), err)
		}
	}
	for _, ops := range []string{"<diff>x</diff>", "<diff><move sel='d'/></diff>", "<diff><add/></diff>", "<diff><add sel='d' ws='both'/></diff>", "<diff xmlns='u'><add xmlns='' sel='d'/></diff>"} {
		d, err := xmlscan.Scan([]byte(ops), xmlscan.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Parse(d, 0, d.Elements[0].Space); err == nil {
			t.Errorf("%s is accepted", ops)
		}
	}
}

// The usual edits make small patches.
func TestDiffIsSmall(t *testing.T) {
	var b strings.Builder
	b.WriteString("<l xmlns='u' xmlns:p='v'>\n")
	for i := range 100 {
		fmt.Fprintf(&b, " <e uri='sip:%d'><n>Name %d</n></e>\n", i, i)
	}
	b.WriteString("</l>")
	doc := b.String()
	for _, c := range []struct{ rule, old, new string }{
		{"element appended", "</l>", " <e uri='x'/>\n</l>"},
		{"element inserted", " <e uri='sip:50'>", " <e uri='x'><p:q/></e>\n <e uri='sip:50'>"},
		{"element removed", " <e uri='sip:50'><n>Name 50</n></e>\n", ""},
		{"text changed", "Name 50<", "Nobody &amp; <"},
		{"attribute changed", "'sip:50'", "'sip:5x'"},
		{"attribute added", "'sip:50'", `'sip:50' k="&lt;"`},
		{"attribute removed", " uri='sip:50'", ""},
		{"odd attribute", "uri='sip:50'", "uri = 'sip:x>'"},
	} {
		changed := strings.Replace(doc, c.old, c.new, 1)
		ops, ok := Diff([]byte(doc), []byte(changed))
		if !ok || len(ops) != 1 {
			t.Errorf("%s: %v %+v", c.rule, ok, ops)
			continue
		}
		var out []byte
		for i := range ops {
			out = ops[i].Append(out, "urn:d")
		}
		if len(out) > 200 {
			t.Errorf("%s: %s", c.rule, out)
		}
		again := patch(t, "<diff xmlns='urn:d'>"+string(out)+"</diff>")
		d, err := Apply([]byte(doc), again, xmlscan.Limits{})
		if err != nil || string(d.Src) != changed {
			t.Errorf("%s: written and read: %v", c.rule, err)
		}
	}
	if ops, ok := Diff([]byte(doc), []byte(doc)); !ok || len(ops) != 0 {
		t.Errorf("no change: %v %v", ops, ok)
	}
	if _, ok := Diff([]byte("<a/>"), []byte("<b/>")); ok {
		t.Error("another root is patched")
	}
}

// Whatever becomes of a document, a patch that is given out makes it so, also
// when it was written and read in between, and leaves the original alone.
func TestDiffIsRight(t *testing.T) {
	tried, made := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		a := []byte("<r xmlns:p='u'>" + content(t, 3) + "</r>")
		b := mutate(t, a)
		before := bytes.Clone(a)
		ops, ok := Diff(a, b)
		tried++
		if !ok {
			return
		}
		made++
		around := []xmlscan.Binding{{Prefix: "d", URI: "urn:d"}, {URI: "v"}, {Prefix: "p", URI: "u"}}
		out, inside := []byte("<diff>"), []byte("<diff xmlns='v' xmlns:p='u' xmlns:d='urn:d'>")
		for i := range ops {
			out = ops[i].Append(out, "urn:d")
			inside = ops[i].AppendIn(inside, "d", around)
		}
		for _, out := range [...][]byte{out, inside} {
			d, err := xmlscan.Scan(append(out, "</diff>"...), xmlscan.Limits{})
			if err != nil {
				t.Fatalf("%s: %v", out, err)
			}
			read, err := Parse(d, 0, "urn:d")
			if err != nil {
				t.Fatal(err)
			}
			got, err := Apply(a, read, xmlscan.Limits{})
			if err != nil || !bytes.Equal(got.Src, b) || !bytes.Equal(a, before) {
				t.Fatalf("%s\nto %s\nby %s\nmade %v %v", a, b, out, got, err)
			}
		}
	})
	if made < tried/4 {
		t.Errorf("%d patches for %d changes", made, tried)
	}
	t.Logf("%d patches for %d changes", made, tried)
}

func content(t *rapid.T, depth int) string {
	var b strings.Builder
	for range rapid.IntRange(0, 4).Draw(t, "children") {
		name := rapid.SampledFrom([]string{"a", "b", "p:c"}).Draw(t, "name")
		switch rapid.IntRange(0, 5).Draw(t, "kind") {
		case 0:
			b.WriteString("<!--" + rapid.StringMatching("[a-z]*").Draw(t, "comment") + "-->")
		case 1:
			b.WriteString("\n ")
		case 2:
			b.WriteString(rapid.SampledFrom([]string{"text", "&amp;", "<![CDATA[<x>]]>"}).Draw(t, "text"))
		default:
			attrs := rapid.SampledFrom([]string{"", " k='1'", ` k="2" p:l='3'`, " xmlns='v' "}).Draw(t, "attrs")
			if depth == 0 {
				b.WriteString("<" + name + attrs + "/>")
			} else {
				b.WriteString("<" + name + attrs + ">" + content(t, depth-1) + "</" + name + ">")
			}
		}
	}
	return b.String()
}

// mutate changes a document here and there.
func mutate(t *rapid.T, src []byte) []byte {
	for range rapid.IntRange(1, 3).Draw(t, "changes") {
		d, err := xmlscan.Scan(src, xmlscan.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		e := d.Elements[rapid.IntRange(0, len(d.Elements)-1).Draw(t, "element")]
		switch rapid.IntRange(0, 3).Draw(t, "change") {
		case 0:
			if e.Parent >= 0 {
				src = splice(src, e.Start, e.End)
			}
		case 1:
			src = splice(src, e.Start, e.End, src[e.Start:e.End])
			if e.Parent < 0 {
				return d.Src
			}
		case 2:
			if e.EndStart > e.StartEnd || !e.SelfClosing {
				src = splice(src, e.EndStart, e.EndStart, []byte(content(t, 1)))
			}
		case 3:
			if e.AttrCount > 0 {
				a := d.Attrs[e.AttrFirst]
				src = splice(src, a.ValueStart, a.ValueEnd, []byte(rapid.SampledFrom([]string{"9", "&lt;", ">"}).Draw(t, "value")))
			}
		}
	}
	return src
}

// FuzzApply: whatever a patch says, the result is a document or an error of RFC 5261.
func FuzzApply(f *testing.F) {
	f.Add([]byte("<d a='1'><e/>x<!--c--></d>"), []byte("<diff><add sel='d/e' pos='after'><x/></add><remove sel='d/@a'/><replace sel='d/text()[1]'>y</replace></diff>"))
	f.Add([]byte("<x:d xmlns:x='u'/>"), []byte("<diff xmlns:y='u'><add sel='y:d'><y:z y:k=''/></add><replace sel='*/namespace::x'>v</replace></diff>"))
	f.Fuzz(func(t *testing.T, src, diff []byte) {
		d, err := xmlscan.Scan(diff, xmlscan.Limits{})
		if err != nil {
			return
		}
		var e *Error
		ops, err := Parse(d, 0, d.Elements[0].Space)
		if err != nil {
			if !errors.As(err, &e) {
				t.Fatal(err)
			}
			return
		}
		before := bytes.Clone(src)
		got, err := Apply(src, ops, xmlscan.Limits{})
		if err != nil && !errors.As(err, &e) || !bytes.Equal(src, before) {
			t.Fatalf("%v", err)
		}
		if err == nil && len(ops) > 0 {
			if _, err := xmlscan.Scan(got.Src, xmlscan.Limits{}); err != nil {
				t.Fatal(err)
			}
		}
	})
}
