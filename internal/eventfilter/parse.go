package eventfilter

import (
	"strings"

	"rollcall/internal/sipuri"
	"rollcall/internal/xmlscan"
)

// Parse reads a filter document (RFC 4661 §7) that came with a subscription to a
// resource, in canonical form, and its event package. Errors are *Error.
func Parse(body []byte, pkg, subject string) (*Set, error) {
	d, err := xmlscan.Scan(body, xmlscan.Limits{Bytes: 64 << 10, Depth: 16, Elements: 2048})
	if err != nil {
		return nil, invalid("%v", err)
	}
	if !d.Is(0, namespace, "filter-set") {
		return nil, invalid("the root element is no filter-set")
	}
	r := reader{d: d, set: &Set{subject: subject}}
	if err := r.attributes(0, "package"); err != nil {
		return nil, err
	}
	if p, ok := d.Attr(0, "", "package"); ok && p != pkg {
		return nil, invalid("the filters are for the package %q", p)
	}
	if err := r.children(0, "ns-bindings", "filter"); err != nil {
		return nil, err
	}
	ids := make(map[string]bool)
	for i := range d.Children(0) {
		if d.Elements[i].Local == "ns-bindings" {
			if err := r.bindings(i); err != nil {
				return nil, err
			}
			continue
		}
		f, err := r.filter(i)
		if err != nil {
			return nil, err
		}
		if ids[f.id] {
			return nil, invalid("the id %q occurs twice", f.id)
		}
		ids[f.id] = true
		r.set.filters = append(r.set.filters, f)
	}
	if len(ids) == 0 {
		return nil, invalid("there is no filter")
	}
	return r.set, nil
}

// reader reads one filter document.
type reader struct {
	d        *xmlscan.Doc
	set      *Set
	prefixes map[string]string
	left     int // expressions that the filter may still have
}

// children checks that the child elements of i are of the given names and in their
// order. Elements of extensions may follow (RFC 4661 §4).
func (r *reader) children(i int, names ...string) error {
	if !r.d.Blank(i) {
		return invalid("text in <%s>", r.d.Elements[i].Local)
	}
	at := 0
	for c := range r.d.Children(i) {
		e := &r.d.Elements[c]
		if e.Space != namespace && e.Space != "" && i != 0 {
			at = len(names)
			continue
		}
		for at < len(names) && (names[at] != e.Local || e.Space != namespace) {
			at++
		}
		if at == len(names) {
			return invalid("<%s> is not expected in <%s>", e.Local, r.d.Elements[i].Local)
		}
		if e.Local == "ns-bindings" || e.Local == "what" {
			at++ // once
		}
	}
	return nil
}

// attributes checks that element i has no other attributes without namespace.
func (r *reader) attributes(i int, names ...string) error {
	for _, a := range r.d.Attributes(i) {
		known := a.Space != ""
		for _, name := range names {
			known = known || a.Local == name
		}
		if !known {
			return invalid("<%s> has no attribute %s", r.d.Elements[i].Local, a.Local)
		}
	}
	return nil
}

// bindings reads ns-bindings (RFC 4661 §3.3).
func (r *reader) bindings(i int) error {
	if err := r.children(i, "ns-binding"); err != nil {
		return err
	}
	r.prefixes = make(map[string]string)
	for b := range r.d.Children(i) {
		if err := r.attributes(b, "prefix", "urn"); err != nil {
			return err
		}
		prefix, hasPrefix := r.d.Attr(b, "", "prefix")
		urn, hasURN := r.d.Attr(b, "", "urn")
		if prefix = strings.TrimSpace(prefix); !hasPrefix || !hasURN || prefix == "" {
			return invalid("ns-binding needs prefix and urn")
		}
		r.prefixes[prefix] = strings.TrimSpace(urn)
	}
	if len(r.prefixes) == 0 {
		return invalid("ns-bindings without ns-binding")
	}
	return nil
}

func (r *reader) filter(i int) (*Filter, error) {
	if err := r.attributes(i, "id", "uri", "domain", "remove", "enabled"); err != nil {
		return nil, err
	}
	f := &Filter{bare: true}
	var ok bool
	if f.id, ok = r.d.Attr(i, "", "id"); !ok {
		return nil, invalid("a filter without id")
	}
	var err error
	if f.remove, err = r.boolean(i, "remove", false); err != nil {
		return nil, err
	}
	if f.enabled, err = r.boolean(i, "enabled", true); err != nil {
		return nil, err
	}
	if err := r.target(f, i); err != nil {
		return nil, err
	}
	if err := r.children(i, "what", "trigger"); err != nil {
		return nil, err
	}
	r.left = maxExpressions
	for c := range r.d.Children(i) {
		switch {
		case r.d.Is(c, namespace, "what"):
			f.bare = false
			f.what, err = r.what(c)
		case r.d.Is(c, namespace, "trigger"):
			f.bare = false
			err = r.trigger(f, c)
		}
		if err != nil {
			return nil, err
		}
	}
	f.seal()
	return f, nil
}

// target finds out what the filter is for (RFC 4661 §3.4).
func (r *reader) target(f *Filter, i int) error {
	uri, hasURI := r.d.Attr(i, "", "uri")
	domain, hasDomain := r.d.Attr(i, "", "domain")
	f.uri, f.domain = strings.TrimSpace(uri), strings.TrimSpace(domain)
	switch {
	case hasURI && hasDomain:
		return invalid("the filter %q has both uri and domain", f.id)
	case hasURI && f.uri == "" || hasDomain && f.domain == "":
		return invalid("the filter %q is for nothing", f.id)
	case hasDomain:
		f.target = "@" + strings.ToLower(f.domain)
	case hasURI:
		f.target = f.uri
		if aor, err := sipuri.AOR(f.uri); err == nil {
			f.target = aor
		}
	default:
		f.target = r.set.subject
	}
	return nil
}

func (r *reader) boolean(i int, name string, value bool) (bool, error) {
	text, ok := r.d.Attr(i, "", name)
	if !ok {
		return value, nil
	}
	switch strings.TrimSpace(text) {
	case "true", "1":
		return true, nil
	case "false", "0":
		return false, nil
	}
	return false, invalid("%s=%q is no boolean", name, text)
}

func (r *reader) what(i int) (content, error) {
	var w content
	if err := r.children(i, "include", "exclude"); err != nil {
		return w, err
	}
	for c := range r.d.Children(i) {
		if r.d.Elements[c].Space != namespace {
			continue
		}
		if err := r.attributes(c, "type"); err != nil {
			return w, err
		}
		s, err := r.selector(c)
		if err != nil {
			return w, err
		}
		if r.d.Elements[c].Local == "include" {
			w.include = append(w.include, s)
		} else {
			w.exclude = append(w.exclude, s)
		}
	}
	return w, nil
}

func (r *reader) selector(i int) (selector, error) {
	kind, ok := r.d.Attr(i, "", "type")
	switch {
	case !ok || kind == "xpath":
		p, err := r.expression(i)
		return selector{path: p}, err
	case kind == "namespace":
		if r.left--; r.left < 0 {
			return selector{}, invalid("more than %d expressions in a filter", maxExpressions)
		}
		return selector{space: strings.TrimSpace(r.d.Text(i))}, nil
	}
	return selector{}, invalid("type=%q is neither xpath nor namespace", kind)
}

// expression reads the expression that an element contains.
func (r *reader) expression(i int) (*path, error) {
	if r.left--; r.left < 0 {
		return nil, invalid("more than %d expressions in a filter", maxExpressions)
	}
	if r.d.Elements[i].First >= 0 {
		return nil, invalid("elements in <%s>", r.d.Elements[i].Local)
	}
	return parsePath(strings.TrimSpace(r.d.Text(i)), func(prefix string) (string, bool) {
		if urn, ok := r.prefixes[prefix]; ok {
			return urn, true
		}
		for _, b := range r.d.Scope(i) {
			if b.Prefix == prefix {
				return b.URI, true
			}
		}
		return xmlscan.XMLNamespace, prefix == "xml"
	})
}

func (r *reader) trigger(f *Filter, i int) error {
	if err := r.children(i, "changed", "added", "removed"); err != nil {
		return err
	}
	var t trigger
	for c := range r.d.Children(i) {
		if r.d.Elements[c].Space != namespace {
			continue
		}
		var known []string
		if r.d.Elements[c].Local == "changed" {
			known = []string{"from", "to", "by"}
		}
		if err := r.attributes(c, known...); err != nil {
			return err
		}
		p, err := r.expression(c)
		if err != nil {
			return err
		}
		switch r.d.Elements[c].Local {
		case "added":
			t.added = append(t.added, p)
		case "removed":
			t.removed = append(t.removed, p)
		default:
			ch := change{path: p}
			if err := r.change(&ch, c); err != nil {
				return err
			}
			t.changed = append(t.changed, ch)
		}
	}
	if len(t.changed)+len(t.added)+len(t.removed) > 0 { // RFC 4660 §5.4
		f.triggers = append(f.triggers, t)
	}
	return nil
}

func (r *reader) change(c *change, i int) error {
	text := func(name string) *string {
		if v, ok := r.d.Attr(i, "", name); ok {
			v = strings.TrimSpace(v)
			return &v
		}
		return nil
	}
	c.from, c.to = text("from"), text("to")
	by := text("by")
	if by == nil {
		return nil
	}
	if c.by = exact(*by); c.by == nil {
		return invalid("by=%q is no decimal number", *by)
	}
	c.by.Abs(c.by)
	c.byText = *by
	return nil
}
