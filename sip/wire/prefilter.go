package wire

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// Limits of a header section. The parser's cost grows with the square of some of
// these, so they are checked before it sees a byte.
const (
	maxHead       = 8 << 10
	maxLine       = 4 << 10
	maxLines      = 100
	maxSemicolons = 64 // per line; also "&" in the start line
)

// errNotSIP: nothing in the datagram can be answered; it is dropped.
var errNotSIP = errors.New("not a SIP message")

// message is a message split into lines. Only clean lines are kept: whatever is
// echoed from it is free of controls.
type message struct {
	start   string
	lines   []Header
	body    []byte // what follows the blank line, not yet cut to Content-Length
	problem error  // the first violation of a limit or of the line syntax
}

// split takes a message apart within the limits. It returns errNotSIP for what
// is not even the beginning of a message; otherwise violations are noted in
// problem and the rest is split as far as the limits go, so that a 400 can be sent.
func split(data []byte) (m message, err error) {
	if len(data) == 0 || !plausibleStart(data) {
		return m, errNotSIP
	}
	end := bytes.Index(data[:min(len(data), maxHead)], []byte("\r\n\r\n"))
	switch {
	case end >= 0:
		m.body = data[end+4:]
	case len(data) >= maxHead:
		m.fail("header section longer than %d bytes", maxHead)
		end = bytes.LastIndex(data[:maxHead], []byte("\r\n"))
	default:
		m.fail("no blank line after the header section")
		end = len(bytes.TrimSuffix(data, []byte("\r\n")))
	}
	if end < 0 {
		return m, errNotSIP
	}
	head := string(data[:end])
	var rest string
	m.start, rest, _ = strings.Cut(head, "\r\n")
	if !cleanLine(m.start) || len(m.start) > maxLine || strings.Count(m.start, ";") > maxSemicolons || strings.Count(m.start, "&") > maxSemicolons {
		return m, errNotSIP
	}
	m.lines = make([]Header, 0, min(strings.Count(rest, "\r\n")+1, maxLines))
	for rest != "" {
		var line string
		line, rest = cutLine(rest)
		m.add(line)
	}
	return m, nil
}

// plausibleStart looks at the first line without trusting anything: a request
// line ends in, and a status line starts with, "SIP/".
func plausibleStart(data []byte) bool {
	if !tokenChar(data[0]) {
		return false
	}
	line, _, _ := bytes.Cut(data[:min(len(data), maxLine)], []byte("\r\n"))
	if bytes.HasPrefix(line, []byte("SIP/")) {
		return true
	}
	i := bytes.LastIndex(bytes.TrimRight(line, " \t"), []byte(" "))
	return i > 0 && len(line) > i+4 && bytes.EqualFold(line[i+1:i+5], []byte("SIP/"))
}

// cutLine takes one header line with its folded continuations off s.
func cutLine(s string) (line, rest string) {
	at := 0
	for {
		i := strings.Index(s[at:], "\r\n")
		if i < 0 {
			return s, ""
		}
		at += i + 2
		if at >= len(s) || s[at] != ' ' && s[at] != '\t' {
			return s[:at-2], s[at:]
		}
	}
}

func (m *message) add(line string) {
	if len(m.lines) == maxLines {
		m.fail("more than %d header lines", maxLines)
		return
	}
	if len(line) > maxLine || strings.Count(line, ";") > maxSemicolons {
		m.fail("header line too long or too many parameters")
		return
	}
	if strings.IndexByte(line, '\r') >= 0 {
		line = unfold(line)
	}
	if !cleanLine(line) {
		m.fail("control character in a header line")
		return
	}
	name, value, ok := strings.Cut(line, ":")
	name = trim(name)
	if !ok || !isToken(name) {
		m.fail("malformed header line")
		return
	}
	m.lines = append(m.lines, Header{Name: name, Value: trim(value)})
}

// unfold replaces each fold by one space, RFC 3261 §7.3.1.
func unfold(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	for part := range strings.SplitSeq(s, "\r\n") {
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(trim(part))
	}
	return b.String()
}

// cleanLine reports whether s has no control characters but tabs: no NUL, and
// no CR or LF that is not part of a line end.
func cleanLine(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < 0x20 && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

func (m *message) fail(format string, args ...any) {
	if m.problem == nil {
		m.problem = fmt.Errorf(format, args...)
	}
}

// keepAlive reports whether a datagram is one of the fillers that clients send to
// keep a NAT binding open: line ends, blanks or NULs.
func keepAlive(data []byte) bool {
	for _, c := range data {
		switch c {
		case '\r', '\n', ' ', 0:
		default:
			return false
		}
	}
	return len(data) <= 8
}
