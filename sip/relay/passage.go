package relay

import (
	"rollcall/internal/sipuri"
	"rollcall/sip/wire"
)

// Passage is a request after what RFC 3261 §16.4 has a proxy do with its route.
type Passage struct {
	RequestURI string
	URI        sipuri.URI
	Routes     []string // that are left, the next one first
	// Forged: a Route looks like ours and is not.
	Forged bool
	dialog *token
}

// InDialog reports whether the request took the way that we recorded for its dialog.
func (p *Passage) InDialog() bool { return p.dialog != nil }

// Domain returns the domain that the dialog is with.
func (p *Passage) Domain() string { return p.dialog.domain }

// Next returns the URI of the next hop.
func (p *Passage) Next() (sipuri.URI, error) {
	if len(p.Routes) == 0 {
		return p.URI, nil
	}
	return sipuri.Parse(wire.AddrSpec(p.Routes[0]))
}

// Examine finds out how req is routed. own reports whether a URI without a token
// is that of this server.
func (r *Relay) Examine(req *wire.Request, own func(sipuri.URI) bool) Passage {
	p := Passage{RequestURI: req.RequestURI, URI: req.URI, Routes: req.Values("Route")}
	inDialog := req.Method == "SUBSCRIBE" || req.Method == "NOTIFY"
	if inDialog {
		r.undoStrict(req, &p)
	}
	for len(p.Routes) > 0 {
		uri, err := sipuri.Parse(wire.AddrSpec(p.Routes[0]))
		if err != nil {
			break
		}
		t, err := open(r.cfg.Secret, uri.User, req.CallID)
		switch {
		case err == nil && inDialog:
			p.dialog = &t
		case err == errForged && own(uri):
			p.Forged = true
			return p
		case err != errNoToken || uri.HasUser || !own(uri):
			return p
		}
		p.Routes = p.Routes[1:]
	}
	return p
}

// undoStrict puts back the Request-URI that a strict router before us replaced
// with our Record-Route: RFC 3261 §16.4.
func (r *Relay) undoStrict(req *wire.Request, p *Passage) {
	t, err := open(r.cfg.Secret, req.URI.User, req.CallID)
	if err != nil || len(p.Routes) == 0 {
		return
	}
	last := len(p.Routes) - 1
	text := wire.AddrSpec(p.Routes[last])
	uri, err := sipuri.Parse(text)
	if err != nil {
		return
	}
	p.RequestURI, p.URI, p.Routes, p.dialog = text, uri, p.Routes[:last], &t
}

// address returns Request-URI and Route of the request to send.
func (p *Passage) address() (requestURI string, routes []string) {
	return wire.Over(p.Routes, p.RequestURI)
}
