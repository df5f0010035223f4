package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Names of what a run must be free of.
const (
	faultLost       = "watchers never told the state"
	faultStale      = "watchers told an old state last"
	faultCSeq       = "NOTIFY CSeq going backwards"
	faultEarly      = "NOTIFY before the answer to SUBSCRIBE"
	faultVersion    = "list versions out of order"
	faultStatus     = "requests refused"
	faultTimeout    = "requests or NOTIFYs that timed out"
	faultMalformed  = "malformed messages"
	faultUnexpected = "NOTIFYs for no subscription"
	faultBackwards  = "states told in the wrong order"
)

// client is the SIP side: all simulated users over a few links.
type client struct {
	*options
	run    string // tells this run's identifiers from those of others
	links  []*link
	faults *tally
	serial atomic.Uint64

	pending sync.Map // branch -> *transaction

	subs    sync.Map                       // Call-ID -> *subscription
	arrived atomic.Pointer[[]atomic.Int32] // by number of MESSAGE: how often; nil: none is expected
	readers sync.WaitGroup
}

// transaction is one request waiting for its final response.
type transaction struct {
	answer   chan *message
	answered func(*message) // called by the reader, in order with what follows
}

func newClient(ctx context.Context, o *options) (*client, error) {
	c := &client{options: o, run: randomHex(4), faults: newTally(
		faultCSeq, faultEarly, faultStatus, faultTimeout, faultMalformed, faultUnexpected, faultBackwards)}
	for range o.Sockets {
		l, err := dial(ctx, o)
		if err != nil {
			c.close()
			return nil, err
		}
		c.links = append(c.links, l)
		c.readers.Go(func() {
			malformed := func(error) { c.faults.add(faultMalformed, 1) }
			if err := l.read(c.receive, malformed); err != nil {
				malformed(err)
			}
		})
	}
	return c, nil
}

func (c *client) close() {
	for _, l := range c.links {
		l.conn.Close()
	}
	c.readers.Wait()
}

// link spreads users over the links.
func (c *client) link(i int) *link { return c.links[i%len(c.links)] }

func (c *client) identifier() string {
	return c.run + strconv.FormatUint(c.serial.Add(1), 36)
}

func (c *client) receive(l *link, m *message, at time.Time) {
	if m.status != 0 {
		if m.status < 200 {
			return
		}
		if v, ok := c.pending.LoadAndDelete(param(m.get("via"), "branch")); ok {
			t := v.(*transaction)
			if t.answered != nil {
				t.answered(m)
			}
			t.answer <- m
		}
		return
	}
	if arrived := c.arrived.Load(); arrived != nil && m.method == "MESSAGE" {
		c.count(*arrived, m.body)
		c.respond(l, m, 200, "OK")
		return
	}
	if m.method != "NOTIFY" {
		c.respond(l, m, 405, "Method Not Allowed")
		return
	}
	v, ok := c.subs.Load(m.get("call-id"))
	if !ok {
		c.faults.add(faultUnexpected, 1)
		c.respond(l, m, 481, "Subscription Does Not Exist")
		return
	}
	c.respond(l, m, 200, "OK")
	v.(*subscription).notify(m, at)
}

// respond answers a request of the server's.
func (c *client) respond(l *link, m *message, status int, reason string) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "SIP/2.0 %d %s\r\n", status, reason)
	for _, h := range m.headers {
		switch h.name {
		case "via", "from", "to", "call-id", "cseq":
			b.WriteString(h.name + ": " + h.value + "\r\n")
		}
	}
	b.WriteString("Content-Length: 0\r\n\r\n")
	if err := l.send(b.Bytes()); err != nil {
		c.faults.add(faultMalformed, 1)
	}
}

// request is what the scenarios send.
type request struct {
	method, uri      string
	from, to, callID string // from and to with their tags
	cseq             *uint32
	contact          string
	headers          string // further header lines
	body             string
	answered         func(*message)
}

var errTimeout = errors.New("no answer")

// Timers of a client transaction without INVITE (RFC 3261 §17.1.2.2).
const (
	timerT1 = 500 * time.Millisecond
	timerT2 = 4 * time.Second
)

// do sends a request and returns its final response; it answers one challenge.
func (c *client) do(ctx context.Context, l *link, who *credentials, r request) (*message, error) {
	for attempt := 0; ; attempt++ {
		*r.cseq++
		authorization := ""
		if !c.NoAuth {
			authorization = who.authorization(r.method, r.uri)
		}
		m, err := c.transact(ctx, l, &r, authorization)
		if err != nil {
			return nil, err
		}
		if m.status != 401 || c.NoAuth || attempt == 1 {
			return m, nil
		}
		if err := who.accept(m.values("www-authenticate")); err != nil {
			return nil, err
		}
	}
}

func (c *client) transact(ctx context.Context, l *link, r *request, authorization string) (*message, error) {
	branch := "z9hG4bK" + c.identifier()
	data := r.render(l, branch, authorization)
	t := &transaction{answer: make(chan *message, 1), answered: r.answered}
	c.pending.Store(branch, t)
	defer c.pending.Delete(branch)
	if err := l.send(data); err != nil {
		return nil, err
	}
	deadline := time.NewTimer(c.Timeout)
	defer deadline.Stop()
	interval := timerT1
	again := time.NewTimer(interval)
	defer again.Stop()
	for {
		select {
		case m := <-t.answer:
			return m, nil
		case <-again.C:
			if l.reliable() {
				continue
			}
			if err := l.send(data); err != nil {
				return nil, err
			}
			interval = min(2*interval, timerT2)
			again.Reset(interval)
		case <-deadline.C:
			c.faults.add(faultTimeout, 1)
			return nil, fmt.Errorf("%s %s: %w", r.method, r.uri, errTimeout)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (r *request) render(l *link, branch, authorization string) []byte {
	b := make([]byte, 0, 768+len(r.body))
	b = fmt.Appendf(b, "%s %s SIP/2.0\r\nVia: SIP/2.0/%s %s;branch=%s;rport\r\nMax-Forwards: 70\r\nFrom: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %d %s\r\n",
		r.method, r.uri, l.transport, l.local, branch, r.from, r.to, r.callID, *r.cseq, r.method)
	if r.contact != "" {
		b = fmt.Appendf(b, "Contact: <sip:%s@%s;transport=%s>\r\n", r.contact, l.local, strings.ToLower(l.transport))
	}
	if authorization != "" {
		b = append(b, "Authorization: "+authorization+"\r\n"...)
	}
	b = append(b, r.headers...)
	b = fmt.Appendf(b, "Content-Length: %d\r\n\r\n", len(r.body))
	return append(b, r.body...)
}

// refused counts an answer that is not a success and makes an error of it.
func (c *client) refused(r string, m *message) error {
	c.faults.add(faultStatus, 1)
	return fmt.Errorf("%s was answered %d", r, m.status)
}
