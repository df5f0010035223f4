package xmlscan

import (
	"encoding/binary"
	"strings"
	"unicode/utf8"
)

// nameBytes has a bit for every ASCII character that may stand in a name. The
// colon is left to the scanner of qualified names.
const (
	nameBytesLow  = 0x03ff_6000_0000_0000 // - . 0-9
	nameBytesHigh = 0x07ff_fffe_87ff_fffe // A-Z _ a-z
)

func isNameByte(c byte) bool {
	if c < 64 {
		return nameBytesLow>>c&1 != 0
	}
	return c < 128 && nameBytesHigh>>(c&63)&1 != 0
}

func isBlank(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

// wideName reports whether a character beyond ASCII may stand in a name, and
// whether it may start one (XML 1.0, fifth edition, §2.3).
func wideName(r rune) (char, start bool) {
	switch {
	case r == 0xB7, r >= 0x300 && r <= 0x36F, r == 0x203F, r == 0x2040:
		return true, false
	case r < 0xC0, r == 0xD7, r == 0xF7, r == 0x37E:
		return false, false
	case r <= 0x1FFF, r == 0x200C, r == 0x200D, r >= 0x2070 && r <= 0x218F,
		r >= 0x2C00 && r <= 0x2FEF, r >= 0x3001 && r <= 0xD7FF, r >= 0xF900 && r <= 0xFDCF,
		r >= 0xFDF0 && r <= 0xFFFD, r >= 0x10000 && r <= 0xEFFFF:
		return true, true
	}
	return false, false
}

// isChar reports whether r may occur in a document at all (XML 1.0 §2.2).
func isChar(r rune) bool {
	switch {
	case r < 0x20:
		return r == '\t' || r == '\n' || r == '\r'
	case r <= 0xD7FF, r >= 0xE000 && r <= 0xFFFD, r >= 0x10000 && r <= 0x10FFFF:
		return true
	}
	return false
}

// checkChars checks the whole document for UTF-8 and characters that XML
// excludes, eight bytes at a time, so that the scanner need not look again.
func (sc *scanner) checkChars(src []byte) error {
	var wideSeen uint64
	i := 0
	for ; i+8 <= len(src); i += 8 {
		w := binary.LittleEndian.Uint64(src[i:])
		wideSeen |= w & high
		if (w-ones*0x20)&^w&high == 0 { // no byte below 0x20
			continue
		}
		if below := ^((w&low + ones*(0x80-0x20)) | w) & high; below == equal(w, '\n')|equal(w, '\t')|equal(w, '\r') {
			continue
		}
		if err := sc.checkControls(i, i+8); err != nil {
			return err
		}
	}
	if err := sc.checkControls(i, len(src)); err != nil {
		return err
	}
	if wideSeen == 0 && i == len(src) {
		return nil
	}
	return sc.checkWide()
}

const ones, high, low = 0x0101010101010101, 0x8080808080808080, 0x7f7f7f7f7f7f7f7f

// equal marks the bytes of w that are c.
func equal(w uint64, c byte) uint64 {
	v := w ^ ones*uint64(c)
	return ^((v&low + low) | v | low)
}

// checkWide checks what is beyond ASCII.
func (sc *scanner) checkWide() error {
	if !utf8.ValidString(sc.s) {
		i := 0
		for i < len(sc.s) {
			r, n := utf8.DecodeRuneInString(sc.s[i:])
			if r == utf8.RuneError && n == 1 {
				break
			}
			i += n
		}
		return sc.fail(NotUTF8, i, "invalid UTF-8")
	}
	for _, nonchar := range [...]string{"\uFFFE", "\uFFFF"} {
		if at := strings.Index(sc.s, nonchar); at >= 0 {
			return sc.malformed(at, "character not allowed in XML")
		}
	}
	return nil
}

func (sc *scanner) checkControls(from, to int) error {
	for i := from; i < to; i++ {
		if c := sc.s[i]; c < 0x20 && !isBlank(c) {
			if err := sc.checkWide(); err != nil {
				return err // another charset, most likely
			}
			return sc.malformed(i, "control character")
		}
	}
	return nil
}
