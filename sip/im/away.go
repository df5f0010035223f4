package im

import (
	"rollcall/internal/auth"
	"rollcall/sip/relay"
	"rollcall/sip/wire"
)

// MessageAway sends req on behalf of who to another domain, to the servers of
// hop. Nothing is kept: whether its users are there is that domain's business.
func (r *Relay) MessageAway(req *wire.Request, hop wire.Hop, who auth.Identity) {
	if resp, ok := r.acceptable(req, who); !ok {
		respond(req, resp)
		return
	}
	pass := passageOf(req, req.RequestURI)
	if !r.enter(pass) {
		respond(req, wire.Response{Status: 482})
		return
	}
	if r.inFlight.Add(1) > maxInFlight {
		r.inFlight.Add(-1)
		r.leave(pass)
		respond(req, wire.Overloaded())
		return
	}
	out := wire.Outgoing{
		Method: "MESSAGE", RequestURI: req.RequestURI, CSeq: req.CSeq, MaxForwards: hopsLeft(req),
		Detail: true, Patience: answerWithin,
		// hop knows who gets to see the identity.
		Head: forwardedHead(req, who.Trusted && hop.Complete == nil), Body: req.Body,
	}
	r.cfg.Sender.Forward(out, hop, func(result wire.Result) {
		r.leave(pass)
		r.inFlight.Add(-1)
		if result.Status < 200 || result.Status == 408 {
			relay.Answer(req, &result)
			return
		}
		answer(req, &result)
	})
}

// hopsLeft is Max-Forwards of the request to send on; 0 stands for the default
// there, so none left is less than that.
func hopsLeft(req *wire.Request) int {
	if req.MaxForwards == 1 {
		return -1
	}
	return req.MaxForwards - 1
}
