package subscriber

import (
	"errors"
	"time"

	"rollcall/sip/wire"
)

const (
	// longestAsked bounds Expires that a notifier can talk us into.
	longestAsked = 24 * time.Hour
	// leastGap is the least time from a SUBSCRIBE to a refresh.
	leastGap = 5 * time.Second
	// retryGap is the time between refreshes that fail.
	retryGap = 20 * time.Second
	// leadTime leaves room for a refresh to fail, and to be tried again.
	leadTime = 40 * time.Second
	// slack is how much an end that a NOTIFY tells may differ from the one known.
	slack = 2 * time.Second
)

// subscribe sends the first SUBSCRIBE of a new dialog.
func (b *subscription) subscribe() {
	b.start()
	b.confirm = time.Now().Add(timerN)
	b.send(b.ask, b.answered)
}

// refresh sends a SUBSCRIBE in the dialog.
func (b *subscription) refresh() {
	b.confirm = time.Now().Add(timerN)
	b.send(b.ask, b.refreshed)
}

// unsubscribe ends the dialog. The last NOTIFY is waited for.
func (b *subscription) unsubscribe() {
	b.confirm = time.Now().Add(timerN)
	b.send(0, func(res wire.Result) {
		if res.Status/100 != 2 {
			b.drop()
		}
	})
	b.arm()
}

// send sends the next SUBSCRIBE. Its outcome counts unless another one was sent
// meanwhile, or the dialog is over.
func (b *subscription) send(expires time.Duration, answered func(wire.Result)) {
	b.cseq++
	b.busy, b.due = true, time.Time{}
	run, cseq := b.run, b.cseq
	uri, routes := b.key.Resource, []string(nil)
	if b.dialog.tag != "" {
		uri, routes = b.dialog.address()
	}
	out := wire.Outgoing{Method: "SUBSCRIBE", RequestURI: uri, CSeq: cseq, Head: b.head(expires, routes), Detail: true}
	b.s.forward(b.key.Watcher, out, b.hop(), func(res wire.Result) {
		b.s.cfg.Pool.Post(b.shard, func() {
			if b.run != run || b.cseq != cseq {
				return
			}
			b.busy = false
			answered(res)
			b.arm()
		})
	})
}

// answered takes the outcome of the first SUBSCRIBE.
func (b *subscription) answered(res wire.Result) {
	switch {
	case res.Status/100 == 2:
		b.short = false
		b.dialog.takeRoutes(res)
		b.until(b.granted(res))
	case b.phase == live:
		// The NOTIFY came first, so there is a subscription, whoever said no.
	case res.Status == 423 && b.longer(res):
		b.forget()
		b.subscribe()
	case ours(res.Err):
		b.forget()
		b.queue(leastGap + jitter(leastGap))
	default:
		b.end(refused(res))
	}
}

// refreshed takes the outcome of a SUBSCRIBE in the dialog. RFC 6665 §4.1.2.2: most
// failures leave the subscription as it was.
func (b *subscription) refreshed(res wire.Result) {
	switch {
	case b.phase != live:
	case res.Status/100 == 2:
		b.short = false
		if contact, err := wire.ParseNameAddr(res.First("Contact")); err == nil {
			if target, ok := targetOf(contact); ok {
				b.dialog.target = target
			}
		}
		b.expires = time.Time{}
		b.until(b.granted(res))
	case res.Status == 423 && b.longer(res):
		b.refresh()
	case res.Status == 481:
		b.lost("the notifier does not know it")
	case destroys(res.Status):
		b.end(refused(res))
	default:
		b.confirm = time.Time{}
		b.due = time.Now().Add(max(retryGap+jitter(retryGap), res.RetryAfter))
	}
}

// granted is the duration that a 2xx gives; what is more than was asked for counts
// as that (RFC 6665 §4.2.1.1).
func (b *subscription) granted(res wire.Result) time.Duration {
	if d, ok := seconds(res.First("Expires")); ok {
		return min(d, b.ask)
	}
	return b.ask
}

// longer heeds a 423, once.
func (b *subscription) longer(res wire.Result) bool {
	least, ok := seconds(res.First("Min-Expires"))
	if !ok || b.short || least <= b.ask || least > longestAsked {
		return false
	}
	b.ask, b.short = least, true
	return true
}

// until takes the end of the subscription from what a peer says, if it is not
// later than what is known, and plans the refresh.
func (b *subscription) until(left time.Duration) {
	at := time.Now().Add(left)
	if b.expires.IsZero() || at.Add(slack).Before(b.expires) {
		b.expires = at
	} else if !b.due.IsZero() {
		return
	}
	left = time.Until(b.expires)
	lead := min(left/2, max(left/10, leadTime))
	b.due = time.Now().Add(max(left-lead-jitter(lead/4), leastGap))
}

// ours reports whether a request failed on our side: that says nothing about the
// peer.
func ours(err error) bool {
	return errors.Is(err, wire.ErrBusy) || errors.Is(err, wire.ErrTooMany) || errors.Is(err, wire.ErrClosed)
}
