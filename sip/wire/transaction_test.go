package wire

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/internal/metrics"
	"rollcall/internal/wheel"
)

// inBubble runs a test with an endpoint on synthetic time.
func inBubble(t *testing.T, cfg Config, test func(t *testing.T, e *Endpoint)) {
	t.Helper()
	m := metrics.New()
	synctest.Test(t, func(t *testing.T) {
		w := wheel.New(10 * time.Millisecond)
		cfg.Wheel, cfg.Metrics = w, m
		if cfg.Handler == nil {
			cfg.Handler = handlerFunc(answer200)
		}
		e := New(cfg)
		test(t, e)
		if err := e.Close(t.Context()); err != nil {
			t.Error(err)
		}
		w.Stop()
	})
}

func notify(f *Flow) Outgoing {
	return Outgoing{Method: "NOTIFY", RequestURI: "sip:a@b", CSeq: 3, Flow: f,
		Head: []byte("From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=2\r\nCall-ID: y\r\n")}
}

// reply makes a response to a request that was sent.
func reply(sent string, status int) []byte {
	_, rest, _ := strings.Cut(sent, "\r\n")
	via, rest, _ := strings.Cut(rest, "\r\n")
	_, rest, _ = strings.Cut(rest, "\r\n") // Max-Forwards
	return fmt.Appendf(nil, "SIP/2.0 %d X\r\n%s\r\n%s", status, via, rest)
}

// RFC 3261 §17.1.2.2: timer E doubles to T2, timer F ends after 64*T1.
func TestClientTimers(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, e *Endpoint) {
		begin := time.Now()
		var mu sync.Mutex
		var sent []time.Duration
		f := NewFlow("UDP", serverAddr, clientAddr, func([]byte) error {
			mu.Lock()
			defer mu.Unlock()
			sent = append(sent, time.Since(begin).Round(100*time.Millisecond))
			return nil
		})
		result := make(chan Result, 1)
		e.Do(notify(f), func(r Result) { result <- r })
		if r := <-result; r.Err != ErrTimeout || r.Status != 0 {
			t.Errorf("result %+v", r)
		}
		if took := time.Since(begin); took < 32*time.Second || took > 33*time.Second {
			t.Errorf("gave up after %v", took)
		}
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		want := "[0s 500ms 1.5s 3.5s 7.5s 11.5s 15.5s 19.5s 23.5s 27.5s 31.5s]"
		if got := fmt.Sprint(sent); !near(got, want) {
			t.Errorf("sent at %s, want %s", got, want)
		}
	})
}

// near allows the tick of the wheel to add up.
func near(got, want string) bool {
	g, w := strings.Fields(strings.Trim(got, "[]")), strings.Fields(strings.Trim(want, "[]"))
	if len(g) != len(w) {
		return false
	}
	for i := range g {
		a, _ := time.ParseDuration(g[i])
		b, _ := time.ParseDuration(w[i])
		if (a - b).Abs() > 300*time.Millisecond {
			return false
		}
	}
	return true
}

func TestClientReliable(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, e *Endpoint) {
		f := newTestFlow("TCP")
		result := make(chan Result, 1)
		e.Do(notify(f.Flow), func(r Result) { result <- r })
		if r := <-result; r.Err != ErrTimeout || len(f.sent) != 1 {
			t.Errorf("result %+v after %d sent: nothing is sent twice over a reliable transport", r, len(f.sent))
		}
	})
}

// RFC 3261 §17.1.3: branch and CSeq method match; strays are dropped; the first
// final response counts; a provisional one slows down to T2.
func TestClientMatching(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, e *Endpoint) {
		f := newTestFlow("UDP")
		var results []Result
		e.Do(notify(f.Flow), func(r Result) { results = append(results, r) })
		sent := f.sent[0]
		e.receive([]byte(strings.Replace(string(reply(sent, 200)), branchPrefix, branchPrefix+"0", 1)), f.Flow)
		e.receive([]byte(strings.Replace(string(reply(sent, 200)), "3 NOTIFY", "3 MESSAGE", 1)), f.Flow)
		e.receive(reply(sent, 700), f.Flow)
		e.receive(reply(sent, 100), f.Flow)
		time.Sleep(4 * time.Second)
		synctest.Wait()
		if len(results) != 0 || len(f.sent) != 2 {
			t.Fatalf("results %+v, sent %d: after a 100 the next is T2 away", results, len(f.sent))
		}
		e.receive(reply(sent, 481), f.Flow)
		e.receive(reply(sent, 200), f.Flow)
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(results) != 1 || results[0].Status != 481 || len(f.sent) != 2 {
			t.Errorf("results %+v, sent %d", results, len(f.sent))
		}
	})
}

func TestClientErrors(t *testing.T) {
	inBubble(t, Config{MaxPending: clientParts}, func(t *testing.T, e *Endpoint) {
		results := make(chan Result, 1000)
		done := func(r Result) { results <- r }
		broken := NewFlow("UDP", serverAddr, clientAddr, func([]byte) error { return ErrFlowFull })
		out := notify(nil)
		e.Do(out, done)
		if r := <-results; r.Err != ErrFlowClosed {
			t.Errorf("no flow: %+v", r)
		}
		e.Do(notify(broken), done)
		if r := <-results; r.Err != ErrFlowFull {
			t.Errorf("broken flow: %+v", r)
		}
		out = notify(newTestFlow("UDP").Flow)
		out.RequestURI = "sip:a\r\nX: y"
		e.Do(out, done)
		if r := <-results; r.Err != ErrForbidden {
			t.Errorf("injection: %+v", r)
		}
		// One table part takes one transaction each: sooner or later there is no room.
		f := newTestFlow("TCP")
		tooMany := false
		for range 50 * clientParts {
			e.Do(notify(f.Flow), done)
		}
		synctest.Wait()
		for len(results) > 0 {
			tooMany = (<-results).Err == ErrTooMany || tooMany
		}
		if !tooMany || len(f.sent) > clientParts {
			t.Errorf("%d sent, bound reported: %v", len(f.sent), tooMany)
		}
		e.client.close()
		for range f.sent {
			if r := <-results; r.Err != ErrClosed {
				t.Errorf("at close: %+v", r)
			}
		}
		e.Do(notify(f.Flow), done)
		if r := <-results; r.Err != ErrClosed {
			t.Errorf("after close: %+v", r)
		}
	})
}

func TestMaxForwards(t *testing.T) {
	for in, want := range map[int]string{0: "70", 5: "5", -1: "0"} {
		out := notify(newTestFlow("UDP").Flow)
		out.MaxForwards = in
		if got := string(appendRequest(nil, &out, 1, "h")); !strings.Contains(got, "\r\nMax-Forwards: "+want+"\r\n") {
			t.Errorf("MaxForwards %d: %q", in, got)
		}
	}
}

// RFC 3261 §17.2.2: timer J keeps an answer for 64*T1; then the branch is free.
func TestServerExpiry(t *testing.T) {
	handled := 0
	h := handlerFunc(func(r *Request) { handled++; answer200(r) })
	inBubble(t, Config{Handler: h}, func(t *testing.T, e *Endpoint) {
		f := newTestFlow("UDP")
		message := []byte(request("OPTIONS", "SIP/2.0/UDP h", "z9hG4bKa", ""))
		e.receive(message, f.Flow)
		time.Sleep(31 * time.Second)
		e.receive(message, f.Flow)
		if handled != 1 || len(f.sent) != 2 || f.sent[0] != f.sent[1] {
			t.Errorf("handled %d, sent %d", handled, len(f.sent))
		}
		time.Sleep(4 * time.Second)
		synctest.Wait()
		if n := e.server.size(); n != 0 {
			t.Errorf("%d transactions kept", n)
		}
		e.receive(message, f.Flow)
		if handled != 2 {
			t.Errorf("handled %d", handled)
		}
	})
}

func (t *serverTable) size() (n int) {
	for i := range t.parts {
		p := &t.parts[i]
		p.mu.Lock()
		n += len(p.txs)
		for _, tx := range p.txs {
			if p.bytes < tx.response.length {
				n = -1
			}
		}
		p.mu.Unlock()
	}
	return n
}

// RFC 3261 §17.2.3: what makes two requests the same.
func TestServerMatching(t *testing.T) {
	base := request("OPTIONS", "SIP/2.0/UDP h", "z9hG4bKa", "")
	old := request("OPTIONS", "SIP/2.0/UDP h", "1", "")
	for _, tc := range []struct {
		name, a, b string
		same       bool
	}{
		{"identical", base, base, true},
		{"same branch, other Call-ID", base, strings.Replace(base, "Call-ID: x", "Call-ID: y", 1), true},
		{"same branch, other CSeq: libpurple with credentials", base, strings.Replace(base, "CSeq: 1", "CSeq: 2", 1), false},
		{"the number written in another way", base, strings.Replace(base, "CSeq: 1", "cseq:  01", 1), true},
		{"other branch", base, strings.Replace(base, "bKa", "bKb", 1), false},
		{"other sent-by", base, strings.Replace(base, "UDP h;", "UDP i;", 1), false},
		{"other method", base, strings.ReplaceAll(base, "OPTIONS", "PUBLISH"), false},
		{"RFC 2543: identical", old, old, true},
		{"RFC 2543: other Call-ID", old, strings.Replace(old, "Call-ID: x", "Call-ID: y", 1), false},
		{"RFC 2543: other CSeq", old, strings.Replace(old, "CSeq: 1", "CSeq: 2", 1), false},
		{"RFC 2543: other tag", old, strings.Replace(old, "tag=1", "tag=2", 1), false},
		{"empty branch after the cookie", strings.Replace(base, "bKa", "bK", 1), strings.Replace(strings.Replace(base, "bKa", "bK", 1), "Call-ID: x", "Call-ID: y", 1), false},
	} {
		handled := 0
		h := handlerFunc(func(r *Request) { handled++; answer200(r) })
		inBubble(t, Config{Handler: h}, func(t *testing.T, e *Endpoint) {
			f := newTestFlow("UDP")
			e.receive([]byte(tc.a), f.Flow)
			e.receive([]byte(tc.b), f.Flow)
			if (handled == 1) != tc.same || len(f.sent) != 2 {
				t.Errorf("%s: handled %d, answered %d", tc.name, handled, len(f.sent))
			}
		})
	}
}

// The table stays within its bounds; requests beyond them are still served.
func TestServerBounds(t *testing.T) {
	inBubble(t, Config{MaxTransactions: 16 * serverParts, MaxResponses: 2000 * serverParts}, func(t *testing.T, e *Endpoint) {
		f := newTestFlow("UDP")
		for i := range 1000 {
			e.receive([]byte(request("OPTIONS", "SIP/2.0/UDP h", fmt.Sprint("z9hG4bK", i), "")), f.Flow)
		}
		if len(f.sent) != 1000 {
			t.Errorf("%d of 1000 answered", len(f.sent))
		}
		bytes := 0
		for i := range e.server.parts {
			bytes += e.server.parts[i].bytes
		}
		if n := e.server.size(); n == 0 || n > 16*serverParts || bytes > 2000*serverParts {
			t.Errorf("%d transactions with %d bytes kept", n, bytes)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if n := e.server.size(); n != 0 {
			t.Errorf("%d kept for ever", n)
		}
	})
}

// RFC 3261 §8.2.7: stateless tags repeat for the same request; given tags are
// taken; a tag that is there stays.
func TestToTag(t *testing.T) {
	to := func(text string, resp Response) string {
		f := newTestFlow("UDP")
		r, _, err := ParseRequest([]byte(text), f.Flow)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Respond(resp); err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(f.sent[0], "\r\nTo: ")
		value, _, _ := strings.Cut(rest, "\r\n")
		return value
	}
	text := request("OPTIONS", "SIP/2.0/UDP h", "z9hG4bKa", "")
	a, b := to(text, Response{Status: 200}), to(text, Response{Status: 401})
	if a != b || !strings.HasPrefix(a, "<sip:bob@example.com>;tag=") {
		t.Errorf("tags %q and %q", a, b)
	}
	if got := to(text, Response{Status: 100}); strings.Contains(got, "tag") {
		t.Errorf("tag in a 100: %q", got)
	}
	if got := to(text, Response{Status: 200, ToTag: "mine"}); got != "<sip:bob@example.com>;tag=mine" {
		t.Errorf("given tag: %q", got)
	}
	tagged := strings.Replace(text, "To: <sip:bob@example.com>", "To: <sip:bob@example.com> ;Tag=x", 1)
	if got := to(tagged, Response{Status: 200, ToTag: "mine"}); got != "<sip:bob@example.com> ;Tag=x" {
		t.Errorf("tag of the request: %q", got)
	}
}

func TestResponseInjection(t *testing.T) {
	f := newTestFlow("UDP")
	r, _, err := ParseRequest([]byte(request("OPTIONS", "SIP/2.0/UDP h", "z9hG4bKa", "")), f.Flow)
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Respond(Response{Status: 200, Reason: "a\r\nX: y", Headers: []Header{{"A", "b\r\nX: y"}, {"C\r\nX", "d"}, {"E", "f"}}})
	if got := f.sent[0]; strings.Contains(got, "X") || !strings.Contains(got, "\r\nE: f\r\n") {
		t.Errorf("sent %q", got)
	}
}
