package xcap

import (
	"bytes"
	"testing"

	"rollcall/internal/xcapuri"
	"rollcall/internal/xmlscan"
)

// FuzzEdit: whatever is put anywhere, every byte outside the edited node stays,
// the node reads as it was put, and deleting it leads back or is refused.
func FuzzEdit(f *testing.F) {
	for _, s := range [][3]string{
		{sample, `r/a[@k="3"]`, `<a k="3"/>`}, {sample, `r/*[2][@k="9"]`, `<b k="9"/>`}, {sample, "r/a[1]/@k", `"9"`}, {sample, "r/b/@q:n", "x&amp;y"},
		{"<r/>", "r/c[1]", "<c/>"}, {`<p:r xmlns:p='urn:q' />`, "q:r/@q:z", "'"}, {"<r a='1'><!--x--></r>", "r/@a", `"'"`}, {"<r><a/></r>", "r/*[1]", "<r><a/></r>"},
	} {
		f.Add([]byte(s[0]), s[1], []byte(s[2]))
	}
	f.Fuzz(func(t *testing.T, src []byte, selector string, body []byte) {
		d, err := xmlscan.Scan(src, xmlscan.Limits{})
		if err != nil {
			return
		}
		n, err := xcapuri.ParseNode(selector, "xmlns(q=urn:q)", "")
		if err != nil || n.Terminal == xcapuri.Namespaces {
			return
		}
		before := bytes.Clone(src)
		var e edited
		var c *conflict
		if n.Terminal == xcapuri.Attribute {
			e, c = putAttribute(d, n, body, xmlscan.Limits{})
		} else {
			e, c = putElement(d, n, body, xmlscan.Limits{})
		}
		if !bytes.Equal(before, src) {
			t.Fatalf("the original was changed: %q", src)
		}
		if c != nil {
			if c.Element == "" || c.Phrase == "" {
				t.Fatalf("conflict %+v", c)
			}
			return
		}
		m, err := n.Eval(e.doc)
		if err != nil {
			t.Fatalf("%q: put %q at %s: %v", src, body, selector, err)
		}
		_, got := part(e.doc, m)
		if n.Terminal == xcapuri.Element && !bytes.Equal(got, bytes.Trim(body, " \t\r\n")) {
			t.Fatalf("put %q, got %q", body, got)
		}
		checkSurroundings(t, d, e.doc, m)
		if after, c := removeNode(e.doc, n, m, xmlscan.Limits{}); c == nil && e.created && n.Terminal == xcapuri.Element {
			if string(after.Src) != string(src) && !opened(d, e.doc, m) {
				t.Fatalf("%q: put and deleted: %q", src, after.Src)
			}
		}
	})
}

// checkSurroundings: the old document has the bytes in front of the node and
// behind it, except that an empty-element tag may have been opened and a
// prefix declared on the same tag.
func checkSurroundings(t *testing.T, old, new *xmlscan.Doc, m xcapuri.Match) {
	e := &new.Elements[m.Elem]
	from, to := e.Start, e.End
	if m.Attr >= 0 {
		to = e.StartEnd
	} else if opened(old, new, m) {
		p := &new.Elements[e.Parent]
		from, to = p.StartEnd-1, p.End
	}
	if !bytes.HasPrefix(old.Src, new.Src[:from]) || !bytes.HasSuffix(old.Src, new.Src[to:]) {
		t.Fatalf("%q became %q", old.Src, new.Src)
	}
}

func opened(old, new *xmlscan.Doc, m xcapuri.Match) bool {
	parent := new.Elements[m.Elem].Parent
	return parent >= 0 && int(parent) < len(old.Elements) && old.Elements[parent].SelfClosing
}

func FuzzConditions(f *testing.F) {
	f.Add(`"a", W/"b",c,*`)
	f.Add(`W/*,"`)
	f.Fuzz(func(t *testing.T, value string) {
		tags := parseTags([]string{value})
		c := conditions{match: tags}
		for _, tag := range tags.strong {
			if tag != "" && c.check(tag, "PUT") != 0 {
				t.Errorf("%q does not match %q", value, tag)
			}
		}
		if c.check("", "PUT") != 412 {
			t.Error("If-Match holds without a document")
		}
	})
}
