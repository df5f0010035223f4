package sqldump

import (
	"errors"
	"io"
)

// kind of a token.
type kind int

const (
	word   kind = iota // unquoted: name, keyword or number
	ident              // a name in backquotes or double quotes
	text               // a string in single quotes
	symbol             // any other character
)

type token struct {
	kind    kind
	text    string
	tooLong bool
}

func (t token) is(s string) bool { return t.kind == symbol && t.text == s }

// read returns the next byte and counts lines.
func (r *Reader) read() (byte, error) {
	c, err := r.in.ReadByte()
	if c == '\n' && err == nil {
		r.line++
	}
	return c, err
}

// peek returns the next byte without consuming it, 0 at the end.
func (r *Reader) peek() byte {
	b, err := r.in.Peek(1)
	if err != nil {
		return 0
	}
	return b[0]
}

// next returns the next token. Comments count as blanks, those that only some
// versions of MySQL are to execute, too.
func (r *Reader) next() (token, error) {
	for {
		c, err := r.read()
		if err != nil {
			return token{}, err
		}
		switch {
		case isBlank(c):
		case c == '#':
			err = r.skipLine()
		case c == '-' && r.peek() == '-':
			err = r.skipLine()
		case c == '/' && r.peek() == '*':
			err = r.skipComment()
		case c == '\'':
			return r.quoted(c, text, r.escape)
		case c == '`', c == '"':
			return r.quoted(c, ident, c == '"' && r.escape)
		case c == '$':
			return r.dollar()
		case isWord(c):
			return r.word(c), nil
		default:
			return token{kind: symbol, text: string(rune(c))}, nil
		}
		if err != nil {
			return token{}, err
		}
	}
}

func isBlank(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

func isWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c >= 0x80
}

// word reads a name, a keyword or a number. Hexadecimal numbers hold whole
// documents, so they may be as long as a value.
func (r *Reader) word(first byte) token {
	t := token{kind: word}
	b := []byte{first}
	for c := r.peek(); isWord(c) || c == '$' || c == '.' && first >= '0' && first <= '9'; c = r.peek() {
		_, _ = r.read()
		if len(b) < 2*maxValue+2 {
			b = append(b, c)
		} else {
			t.tooLong = true
		}
	}
	t.text = string(b)
	return t
}

// quoted reads up to the closing quote; two quotes stand for one.
func (r *Reader) quoted(quote byte, k kind, escape bool) (token, error) {
	t := token{kind: k}
	var b []byte
	for {
		c, err := r.read()
		if err != nil {
			return t, r.unfinished(err)
		}
		switch {
		case c == quote && r.peek() == quote:
			_, _ = r.read()
		case c == quote:
			t.text = string(b)
			return t, nil
		case c == '\\' && escape:
			if c, err = r.read(); err != nil {
				return t, r.unfinished(err)
			}
			c = unescape(c)
		}
		if len(b) < maxValue {
			b = append(b, c)
		} else {
			t.tooLong = true
		}
	}
}

// unescape is what a character after a backslash stands for in MySQL.
func unescape(c byte) byte {
	switch c {
	case '0':
		return 0
	case 'b':
		return '\b'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	case 'Z':
		return 26
	}
	return c
}

// dollar reads over a string between $tag$ and $tag$ (PostgreSQL).
func (r *Reader) dollar() (token, error) {
	tag := []byte{'$'}
	for c := r.peek(); isWord(c) && len(tag) < maxName; c = r.peek() {
		_, _ = r.read()
		tag = append(tag, c)
	}
	if r.peek() != '$' {
		return token{kind: symbol, text: "$"}, nil
	}
	_, _ = r.read()
	tag = append(tag, '$')
	var last []byte // as many bytes as the tag is long
	for {
		c, err := r.read()
		if err != nil {
			return token{}, r.unfinished(err)
		}
		if last = append(last, c); len(last) > len(tag) {
			last = last[1:]
		}
		if string(last) == string(tag) {
			return token{kind: symbol, text: string(tag)}, nil
		}
	}
}

func (r *Reader) unfinished(err error) error {
	if errors.Is(err, io.EOF) {
		return r.fail("the dump ends within a string or comment")
	}
	return err
}

func (r *Reader) skipLine() error {
	for {
		if c, err := r.read(); err != nil || c == '\n' {
			return err
		}
	}
}

func (r *Reader) skipComment() error {
	_, _ = r.read() // the asterisk
	star := false
	for {
		c, err := r.read()
		if err != nil {
			return r.unfinished(err)
		}
		if star && c == '/' {
			return nil
		}
		star = c == '*'
	}
}

// skipStatement reads over the rest of a statement.
func (r *Reader) skipStatement() error {
	for {
		if t, err := r.next(); err != nil || t.is(";") {
			return err
		}
	}
}

// linePrefix reads a line and returns how it begins.
func (r *Reader) linePrefix(n int) (string, error) {
	var b []byte
	for {
		c, err := r.read()
		if err != nil || c == '\n' {
			return string(b), err
		}
		if len(b) < n {
			b = append(b, c)
		}
	}
}
