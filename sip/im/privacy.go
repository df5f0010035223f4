package im

import (
	"strings"

	"rollcall/sip/wire"
)

// privacy is what a sender asks for with Privacy (RFC 3323 §4.2).
type privacy struct {
	id     bool // the asserted identity is not for clients (RFC 3325 §7)
	header bool // what leads back to the sender is not, either (RFC 3323 §5.1)
	// missing is what must be provided and cannot be.
	missing []string
}

func privacyOf(req *wire.Request) privacy {
	var p privacy
	var missing []string
	critical := false
	for token := range strings.SplitSeq(req.Header("Privacy"), ";") {
		switch token = strings.ToLower(strings.TrimSpace(token)); token {
		case "", "session": // a MESSAGE has no media
		case "none":
			return privacy{}
		case "id":
			p.id = true
		case "header":
			p.header = true
		case "critical":
			critical = true
		default: // user among them: From is the sender's own
			missing = append(missing, token[:min(len(token), 32)])
		}
	}
	if critical {
		p.missing = missing
	}
	return p
}

// revealing are the header fields that header privacy takes out, long and compact names.
var revealing = map[string]bool{
	"via": true, "v": true, "contact": true, "m": true, "record-route": true,
	"call-info": true, "in-reply-to": true, "organization": true, "reply-to": true, "user-agent": true,
}
