package xmlpatch

import (
	"strconv"
	"strings"

	"rollcall/internal/xmlscan"
)

// step is one step of a selector.
type step struct {
	kind   nodeKind
	any    bool // "*", or an instruction of any target
	space  string
	local  string // also target of an instruction and prefix of a namespace
	filter []predicate
}

// predicate is a position, or a comparison of an attribute, a child or the node
// itself with a value.
type predicate struct {
	position     int
	attr, child  bool
	space, local string
	value        string
}

const maxSteps = 128

// parseSelector reads a selector (RFC 5261 §8, type xpath). Names without prefix
// are in the default namespace of the patch document (§4.2.1).
func parseSelector(sel string, scope []xmlscan.Binding) ([]step, error) {
	rest := strings.TrimPrefix(strings.TrimSpace(sel), "/")
	if strings.HasPrefix(rest, "id(") {
		return nil, fail(unsupportedID, "id() needs a schema: select by attribute")
	}
	var steps []step
	for {
		end := stepEnd(rest)
		s, err := parseStep(rest[:end], scope)
		if err != nil {
			return nil, err
		}
		if steps = append(steps, s); len(steps) > maxSteps {
			return nil, fail(unlocatedNode, "selector too deep")
		}
		if end == len(rest) {
			return steps, nil
		}
		if s.kind != elementNode {
			return nil, badSelector(sel)
		}
		rest = rest[end+1:]
	}
}

func badSelector(s string) error {
	return fail(invalidAttributeValue, "not a selector: "+strconv.Quote(s))
}

// stepEnd is the offset of the slash behind the first step, or the end.
func stepEnd(s string) int {
	var quote byte
	for i := range len(s) {
		switch c := s[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '/':
			return i
		}
	}
	return len(s)
}

func parseStep(s string, scope []xmlscan.Binding) (st step, err error) {
	name, rest := s, ""
	if i := strings.IndexByte(s, '['); i >= 0 {
		name, rest = s[:i], s[i:]
	}
	prefixed, isNamespace := strings.CutPrefix(name, "namespace::")
	attr, isAttr := strings.CutPrefix(name, "@")
	target, isInstruction := strings.CutPrefix(name, "processing-instruction(")
	switch {
	case isNamespace:
		st.kind, st.local = namespaceNode, prefixed
	case isAttr:
		st.kind = attributeNode
		st.space, st.local, err = expand(attr, scope, false)
	case isInstruction && strings.HasSuffix(target, ")"):
		st.kind, st.local = instructionNode, strings.Trim(strings.TrimSuffix(target, ")"), `"'`)
		st.any = st.local == ""
	case name == "text()":
		st.kind = textNode
	case name == "comment()":
		st.kind = commentNode
	case name == "*":
		st.any = true
	default:
		st.space, st.local, err = expand(name, scope, true)
	}
	for err == nil && rest != "" {
		rest, err = st.parsePredicate(rest, scope)
	}
	if err == nil && len(st.filter) > 0 && (st.kind == attributeNode || st.kind == namespaceNode) {
		err = badSelector(s)
	}
	return st, err
}

// parsePredicate takes one predicate off the front of s.
func (st *step) parsePredicate(s string, scope []xmlscan.Binding) (rest string, err error) {
	if digits, after, ok := strings.Cut(strings.TrimPrefix(s, "["), "]"); ok {
		if n, err := strconv.ParseUint(digits, 10, 31); err == nil {
			st.filter = append(st.filter, predicate{position: int(n)})
			if n == 0 {
				return after, fail(unlocatedNode, "positions count from 1")
			}
			return after, nil
		}
	}
	name, value, ok := strings.Cut(s[1:], "=")
	value = strings.TrimLeft(value, " ")
	if s[0] != '[' || !ok || st.kind != elementNode || len(value) < 2 || value[0] != '"' && value[0] != '\'' {
		return "", badSelector(s)
	}
	value, rest, ok = strings.Cut(value[1:], value[:1])
	rest, closed := strings.CutPrefix(strings.TrimLeft(rest, " "), "]")
	if !ok || !closed {
		return "", badSelector(s)
	}
	p := predicate{value: value}
	name = strings.TrimSpace(name)
	if attr, ok := strings.CutPrefix(name, "@"); ok {
		p.attr = true
		p.space, p.local, err = expand(attr, scope, false)
	} else if name != "." {
		p.child = true
		p.space, p.local, err = expand(name, scope, true)
	}
	st.filter = append(st.filter, p)
	return rest, err
}

// expand resolves a qualified name.
func expand(qname string, scope []xmlscan.Binding, useDefault bool) (space, local string, err error) {
	prefix, local, prefixed := strings.Cut(qname, ":")
	if !prefixed {
		prefix, local = "", qname
	}
	if local == "" || prefixed && prefix == "" || strings.ContainsAny(qname, " \t\r\n()[]'\"<>&@*=|,") || strings.Contains(local, ":") {
		return "", "", badSelector(qname)
	}
	if !prefixed && !useDefault {
		return "", local, nil
	}
	space, bound := uriOf(prefix, scope)
	if !bound && prefixed {
		return "", "", fail(invalidNamespacePrefix, "prefix "+prefix+" is not declared in the patch")
	}
	return space, local, nil
}

// uriOf looks a prefix up in a scope.
func uriOf(prefix string, scope []xmlscan.Binding) (uri string, bound bool) {
	if prefix == "xml" {
		return xmlscan.XMLNamespace, true
	}
	for i := len(scope) - 1; i >= 0; i-- {
		if scope[i].Prefix == prefix {
			return scope[i].URI, true
		}
	}
	return "", false
}

// locate finds the one node that a selector names (RFC 5261 §4.1).
func locate(d *xmlscan.Doc, sel string, scope []xmlscan.Binding) (node, error) {
	steps, err := parseSelector(sel, scope)
	if err != nil {
		return node{}, err
	}
	found := []node{{elem: -1, attr: -1}}
	for i := range steps {
		var next []node
		for _, context := range found {
			next = append(next, steps[i].from(d, context.elem)...)
		}
		found = next
	}
	switch len(found) {
	case 0:
		return node{}, fail(unlocatedNode, "nothing is selected by "+strconv.Quote(sel))
	case 1:
		return found[0], nil
	}
	return node{}, fail(unlocatedNode, strconv.Itoa(len(found))+" nodes are selected by "+strconv.Quote(sel))
}

// from evaluates a step from an element, -1 being the document.
func (st *step) from(d *xmlscan.Doc, context int) []node {
	switch {
	case context < 0 && (st.kind == attributeNode || st.kind == namespaceNode):
		return nil
	case st.kind == attributeNode:
		if a := d.AttrIndex(context, st.space, st.local); a >= 0 {
			return []node{{kind: attributeNode, from: d.Attrs[a].Start, to: d.Attrs[a].End, elem: context, attr: a}}
		}
		return nil
	case st.kind == namespaceNode:
		if n, _, ok := declaration(d, context, st.local); ok && st.local != "" {
			return []node{n}
		}
		return nil
	}
	var found []node
	for _, n := range children(d, context) {
		if st.names(d, &n) {
			found = append(found, n)
		}
	}
	for _, p := range st.filter {
		kept := found[:0:0]
		for i, n := range found {
			if p.position == i+1 || p.position == 0 && p.holds(d, n.elem) {
				kept = append(kept, n)
			}
		}
		found = kept
	}
	return found
}

func (st *step) names(d *xmlscan.Doc, n *node) bool {
	switch {
	case n.kind != st.kind:
		return false
	case n.kind == elementNode:
		return st.any || d.Is(n.elem, st.space, st.local)
	case n.kind == instructionNode:
		return st.any || n.target == st.local
	}
	return true
}

func (p *predicate) holds(d *xmlscan.Doc, elem int) bool {
	switch {
	case p.attr:
		v, ok := d.Attr(elem, p.space, p.local)
		return ok && v == p.value
	case p.child:
		for c := range d.Children(elem) {
			if d.Is(c, p.space, p.local) && stringValue(d, c) == p.value {
				return true
			}
		}
		return false
	}
	return stringValue(d, elem) == p.value
}
