package event

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"rollcall/internal/store"
	"rollcall/sip/wire"
)

// verdict is what the result of a NOTIFY means for its subscription.
type verdict uint8

const (
	delivered verdict = iota
	gone              // remove the subscription
	kept              // keep it, try again later
	stranded          // keep it, but only a refresh helps: the flow is gone
)

// goneStatus are the answers that end a subscription (RFC 6665 §4.2.2).
var goneStatus = [...]int{404, 405, 410, 416, 480, 481, 482, 483, 484, 485, 489, 501, 604}

// Retries of what failed without Retry-After: the next change or refresh comes
// first in most cases.
const (
	firstRetry = 30 * time.Second
	lastRetry  = 8 * time.Minute
	// remoteRetry is the first for a server that was not reached: it may just start again.
	remoteRetry = 2 * time.Second
	// maxRetryAfter bounds how long a watcher may ask us to wait.
	maxRetryAfter = time.Hour
)

// judge returns the verdict on a result and its label in metrics. flow is the one
// that the watcher has to be reached on; nil: there are other ways.
func judge(res wire.Result, flow *wire.Flow) (verdict, string) {
	if res.Status == 0 {
		switch {
		case errors.Is(res.Err, wire.ErrFlowFull), errors.Is(res.Err, wire.ErrTooMany):
			return kept, "busy"
		case flow != nil && flow.Reliable() && (!flow.Alive() || errors.Is(res.Err, wire.ErrFlowClosed)):
			return stranded, "flow"
		case errors.Is(res.Err, wire.ErrTimeout):
			return gone, "timeout" // Timer F
		}
		return kept, "transport"
	}
	if res.Status < 300 {
		return delivered, ""
	}
	for _, status := range goneStatus {
		if res.Status == status {
			return gone, "rejected"
		}
	}
	return kept, "answer"
}

// answered deals with the end of a NOTIFY transaction.
func (n *Notifier) answered(s *Subscription, attempt uint32, res wire.Result) {
	if attempt != s.sending.attempt {
		return // given up before
	}
	s.sending.inFlight = false
	flow := s.out
	if n.remote(s) {
		flow = nil
	}
	v, label := judge(res, flow)
	fresh := s.sending.news // since the NOTIFY was sent
	if label == "timeout" && n.reach(s) && !sameFlow(flow, s.out) {
		v = stranded // the old connection leads nowhere, and was not closed
	}
	s.sending.status, s.sending.failure = uint16(res.Status), label
	if v != delivered {
		n.cfg.Metrics.NotifiesFailed.WithLabelValues(label).Inc()
		level := slog.LevelInfo
		if res.Status == 481 {
			level = slog.LevelDebug // how many clients leave
		}
		slog.Log(context.Background(), level, "NOTIFY failed", "id", s.ID, "resource", s.Resource, "watcher", s.Watcher,
			"status", res.Status, "failure", label, "error", res.Err, "ended", v == gone || s.sending.over)
	}
	switch {
	case s.sending.over: // only the final NOTIFY is left, if that
	case v == delivered:
		s.sending.tries, s.sending.hold, s.sending.retry = 0, false, 0
		n.renegotiate(s, res.Headers)
	case v == gone:
		// Unanswered, the watcher may come back; refused, it knows of no subscription.
		reason := "deactivated"
		if label == "timeout" {
			reason = "timeout"
		}
		n.cfg.Store.Defer(n.remove(s, reason))
	case v == stranded:
		s.out = nil
		s.missed()
	default:
		n.failed(s, res.RetryAfter)
		if !s.sending.hold && (fresh || n.broken(s, res)) {
			s.sending.retry = 0
		}
	}
	n.pump(s)
}

// broken reports whether a NOTIFY to another server failed only because the
// connection that there was ended: the next one is sent over another.
func (n *Notifier) broken(s *Subscription, res wire.Result) bool {
	return s.sending.tries == 1 && n.remote(s) && errors.Is(res.Err, wire.ErrFlowClosed)
}

// renegotiate adopts the rates that a watcher who uses them names in its answer
// (RFC 6446 §9.3).
func (n *Notifier) renegotiate(s *Subscription, headers []wire.Header) {
	if s.special == nil || s.special.rates == (rates{}) {
		return
	}
	for _, h := range headers {
		if strings.EqualFold(h.Name, "Event") || strings.EqualFold(h.Name, "o") {
			w := s.special.wishes
			w.rates = ratesOf(parseParams(h.Value)).adopted(time.Until(s.Expires))
			s.setSpecial(w)
			n.arm(s, s.Expires)
			return
		}
	}
}

// missed notes that the watcher does not have what was sent last.
func (s *Subscription) missed() {
	s.sending.full, s.sending.news = true, true
	s.sent = ""
	s.n.saveLater(s)
}

// failed keeps s for another try: after what the watcher asked for, else with
// growing patience, and before that as soon as there is news.
func (n *Notifier) failed(s *Subscription, retryAfter time.Duration) {
	p := &s.sending
	s.missed()
	wait := min(retryAfter, maxRetryAfter)
	p.hold = wait > 0
	if !p.hold {
		wait = min(n.patience(s)<<min(p.tries, 8), lastRetry)
	}
	p.tries = min(p.tries+1, 8)
	p.owed = false
	due := time.Now().Add(wait)
	p.retry = due.UnixNano()
	n.arm(s, due)
}

// patience is how long the first retry waits.
func (n *Notifier) patience(s *Subscription) time.Duration {
	if s.sending.failure == "transport" && n.remote(s) {
		return remoteRetry
	}
	return firstRetry
}

// end terminates s with a final NOTIFY.
func (n *Notifier) end(s *Subscription, f final) {
	if s.sending.over {
		return
	}
	b := n.remove(s, f.reason)
	if !s.Fetch || !empty(b) {
		n.cfg.Store.Defer(b)
	}
	s.sending.final = &f
	n.pump(s)
}

// remove takes s out of everything but its final NOTIFY; the batch returned
// makes that last.
func (n *Notifier) remove(s *Subscription, reason string) store.Batch {
	s.sending.over = true
	n.cfg.Wheel.Cancel(&s.timer)
	n.quota.release(s.Watcher)
	var b store.Batch
	s.source.Ended(reason, &b)
	if s.Fetch {
		return b
	}
	n.rooms[s.Shard].unlink(s)
	n.cfg.Metrics.Subscriptions.WithLabelValues(s.Event, s.Kind).Dec()
	b.DropSubscriptions = append(b.DropSubscriptions, s.ID)
	slog.Debug("subscription ended", "id", s.ID, "event", s.Event, "resource", s.Resource,
		"watcher", s.Watcher, "reason", reason)
	return b
}

// empty reports whether a package wrote nothing that a poll would leave behind.
func empty(b store.Batch) bool {
	return len(b.Publications)+len(b.Bindings)+len(b.Subscriptions)+len(b.Watchers)+
		len(b.DropPublications)+len(b.DropBindings)+len(b.DropSubscriptions)+len(b.DropWatchers) == 0
}
