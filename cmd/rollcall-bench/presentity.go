package main

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"
)

// presentity is a simulated user that publishes numbered states.
type presentity struct {
	client *client
	link   *link
	who    *credentials
	index  int

	mu    sync.Mutex // one PUBLISH at a time: each names the tag of the one before
	cseq  uint32
	etag  string
	times sentTimes
}

func (c *client) newPresentity(i int, a account) *presentity {
	return &presentity{client: c, link: c.link(i), who: newCredentials(a), index: i}
}

// publish publishes the next state as of the given time, zero meaning now, and
// returns its number. onSend is called before the request leaves.
func (p *presentity) publish(ctx context.Context, at time.Time, onSend func(number int)) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if at.IsZero() {
		at = time.Now()
	}
	number := p.times.next(at)
	if onSend != nil {
		onSend(number)
	}
	m, err := p.send(ctx, p.state(number), 3600)
	if err != nil {
		return err
	}
	if m.status == 412 { // the server forgot: start again (RFC 3903 §4.1)
		p.etag = ""
		if m, err = p.send(ctx, p.state(number), 3600); err != nil {
			return err
		}
	}
	if m.status != 200 {
		return p.client.refused("PUBLISH "+p.who.aor, m)
	}
	p.etag = m.get("sip-etag")
	return nil
}

// withdraw removes the publication.
func (p *presentity) withdraw(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.etag == "" {
		return nil
	}
	_, err := p.send(ctx, "", 0)
	p.etag = ""
	return err
}

func (p *presentity) send(ctx context.Context, body string, seconds int) (*message, error) {
	id := p.client.identifier()
	headers := fmt.Sprintf("Event: presence\r\nExpires: %d\r\n", seconds)
	if p.etag != "" {
		headers += "SIP-If-Match: " + p.etag + "\r\n"
	}
	if body != "" {
		headers += "Content-Type: application/pidf+xml\r\n"
	}
	return p.client.do(ctx, p.link, p.who, request{
		method: "PUBLISH", uri: p.who.aor, from: fmt.Sprintf("<%s>;tag=%s", p.who.aor, id), to: "<" + p.who.aor + ">",
		callID: id + "@rollcall-bench", cseq: &p.cseq, headers: headers, body: body,
	})
}

// state is a presence document; its note carries run, presentity and number.
func (p *presentity) state(number int) string {
	basic := "open"
	if number%2 == 0 {
		basic = "closed"
	}
	return fmt.Sprintf(`<?xml version="1.0" encoding="UTF-8"?>
<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="%s"><tuple id="t%s"><status><basic>%s</basic></status><contact>%s</contact><note>%s</note><timestamp>%s</timestamp></tuple></presence>`,
		p.who.aor, p.client.run, basic, p.who.aor, marker(p.client.run, p.index, number), time.Now().UTC().Format(time.RFC3339))
}

func marker(run string, index, number int) string {
	return fmt.Sprintf("bench %s %d %d.", run, index, number)
}

// markers calls fn for every state of this run that a body tells of.
func markers(body []byte, run string, fn func(index, number int)) {
	key := []byte("bench " + run + " ")
	for {
		i := bytes.Index(body, key)
		if i < 0 {
			return
		}
		body = body[i+len(key):]
		end := bytes.IndexByte(body, '.')
		if end < 0 {
			return
		}
		first, second, ok := bytes.Cut(body[:end], []byte(" "))
		if !ok {
			continue
		}
		index, err1 := strconv.Atoi(string(first))
		number, err2 := strconv.Atoi(string(second))
		if err1 == nil && err2 == nil {
			fn(index, number)
		}
	}
}

// sentTimes remembers when each state left.
type sentTimes struct {
	mu    sync.RWMutex
	times []time.Time // by number, from 1
}

func (s *sentTimes) next(at time.Time) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.times = append(s.times, at)
	return len(s.times)
}

func (s *sentTimes) of(number int) (time.Time, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if number < 1 || number > len(s.times) {
		return time.Time{}, false
	}
	return s.times[number-1], true
}

func (s *sentTimes) last() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.times)
}
