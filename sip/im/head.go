package im

import (
	"strings"

	"rollcall/sip/wire"
)

// ours are the header fields that do not travel on: what the client transaction
// writes itself, credentials meant for us, routes that ended here, and what a
// sender may only hint at (RFC 3325 §6). Long and compact names.
var ours = map[string]bool{
	"max-forwards": true, "cseq": true, "content-length": true, "l": true,
	"authorization": true, "proxy-authorization": true, "route": true,
	"p-preferred-identity": true,
}

// forwardedHead returns the header lines of the request to send on, each with
// its CRLF, Via lines included (RFC 3261 §16.6).
func forwardedHead(req *wire.Request, trusted bool) []byte {
	asked := privacyOf(req)
	keepIdentity := trusted && !asked.id
	var b []byte
	for _, h := range req.Lines() {
		name := strings.ToLower(h.Name)
		// RFC 3325 §5: a claim of identity counts only from a trusted hop.
		if ours[name] || (name == "p-asserted-identity" && !keepIdentity) || (asked.header && revealing[name]) {
			continue
		}
		b = append(b, h.Name...)
		b = append(b, ": "...)
		b = append(b, h.Value...)
		b = append(b, "\r\n"...)
	}
	return b
}

// withRoute puts the Path of a binding in front as Route (RFC 3327 §5.4).
func withRoute(head []byte, path []string) []byte {
	if len(path) == 0 {
		return head
	}
	b := make([]byte, 0, len(head)+128*len(path))
	b = append(b, head...)
	for _, p := range path {
		b = append(b, "Route: "...)
		b = append(b, p...)
		b = append(b, "\r\n"...)
	}
	return b
}

// relayedHeaders returns the header fields of a contact's answer that go back to
// the sender. RFC 3428 §7: no body and no Contact in a 2xx.
func relayedHeaders(result wire.Result) []wire.Header {
	var out []wire.Header
	for _, h := range result.Headers {
		switch strings.ToLower(h.Name) {
		case "via", "v", "from", "f", "to", "t", "call-id", "i", "cseq",
			"content-length", "l", "content-type", "c", "contact", "m", "record-route":
			continue
		}
		out = append(out, h)
	}
	return out
}
