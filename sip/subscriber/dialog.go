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
	to, err := wire.ParseNameAddr(res.First("To"))
	if err != nil || d.tag != "" && to.Tag() != d.tag {
		return
	}
	d.routes = res.Values("Record-Route")
	slices.Reverse(d.routes) // RFC 3261 §12.1.2
}

// address returns the Request-URI, and the routes that the Route header names.
func (d *dialog) address() (requestURI string, routes []string) {
	return wire.Over(d.routes, d.target)
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

// targetOf returns the URI of a Contact.
func targetOf(contact wire.NameAddr) (string, bool) {
	u, err := sipuri.Parse(contact.URI)
	if err != nil || u.Scheme != "sip" && u.Scheme != "sips" || u.Host == "" {
		return "", false
	}
	return strings.Clone(contact.URI), true
}
