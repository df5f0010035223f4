package sip

import "rollcall/sip/wire"

// refreshes reports whether a request prolongs what is there, as far as that can
// be told without looking: those come before new work when there is too much.
func refreshes(req *wire.Request) bool {
	switch req.Method {
	case "SUBSCRIBE":
		return req.To.Tag() != ""
	case "PUBLISH":
		return req.Header("SIP-If-Match") != ""
	case "REGISTER":
		// The first two are the attempt and the one with credentials: RFC 3261 §10.2.4
		// has a client count on from there.
		return req.CSeq > 2
	}
	return false
}
