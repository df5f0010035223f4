package wire

import "strings"

// Header is one header line: its name as written and its value, unfolded and
// trimmed.
type Header struct{ Name, Value string }

// longName resolves the compact forms of RFC 3261 §7.3.3 and its extensions.
func longName(name string) string {
	if len(name) != 1 {
		return name
	}
	switch name[0] | 0x20 {
	case 'a':
		return "Accept-Contact"
	case 'b':
		return "Referred-By"
	case 'c':
		return "Content-Type"
	case 'd':
		return "Request-Disposition"
	case 'e':
		return "Content-Encoding"
	case 'f':
		return "From"
	case 'i':
		return "Call-ID"
	case 'j':
		return "Reject-Contact"
	case 'k':
		return "Supported"
	case 'l':
		return "Content-Length"
	case 'm':
		return "Contact"
	case 'o':
		return "Event"
	case 'r':
		return "Refer-To"
	case 's':
		return "Subject"
	case 't':
		return "To"
	case 'u':
		return "Allow-Events"
	case 'v':
		return "Via"
	case 'x':
		return "Session-Expires"
	case 'y':
		return "Identity"
	}
	return name
}

// sameName compares header names without case. Both must be long forms.
func sameName(a, b string) bool { return a == b || len(a) == len(b) && strings.EqualFold(a, b) }

// listValues returns the elements of a list header over all its lines, in order.
func listValues(lines []Header, name string) []string {
	var out []string
	for i := range lines {
		if sameName(longName(lines[i].Name), name) {
			out = splitList(out, lines[i].Value)
		}
	}
	return out
}

// splitList splits a header value at its commas, leaving alone those within
// quotes and angle brackets, and appends the trimmed elements to dst.
func splitList(dst []string, value string) []string {
	if strings.IndexByte(value, ',') < 0 {
		if v := trim(value); v != "" {
			dst = append(dst, v)
		}
		return dst
	}
	start := 0
	for i := 0; i <= len(value); i++ {
		if i < len(value) && value[i] != ',' {
			i = skipSpan(value, i)
			continue
		}
		if v := trim(value[start:min(i, len(value))]); v != "" {
			dst = append(dst, v)
		}
		start = i + 1
	}
	return dst
}

// skipSpan returns the index of the last byte of the quoted string or bracketed
// URI that starts at s[i], or i when none starts there or it does not end.
func skipSpan(s string, i int) int {
	switch s[i] {
	case '"':
		if end := quotedEnd(s, i); end > 0 {
			return end - 1
		}
	case '<':
		if n := strings.IndexByte(s[i:], '>'); n > 0 {
			return i + n
		}
	}
	return i
}

// quotedEnd returns the index after the quoted-string that starts at s[i], or -1.
func quotedEnd(s string, i int) int {
	for i++; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return -1
}

// unquote returns the text of a quoted-string without quotes and backslashes.
func unquote(s string) string {
	s = s[1 : len(s)-1]
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b = append(b, s[i])
	}
	return string(b)
}

// trim removes linear white space at both ends.
func trim(s string) string {
	for len(s) > 0 && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	for len(s) > 0 && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
		s = s[:len(s)-1]
	}
	return s
}

// tokenChar: RFC 3261 §25.1.
func tokenChar(c byte) bool {
	if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' {
		return true
	}
	switch c {
	case '-', '.', '!', '%', '*', '_', '+', '`', '\'', '~':
		return true
	}
	return false
}

func isToken(s string) bool {
	for i := 0; i < len(s); i++ {
		if !tokenChar(s[i]) {
			return false
		}
	}
	return s != ""
}
