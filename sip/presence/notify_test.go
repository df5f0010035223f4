package presence

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/internal/auth"
	"rollcall/internal/pidf"
	"rollcall/internal/sipuri"
	"rollcall/sip/event"
	"rollcall/sip/wire"
)

// sender takes what the notifier sends and answers 200.
type sender struct {
	mu  sync.Mutex
	out []wire.Outgoing
}

func (s *sender) Do(out wire.Outgoing, done func(wire.Result)) {
	s.mu.Lock()
	out.Head = bytes.Clone(out.Head)
	s.out = append(s.out, out)
	s.mu.Unlock()
	done(wire.Result{Status: 200})
}

func (s *sender) Flow(string) *wire.Flow                            { return nil }
func (s *sender) ContactURI(*wire.Flow) string                      { return "sip:192.0.2.1:5060;transport=tcp" }
func (s *sender) FlowTo(sipuri.URI, *wire.Flow) (*wire.Flow, error) { return nil, wire.ErrFlowClosed }

// take returns the NOTIFY requests since the last call as "substate body?".
func (s *sender) take() []string {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	var got []string
	for _, out := range s.out {
		substate := ""
		for line := range strings.SplitSeq(string(out.Head), "\r\n") {
			if v, ok := strings.CutPrefix(line, "Subscription-State: "); ok {
				substate, _, _ = strings.Cut(v, ";expires")
			}
		}
		body := ""
		switch {
		case strings.Contains(string(out.Body), ">open<"):
			body = " open"
		case len(out.Body) > 0:
			body = " closed"
		}
		got = append(got, substate+body)
	}
	s.out = nil
	return got
}

// With the real notifier: what watchers are sent when rules and state change
// (RFC 5025 §3.2.1, RFC 3856 §6.7).
func TestNotifications(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, r *rig) {
		out := &sender{}
		n := event.New(event.Config{
			Store: r.store, Sender: out, Pool: r.pool, Wheel: r.wheel, Metrics: r.s.cfg.Metrics, Pacing: event.Off,
			MinExpires: time.Minute, MaxExpires: 24 * time.Hour, MaxPerWatcher: 100, MaxPerResource: 100,
		})
		n.Register(r.s.Package())
		r.s.Notify(n.Changed)
		subscribe := func(watcher string) (status string) {
			r.calls++
			text := "SUBSCRIBE " + amy + " SIP/2.0\r\n" +
				fmt.Sprintf("Via: SIP/2.0/TCP 192.0.2.9:4444;branch=z9hG4bK%d\r\n", r.calls) +
				"From: <" + watcher + ">;tag=a\r\nTo: <" + amy + ">\r\nContact: <sip:192.0.2.9:4444;transport=tcp>\r\n" +
				fmt.Sprintf("Call-ID: call%d\r\nCSeq: 1 SUBSCRIBE\r\nMax-Forwards: 70\r\nEvent: presence\r\nContent-Length: 0\r\n\r\n", r.calls)
			flow := wire.NewFlow("TCP", local, remote, func(b []byte) error { status = string(b[8:11]); return nil })
			req, _, err := wire.ParseRequest([]byte(text), flow)
			if err != nil {
				t.Fatal(err)
			}
			r.on(amy, func() { n.Subscribe(context.Background(), req, amy, auth.Identity{AOR: watcher}) })
			return status
		}
		expect := func(what string, want ...string) {
			t.Helper()
			if got := out.take(); strings.Join(got, ",") != strings.Join(want, ",") {
				t.Errorf("%s: sent %q, want %q", what, got, want)
			}
		}
		if got := subscribe(bo); got != "200" {
			t.Fatalf("answered %s", got)
		}
		expect("no rules", "pending")
		tag := r.must(amy, typed, document(tuple("a", "open")))
		expect("state while pending")
		r.rules(amy, "allow "+bo)
		expect("allowed", "active open")
		tag = r.must(amy, refresh(tag), "")
		expect("publication refreshed")
		tag = r.must(amy, typed+"SIP-If-Match: "+tag, document(tuple("a", "closed")))
		expect("state while active", "active closed")
		r.rules(amy, "allow "+bo, "allow "+cy)
		expect("rules that change nothing")
		r.rules(amy, "confirm "+bo)
		expect("to be confirmed", "pending")
		tag = r.must(amy, typed+"SIP-If-Match: "+tag, document(tuple("a", "open")))
		expect("state while pending again")
		r.rules(amy, "polite-block "+bo)
		expect("politely blocked", "active closed")
		r.must(amy, refresh(tag)+"Expires: 0", "")
		r.s.SetBindings(amy, []pidf.Registration{{ID: "1", Q: 1000, Expires: time.Now().Add(time.Hour)}})
		expect("state while politely blocked")
		r.rules(amy, "allow "+bo)
		expect("allowed again", "active open")
		r.rules(amy, "block "+bo)
		expect("blocked", "terminated;reason=rejected")
		r.expectWinfo("bo terminated rejected")
		if got := subscribe(bo); got != "403" {
			t.Errorf("subscription while blocked: %s", got)
		}
		expect("refused")
		n.Stop(context.Background())
	})
}
