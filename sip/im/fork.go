package im

import (
	"strings"
	"sync"

	"rollcall/internal/wheel"
	"rollcall/sip/wire"
)

// fork is one MESSAGE on its way to the contacts of a user. Answers come in on
// any goroutine.
type fork struct {
	relay    *Relay
	req      *wire.Request
	head     []byte
	deadline wheel.Timer

	mu       sync.Mutex
	waiting  int // groups that have not ended
	best     *wire.Result
	answered bool
}

// try sends to the first of a group; the others are left for when it cannot.
func (f *fork) try(group []target) {
	t := group[0]
	hops := f.req.MaxForwards - 1
	if hops == 0 {
		hops = -1 // wire: 0 stands for the default
	}
	f.relay.cfg.Sender.Do(wire.Outgoing{
		Method: "MESSAGE", RequestURI: t.uri, CSeq: f.req.CSeq, MaxForwards: hops,
		Head: withRoute(f.head, t.path), Body: f.req.Body, Flow: t.flow, Detail: true,
	}, func(result wire.Result) { f.done(result, group[1:]) })
}

// done takes the outcome of one attempt. RFC 5626 §7: the next flow of the
// instance is tried only after 408 and 430, or without any answer.
func (f *fork) done(result wire.Result, rest []target) {
	lost := result.Status < 200 || result.Status == 408 || result.Status == 430
	f.mu.Lock()
	if lost && len(rest) > 0 && !f.answered {
		f.mu.Unlock()
		f.try(rest)
		return
	}
	f.waiting--
	if !lost && (f.best == nil || better(result.Status, f.best.Status)) {
		f.best = &result
	}
	// RFC 3261 §16.7 step 5: a 2xx goes back at once, anything else when all are in.
	finish := !f.answered && (f.waiting == 0 || (f.best != nil && f.best.Status < 300))
	f.answered = f.answered || finish
	best := f.best
	f.mu.Unlock()
	if finish {
		f.relay.cfg.Wheel.Cancel(&f.deadline)
		f.answer(best)
	}
}

// expired answers with what has come in so far.
func (f *fork) expired() {
	f.mu.Lock()
	finish := !f.answered
	f.answered = true
	best := f.best
	f.mu.Unlock()
	if finish {
		f.answer(best)
	}
}

func (f *fork) answer(best *wire.Result) {
	f.relay.inFlight.Add(-1)
	if best == nil {
		// RFC 4320 §4.2: never 408 to a non-INVITE. Nobody answered.
		respond(f.req, wire.Response{Status: 480})
		return
	}
	resp := wire.Response{Status: best.Status, Reason: best.Reason, Headers: relayedHeaders(*best)}
	switch {
	case best.Status == 503:
		// RFC 3261 §16.7 step 6: that one contact is overloaded does not mean we are.
		resp = wire.Response{Status: 500}
	case best.Status >= 300 && len(best.Body) > 0:
		resp.Body, resp.ContentType = best.Body, contentType(*best)
	}
	respond(f.req, resp)
}

func contentType(result wire.Result) string {
	for _, h := range result.Headers {
		if strings.EqualFold(h.Name, "Content-Type") || strings.EqualFold(h.Name, "c") {
			return h.Value
		}
	}
	return "application/octet-stream"
}

// better is the choice of RFC 3261 §16.7 step 6: 2xx, then 6xx, then the lowest
// class, and among 4xx those that let the sender mend the request.
func better(a, b int) bool { return rank(a) < rank(b) }

func rank(status int) int {
	switch class := status / 100; class {
	case 2:
		return 0
	case 6:
		return 1
	case 4:
		switch status {
		case 401, 407, 415, 420, 484:
			return 40
		}
		return 41
	default:
		return class * 10
	}
}
