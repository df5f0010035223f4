package event

import (
	"bytes"
	"slices"
	"strings"

	"rollcall/sip/wire"
)

// BodyReader is an optional part of Package: it makes of the body of a SUBSCRIBE,
// which is not empty, what stays with the subscription as its Body. A *Refusal as
// error is the final response. Packages without it get bodies as they came, and
// none with a content coding.
type BodyReader interface {
	ReadBody(req *wire.Request) ([]byte, error)
}

// RefuseBody is the error of a package in which no body of a SUBSCRIBE means
// anything, if the newest one has brought one (RFC 3261 §8.2.3, RFC 4660 §5.2).
func (s *Subscription) RefuseBody() error {
	if s.BodyNew && len(s.Body) > 0 {
		return &Refusal{Status: 415, Headers: []wire.Header{{Name: "Accept", Value: ""}}}
	}
	return nil
}

// SpellEvent has NOTIFYs name the event package in another spelling, for clients
// that do not know their own again. Open may call it.
func (s *Subscription) SpellEvent(token string) {
	d := &s.dialog
	d.setHead(s.ID, token, s.EventID, d.localURI(), d.remoteURI(), d.remoteTag(), d.callID())
}

// bodyOf returns what is to be kept of the body of req; nil: there is none.
func (e *entry) bodyOf(req *wire.Request) ([]byte, *Refusal) {
	if len(req.Body) == 0 {
		return nil, nil
	}
	if r, ok := e.pkg.(BodyReader); ok {
		body, err := r.ReadBody(req)
		if err != nil {
			return nil, refusalOf(err)
		}
		return body, nil
	}
	if coding := req.Header("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		// RFC 3261 §8.2.3
		return nil, &Refusal{Status: 415, Headers: []wire.Header{{Name: "Accept-Encoding", Value: "identity"}}}
	}
	return bytes.Clone(req.Body), nil
}

// takesDeflate reports whether the sender of req asks for bodies with the content
// coding deflate.
func takesDeflate(req *wire.Request) bool {
	for _, v := range req.Values("Accept-Encoding") {
		coding, params, _ := strings.Cut(v, ";")
		if strings.EqualFold(strings.TrimSpace(coding), "deflate") {
			return !unwanted(params)
		}
	}
	return false
}

// isSimple stands for Subscription.Simple among the parameters that are stored.
const isSimple = ";simple"

// simple reports whether a request is of a client that the package serves with less.
func (e *entry) simple(req *wire.Request) bool {
	if len(e.terms.Simple) == 0 {
		return false
	}
	agent := req.Header("User-Agent")
	return slices.ContainsFunc(e.terms.Simple, func(begin string) bool { return strings.HasPrefix(agent, begin) })
}
