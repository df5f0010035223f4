package im

import "rollcall/sip/wire"

// passage is one request on its way to one recipient, whatever way it came. A
// request that is seen again while it is being relayed has come back in a loop,
// or over a second branch of a fork before us. The same request to another
// recipient is a spiral and goes on (RFC 3261 §16.3).
type passage struct {
	callID, tag string
	cseq        uint32
	recipient   string
}

func passageOf(req *wire.Request, recipient string) passage {
	return passage{req.CallID, req.From.Tag(), req.CSeq, recipient}
}

// enter reports whether p is new.
func (r *Relay) enter(p passage) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, double := r.current[p]; double {
		return false
	}
	r.current[p] = struct{}{}
	return true
}

func (r *Relay) leave(p passage) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.current, p)
}
