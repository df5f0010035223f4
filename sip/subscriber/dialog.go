package subscriber

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"rollcall/internal/sipuri"
	"rollcall/sip/wire"
)

// dialog is what RFC 3261 §12.1.1 has the receiver of the first NOTIFY remember:
// that is what makes the dialog (RFC 6665 §4.4.1).
type dialog struct {
	tag    string // of the notifier; empty: there is no dialog
	target string // Contact
	routes []string
	cseq   uint32     // of the newest NOTIFY
	flow   *wire.Flow // of the newest NOTIFY
}

// open takes over what a first NOTIFY says.
func (d *dialog) open(req *wire.Request, target string) {
	d.tag, d.target = strings.Clone(req.From.Tag()), target
	for _, route := range req.Values("Record-Route") {
		d.routes = append(d.routes, strings.Clone(route))
	}
}

// takeRoutes takes the route set of a response, for want of one in the NOTIFY:
// proxies before RFC 6665 §4.3 record the route of the SUBSCRIBE only.
func (d *dialog) takeRoutes(res wire.Result) {
	if len(d.routes) > 0 {
		return
	}
	to, err := wire.ParseNameAddr(header(res, "To", "t"))
	if err != nil || d.tag != "" && to.Tag() != d.tag {
		return
	}
	var routes []string
	for _, h := range res.Headers {
		if strings.EqualFold(h.Name, "Record-Route") {
			routes = append(routes, splitRoutes(h.Value)...)
		}
	}
	slices.Reverse(routes) // RFC 3261 §12.1.2
	d.routes = routes
}

// address returns the Request-URI, and the routes that the Route header names. RFC
// 3261 §12.2.1.1: a strict router wants its own address there.
func (d *dialog) address() (requestURI string, routes []string) {
	if len(d.routes) == 0 {
		return d.target, nil
	}
	first := addrSpec(d.routes[0])
	u, err := sipuri.Parse(first)
	if err != nil {
		return d.target, d.routes
	}
	if _, loose := u.Param("lr"); loose {
		return d.target, d.routes
	}
	return first, append(slices.Clone(d.routes[1:]), "<"+d.target+">")
}

// head renders the header lines of the next SUBSCRIBE, but for Contact.
func (b *subscription) head(expires time.Duration, routes []string) []byte {
	h := make([]byte, 0, 512)
	line := func(parts ...string) {
		for _, p := range parts {
			h = append(h, p...)
		}
		h = append(h, "\r\n"...)
	}
	line("From: <", b.key.Watcher, ">;tag=", b.tag)
	to := ""
	if b.dialog.tag != "" {
		to = ";tag=" + b.dialog.tag
	}
	line("To: <", b.key.Resource, ">", to)
	line("Call-ID: ", b.callID)
	if len(routes) > 0 {
		line("Route: ", strings.Join(routes, ", "))
	}
	line("Event: ", b.key.Event)
	line("Accept: ", strings.Join(b.s.cfg.Packages[b.key.Event].Accept, ", "))
	line("Expires: ", strconv.Itoa(int(expires/time.Second)))
	return h
}

// header returns a header field of a response, by its long or compact name.
func header(res wire.Result, name, compact string) string {
	for _, h := range res.Headers {
		if strings.EqualFold(h.Name, name) || strings.EqualFold(h.Name, compact) {
			return h.Value
		}
	}
	return ""
}

// splitRoutes splits at the commas outside angle brackets.
func splitRoutes(value string) []string {
	var routes []string
	depth, start := 0, 0
	for i := range len(value) {
		switch value[i] {
		case '<':
			depth++
		case '>':
			depth--
		case ',':
			if depth == 0 {
				routes = append(routes, trim(value[start:i]))
				start = i + 1
			}
		}
	}
	return append(routes, trim(value[start:]))
}

// addrSpec returns the URI of a name-addr.
func addrSpec(nameAddr string) string {
	if n, err := wire.ParseNameAddr(nameAddr); err == nil {
		return n.URI
	}
	return nameAddr
}

// targetOf returns the URI of a Contact.
func targetOf(contact wire.NameAddr) (string, bool) {
	u, err := sipuri.Parse(contact.URI)
	if err != nil || u.Scheme != "sip" && u.Scheme != "sips" || u.Host == "" {
		return "", false
	}
	return strings.Clone(contact.URI), true
}
