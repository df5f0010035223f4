package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"
)

// subscription is one dialog of a simulated watcher (RFC 6665).
type subscription struct {
	client  *client
	link    *link
	who     *credentials
	target  string // what is subscribed to
	headers string // Event, Accept, ...
	news    func(body []byte, at time.Time)

	callID, from, contact string
	cseq                  uint32        // ours; only the goroutine that subscribes uses it
	notified              chan struct{} // has room for one

	mu         sync.Mutex
	to         string // with the server's tag once known
	remote     string // the server's Contact
	remoteCSeq uint32
	answered   bool
	state      string
}

const presenceHeaders = "Event: presence\r\nAccept: application/pidf+xml\r\n"

// RFC 4662 §4.5: what a subscriber to a list says.
const listHeaders = "Event: presence\r\nSupported: eventlist\r\nAccept: multipart/related, application/rlmi+xml, application/pidf+xml\r\n"

// newSubscription prepares a subscription; news gets every body once and in order.
func (c *client) newSubscription(n int, who *credentials, target, headers string, news func([]byte, time.Time)) *subscription {
	id := c.identifier()
	s := &subscription{
		client: c, link: c.link(n), who: who, target: target, headers: headers, news: news,
		callID: id + "@rollcall-bench", from: fmt.Sprintf("<%s>;tag=%s", who.aor, id), contact: id,
		to: "<" + target + ">", remote: target, notified: make(chan struct{}, 1),
	}
	c.subs.Store(s.callID, s)
	return s
}

// send sends SUBSCRIBE: the first, a refresh, or with 0 seconds the last one.
func (s *subscription) send(ctx context.Context, seconds int) error {
	select {
	case <-s.notified:
	default:
	}
	s.mu.Lock()
	r := request{
		method: "SUBSCRIBE", uri: s.remote, from: s.from, to: s.to, callID: s.callID, cseq: &s.cseq, contact: s.contact,
		headers:  fmt.Sprintf("%sExpires: %d\r\n", s.headers, seconds),
		answered: s.established,
	}
	s.mu.Unlock()
	m, err := s.client.do(ctx, s.link, s.who, r)
	if err != nil {
		return err
	}
	if m.status/100 != 2 {
		return s.client.refused("SUBSCRIBE "+s.target, m)
	}
	return nil
}

// established runs on the reader, so that a NOTIFY behind the answer finds it.
func (s *subscription) established(m *message) {
	if m.status/100 != 2 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answered = true
	s.to = m.get("to")
	if contact := m.get("contact"); contact != "" {
		s.remote = addrSpec(contact)
	}
}

// wait returns when a NOTIFY has come since send.
func (s *subscription) wait(ctx context.Context) error {
	timeout := time.NewTimer(s.client.Timeout)
	defer timeout.Stop()
	select {
	case <-s.notified:
		return nil
	case <-timeout.C:
		s.client.faults.add(faultTimeout, 1)
		return fmt.Errorf("NOTIFY for %s: %w", s.target, errTimeout)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// notify takes a NOTIFY, which is answered already. Repetitions are dropped.
func (s *subscription) notify(m *message, at time.Time) {
	cseq, _ := m.cseq()
	s.mu.Lock()
	switch {
	case cseq == s.remoteCSeq && cseq != 0:
		s.mu.Unlock()
		return
	case cseq < s.remoteCSeq: // RFC 3261 §12.2.2
		s.client.faults.add(faultCSeq, 1)
	case !s.answered:
		s.client.faults.add(faultEarly, 1)
	}
	s.remoteCSeq = max(s.remoteCSeq, cseq)
	state, _, _ := strings.Cut(m.get("subscription-state"), ";")
	s.state = strings.TrimSpace(state)
	s.mu.Unlock()
	if len(m.body) > 0 && s.news != nil {
		s.news(m.body, at)
	}
	select {
	case s.notified <- struct{}{}:
	default:
	}
}

// current is the state of the last NOTIFY: active, pending, terminated or none.
func (s *subscription) current() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}
