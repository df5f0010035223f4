package wire

import "strings"

// maxWarning bounds the text of a Warning header, in bytes.
const maxWarning = 200

// Warning returns a Warning header in which host tells a person what is wrong with
// a request (RFC 3261 §20.43, code 399).
func Warning(host, text string) Header {
	text = strings.Map(func(r rune) rune {
		switch {
		case r == '"' || r == '\\':
			return '\''
		case r < ' ' || r > '~':
			return '?'
		}
		return r
	}, text)
	return Header{"Warning", "399 " + host + ` "` + text[:min(len(text), maxWarning)] + `"`}
}
