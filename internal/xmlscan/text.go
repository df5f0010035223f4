package xmlscan

import (
	"strconv"
	"strings"
)

// reference reads the entity or character reference at the start of s, which
// begins with '&'. n is its length, 0 when it is none that a document without
// declarations may use (XML 1.0 §4.1, §4.6).
func reference(s string) (r rune, n int) {
	end := strings.IndexByte(s[:min(len(s), 16)], ';')
	if end < 2 {
		return 0, 0
	}
	switch name := s[1:end]; name {
	case "amp":
		r = '&'
	case "lt":
		r = '<'
	case "gt":
		r = '>'
	case "quot":
		r = '"'
	case "apos":
		r = '\''
	default:
		if name[0] != '#' || len(name) < 2 {
			return 0, 0
		}
		digits, base := name[1:], 10
		if digits[0] == 'x' {
			digits, base = digits[1:], 16
		}
		if digits == "" || digits[0] == '+' || digits[0] == '-' || digits[0] == '_' {
			return 0, 0
		}
		v, err := strconv.ParseUint(digits, base, 21)
		if err != nil || !isChar(rune(v)) {
			return 0, 0
		}
		r = rune(v)
	}
	return r, end + 1
}

// checkReferences checks every '&' of s, which stands at offset base.
func (sc *scanner) checkReferences(s string, base int) error {
	for i := 0; ; {
		at := strings.IndexByte(s[i:], '&')
		if at < 0 {
			return nil
		}
		i += at
		_, n := reference(s[i:])
		if n == 0 {
			return sc.malformed(base+i, "not a predefined entity or valid character reference")
		}
		i += n
	}
}

// normalise gives the value of an attribute (XML 1.0 §2.11, §3.3.3).
func normalise(raw string) string {
	if isNormal(raw) {
		return raw
	}
	b := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; c {
		case '\r':
			if i+1 < len(raw) && raw[i+1] == '\n' {
				i++
			}
			b = append(b, ' ')
		case '\n', '\t':
			b = append(b, ' ')
		case '&':
			var n int
			b, n = expand(b, raw[i:])
			i += n - 1
		default:
			b = append(b, c)
		}
	}
	return string(b)
}

// isNormal reports whether a value means just what is written.
func isNormal(raw string) bool {
	for i := range len(raw) {
		if c := raw[i]; c < ' ' || c == '&' {
			return false
		}
	}
	return true
}

// expand appends what the reference at the start of s stands for.
func expand(b []byte, s string) ([]byte, int) {
	r, n := reference(s)
	if n == 0 {
		return append(b, '&'), 1
	}
	return append(b, string(r)...), n
}

// Unescape expands the references of s and reports whether all were valid.
func Unescape(s string) (string, bool) {
	if strings.IndexByte(s, '&') < 0 {
		return s, true
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); {
		if s[i] != '&' {
			b = append(b, s[i])
			i++
			continue
		}
		r, n := reference(s[i:])
		if n == 0 {
			return "", false
		}
		b = append(b, string(r)...)
		i += n
	}
	return string(b), true
}

// characterData is the character data of well-formed content without elements.
func characterData(s string) string {
	if strings.IndexByte(s, '<') < 0 {
		return unescapeText(s)
	}
	var b strings.Builder
	for s != "" {
		at := strings.IndexByte(s, '<')
		if at < 0 {
			b.WriteString(unescapeText(s))
			break
		}
		b.WriteString(unescapeText(s[:at]))
		if data, isCDATA := strings.CutPrefix(s[at:], "<![CDATA["); isCDATA {
			data, s, _ = strings.Cut(data, "]]>")
			b.WriteString(lineEnds(data))
			continue
		}
		s = behindMarkup(s[at:])
	}
	return b.String()
}

// behindMarkup returns what follows the comment or processing instruction at
// the start of s.
func behindMarkup(s string) string {
	end := "?>"
	if strings.HasPrefix(s, "<!--") {
		s, end = s[len("<!--"):], "-->"
	}
	_, s, _ = strings.Cut(s, end)
	return s
}

// blankData reports whether characterData(s) is only white space.
func blankData(s string) bool {
	for i := range len(s) {
		if !isBlank(s[i]) {
			return strings.Trim(characterData(s), " \t\r\n") == ""
		}
	}
	return true
}

func unescapeText(s string) string {
	s = lineEnds(s)
	if strings.IndexByte(s, '&') < 0 {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); {
		if s[i] != '&' {
			b = append(b, s[i])
			i++
			continue
		}
		var n int
		b, n = expand(b, s[i:])
		i += n
	}
	return string(b)
}

// lineEnds turns CRLF and lone CR into LF (XML 1.0 §2.11).
func lineEnds(s string) string {
	if strings.IndexByte(s, '\r') < 0 {
		return s
	}
	return strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "\n")
}

// Escape appends s as character data.
func Escape(dst []byte, s string) []byte { return escape(dst, s, false) }

// EscapeAttr appends s as the inside of an attribute value in either quotes.
func EscapeAttr(dst []byte, s string) []byte { return escape(dst, s, true) }

// EscapedLen is an upper bound of what Escape and EscapeAttr append for s.
func EscapedLen(s string) int {
	n := len(s)
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"', c == '\'':
			n += len("&quot;") - 1
		case c == '&', c < ' ':
			n += len("&amp;") - 1
		case c == '<', c == '>':
			n += len("&lt;") - 1
		case c >= 0x80:
			n += len("\uFFFD") - 1 // it may stand alone
		}
	}
	return n
}

// escape writes references for markup, and for white space that a reader would
// normalise; characters that XML excludes become U+FFFD.
func escape(dst []byte, s string, attr bool) []byte {
	for i, r := range s {
		switch {
		case r == '&':
			dst = append(dst, "&amp;"...)
		case r == '<':
			dst = append(dst, "&lt;"...)
		case r == '>':
			dst = append(dst, "&gt;"...)
		case r == '\r':
			dst = append(dst, "&#13;"...)
		case attr && r == '"':
			dst = append(dst, "&quot;"...)
		case attr && r == '\'':
			dst = append(dst, "&apos;"...)
		case attr && r == '\n':
			dst = append(dst, "&#10;"...)
		case attr && r == '\t':
			dst = append(dst, "&#9;"...)
		case !isChar(r):
			dst = append(dst, "\uFFFD"...)
		case r < 0x80:
			dst = append(dst, s[i])
		default:
			dst = append(dst, string(r)...)
		}
	}
	return dst
}
