package eventfilter

import (
	"strconv"
	"strings"
	"unicode"
)

// path is an expression that selects elements or attributes: a selection of RFC
// 4661 §5.
type path struct{ steps []step }

// step is one step of a path: a child, a descendant or an attribute.
type step struct {
	deep  bool // "//" stands in front of it
	attr  bool
	space string
	local string        // "*": any
	only  []alternative // conditions; all must hold
	every bool          // any namespace, too
}

// alternative is the content of brackets: comparisons joined by "or" of those
// joined by "and".
type alternative [][]comparison

// comparison compares what a path inside brackets selects. Without an operator it
// asks whether that is there.
type comparison struct {
	parent bool   // ".."
	steps  []step // from the element on; none: itself
	op     string
	text   string
	number float64
	exact  bool // the value is a text
}

// lexer takes an expression apart.
type lexer struct {
	s          string
	at         int
	spaces     func(prefix string) (uri string, ok bool)
	conditions int
}

func parsePath(s string, spaces func(string) (string, bool)) (*path, error) {
	if len(s) > maxExpression {
		return nil, invalid("an expression is longer than %d octets", maxExpression)
	}
	l := &lexer{s: s, spaces: spaces}
	p := new(path)
	for {
		slash := l.take("/")
		if !slash {
			break
		}
		st, err := l.step(l.next("/"))
		if err != nil {
			return nil, err
		}
		if n := len(p.steps); n == maxSteps || n > 0 && p.steps[n-1].attr {
			return nil, l.wrong()
		}
		p.steps = append(p.steps, st)
	}
	if l.skip(); l.at < len(l.s) || len(p.steps) == 0 {
		return nil, l.wrong()
	}
	return p, nil
}

func (l *lexer) wrong() error { return invalid("the expression %q is not understood", l.s) }

func (l *lexer) skip() {
	for l.at < len(l.s) && strings.IndexByte(" \t\r\n", l.s[l.at]) >= 0 {
		l.at++
	}
}

// take passes a token, after white space.
func (l *lexer) take(token string) bool {
	l.skip()
	return l.next(token)
}

// next passes a token that follows at once.
func (l *lexer) next(token string) bool {
	if strings.HasPrefix(l.s[l.at:], token) {
		l.at += len(token)
		return true
	}
	return false
}

// word passes "and" or "or".
func (l *lexer) word(w string) bool {
	before := l.at
	if l.take(w) && (l.at == len(l.s) || !nameChar(rune(l.s[l.at]))) {
		return true
	}
	l.at = before
	return false
}

// step reads a step; deep says that two slashes led to it.
func (l *lexer) step(deep bool) (st step, err error) {
	st.deep = deep
	st.attr = l.take("@")
	if err := l.nameTest(&st); err != nil {
		return st, err
	}
	for l.take("[") {
		if st.attr {
			return st, l.wrong()
		}
		alt, err := l.alternative()
		if err != nil {
			return st, err
		}
		st.only = append(st.only, alt)
	}
	return st, nil
}

func (l *lexer) nameTest(st *step) error {
	if l.take("*") {
		st.local, st.every = "*", true
		return nil
	}
	first, ok := l.name()
	if !ok {
		return l.wrong()
	}
	if st.local = first; !l.next(":") {
		if l.next("(") {
			return l.wrong() // functions and node types are beyond RFC 4661
		}
		return nil // RFC 4661 §5: no namespace
	}
	if st.space, ok = l.spaces(first); !ok {
		return invalid("the prefix %q is not bound", first)
	}
	if l.next("*") {
		st.local = "*"
		return nil
	}
	if st.local, ok = l.name(); !ok {
		return l.wrong()
	}
	return nil
}

func (l *lexer) name() (string, bool) {
	l.skip()
	start := l.at
	for i, c := range l.s[start:] {
		if !nameChar(c) || i == 0 && (c == '-' || c == '.' || unicode.IsDigit(c)) {
			break
		}
		l.at = start + i + len(string(c))
	}
	return l.s[start:l.at], l.at > start
}

func nameChar(c rune) bool {
	return c == '_' || c == '-' || c == '.' || unicode.IsLetter(c) || unicode.IsDigit(c)
}

// alternative reads what stands in brackets, up to the closing one.
func (l *lexer) alternative() (alternative, error) {
	var alt alternative
	for {
		var all []comparison
		for {
			c, err := l.comparison()
			if err != nil {
				return nil, err
			}
			if l.conditions++; l.conditions > maxConditions {
				return nil, invalid("more than %d conditions in an expression", maxConditions)
			}
			all = append(all, c)
			if !l.word("and") {
				break
			}
		}
		alt = append(alt, all)
		if !l.word("or") {
			break
		}
	}
	if !l.take("]") {
		return nil, l.wrong()
	}
	return alt, nil
}

func (l *lexer) comparison() (c comparison, err error) {
	switch {
	case l.take(".."):
		c.parent = true
	case l.take("."):
		if l.next("/") { // "./a" is "a"
			err = l.relative(&c)
		}
	default:
		err = l.relative(&c)
	}
	if err != nil {
		return c, err
	}
	for _, op := range [...]string{"!=", "<=", ">=", "=", "<", ">"} {
		if l.take(op) {
			c.op = op
			return c, l.value(&c)
		}
	}
	return c, nil
}

// relative reads a path inside brackets.
func (l *lexer) relative(c *comparison) error {
	for {
		st, err := l.step(false)
		if err != nil {
			return err
		}
		if len(st.only) > 0 || len(c.steps) == maxSteps {
			return l.wrong()
		}
		c.steps = append(c.steps, st)
		if st.attr || !l.take("/") {
			return nil
		}
	}
}

// value reads what is compared with: a text in quotes or a number.
func (l *lexer) value(c *comparison) error {
	l.skip()
	for _, quote := range [...]string{`"`, `'`} {
		if !l.next(quote) {
			continue
		}
		n := strings.Index(l.s[l.at:], quote)
		if n < 0 {
			return l.wrong()
		}
		c.text, c.exact = strings.TrimSpace(l.s[l.at:l.at+n]), true
		l.at += n + 1
		if c.op != "=" && c.op != "!=" { // XPath 1.0 §3.4: these compare numbers
			var ok bool
			if c.number, ok = decimal(c.text); !ok {
				return l.wrong()
			}
			c.exact = false
		}
		return nil
	}
	start := l.at
	for l.at < len(l.s) && strings.IndexByte("+-.0123456789", l.s[l.at]) >= 0 {
		l.at++
	}
	var ok bool
	if c.number, ok = decimal(l.s[start:l.at]); !ok {
		return l.wrong()
	}
	c.text = l.s[start:l.at]
	return nil
}

// decimal reads an xs:decimal.
func decimal(s string) (float64, bool) {
	if len(s) > 32 || strings.Trim(s, "+-.0123456789") != "" {
		return 0, false
	}
	v, err := strconv.ParseFloat(s, 64)
	return v, err == nil
}
