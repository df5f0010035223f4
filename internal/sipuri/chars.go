package sipuri

// The character classes of RFC 3261 §25.1.

func alphanum(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

func unreserved(c byte) bool {
	if alphanum(c) {
		return true
	}
	switch c {
	case '-', '_', '.', '!', '~', '*', '\'', '(', ')':
		return true
	}
	return false
}

func userChar(c byte) bool {
	switch c {
	case '&', '=', '+', '$', ',', ';', '?', '/':
		return true
	}
	return unreserved(c)
}

func passwordChar(c byte) bool {
	switch c {
	case '&', '=', '+', '$', ',':
		return true
	}
	return unreserved(c)
}

func paramChar(c byte) bool {
	switch c {
	case '[', ']', '/', ':', '&', '+', '$':
		return true
	}
	return unreserved(c)
}

func headerChar(c byte) bool {
	switch c {
	case '[', ']', '/', '?', ':', '+', '$':
		return true
	}
	return unreserved(c)
}

// telChar: phonedigit-hex, visual separators and "+", RFC 3966 §3.
func telChar(c byte) bool {
	switch c {
	case '+', '*', '#', '-', '.', '(', ')':
		return true
	}
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

// opaque: whatever may appear in a URI at all, RFC 3986 §2.
func opaque(c byte) bool {
	switch c {
	case '<', '>', '"', '\\', '^', '`', '{', '|', '}':
		return false
	}
	return 0x21 <= c && c <= 0x7e
}

func isScheme(s string) bool {
	if s == "" || !alphanum(s[0]) || '0' <= s[0] && s[0] <= '9' {
		return false
	}
	for i := 1; i < len(s); i++ {
		if c := s[i]; !alphanum(c) && c != '+' && c != '-' && c != '.' {
			return false
		}
	}
	return true
}

func all(s string, class func(byte) bool) bool {
	for i := 0; i < len(s); i++ {
		if !class(s[i]) {
			return false
		}
	}
	return true
}

// escaped reports whether s consists of characters of class and of %HH.
func escaped(s string, class func(byte) bool) bool {
	for i := 0; i < len(s); i++ {
		if s[i] == '%' {
			if _, ok := unhex(s, i); !ok {
				return false
			}
			i += 2
		} else if !class(s[i]) {
			return false
		}
	}
	return true
}

// unhex decodes the escape %HH at s[i].
func unhex(s string, i int) (byte, bool) {
	if i+2 >= len(s) {
		return 0, false
	}
	hi, lo := hexDigit(s[i+1]), hexDigit(s[i+2])
	if hi > 15 || lo > 15 {
		return 0, false
	}
	return hi<<4 | lo, true
}

func hexDigit(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10
	}
	return 0xff
}

// normalEscapes undoes the escapes of characters in decode, writes the others in
// upper case, and escapes what is not in literal. It decodes once only.
func normalEscapes(s string, decode, literal func(byte) bool) string {
	if all(s, literal) {
		return s
	}
	b := make([]byte, 0, len(s)+8)
	for i := 0; i < len(s); i++ {
		c, ok := s[i], literal
		if c == '%' {
			// A "%" that starts no escape is a literal one and becomes %25.
			if d, isEscape := unhex(s, i); isEscape {
				c, ok = d, decode
				i += 2
			}
		}
		if ok(c) {
			b = append(b, c)
		} else {
			const digits = "0123456789ABCDEF"
			b = append(b, '%', digits[c>>4], digits[c&15])
		}
	}
	return string(b)
}

// userOrHeaderChar: whatever may stand unescaped in some component.
func userOrHeaderChar(c byte) bool { return userChar(c) || headerChar(c) }
