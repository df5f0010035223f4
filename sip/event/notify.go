package event

import (
	"log/slog"
	"time"

	"rollcall/sip/wire"
)

// noticed marks that the view of s may have changed.
func (n *Notifier) noticed(s *Subscription) {
	if !s.live() {
		return
	}
	s.sending.news = true
	if !s.sending.hold {
		s.sending.retry = 0 // news repairs what failed
	}
	n.pump(s)
}

// pump sends what s has to say, if anything, as soon as its dialog is free.
func (n *Notifier) pump(s *Subscription) {
	p := &s.sending
	if !p.open || p.inFlight || n.stopping.Load() {
		return
	}
	if !s.usable() && !n.remote(s) && !n.reach(s) {
		// The flow is gone: never dial, wait for the device (RFC 5626 §7).
		p.final = nil
		n.rooms[s.Shard].wait(s)
		return
	}
	switch {
	case p.final != nil:
		n.notifyFinal(s)
	case p.over:
	case p.owed:
		n.notify(s)
	case p.news || p.beat:
		if at := s.notBefore(); at.After(time.Now()) {
			n.arm(s, at)
			return
		}
		n.notify(s)
	}
}

// notBefore returns the earliest time for a NOTIFY about news.
func (s *Subscription) notBefore() time.Time {
	at := time.Unix(0, s.sending.retry)
	if s.state == Pending {
		return at // the end of waiting is not held back by pacing
	}
	due := s.due()
	if !due.After(at) {
		return at
	}
	// That somebody has lost the right to see is told at once.
	if src, ok := s.source.(Stated); ok && at.Before(time.Now()) && src.State() != s.state {
		return at
	}
	return due
}

// notify asks for the newest view and sends it, unless the watcher has it.
func (n *Notifier) notify(s *Subscription) {
	p := &s.sending
	owed, beat := p.owed, p.beat
	version := s.lease.version
	p.news, p.beat = false, false
	v, ok := s.source.View(owed || beat || p.full)
	if !ok {
		s.lease.version = version
	}
	if !ok && !owed && !beat {
		return
	}
	if !ok {
		v = View{State: s.state, Tag: s.sent} // a SUBSCRIBE gets its NOTIFY whatever happens
	}
	if v.State == Terminated {
		n.end(s, final{reason: v.Reason, retryAfter: v.RetryAfter, view: v})
		return
	}
	v = disclosed(v)
	known := v.Tag != "" && v.Tag == s.sent && !beat
	suppressed := s.suppressed(&v)
	if !owed && (known || suppressed) && v.State == s.state {
		s.lease.version = version
		return
	}
	if err := n.ensureLease(s); err != nil {
		slog.Warn("NOTIFY not sent", "id", s.ID, "resource", s.Resource, "error", err)
		s.lease.version = version
		n.cfg.Metrics.NotifiesFailed.WithLabelValues("store").Inc()
		n.failed(s, 0)
		return
	}
	p.owed, p.full = false, false
	if s.state != v.State || s.sent != v.Tag {
		s.state, s.sent = v.State, v.Tag
		n.saveLater(s)
	}
	if suppressed {
		// The watcher has the state, but no document of this subscription that
		// changes could be told against.
		v = s.withoutBody(v)
		s.lease.version, p.full = version, true
	}
	left := max(time.Until(s.Expires)+expirySlack, 0)
	n.send(s, v.State.String()+";expires="+seconds(left), v)
}

// suppressed reports whether the newest SUBSCRIBE asked not to be told of v. The
// first view that is another one ends that (RFC 5839 §6.3).
func (s *Subscription) suppressed(v *View) bool {
	if s.condition() == "" {
		return false
	}
	if s.meets(s.special.condition, v) {
		return true
	}
	w := s.special.wishes
	w.condition = ""
	s.setSpecial(w)
	return false
}

// expirySlack keeps the time between an answer and its NOTIFY from showing as a
// whole second.
const expirySlack = 100 * time.Millisecond

// notifyFinal sends the last NOTIFY of s. What becomes of it changes nothing.
func (n *Notifier) notifyFinal(s *Subscription) {
	f := s.sending.final
	s.sending.final = nil
	substate := "terminated"
	if f.reason != "" {
		substate += ";reason=" + f.reason
	}
	if f.retryAfter > 0 {
		substate += ";retry-after=" + seconds(f.retryAfter)
	}
	n.send(s, substate, f.view)
}

// send hands one NOTIFY to the transport.
func (n *Notifier) send(s *Subscription, substate string, v View) {
	p := &s.sending
	s.lease.cseq++
	s.paced(time.Now())
	p.inFlight = true
	p.notified, p.status, p.failure = time.Now().UnixNano(), 0, ""
	p.attempt++
	attempt := p.attempt
	if s.special != nil && !p.over {
		n.arm(s, s.Expires)
	}
	n.inFlight.Add(1)
	n.cfg.Metrics.NotifiesSent.Inc()
	uri, route := s.dialog.address()
	out := wire.Outgoing{
		Method:     "NOTIFY",
		RequestURI: uri,
		CSeq:       s.lease.cseq,
		Head:       n.head(s, route, substate, v),
		Body:       v.Body,
		Flow:       s.out,
	}
	done := func(res wire.Result) {
		n.cfg.Pool.Post(s.Shard, func() { n.answered(s, attempt, res) })
		if n.inFlight.Add(-1) == 0 {
			select {
			case n.landed <- struct{}{}:
			default:
			}
		}
	}
	if n.dials(s) {
		n.forward(s, out, done)
		return
	}
	n.cfg.Sender.Do(out, done)
}

// head renders the header lines of a NOTIFY from the parts kept of the dialog,
// into a buffer of the shard: the transport copies them.
func (n *Notifier) head(s *Subscription, route, substate string, v View) []byte {
	r := &n.rooms[s.Shard]
	b := append(r.head[:0], s.dialog.head...)
	b = append(b, route...)
	b = append(b, "Contact: <"...)
	b = append(b, s.dialog.contact.Value()...)
	b = append(b, ">\r\nSubscription-State: "...)
	b = append(b, substate...)
	if s.special != nil && !s.sending.over {
		b = s.special.rates.appendTo(b) // RFC 6446 §4.2: what is adopted
	}
	b = append(b, "\r\nSIP-ETag: "...) // RFC 5839 §6.1
	b = s.appendEntityTag(b, &v)
	b = append(b, "\r\n"...)
	for _, h := range s.headers(v) {
		b = appendHeader(b, h.Name, h.Value)
	}
	if len(v.Body) > 0 {
		b = appendHeader(b, "Content-Type", v.ContentType)
	}
	r.head = b
	return b
}

// headers are what the package wants in a message that carries v.
func (s *Subscription) headers(v View) []wire.Header {
	if len(v.Body) > 0 && len(v.Headers) > 0 {
		return v.Headers
	}
	if h, ok := s.source.(Headed); ok {
		return h.Headers()
	}
	return nil
}

func appendHeader(b []byte, name, value string) []byte {
	b = append(b, name...)
	b = append(b, ": "...)
	b = append(b, value...)
	return append(b, "\r\n"...)
}

// lastView is the final NOTIFY that a SUBSCRIBE with Expires 0 asks for: it shows
// the state, as after every SUBSCRIBE (RFC 6665 §4.4.3, RFC 4662 §5.2). known says
// that the watcher has that state already, by the condition it gave.
func (s *Subscription) lastView(condition string) (last final, known bool) {
	v, ok := s.source.View(true)
	if !ok {
		return final{reason: "timeout"}, condition == always
	}
	v = disclosed(v)
	known = s.meets(condition, &v)
	if known {
		v = s.withoutBody(v)
	}
	if v.State == Terminated {
		return final{reason: v.Reason, retryAfter: v.RetryAfter, view: v}, known
	}
	return final{reason: "timeout", view: v}, known
}

// arm has tick called at the given time, or when s expires or has to be heard of.
func (n *Notifier) arm(s *Subscription, at time.Time) {
	if at.After(s.Expires) {
		at = s.Expires
	}
	if s.special != nil && !s.sending.beat {
		if due := s.special.heartbeat(time.Now()); !due.IsZero() && due.Before(at) {
			at = due
		}
	}
	n.cfg.Wheel.Set(&s.timer, at, s.onTimer)
}

// onTimer runs on the wheel.
func (s *Subscription) onTimer() {
	s.n.cfg.Pool.Post(s.Shard, func() { s.n.tick(s) })
}

// tick sees to a deadline of s: its end, or a NOTIFY that had to wait.
func (n *Notifier) tick(s *Subscription) {
	if !s.live() || n.stopping.Load() {
		return
	}
	if !time.Now().Before(s.Expires) {
		n.end(s, final{reason: "timeout"}) // RFC 6665 §4.2.1.4
		return
	}
	if s.special != nil {
		now := time.Now()
		due := s.special.heartbeat(now)
		s.sending.beat = s.sending.beat || !due.IsZero() && !due.After(now)
	}
	n.arm(s, s.Expires)
	n.pump(s)
}
