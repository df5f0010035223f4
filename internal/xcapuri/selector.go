package xcapuri

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"rollcall/internal/xmlscan"
)

// NodeSelector names a node of a document (RFC 4825 §6.3).
type NodeSelector struct {
	Steps    []Step
	Terminal Terminal
	Attr     Name // of a Terminal Attribute

	text string
}

// Terminal is what a node selector ends in.
type Terminal int

// Terminals.
const (
	Element    Terminal = iota // none: the last step selects an element
	Attribute                  // @name
	Namespaces                 // namespace::*
)

// Step selects one child element.
type Step struct {
	Any      bool // "*"
	Name     Name
	Position int // -1 when there is none
	Test     *Test

	end int // offset of the end of the step in the text of the selector
}

// Name is a name in a selector with the namespace it expands to.
type Name struct{ Prefix, Local, Space string }

// Test is the comparison of an attribute with a value.
type Test struct {
	Name  Name
	Value string
}

// maxSteps bounds a selector; documents are not nested deeper.
const maxSteps = 128

// ParseNode reads a decoded node selector. query is the decoded query with the
// namespace bindings, defaultNS the default document namespace.
func ParseNode(s, query, defaultNS string) (*NodeSelector, error) {
	bindings, err := parseQuery(query)
	if err != nil {
		return nil, err
	}
	n := &NodeSelector{text: s}
	for start := 0; ; {
		end, err := stepEnd(s, start)
		if err != nil {
			return nil, err
		}
		text, last := s[start:end], end == len(s)
		switch {
		case last && len(n.Steps) > 0 && text == "namespace::*":
			n.Terminal = Namespaces
		case last && len(n.Steps) > 0 && strings.HasPrefix(text, "@"):
			n.Terminal = Attribute
			if n.Attr, err = parseName(text[1:], bindings); err != nil {
				return nil, err
			}
		default:
			step, err := parseStep(text, bindings)
			if err != nil {
				return nil, err
			}
			if len(n.Steps) == maxSteps {
				return nil, nothing("selector too deep")
			}
			step.end = end
			n.Steps = append(n.Steps, step)
		}
		if last {
			return n.WithDefault(defaultNS), nil
		}
		start = end + 1
	}
}

// WithDefault returns the selector with another default document namespace,
// which unprefixed element names expand to. Attributes are not concerned.
func (n *NodeSelector) WithDefault(space string) *NodeSelector {
	c := *n
	c.Steps = make([]Step, len(n.Steps))
	for i, s := range n.Steps {
		if s.Name.Prefix == "" {
			s.Name.Space = space
		}
		c.Steps[i] = s
	}
	return &c
}

// Ancestor returns the text of the selector's first steps.
func (n *NodeSelector) Ancestor(steps int) string {
	if steps == 0 {
		return ""
	}
	return n.text[:n.Steps[steps-1].end]
}

// stepEnd returns the offset of the slash behind the step at start, or the end.
// Slashes and brackets in quotes are data.
func stepEnd(s string, start int) (int, error) {
	var quote byte
	inside := false
	for i := start; i < len(s); i++ {
		switch c := s[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case inside && (c == '"' || c == '\''):
			quote = c
		case c == '[' && !inside:
			inside = true
		case c == ']' && inside:
			inside = false
		case c == '[', c == ']':
			return 0, malformed("brackets do not match")
		case c == '/' && !inside:
			if i == start {
				return 0, malformed("empty step")
			}
			return i, nil
		}
	}
	if inside {
		return 0, malformed("bracket or quote is not closed")
	}
	if start == len(s) {
		return 0, malformed("empty step")
	}
	return len(s), nil
}

// balanced reports whether all brackets and quotes of s are closed.
func balanced(s string) bool {
	for start := 0; start < len(s); {
		end, err := stepEnd(s, start)
		if err != nil {
			return false
		}
		start = end + 1
	}
	return true
}

// parseStep reads NameorAny [position] [attribute test], in that order. What
// has matching brackets but another form is an extension that we do not know:
// RFC 4825 §8 wants 404 for it.
func parseStep(s string, bindings map[string]string) (Step, error) {
	step := Step{Position: -1}
	name, rest := s, ""
	if i := strings.IndexByte(s, '['); i >= 0 {
		name, rest = s[:i], s[i:]
	}
	if name == "*" {
		step.Any = true
	} else {
		var err error
		if step.Name, err = parseName(name, bindings); err != nil {
			return step, err
		}
	}
	if rest, ok := cutPosition(&step, rest); ok {
		return step, parseTest(&step, rest, bindings)
	}
	return step, parseTest(&step, rest, bindings)
}

// cutPosition reads "[digits]" at the start of s. Numbers beyond any document
// all mean the same.
func cutPosition(step *Step, s string) (rest string, ok bool) {
	i := 1
	n := 0
	for ; i < len(s) && s[i] >= '0' && s[i] <= '9'; i++ {
		n = min(n*10+int(s[i]-'0'), 1<<30)
	}
	if i == 1 || i >= len(s) || s[i] != ']' {
		return s, false
	}
	step.Position = n
	return s[i+1:], true
}

// parseTest reads `[@name="value"]`, which is all that is left of a step.
func parseTest(step *Step, s string, bindings map[string]string) error {
	if s == "" {
		return nil
	}
	inner, ok := strings.CutPrefix(s, "[@")
	name, value, found := strings.Cut(inner, "=")
	if !ok || !found || len(value) < 3 || value[len(value)-1] != ']' {
		return nothing("unknown step %q", s)
	}
	value = value[:len(value)-1]
	quote := value[0]
	if len(value) < 2 || quote != '"' && quote != '\'' || strings.IndexByte(value[1:], quote) != len(value)-2 {
		return nothing("unknown step %q", s)
	}
	test := &Test{}
	var err error
	if test.Name, err = parseName(strings.TrimSpace(name), bindings); err != nil {
		return err
	}
	// The value is an AttValue (XML 1.0 §2.3): references in it are expanded.
	if test.Value, ok = xmlscan.Unescape(value[1 : len(value)-1]); !ok || strings.IndexByte(value, '<') >= 0 {
		return malformed("bad attribute value in selector")
	}
	step.Test = test
	return nil
}

// parseName reads a QName and expands its prefix. Unprefixed names are left in
// no namespace.
func parseName(s string, bindings map[string]string) (Name, error) {
	prefix, local, prefixed := strings.Cut(s, ":")
	if !prefixed {
		prefix, local = "", s
	}
	if !isNCName(local) || prefixed && !isNCName(prefix) {
		return Name{}, nothing("unknown selector %q", s)
	}
	if !prefixed {
		return Name{Local: local}, nil
	}
	space, bound := bindings[prefix]
	if !bound {
		// RFC 4825 §8: 400 before anything method-specific happens.
		return Name{}, malformed("prefix %s is not bound", prefix)
	}
	return Name{Prefix: prefix, Local: local, Space: space}, nil
}

// isNCName is lenient beyond ASCII: a name that no document can have selects nothing.
func isNCName(s string) bool {
	for i, r := range s {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r == '_':
		case r >= '0' && r <= '9', r == '-', r == '.':
			if i == 0 {
				return false
			}
		case r < utf8.RuneSelf, unicode.IsSpace(r):
			return false
		}
	}
	return s != ""
}
