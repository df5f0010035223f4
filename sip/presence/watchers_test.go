package presence

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/internal/store"
	"rollcall/internal/store/memory"
	"rollcall/sip/event"
	"rollcall/sip/winfo"
)

// RFC 3857 §4.7.1 and RFC 5025 §3.2.1, seen through watcher information.
func TestWatcherStates(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, r *rig) {
		src, v, err := r.subscribe(subscription("s1", bo, time.Hour))
		if err != nil || v.State != event.Pending || len(v.Body) != 0 {
			t.Fatalf("%v %v %s", err, v.State, v.Body)
		}
		r.expectWinfo("bo pending subscribe")
		r.news(WinfoEvent, amy)

		r.rules(amy, "allow "+bo)
		r.expectWinfo("bo active approved")
		if r.news(WinfoEvent, amy) == 0 || r.news(Event, amy) == 0 {
			t.Error("approval was not told")
		}
		r.on(amy, func() { v, _ = src.View(false) })
		if v.State != event.Active || len(v.Body) == 0 {
			t.Errorf("approved: %v %s", v.State, v.Body)
		}

		r.rules(amy, "confirm "+bo)
		r.expectWinfo("bo pending subscribe")
		r.on(amy, func() { v, _ = src.View(false) })
		if v.State != event.Pending || len(v.Body) != 0 {
			t.Errorf("to be confirmed again: %v %s", v.State, v.Body)
		}

		r.rules(amy, "block "+bo)
		r.on(amy, func() { v, _ = src.View(false) })
		if v.State != event.Terminated || v.Reason != "rejected" {
			t.Errorf("blocked: %v %s", v.State, v.Reason)
		}
		r.end(src, "rejected")
		r.expectWinfo("bo terminated rejected")
		time.Sleep(winfo.Remembered)
		r.expectWinfo()
		if _, _, err = r.subscribe(subscription("s2", bo, time.Hour)); !refused(err, 403) {
			t.Errorf("new subscription: %v", err)
		}
		r.expectWinfo()
	})
}

func refused(err error, status int) bool {
	refusal, ok := errors.AsType[*event.Refusal](err)
	return ok && refusal.Status == status
}

func TestActiveEnds(t *testing.T) {
	for _, tt := range []struct{ reason, cause string }{
		{"timeout", "timeout"}, {"noresource", "noresource"}, {"deactivated", "deactivated"},
		{"probation", "probation"}, {"invariant", "deactivated"},
	} {
		inBubble(t, Config{}, func(t *testing.T, r *rig) {
			r.rules(amy, "allow "+bo)
			src, _, err := r.subscribe(subscription("s1", bo, time.Hour))
			if err != nil {
				t.Fatal(err)
			}
			r.end(src, tt.reason)
			r.expectWinfo("bo terminated " + tt.cause)
		})
	}
}

// RFC 3857 §4.7.1: who was never decided about waits, over restarts too.
func TestWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Config{}, memory.New())
		defer func() { r.close() }()
		src, _, err := r.subscribe(subscription("s1", bo, time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		r.end(src, "timeout")
		r.expectWinfo("bo waiting timeout")
		r = r.restart()
		r.expectWinfo("bo waiting timeout")

		time.Sleep(time.Second)
		if _, _, err = r.subscribe(subscription("s2", bo, time.Hour)); err != nil {
			t.Fatal(err)
		}
		r.expectWinfo("bo terminated giveup", "bo pending subscribe")
		r = r.restart() // and the subscription does not come back
		time.Sleep(winfo.Grace + time.Second)
		r.expectWinfo("bo waiting timeout")
		r.rules(amy, "allow "+bo)
		r.expectWinfo("bo terminated approved")
		r = r.restart()
		r.expectWinfo()
	})
}

func TestWaitingEnds(t *testing.T) {
	for rule, want := range map[string]string{
		"allow": "approved", "polite-block": "approved", "block": "rejected", "confirm": "",
	} {
		inBubble(t, Config{}, func(t *testing.T, r *rig) {
			src, _, err := r.subscribe(subscription("s1", bo, time.Hour))
			if err != nil {
				t.Fatal(err)
			}
			r.end(src, "timeout")
			r.rules(amy, rule+" "+bo)
			if want != "" {
				r.expectWinfo("bo terminated " + want)
				return
			}
			r.expectWinfo("bo waiting timeout")
			time.Sleep(73 * time.Hour)
			synctest.Wait()
			rows := 0
			if err := r.store.LoadWatchers(context.Background(), time.Time{}, func(store.Watcher) error { rows++; return nil }); err != nil {
				t.Fatal(err)
			}
			if got := r.winfo(); len(got) != 0 || rows != 0 {
				t.Errorf("after three days %v, %d rows", got, rows)
			}
		})
	}
}

func TestWaitingIsBounded(t *testing.T) {
	inBubble(t, Config{MaxWaiting: 3}, func(t *testing.T, r *rig) {
		for i := range 5 {
			poll := subscription(fmt.Sprint("s", i), fmt.Sprintf("sip:w%d@example.test", i), 0)
			poll.Fetch = true
			src, _, err := r.subscribe(poll)
			if err != nil {
				t.Fatal(err)
			}
			r.end(src, "timeout")
			time.Sleep(time.Second)
		}
		r.expectWinfo("w0 terminated giveup", "w1 terminated giveup", "w2 waiting timeout", "w3 waiting timeout", "w4 waiting timeout")
	})
}

// RFC 3857 §4.7.2: a poll by one who is let in is not told of.
func TestPolls(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, r *rig) {
		poll := func(id string) event.View {
			sub := subscription(id, bo, 0)
			sub.Fetch = true
			src, v, err := r.subscribe(sub)
			if err != nil {
				t.Fatal(err)
			}
			r.end(src, "timeout")
			return v
		}
		if v := poll("s1"); v.State != event.Pending || len(v.Body) != 0 {
			t.Errorf("%v %s", v.State, v.Body)
		}
		time.Sleep(time.Second)
		poll("s2")
		r.expectWinfo("bo terminated giveup", "bo waiting timeout")
		r.rules(amy, "allow "+bo)
		time.Sleep(winfo.Remembered)
		if v := poll("s3"); v.State != event.Active || len(v.Body) == 0 {
			t.Errorf("%v %s", v.State, v.Body)
		}
		r.expectWinfo()
	})
}

func TestOpenRefuses(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, r *rig) {
		sub := subscription("s1", bo, time.Hour)
		sub.Accept = []string{"application/xpidf+xml"}
		if _, _, err := r.subscribe(sub); !refused(err, 406) {
			t.Errorf("Accept: %v", err)
		}
		sub = subscription("s1", bo, time.Hour)
		sub.ContentType, sub.Body = "application/simple-filter+xml", []byte("<filter-set/>")
		if _, _, err := r.subscribe(sub); !refused(err, 488) {
			t.Errorf("no filters: %v", err)
		}
		sub = subscription("s1", bo, time.Hour)
		sub.ContentType, sub.Body = "text/plain", []byte("hello")
		if _, _, err := r.subscribe(sub); !refused(err, 415) {
			t.Errorf("body: %v", err)
		}
		r.users.set(amy, false)
		if _, _, err := r.subscribe(subscription("s1", bo, time.Hour)); !refused(err, 404) {
			t.Errorf("unknown: %v", err)
		}
		r.users.err = store.ErrUnavailable
		if _, _, err := r.subscribe(subscription("s1", bo, time.Hour)); !refused(err, 503) {
			t.Errorf("store down: %v", err)
		}
	})
}

// The owner's own subscription gets the plain document, whatever else it takes.
func TestOwnSubscription(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, r *rig) {
		r.must(amy, typed, document(tuple("a", "open")))
		sub := subscription("s1", amy, time.Hour)
		sub.Accept = []string{"multipart/related", "application/rlmi+xml", "application/pidf+xml"}
		_, v, err := r.subscribe(sub)
		if err != nil || v.ContentType != "application/pidf+xml" || v.State != event.Active {
			t.Errorf("%v %v %s", err, v.State, v.ContentType)
		}
	})
}

// A pending subscription taken over after a restart keeps its entry and its age.
func TestPendingComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Config{}, memory.New())
		defer func() { r.close() }()
		sub := subscription("s1", bo, time.Hour)
		if _, _, err := r.subscribe(sub); err != nil {
			t.Fatal(err)
		}
		r.news(WinfoEvent, amy)
		since := r.s.Watchers(amy)[0].Since
		r = r.restart()
		sub.Restored = true
		if _, _, err := r.subscribe(sub); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * winfo.Grace)
		r.expectWinfo("bo pending subscribe")
		if got := r.s.Watchers(amy)[0]; !got.Since.Equal(since) || !got.Expires.Equal(sub.Expires) {
			t.Errorf("%+v", got)
		}
		r.rules(amy, "block "+bo)
		sub = subscription("s1", bo, time.Hour)
		sub.Restored = true
		if _, _, err := r.subscribe(sub); !refused(err, 403) {
			t.Errorf("%v", err)
		}
		r.expectWinfo("bo terminated rejected")
	})
}

// Members of a list watch as if they had subscribed.
func TestWatch(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, r *rig) {
		var calls atomic.Int32
		told := func() int { synctest.Wait(); return int(calls.Swap(0)) }
		watch := Watch{ID: "list1 " + amy, Presentity: amy, Watcher: bo, Expires: time.Now().Add(time.Hour), Changed: func() { calls.Add(1) }}
		r.s.Watch(watch)
		r.expectWinfo("bo pending subscribe")
		r.view(bo)
		told()
		r.rules(amy, "allow "+bo)
		r.expectWinfo("bo active approved")
		if told() == 0 {
			t.Error("approval was not told")
		}
		r.must(amy, typed, document(tuple("a", "open")))
		if told() != 1 {
			t.Error("state was not told once")
		}
		r.rules(amy, "block "+bo)
		r.expectWinfo("bo terminated rejected")
		if told() == 0 {
			t.Error("block was not told")
		}
		r.rules(amy, "polite-block "+bo)
		r.expectWinfo("bo terminated rejected", "bo active subscribe")
		watch.Expires = time.Now().Add(2 * time.Hour)
		r.s.Watch(watch) // a refresh
		time.Sleep(winfo.Remembered)
		r.expectWinfo("bo active subscribe")
		if w := r.s.Watchers(amy)[0]; !w.Expires.Equal(watch.Expires) {
			t.Errorf("expires %v, want %v", w.Expires, watch.Expires)
		}
		told()
		r.s.Unwatch(amy, watch.ID, "timeout")
		r.expectWinfo("bo terminated timeout")
		r.must(amy, typed, document(tuple("b", "open")))
		if told() != 0 {
			t.Error("told after the end")
		}
	})
}

// What changes between a look and the registration is told afterwards.
func TestWatchMissesNothing(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, r *rig) {
		r.rules(amy, "allow "+bo)
		r.view(bo)
		var calls atomic.Int32
		hold := make(chan struct{})
		blocked := request(t, 77, amy, typed, document(tuple("a", "open")), func([]byte) error { <-hold; return nil })
		r.calls = 100
		go r.publishBlocked(blocked)
		synctest.Wait() // the shard is at the answer, the change still to come
		r.s.Watch(Watch{ID: "l", Presentity: amy, Watcher: bo, Expires: time.Now().Add(time.Hour), Changed: func() { calls.Add(1) }})
		r.view(bo)
		close(hold)
		synctest.Wait()
		if calls.Load() != 1 {
			t.Errorf("%d calls", calls.Load())
		}
	})
}

func TestWatchOfNobody(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, r *rig) {
		r.users.set(amy, false)
		var calls atomic.Int32
		r.s.Watch(Watch{ID: "l", Presentity: amy, Watcher: bo, Expires: time.Now().Add(time.Hour), Changed: func() { calls.Add(1) }})
		r.expectWinfo()
		r.users.set(amy, true)
		r.s.UserChanged(amy)
		r.expectWinfo("bo pending subscribe")
		if calls.Load() == 0 {
			t.Error("the account was not told of")
		}
	})
}

// A list that stops refreshing is forgotten; the watcher was never decided about.
func TestWatchExpires(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, r *rig) {
		r.s.Watch(Watch{ID: "l", Presentity: amy, Watcher: bo, Expires: time.Now().Add(time.Minute), Changed: func() {}})
		synctest.Wait()
		time.Sleep(time.Minute + winfo.Grace + time.Second)
		r.expectWinfo("bo waiting timeout")
		if p := r.s.find(amy); len(p.watches) != 0 {
			t.Error("still registered")
		}
	})
}

// A client that starts again leaves its old subscription to expire.
func TestOldSubscriptionOfSameWatcher(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, r *rig) {
		old, _, err := r.subscribe(subscription("s1", bo, time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if _, _, err = r.subscribe(subscription("s2", bo, time.Hour)); err != nil {
			t.Fatal(err)
		}
		r.end(old, "timeout")
		r.expectWinfo("bo pending subscribe")
	})
}

// RFC 3857 §4.7.2 holds for polls of lists too.
func TestListPoll(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, r *rig) {
		r.rules(amy, "allow "+bo)
		for _, who := range []string{bo, cy} {
			r.s.Watch(Watch{ID: "l " + who, Presentity: amy, Watcher: who, Expires: time.Now(), Changed: func() {}})
			r.s.Unwatch(amy, "l "+who, "timeout")
		}
		r.expectWinfo()
		r.remove(rulesOf(amy))
		r.s.Watch(Watch{ID: "l2", Presentity: amy, Watcher: cy, Expires: time.Now(), Changed: func() {}})
		r.s.Unwatch(amy, "l2", "timeout")
		r.expectWinfo("cy waiting timeout")
	})
}

// A client that starts again takes the place of its old subscription before it has
// got anything: the owner sees the same watcher all the while, over our restart too.
func TestClientStartsAgain(t *testing.T) {
	for rule, want := range map[string]string{"confirm": "bo pending subscribe", "allow": "bo active subscribe"} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, Config{}, memory.New())
			defer func() { r.close() }()
			r.rules(amy, rule+" "+bo)
			old, _, err := r.subscribe(subscription("s1", bo, time.Hour))
			if err != nil {
				t.Fatal(err)
			}
			before := r.s.Watchers(amy)[0]
			r.news(WinfoEvent, amy)
			sub := subscription("s2", bo, time.Hour)
			r.on(amy, func() {
				src, err := r.s.Package().Open(context.Background(), sub)
				if err != nil {
					t.Error(err)
					return
				}
				var b store.Batch
				src.(event.Recorder).Record(&b)
				old.Ended("deactivated", &b)
				if err := r.store.Commit(context.Background(), b); err != nil {
					t.Error(err)
				}
				src.View(true)
			})
			r.expectWinfo(want)
			if r.news(WinfoEvent, amy) != 0 {
				t.Error("the owner was told")
			}
			r = r.restart()
			sub.Restored = true
			if _, _, err := r.subscribe(sub); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * winfo.Grace)
			r.expectWinfo(want)
			if after := r.s.Watchers(amy)[0]; after.ID != before.ID || !after.Since.Equal(before.Since) {
				t.Errorf("%+v, was %+v", after, before)
			}
		})
	}
}

// One entry for one watcher, whatever it watches with: it keeps its id from the first
// subscription to the last, over a restart too (RFC 3858 §3.1).
func TestOneEntry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Config{}, memory.New())
		defer func() { r.close() }()
		r.rules(amy, "allow "+bo)
		subs := make([]*event.Subscription, 3)
		srcs := make([]event.Source, 3)
		for i := range subs {
			subs[i] = subscription(fmt.Sprint("s", i), bo, time.Duration(i+1)*time.Hour)
			subs[i].DisplayName = fmt.Sprint("Bo ", i)
			var err error
			if srcs[i], _, err = r.subscribe(subs[i]); err != nil {
				t.Fatal(err)
			}
		}
		list := Watch{ID: "l", Presentity: amy, Watcher: bo, Expires: time.Now().Add(time.Minute), Changed: func() {}}
		r.s.Watch(list)
		r.expectWinfo("bo active subscribe")
		first := r.s.Watchers(amy)[0]
		if strings.Contains(first.ID, "s0") || first.DisplayName != "Bo 2" || !first.Expires.Equal(subs[2].Expires) {
			t.Errorf("%+v", first)
		}
		r.news(WinfoEvent, amy)
		r.end(srcs[0], "timeout")
		r.s.Unwatch(amy, "l", "timeout")
		if r.news(WinfoEvent, amy) != 0 {
			t.Error("told of what nobody sees")
		}
		r = r.restart()
		for i := 2; i > 0; i-- {
			subs[i].Restored = true
			var err error
			if srcs[i], _, err = r.subscribe(subs[i]); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(2 * winfo.Grace)
		r.expectWinfo("bo active subscribe")
		if now := r.s.Watchers(amy)[0]; now.ID != first.ID || !now.Since.Equal(first.Since) {
			t.Errorf("%+v, was %+v", now, first)
		}
		r.end(srcs[2], "timeout")
		r.expectWinfo("bo active subscribe")
		if now := r.s.Watchers(amy)[0]; !now.Expires.Equal(subs[1].Expires) {
			t.Errorf("expires %v, want %v", now.Expires, subs[1].Expires)
		}
		r.end(srcs[1], "timeout")
		r.expectWinfo("bo terminated timeout")
		if now := r.s.Watchers(amy)[0]; now.ID != first.ID {
			t.Errorf("%+v", now)
		}
		r = r.restart()
		r.expectWinfo()
	})
}

// Nobody can say whether two without identity are the same.
func TestAnonymousEntries(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, r *rig) {
		r.put(rulesOf(amy), `<cr:ruleset xmlns:cr="urn:ietf:params:xml:ns:common-policy" xmlns:pr="urn:ietf:params:xml:ns:pres-rules">`+
			`<cr:rule id="a"><cr:actions><pr:sub-handling>allow</pr:sub-handling></cr:actions></cr:rule></cr:ruleset>`)
		var last event.Source
		for _, id := range []string{"s1", "s2"} {
			var err error
			if last, _, err = r.subscribe(subscription(id, "", time.Hour)); err != nil {
				t.Fatal(err)
			}
		}
		r.expectWinfo("anonymous@anonymous.invalid active subscribe", "anonymous@anonymous.invalid active subscribe")
		r.end(last, "timeout")
		got := r.winfo()
		slices.Sort(got)
		if want := []string{"anonymous@anonymous.invalid active subscribe", "anonymous@anonymous.invalid terminated timeout"}; !slices.Equal(got, want) {
			t.Errorf("%q", got)
		}
	})
}
