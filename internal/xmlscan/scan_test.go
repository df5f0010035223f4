package xmlscan

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func mustScan(t testing.TB, src string) *Doc {
	t.Helper()
	d, err := Scan([]byte(src), Limits{})
	if err != nil {
		t.Fatalf("Scan(%q): %v", src, err)
	}
	return d
}

func TestIndex(t *testing.T) {
	src := "\uFEFF<?xml version='1.0' encoding=\"utf-8\" standalone='no'?><!--p--><?go on?>\n" +
		`<p:r xmlns:p="urn:p" xmlns="urn:d" a='1' p:a="2"><x/>t<!--</x>--><y xmlns="">` + "\u00e9" + `</y ></p:r>` + "\n<!--e-->"
	d := mustScan(t, src)
	type row struct {
		name                string
		parent, first, next int32
		source              string
	}
	var got []row
	for i, e := range d.Elements {
		got = append(got, row{"{" + e.Space + "}" + e.Prefix + ":" + e.Local, e.Parent, e.First, e.Next, string(d.Bytes(i))})
	}
	root := src[strings.Index(src, "<p:r") : strings.Index(src, "</p:r>")+6]
	want := []row{
		{"{urn:p}p:r", -1, 1, -1, root},
		{"{urn:d}:x", 0, -1, 2, "<x/>"},
		{"{}:y", 0, -1, -1, "<y xmlns=\"\">\u00e9</y >"},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(row{})); diff != "" {
		t.Error(diff)
	}
	if v, ok := d.Attr(0, "urn:p", "a"); !ok || v != "2" {
		t.Errorf("p:a = %q %v", v, ok)
	}
	if v, ok := d.Attr(0, "", "a"); !ok || v != "1" {
		t.Errorf("a = %q %v", v, ok)
	}
	if _, ok := d.Attr(0, "", "xmlns"); ok {
		t.Error("xmlns is taken for an attribute")
	}
	a := d.Attrs[d.AttrIndex(0, "", "a")]
	if s := src[a.Start:a.End]; s != "a='1'" {
		t.Errorf("attribute source %q", s)
	}
	if diff := cmp.Diff([]Binding{{"p", "urn:p"}}, d.Scope(2)); diff != "" {
		t.Errorf("default namespace undeclared on y: %s", diff)
	}
	if diff := cmp.Diff([]Binding{{"p", "urn:p"}, {"", "urn:d"}}, d.Scope(1)); diff != "" {
		t.Error(diff)
	}
	var kids []int
	for c := range d.Children(0) {
		kids = append(kids, c)
	}
	if diff := cmp.Diff([]int{1, 2}, kids); diff != "" {
		t.Error(diff)
	}
}

func TestRefused(t *testing.T) {
	deep := strings.Repeat("<a>", 65) + strings.Repeat("</a>", 65)
	var attrs strings.Builder
	for i := range 65 {
		fmt.Fprintf(&attrs, ` a%d="1"`, i)
	}
	for _, c := range []struct {
		rule, src string
		kind      Kind
	}{
		{"no root", "", NotWellFormed},
		{"no root", " <!-- -->", NotWellFormed},
		{"two roots", "<a/><b/>", NotWellFormed},
		{"text before root", "x<a/>", NotWellFormed},
		{"text behind root", "<a/>x", NotWellFormed},
		{"reference behind root", "<a/>&#32;", NotWellFormed},
		{"CDATA behind root", "<a/><![CDATA[]]>", NotWellFormed},
		{"not closed", "<a><b></b>", NotWellFormed},
		{"mismatch", "<a></b>", NotWellFormed},
		{"mismatch by prefix of name", "<a></ab>", NotWellFormed},
		{"mismatch", "<ab></a>", NotWellFormed},
		{"same namespace, other prefix", `<x:a xmlns:x="u" xmlns:y="u"></y:a>`, NotWellFormed},
		{"stray end", "</a>", NotWellFormed},
		{"truncated", "<", NotWellFormed},
		{"truncated", "<a", NotWellFormed},
		{"truncated", "<a b", NotWellFormed},
		{"truncated", "<a b=", NotWellFormed},
		{"truncated", `<a b="`, NotWellFormed},
		{"truncated", "<a/", NotWellFormed},
		{"truncated", "<a></a", NotWellFormed},
		{"truncated", "<a><!-", NotWellFormed},
		{"truncated", "<a><!--", NotWellFormed},
		{"truncated", "<a><?x", NotWellFormed},
		{"truncated", "<a><![CDATA[", NotWellFormed},
		{"blank after <", "< a/>", NotWellFormed},
		{"name start", "<1a/>", NotWellFormed},
		{"name start", "<-a/>", NotWellFormed},
		{"name", "<a\u00d7/>", NotWellFormed},
		{"name start", "<\u0301a/>", NotWellFormed},
		{"empty prefix", "<:a/>", NotWellFormed},
		{"empty local part", `<a: xmlns:a="u"/>`, NotWellFormed},
		{"two colons", `<a:b:c xmlns:a="u"/>`, NotWellFormed},
		{"blank between attributes", `<a b="1"c="2"/>`, NotWellFormed},
		{"attribute twice", `<a b="1" b="2"/>`, NotWellFormed},
		{"attribute twice by expanded name", `<a xmlns:x="u" xmlns:y="u" x:b="1" y:b="2"/>`, NotWellFormed},
		{"no quotes", `<a b=1/>`, NotWellFormed},
		{"no value", `<a b/>`, NotWellFormed},
		{"< in value", `<a b="<"/>`, NotWellFormed},
		{"& in value", `<a b="&"/>`, NotWellFormed},
		{"bare &", `<a>&</a>`, NotWellFormed},
		{"undefined entity", `<a>&nbsp;</a>`, NotWellFormed},
		{"reference to no character", `<a>&#0;</a>`, NotWellFormed},
		{"reference to surrogate", `<a>&#xD800;</a>`, NotWellFormed},
		{"reference too large", `<a>&#x110000;</a>`, NotWellFormed},
		{"capital X", `<a>&#X41;</a>`, NotWellFormed},
		{"signed reference", `<a>&#+41;</a>`, NotWellFormed},
		{"empty reference", `<a>&#;</a>`, NotWellFormed},
		{"]]> in text", `<a>]]></a>`, NotWellFormed},
		{"-- in comment", `<a><!-- -- --></a>`, NotWellFormed},
		{"---> ends no comment", `<a><!-- ---></a>`, NotWellFormed},
		{"control character", "<a>\x01</a>", NotWellFormed},
		{"control character in a long document", "<a>" + strings.Repeat("x", 100) + "\x1f</a>", NotWellFormed},
		{"noncharacter", "<a>\uffff</a>", NotWellFormed},
		{"declaration twice", "<?xml version='1.0'?><?xml version='1.0'?><a/>", NotWellFormed},
		{"declaration late", " <?xml version='1.0'?><a/>", NotWellFormed},
		{"reserved target", "<a><?XML x?></a>", NotWellFormed},
		{"target with colon", "<a><?x:y ?></a>", NotWellFormed},
		{"no target", "<a><? x?></a>", NotWellFormed},
		{"no version", "<?xml encoding='UTF-8'?><a/>", NotWellFormed},
		{"XML 1.1", "<?xml version='1.1'?><a/>", NotWellFormed},
		{"wrong order", "<?xml encoding='UTF-8' version='1.0'?><a/>", NotWellFormed},
		{"standalone", "<?xml version='1.0' standalone='maybe'?><a/>", NotWellFormed},
		{"xml rebound", `<a xmlns:xml="u"/>`, NotWellFormed},
		{"xml namespace on other prefix", `<a xmlns:x="http://www.w3.org/XML/1998/namespace"/>`, NotWellFormed},
		{"xmlns declared", `<a xmlns:xmlns="u"/>`, NotWellFormed},
		{"prefix undeclared", `<a xmlns:x=""/>`, NotWellFormed},
		{"namespace declared twice", `<a xmlns:x="u" xmlns:x="v"/>`, NotWellFormed},
		{"element prefix", `<x:a/>`, UnboundPrefix},
		{"attribute prefix", `<a x:b=""/>`, UnboundPrefix},
		{"prefix out of scope", `<a><b xmlns:x="u"/><x:c/></a>`, UnboundPrefix},
		{"prefix out of scope", `<a><b xmlns:x="u"></b><x:c/></a>`, UnboundPrefix},
		{"encoding", "<?xml version='1.0' encoding='ISO-8859-1'?><a/>", NotUTF8},
		{"bytes", "<a>\xe9</a>", NotUTF8},
		{"UTF-16", "\xff\xfe<\x00a\x00", NotUTF8},
		{"DOCTYPE", "<!DOCTYPE a><a/>", DTD},
		{"unknown <!", "<a><!ELEMENT x></a>", NotWellFormed},
		{"depth", deep, TooLarge},
		{"attributes", "<a" + attrs.String() + "/>", TooLarge},
		{"elements", "<a>" + strings.Repeat("<b/>", 20000) + "</a>", TooLarge},
		{"bytes", "<a>" + strings.Repeat(" ", 256<<10) + "</a>", TooLarge},
	} {
		_, err := Scan([]byte(c.src), DefaultLimits())
		var e *Error
		if !errors.As(err, &e) || e.Kind != c.kind {
			t.Errorf("%s: %.60q: got %v, want %v", c.rule, c.src, err, c.kind)
		}
	}
}

func TestAccepted(t *testing.T) {
	for _, src := range []string{
		"<a/>", "<a />", "<a></a>", "<a\n\tb = 'c'\n></a\n>", `<a b=">"/>`, `<a b="]]>"/>`, "<a>]] ></a>",
		"<a>&#x10FFFF;&#9;&amp;&lt;&gt;&quot;&apos;&#000065;</a>", "<a><![CDATA[<&]]]]></a>", "<a><?x?><?y ??></a>",
		"<?xml version=\"1.0\"?>\n<a/>", "<?xml-stylesheet href='x'?><a/>", "<a xml:lang='en'/>", "<\u00e9l\u00b7\u4e2d/>", "<_.-/>",
		`<a xmlns:xml="http://www.w3.org/XML/1998/namespace"/>`, `<x:a xmlns:x="u"><x:b xmlns:x="v"/></x:a>`,
		`<a xmlns:x="u" b="1" x:b="2"/>`, `<a xmlns="u"><b xmlns=""/></a>`, strings.Repeat("<a>", 64) + strings.Repeat("</a>", 64),
		"<a><!----><!-- - --></a>", "<a/><?x?>\n<!-- -->",
	} {
		if _, err := Scan([]byte(src), DefaultLimits()); err != nil {
			t.Errorf("%q: %v", src, err)
		}
	}
}

func TestErrorLine(t *testing.T) {
	_, err := Scan([]byte("<a>\n\n<b></c></a>"), Limits{})
	var e *Error
	if !errors.As(err, &e) || e.Line != 3 || e.Offset != 8 {
		t.Errorf("got %v", err)
	}
}

func TestFragment(t *testing.T) {
	scope := []Binding{{"", "urn:d"}, {"p", "urn:p"}}
	d, err := ScanFragment([]byte(" <a p:k='1'><b xmlns=''/></a>\n"), scope, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if !d.Is(0, "urn:d", "a") || !d.Is(1, "", "b") || string(d.Bytes(0)) != "<a p:k='1'><b xmlns=''/></a>" {
		t.Errorf("got %+v", d.Elements)
	}
	if _, ok := d.Attr(0, "urn:p", "k"); !ok {
		t.Error("prefix of the parent is not in scope")
	}
	if diff := cmp.Diff([]Binding{{"p", "urn:p"}}, d.Scope(1)); diff != "" {
		t.Error(diff)
	}
	for src, kind := range map[string]Kind{
		"<a/><a/>": NotFragment, "x<a/>": NotFragment, "<a/>x": NotFragment, "": NotFragment, "text": NotFragment,
		"<!--c--><a/>": NotFragment, "<?xml version='1.0'?><a/>": NotFragment, "</a>": NotFragment,
		"<a>": NotWellFormed, "<q:a/>": UnboundPrefix, "<a>\xff</a>": NotUTF8,
	} {
		var e *Error
		if _, err := ScanFragment([]byte(src), scope, Limits{}); !errors.As(err, &e) || e.Kind != kind {
			t.Errorf("%q: got %v, want %v", src, err, kind)
		}
	}
}

func TestValues(t *testing.T) {
	d := mustScan(t, "<a v=\"1\t2\r\n3&#10;4&amp;&#x41;\">x&lt;\r\ny<!-- & --><b c='>'>no<b/></b>\rz<![CDATA[<&amp;]]><?p > ?>&#13;<c/>.</a>")
	if got, _ := d.Attr(0, "", "v"); got != "1 2 3\n4&A" {
		t.Errorf("attribute %q", got)
	}
	if got := d.Text(0); got != "x<\ny\nz<&amp;\r." {
		t.Errorf("text %q", got)
	}
	if d.Blank(0) || d.Blank(1) || !d.Blank(2) {
		t.Error("Blank is not about Text")
	}
	for src, want := range map[string]bool{"<a/>": true, "<a> <b>x</b>\n<!--x--></a>": true, "<a>&#32;<b/></a>": true, "<a><b/><![CDATA[x]]></a>": false, "<a><b/>&#65;</a>": false} {
		if got := mustScan(t, src).Blank(0); got != want {
			t.Errorf("%s: %v", src, got)
		}
	}
	if got := d.Text(1); got != "no" {
		t.Errorf("text %q", got)
	}
}

func TestEscape(t *testing.T) {
	const s = "<&>\"'\r\n\t\x01\u00e9]]>"
	doc := append(EscapeAttr([]byte(`<a v="`), s), `">`...)
	doc = append(Escape(doc, s), "</a>"...)
	d := mustScan(t, string(doc))
	want := strings.ReplaceAll(s, "\x01", "\uFFFD")
	if v, _ := d.Attr(0, "", "v"); v != want {
		t.Errorf("attribute %q", v)
	}
	if v := d.Text(0); v != want {
		t.Errorf("text %q", v)
	}
}

// list returns a resource list of n entries, indented as people write them.
func list(n int) []byte {
	var b bytes.Buffer
	b.WriteString("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\">\n <list name=\"friends\">\n")
	for i := range n {
		fmt.Fprintf(&b, "  <entry uri=\"sip:contact-%03d@example.com\">\n   <display-name>Contact number %03d</display-name>\n  </entry>\n", i, i)
	}
	b.WriteString(" </list>\n</resource-lists>\n")
	return b.Bytes()
}

// ValueIs says what AttrValue does.
func TestValueIs(t *testing.T) {
	for _, raw := range []string{"", "a", "ab", "a&amp;b", "a&#98;", "a\tb", "\r\n", "a&amp;amp;b", "ä&quot;", "  "} {
		d, err := Scan([]byte(`<r a="`+raw+`"/>`), Limits{})
		if err != nil {
			t.Fatal(err)
		}
		for _, value := range []string{"", "a", "ab", "a&b", "a&amp;b", "a b", "a\tb", " ", "  ", "ä\"", "abc", raw} {
			if got, want := d.ValueIs(&d.Attrs[0], value), d.AttrValue(&d.Attrs[0]) == value; got != want {
				t.Errorf("%q is %q: %v", raw, value, got)
			}
		}
	}
}

func BenchmarkScan200(b *testing.B) {
	src := list(200)
	b.SetBytes(int64(len(src)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Scan(src, DefaultLimits()); err != nil {
			b.Fatal(err)
		}
	}
}

// FuzzScan compares with encoding/xml: what we accept it accepts, with the
// same elements, names, attributes and text.
func FuzzScan(f *testing.F) {
	f.Add(list(2))
	for _, s := range []string{
		`<a xmlns="u" xmlns:p="v" p:b="&#65;"><p:c>t&amp;</p:c><![CDATA[x]]><!-- --><?p q?></a>`, "<a><b/></b></a>", "<a>&#x;</a>", "\uFEFF<a/>",
		"<?xml version='1.0' encoding='utf-8'?><a b='\r\n'>\r\n</a>", "<a xmlns='u\t' xmlns:p='\nv' p:b=''/>",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		d, err := Scan(src, Limits{})
		if err != nil {
			return
		}
		compareWithStandard(t, d)
		for i := range d.Elements {
			if e := d.Elements[i]; e.Parent >= 0 {
				scope := d.Scope(int(e.Parent))
				if _, err := ScanFragment(d.Bytes(i), scope, Limits{}); err != nil {
					t.Errorf("element %q does not stand on its own: %v", d.Bytes(i), err)
				}
			}
		}
	})
}

func compareWithStandard(t *testing.T, d *Doc) {
	dec := xml.NewDecoder(bytes.NewReader(bytes.TrimPrefix(d.Src, []byte("\uFEFF"))))
	texts := make([]strings.Builder, len(d.Elements))
	var open []int
	next := 0
	for {
		tok, err := dec.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			if strings.Contains(err.Error(), "invalid XML name") || strings.Contains(err.Error(), "expected element name") ||
				strings.Contains(err.Error(), "expected attribute name") || strings.Contains(err.Error(), "expected target name") {
				return // the standard library follows the fourth edition for names
			}
			t.Fatalf("accepted %q, encoding/xml says %v", d.Src, err)
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			if next == len(d.Elements) || !d.Is(next, blanks(tok.Name.Space), tok.Name.Local) {
				t.Fatalf("%q: element %d is not %v", d.Src, next, tok.Name)
			}
			compareAttributes(t, d, next, tok.Attr)
			open = append(open, next)
			next++
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			if len(open) > 0 {
				texts[open[len(open)-1]].Write(tok)
			}
		}
	}
	if next != len(d.Elements) {
		t.Fatalf("%q: %d elements, encoding/xml has %d", d.Src, len(d.Elements), next)
	}
	for i := range texts {
		if got := d.Text(i); got != texts[i].String() {
			t.Fatalf("%q: text of %d is %q, encoding/xml has %q", d.Src, i, got, texts[i].String())
		}
	}
}

func compareAttributes(t *testing.T, d *Doc, i int, want []xml.Attr) {
	n := 0
	for _, a := range want {
		if a.Name.Space == "xmlns" || a.Name.Space == "" && a.Name.Local == "xmlns" {
			continue
		}
		n++
		space := blanks(a.Name.Space)
		if space == "xml" {
			space = XMLNamespace
		}
		got, ok := d.Attr(i, space, a.Name.Local)
		if !ok || blanks(got) != blanks(a.Value) {
			t.Fatalf("%q: attribute %v is %q, encoding/xml has %q", d.Src, a.Name, got, a.Value)
		}
	}
	if n != int(d.Elements[i].AttrCount) {
		t.Fatalf("%q: %d attributes on element %d, encoding/xml has %d", d.Src, d.Elements[i].AttrCount, i, n)
	}
}

// blanks does what XML 1.0 §3.3.3 has done to all values, those of namespace
// declarations included, and encoding/xml leaves undone.
func blanks(s string) string {
	return strings.NewReplacer("\t", " ", "\n", " ", "\r", " ").Replace(s)
}
