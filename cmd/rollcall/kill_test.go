package main

import (
	"crypto/rand"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rollcall/internal/store/pgtest"
)

// A process that is killed in the middle of its work loses nothing that it has
// answered: bindings, publications and subscriptions are there after a restart,
// and no dialog is told anything with a number that it has seen.
func TestKillUnderLoad(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		args func(t *testing.T) []string
	}{
		{"SQLite", func(*testing.T) []string { return nil }},
		{"PostgreSQL", func(t *testing.T) []string { return []string{"--database", pgtest.URL(t)} }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			args := append(tt.args(t), "--data", t.TempDir(), "--domain", domain)
			flags := []string{"--trust", "127.0.0.0/8", "--max-contacts", "1000", "--pacing", "off", "--log-level", "warn", "--provide-default", "all"}
			s := start(t, args, flags...)
			dead := make(chan struct{})
			var busy sync.WaitGroup
			var all []*worker
			for _, user := range []string{"alice", "bob", "carol"} {
				for range 4 {
					w := &worker{c: dialSIP(t, "udp", s.sip, user, ""), dead: dead}
					w.c.conn = deaf{w.c.conn}
					all = append(all, w)
					busy.Go(w.work)
				}
			}
			time.Sleep(time.Second)
			for deadline := time.Now().Add(patience); answers(all) < 4*len(all) && time.Now().Before(deadline); {
				time.Sleep(10 * time.Millisecond)
			}
			s.kill()
			close(dead)
			busy.Wait()
			s = serve(t, append(append(args, "--sip-listen", s.sip, "--http-listen", anyPort, "--admin-listen", anyPort), flags...)...)
			answered := 0
			for _, w := range all {
				answered += w.check(t, dialSIP(t, "udp", s.sip, w.c.user, ""))
			}
			t.Logf("%d requests had been answered", answered)
			if answered < 3*len(all) {
				t.Error("there was no load")
			}
			s.terminate()
		})
	}
}

// deaf is a connection whose peer may be gone.
type deaf struct{ net.Conn }

func (d deaf) Write(b []byte) (int, error) {
	_, _ = d.Conn.Write(b)
	return len(b), nil
}

// worker is a client that does one thing after the other and notes what was
// answered.
type worker struct {
	c        *sipClient
	dead     chan struct{}
	contacts []string
	tags     []string // of publications
	watched  []*dialog
	answers  atomic.Int32 // 200 so far
}

// answers returns how much has been answered to all of them.
func answers(all []*worker) int {
	n := 0
	for _, w := range all {
		n += int(w.answers.Load())
	}
	return n
}

func (w *worker) work() {
	peers := []string{"alice", "bob", "carol"}
	for i := 0; ; i++ {
		contact := fmt.Sprintf("<sip:%s%d@192.0.2.1>", w.c.tag, i)
		m := w.ask(binding(w.c, "Contact: "+contact, "Expires: 600"))
		if m == nil {
			return
		}
		w.contacts = append(w.contacts, contact)
		if i < 3 { // few enough for all to stay
			if m = w.ask(publishing(w.c, pidfOf(w.c, tupleOf("t"+w.c.tag+fmt.Sprint(i), "open")))); m == nil {
				return
			}
			w.tags = append(w.tags, m.get("Sip-Etag"))
		}
		d := &dialog{c: w.c, r: subscribing(w.c, "sip:"+peers[i%len(peers)]+"@"+domain, "Contact: <sip:"+rand.Text()+"@"+w.c.conn.LocalAddr().String()+">")}
		d.r.from = w.c.aor()
		w.watched = append(w.watched, d) // its NOTIFY may come before ask returns
		if m = w.ask(d.r); m == nil {
			w.watched = w.watched[:len(w.watched)-1]
			return
		}
		_, d.r.toTag, _ = strings.Cut(m.get("To"), "tag=")
		d.target = strings.Trim(m.get("Contact"), "<>")
	}
}

// ask sends a request and returns its 200, nil when there will be none.
func (w *worker) ask(r request) *message {
	r.from = w.c.aor()
	if r.callID == "" {
		r.callID = rand.Text()
	}
	if r.to == "" {
		r.to = r.uri
	}
	w.c.send(r)
	for {
		select {
		case m, ok := <-w.c.in:
			switch {
			case !ok:
				return nil
			case m.method() == "NOTIFY":
				w.note(m)
			case m.status() == 200:
				w.answers.Add(1)
				return m
			default:
				w.c.t.Errorf("%s:\n%s", r.method, m)
				return nil
			}
		case <-w.dead:
			return nil
		}
	}
}

func (w *worker) note(m *message) {
	i := slices.IndexFunc(w.watched, func(d *dialog) bool { return d.r.callID == m.get("Call-Id") })
	if i < 0 {
		return
	}
	w.watched[i].last = max(w.watched[i].last, m.cseq())
	w.c.reply(m, "200 OK")
}

// check asks the next process for everything and returns how much that was.
func (w *worker) check(t *testing.T, c *sipClient) int {
	t.Helper()
	c.cseq = 1000
	known := contacts(c.want(200, binding(c)))
	for _, contact := range w.contacts {
		if !strings.Contains(known, contact) {
			t.Errorf("%s lost %s", c.user, contact)
		}
	}
	for _, tag := range w.tags {
		c.want(200, publishing(c, "", "SIP-If-Match: "+tag))
	}
	for _, d := range w.watched {
		r := d.again(c, 600)
		r.from = c.aor()
		c.want(200, r)
		for {
			m := c.arriving("NOTIFY")
			c.reply(m, "200 OK")
			if m.get("Call-Id") != d.r.callID {
				continue // of one that was asked for before
			}
			if m.cseq() <= d.last {
				t.Errorf("CSeq %d after %d", m.cseq(), d.last)
			}
			break
		}
		if len(c.requests) > 100 {
			t.Fatalf("a storm of %d NOTIFYs", len(c.requests))
		}
	}
	return len(w.contacts) + len(w.tags) + len(w.watched)
}
