package winfo

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/sip/event"
)

// RFC 3857 §4.6: the owner and its delegates are told of all, who is let in of its
// own subscriptions, others of nothing.
func TestWhoIsTold(t *testing.T) {
	rules := map[string]event.State{"sip:w1@example.test": event.Active, "sip:blocked@example.test": event.Terminated}
	p := New(Config{
		Watched: "presence",
		Watchers: func(string) []Watcher {
			return []Watcher{watcher("w1", Active, "subscribe"), watcher("w2", Active, "subscribe")}
		},
		Shown: func(_ context.Context, _, who string) (event.State, time.Time) {
			return rules[who], time.Time{} // others are pending
		},
		Delegate: func(user, owner string) bool { return owner == amy && user == "sip:assistant@example.test" },
	})
	for who, want := range map[string]string{
		amy:                          "0 full w1/active/subscribe w2/active/subscribe",
		"sip:assistant@example.test": "0 full w1/active/subscribe w2/active/subscribe",
		"sip:w1@example.test":        "0 full w1/active/subscribe",
		"sip:stranger@example.test":  "403",
		"sip:blocked@example.test":   "403",
		"":                           "403",
	} {
		src, err := p.Open(context.Background(), &event.Subscription{Resource: amy, Watcher: who})
		if refusal, ok := err.(*event.Refusal); ok && refusal.Status == 403 {
			if want != "403" {
				t.Errorf("%q: refused, want %s", who, want)
			}
			continue
		}
		d := &desk{t: t, src: src}
		if got := d.view(true); got != want {
			t.Errorf("%q: %s, want %s", who, got, want)
		}
	}
}

// Only the owner is told who watches the watchers: without Shown nobody else is.
func TestWatchersOfWatchers(t *testing.T) {
	p := New(Config{Watched: "presence.winfo", Watchers: func(string) []Watcher { return nil }})
	if p.Event() != "presence.winfo.winfo" {
		t.Error(p.Event())
	}
	if _, err := p.Open(context.Background(), &event.Subscription{Resource: amy, Watcher: bo}); err == nil {
		t.Error("let in")
	}
}

// RFC 3857 §4.7.2: a watcher sees no more of its own subscription than
// Subscription-State says.
func TestOwnEntry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const me = "sip:w1@example.test"
		state := event.Active
		d := &desk{t: t, list: []Watcher{watcher("w1", Active, "subscribe"), watcher("w2", Pending, "subscribe")}}
		p := New(Config{
			Watched: "presence", Watchers: func(string) []Watcher { return d.list },
			Shown: func(context.Context, string, string) (event.State, time.Time) { return state, time.Time{} },
		})
		src, err := p.Open(context.Background(), &event.Subscription{Resource: amy, Watcher: me})
		if err != nil {
			t.Fatal(err)
		}
		d.src = src
		step := func(what string, full bool, want string) {
			t.Helper()
			if got := d.view(full); got != want {
				t.Errorf("%s: %s, want %s", what, got, want)
			}
			time.Sleep(time.Second)
		}
		step("itself only", true, "0 full w1/active/subscribe")
		d.list[1].Status = Active
		step("the others are none of its business", false, "nothing")
		state = event.Pending
		if v, ok := src.View(false); !ok || v.State != event.Pending || len(v.Body) != 0 {
			t.Errorf("pending: %+v", v)
		}
		state = event.Active
		step("let in again", false, "1 full w1/active/subscribe")
		d.list[0].Status, d.list[0].Cause = Waiting, "timeout"
		step("what waits is over for the watcher", false, "2 partial w1/terminated/timeout")
		d.list[0] = watcher("w1", Terminated, "approved")
		step("and that the owner decided later is not told", false, "nothing")
		state = event.Terminated
		if v, ok := src.View(false); !ok || v.State != event.Terminated || v.Reason != "rejected" {
			t.Errorf("blocked: %+v", v)
		}
	})
}
