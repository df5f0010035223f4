package im

import (
	"strings"
	"sync"
	"time"

	"rollcall/internal/wheel"
	"rollcall/sip/wire"
)

// fork is one MESSAGE on its way to the contacts of a user. Answers come in on
// any goroutine.
type fork struct {
	relay    *Relay
	out      wire.Outgoing // but for the contact
	finish   func(best *wire.Result)
	deadline wheel.Timer

	mu      sync.Mutex
	waiting int // groups that have not ended
	best    *wire.Result
	over    bool
}

// send sends out to every group and calls finish once, with the best answer or
// nil when nobody answered in time.
func (r *Relay) send(out wire.Outgoing, groups [][]target, finish func(best *wire.Result)) {
	f := &fork{relay: r, out: out, finish: finish, waiting: len(groups)}
	r.cfg.Wheel.Set(&f.deadline, time.Now().Add(answerWithin), f.expired)
	for _, g := range groups {
		f.try(g)
	}
}

// try sends to the first of a group; the others are left for when it cannot.
func (f *fork) try(group []target) {
	t := group[0]
	out := f.out
	out.RequestURI, out.Flow, out.Head = t.uri, t.flow, withRoute(f.out.Head, t.path)
	done := func(result wire.Result) { f.done(result, group[1:]) }
	if t.hop != nil {
		f.relay.cfg.Sender.Forward(out, *t.hop, done)
		return
	}
	f.relay.cfg.Sender.Do(out, done)
}

// done takes the outcome of one attempt. RFC 5626 §7: the next flow of the
// instance is tried only after 408 and 430, or without any answer.
func (f *fork) done(result wire.Result, rest []target) {
	lost := result.Status < 200 || result.Status == 408 || result.Status == 430
	f.mu.Lock()
	if lost && len(rest) > 0 && !f.over {
		f.mu.Unlock()
		f.try(rest)
		return
	}
	f.waiting--
	if !lost && (f.best == nil || better(result.Status, f.best.Status)) {
		f.best = &result
	}
	// RFC 3261 §16.7 step 5: a 2xx goes back at once, anything else when all are in.
	last := !f.over && (f.waiting == 0 || (f.best != nil && f.best.Status < 300))
	f.over = f.over || last
	best := f.best
	f.mu.Unlock()
	if last {
		f.relay.cfg.Wheel.Cancel(&f.deadline)
		f.finish(best)
	}
}

// expired ends the wait with what has come in so far.
func (f *fork) expired() {
	f.mu.Lock()
	last := !f.over
	f.over = true
	best := f.best
	f.mu.Unlock()
	if last {
		f.finish(best)
	}
}

// answer tells the sender what came of it.
func answer(req *wire.Request, best *wire.Result) {
	if best == nil {
		// RFC 4320 §4.2: never 408 to a non-INVITE. Nobody answered.
		respond(req, wire.Response{Status: 480})
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
	respond(req, resp)
}

func contentType(result wire.Result) string {
	for _, h := range result.Headers {
		if strings.EqualFold(h.Name, "Content-Type") || strings.EqualFold(h.Name, "c") {
			return h.Value
		}
	}
	return "application/octet-stream"
}

// unreached says that no device has seen the message.
func unreached(best *wire.Result) bool { return best == nil || best.Status == 480 }

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
