package relay

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"rollcall/internal/auth"
	"rollcall/sip/wire"
)

// forwarding is one request on its way.
type forwarding struct {
	r        *Relay
	in       *wire.Flow
	callID   string
	secure   bool   // the Request-URI is a sips URI
	token    *token // for Record-Route; nil: none is written
	out      wire.Outgoing
	identity string // header lines for trusted next hops
	shown    string // and for others
}

// forwarding prepares the copy of req that goes on: RFC 3261 §16.6.
func (r *Relay) forwarding(req *wire.Request, p *Passage, who auth.Identity) *forwarding {
	uri, routes := p.address()
	f := &forwarding{r: r, in: req.Flow, callID: req.CallID, secure: p.URI.Scheme == "sips"}
	f.out = wire.Outgoing{
		Method: req.Method, RequestURI: uri, CSeq: req.CSeq, MaxForwards: hopsLeft(req),
		Head: r.head(req, routes), Body: req.Body, Detail: true, Mark: r.mark(req), Patience: answerWithin,
	}
	f.identity, f.shown = identityLines(req, who)
	return f
}

// hopsLeft is Max-Forwards of the request to send on; 0 stands for the default
// there, so none left is less than that.
func hopsLeft(req *wire.Request) int {
	if req.MaxForwards == 1 {
		return -1
	}
	return req.MaxForwards - 1
}

// complete writes what depends on where out goes. It may be called for one target
// after the other.
func (f *forwarding) complete(out *wire.Outgoing) {
	b := make([]byte, 0, len(out.Head)+512)
	if f.token != nil {
		t := *f.token
		if !t.peer.IsValid() {
			t.peer = out.Flow.Remote().Addr()
		}
		b = f.r.recordRoute(b, &t, f.callID, f.secure, f.in, out.Flow)
	}
	if f.r.trusted(out.Flow) {
		b = append(b, f.identity...)
	} else {
		b = append(b, f.shown...)
	}
	out.Head = append(b, out.Head...)
}

// written are the header fields that are not copied: what the client transaction
// writes itself and what is decided here. Long and compact names.
var written = map[string]bool{
	"max-forwards": true, "cseq": true, "content-length": true, "l": true, "route": true,
	"p-asserted-identity": true, "p-preferred-identity": true,
}

// head returns the header lines of the request to send on, each with its CRLF.
func (r *Relay) head(req *wire.Request, routes []string) []byte {
	b := make([]byte, 0, 1024)
	for _, h := range req.Lines() {
		name := strings.ToLower(h.Name)
		if written[name] || r.consumed(name, h.Value) {
			continue
		}
		b = appendHeader(b, h.Name, h.Value)
	}
	if len(routes) > 0 {
		b = appendHeader(b, "Route", strings.Join(routes, ", "))
	}
	return b
}

// consumed reports whether a header field holds credentials for us.
func (r *Relay) consumed(name, value string) bool {
	if name != "proxy-authorization" && name != "authorization" {
		return false
	}
	value = strings.ToLower(value)
	for _, realm := range r.cfg.Realms {
		if strings.Contains(value, `realm="`+realm+`"`) {
			return true
		}
	}
	return false
}

// identityLines returns the P-Asserted-Identity that trusted next hops get, and
// what others get to see: what a trusted hop vouched for unless it is to be kept
// from them (RFC 3325 §5, §7). What anybody else wrote goes nowhere.
func identityLines(req *wire.Request, who auth.Identity) (trusted, others string) {
	var b []byte
	if !who.Trusted {
		if who.AOR != "" {
			b = appendHeader(b, "P-Asserted-Identity", "<"+who.AOR+">")
		}
		return string(b), ""
	}
	for _, v := range req.Each("P-Asserted-Identity") {
		b = appendHeader(b, "P-Asserted-Identity", v)
	}
	if withheld(req) {
		return string(b), ""
	}
	return string(b), string(b)
}

// withheld reports whether the identity is to stay within the trusted network.
func withheld(req *wire.Request) bool {
	for token := range strings.SplitSeq(req.Header("Privacy"), ";") {
		if strings.EqualFold(strings.TrimSpace(token), "id") {
			return true
		}
	}
	return false
}

// mark is the part of the branch that tells a loop from a spiral: it covers what
// decides where a request goes (RFC 3261 §16.6 step 8, RFC 5393 §4.2.1).
func (r *Relay) mark(req *wire.Request) string {
	h := hmac.New(sha256.New, r.cfg.Secret)
	for _, part := range [...]string{
		req.Method, req.RequestURI, req.CallID, req.From.Tag(), req.To.Tag(),
		req.Header("CSeq"), req.Header("Route"), req.Header("Proxy-Require"),
	} {
		h.Write([]byte(part))
		h.Write([]byte{0})
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

func appendHeader(b []byte, name, value string) []byte {
	b = append(b, name...)
	b = append(b, ": "...)
	b = append(b, value...)
	return append(b, "\r\n"...)
}
