package xmlscan

import "strings"

// Limits bound what Scan accepts. A zero field stands for its default.
type Limits struct {
	Bytes      int // size of the document
	Depth      int // nesting of elements
	Elements   int // in the document
	Attributes int // per element, namespace declarations included
}

// maxScope bounds the namespace declarations in scope at one place: every prefixed
// name is looked up among them.
const maxScope = 256

// DefaultLimits returns the limits for documents from outside.
func DefaultLimits() Limits {
	return Limits{Bytes: 256 << 10, Depth: 64, Elements: 20000, Attributes: 64}
}

func (l Limits) orDefault() Limits {
	d := DefaultLimits()
	for _, f := range [...]struct{ set, def *int }{
		{&l.Bytes, &d.Bytes}, {&l.Depth, &d.Depth}, {&l.Elements, &d.Elements}, {&l.Attributes, &d.Attributes},
	} {
		if *f.set <= 0 {
			*f.set = *f.def
		}
	}
	return l
}

// scanner is the state of one pass.
type scanner struct {
	doc      *Doc
	s        string
	pos      int
	lim      Limits
	open     []openElement
	scope    []Binding // bindings in force, innermost last
	fragment bool

	references bool // there is an '&' somewhere
	brackets   bool // there is a "]]>" somewhere

	openRoom  [16]openElement
	scopeRoom [8]Binding
}

// openElement is an element whose end tag has not been seen.
type openElement struct {
	elem  int32
	last  int32 // its latest child element or -1
	scope int32 // length of scanner.scope around it
}

// newScanner makes a scanner and its document in one piece.
func newScanner(lim Limits) *scanner {
	both := new(struct {
		scanner
		doc Doc
	})
	both.lim, both.scanner.doc = lim.orDefault(), &both.doc
	return &both.scanner
}

// Scan indexes a whole document. It keeps src, which must not change afterwards.
func Scan(src []byte, lim Limits) (*Doc, error) {
	sc := newScanner(lim)
	if err := sc.begin(src, nil); err != nil {
		return nil, err
	}
	sc.pos = len(byteOrderMark(sc.s))
	if err := sc.declaration(); err != nil {
		return nil, err
	}
	return sc.finish()
}

// ScanFragment indexes exactly one element, with white space around it at
// most, in the namespace scope of its future parent.
func ScanFragment(src []byte, scope []Binding, lim Limits) (*Doc, error) {
	sc := newScanner(lim)
	sc.fragment = true
	if err := sc.begin(src, scope); err != nil {
		return nil, err
	}
	return sc.finish()
}

func byteOrderMark(s string) string {
	const bom = "\uFEFF"
	if strings.HasPrefix(s, bom) {
		return bom
	}
	return ""
}

// begin checks size and characters and makes room.
func (sc *scanner) begin(src []byte, scope []Binding) error {
	if len(src) > sc.lim.Bytes {
		return sc.fail(TooLarge, 0, "document too long")
	}
	sc.s = asString(src)
	if err := sc.checkChars(src); err != nil {
		return err
	}
	sc.references = strings.IndexByte(sc.s, '&') >= 0
	sc.brackets = strings.Contains(sc.s, "]]>")
	sc.doc.Src, sc.doc.text, sc.doc.base = src, sc.s, scope
	sc.doc.decls = sc.doc.declRoom[:0]
	sc.doc.Elements, sc.doc.Attrs = room(sc.s, sc.lim)
	sc.open = sc.openRoom[:0]
	sc.scope = append(sc.scopeRoom[:0], Binding{"xml", XMLNamespace})
	sc.scope = append(sc.scope, scope...)
	return nil
}

func (sc *scanner) finish() (*Doc, error) {
	for {
		if err := sc.characters(); err != nil {
			return nil, err
		}
		if sc.pos == len(sc.s) {
			break
		}
		if err := sc.markup(); err != nil {
			return nil, err
		}
	}
	if len(sc.open) > 0 {
		return nil, sc.malformed(sc.pos, "element <"+sc.doc.qualified(sc.open[len(sc.open)-1].elem)+"> is not closed")
	}
	if len(sc.doc.Elements) == 0 {
		return nil, sc.outside(sc.pos, "no root element")
	}
	return sc.doc, nil
}

// outside is the error for what may not stand outside the root element.
func (sc *scanner) outside(offset int, msg string) error {
	if sc.fragment {
		return sc.fail(NotFragment, offset, msg)
	}
	return sc.malformed(offset, msg)
}

// characters reads character data up to the next '<' or the end.
func (sc *scanner) characters() error {
	rest := sc.s[sc.pos:]
	end := strings.IndexByte(rest, '<')
	if end < 0 {
		end = len(rest)
	}
	data, at := rest[:end], sc.pos
	sc.pos += end
	if len(sc.open) == 0 {
		for i := range len(data) {
			if !isBlank(data[i]) {
				return sc.outside(at+i, "text outside the root element")
			}
		}
		return nil
	}
	if sc.references {
		if err := sc.checkReferences(data, at); err != nil {
			return err
		}
	}
	if sc.brackets {
		if i := strings.Index(data, "]]>"); i >= 0 {
			return sc.malformed(at+i, "]]> in text")
		}
	}
	return nil
}

// markup reads what begins with the '<' at pos.
func (sc *scanner) markup() error {
	if sc.pos+1 == len(sc.s) {
		return sc.malformed(sc.pos, "unfinished markup")
	}
	switch sc.s[sc.pos+1] {
	case '/':
		return sc.endTag()
	case '?':
		return sc.instruction()
	case '!':
		return sc.bang()
	}
	return sc.startTag()
}

func (sc *scanner) endTag() error {
	if len(sc.open) == 0 {
		return sc.outside(sc.pos, "end tag without start tag")
	}
	o := sc.open[len(sc.open)-1]
	e := &sc.doc.Elements[o.elem]
	n := len(e.Local)
	if e.Prefix != "" {
		n += len(e.Prefix) + 1
	}
	name := sc.s[e.Start+1 : int(e.Start)+1+n]
	i := sc.pos + 2
	if !strings.HasPrefix(sc.s[i:], name) {
		return sc.malformed(sc.pos, "end tag does not match <"+name+">")
	}
	i = sc.skipBlank(i + n)
	if i == len(sc.s) || sc.s[i] != '>' {
		return sc.malformed(sc.pos, "end tag does not match <"+name+">")
	}
	e.EndStart, e.End = int32(sc.pos), int32(i+1)
	sc.pos = i + 1
	sc.open = sc.open[:len(sc.open)-1]
	sc.scope = sc.scope[:o.scope]
	return nil
}

func (sc *scanner) skipBlank(i int) int {
	for i < len(sc.s) && isBlank(sc.s[i]) {
		i++
	}
	return i
}

func (d *Doc) qualified(i int32) string {
	e := &d.Elements[i]
	if e.Prefix == "" {
		return e.Local
	}
	return e.Prefix + ":" + e.Local
}
