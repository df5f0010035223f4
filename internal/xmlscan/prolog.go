package xmlscan

import "strings"

// bang reads a comment or CDATA section.
func (sc *scanner) bang() error {
	rest := sc.s[sc.pos:]
	switch {
	case strings.HasPrefix(rest, "<!--"):
		return sc.comment()
	case strings.HasPrefix(rest, "<![CDATA["):
		return sc.cdata()
	case strings.HasPrefix(rest, "<!DOCTYPE"):
		return sc.fail(DTD, sc.pos, "document type declarations are not accepted")
	}
	return sc.malformed(sc.pos, "unknown markup")
}

func (sc *scanner) comment() error {
	if sc.fragment && len(sc.open) == 0 {
		return sc.fail(NotFragment, sc.pos, "comment outside the element")
	}
	body := sc.s[sc.pos+4:]
	n := strings.Index(body, "--")
	if n < 0 {
		return sc.malformed(sc.pos, "comment is not closed")
	}
	if !strings.HasPrefix(body[n:], "-->") {
		return sc.malformed(sc.pos+4+n, "-- in comment")
	}
	sc.pos += 4 + n + 3
	return nil
}

func (sc *scanner) cdata() error {
	if len(sc.open) == 0 {
		return sc.outside(sc.pos, "CDATA section outside the root element")
	}
	n := strings.Index(sc.s[sc.pos:], "]]>")
	if n < 0 {
		return sc.malformed(sc.pos, "CDATA section is not closed")
	}
	sc.pos += n + 3
	return nil
}

// instruction reads a processing instruction. One named xml can only be a
// misplaced XML declaration.
func (sc *scanner) instruction() error {
	if sc.fragment && len(sc.open) == 0 {
		return sc.fail(NotFragment, sc.pos, "processing instruction outside the element")
	}
	target := sc.pos + 2
	end, err := sc.ncname(target)
	if err != nil {
		return err
	}
	if strings.EqualFold(sc.s[target:end], "xml") {
		return sc.malformed(sc.pos, "misplaced XML declaration")
	}
	n := strings.Index(sc.s[end:], "?>")
	if n < 0 {
		return sc.malformed(sc.pos, "processing instruction is not closed")
	}
	if n > 0 && !isBlank(sc.s[end]) {
		return sc.malformed(end, "white space missing behind the target")
	}
	sc.pos = end + n + 2
	return nil
}

// declaration reads the XML declaration, if there is one (XML 1.0 §2.8).
func (sc *scanner) declaration() error {
	rest, found := strings.CutPrefix(sc.s[sc.pos:], "<?xml")
	if !found || rest == "" || !isBlank(rest[0]) && rest[0] != '?' {
		return nil // another processing instruction, or none
	}
	content, _, closed := strings.Cut(rest, "?>")
	if !closed {
		return sc.malformed(sc.pos, "XML declaration is not closed")
	}
	version, content, ok := pseudoAttribute(content, "version")
	if !ok || version != "1.0" {
		return sc.malformed(sc.pos, "XML declaration without version 1.0")
	}
	if encoding, next, ok := pseudoAttribute(content, "encoding"); ok {
		if !strings.EqualFold(encoding, "utf-8") {
			return sc.fail(NotUTF8, sc.pos, "declared encoding is not UTF-8")
		}
		content = next
	}
	if standalone, next, ok := pseudoAttribute(content, "standalone"); ok {
		if standalone != "yes" && standalone != "no" {
			return sc.malformed(sc.pos, "standalone is neither yes nor no")
		}
		content = next
	}
	if strings.Trim(content, " \t\r\n") != "" {
		return sc.malformed(sc.pos, "unknown content in XML declaration")
	}
	sc.pos = len(sc.s) - len(rest) + strings.Index(rest, "?>") + 2
	return nil
}

// pseudoAttribute takes ` name="value"` off the start of s.
func pseudoAttribute(s, name string) (value, rest string, ok bool) {
	t := strings.TrimLeft(s, " \t\r\n")
	if len(t) == len(s) {
		return "", s, false
	}
	t, ok = strings.CutPrefix(t, name)
	if !ok {
		return "", s, false
	}
	t, ok = strings.CutPrefix(strings.TrimLeft(t, " \t\r\n"), "=")
	if !ok {
		return "", s, false
	}
	t = strings.TrimLeft(t, " \t\r\n")
	if t == "" || t[0] != '"' && t[0] != '\'' {
		return "", s, false
	}
	value, rest, ok = strings.Cut(t[1:], t[:1])
	return value, rest, ok
}
