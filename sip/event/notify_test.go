package event

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/internal/store/memory"
	"rollcall/sip/wire"
)

// One NOTIFY in flight per dialog; what happens meanwhile is one newest state.
func TestNewestStateWins(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, r *rig) {
		r.establish(sub{})
		r.sender.auto = 0
		r.set(text("1"))
		first := r.notify()
		for _, body := range []string{"2", "3", "4"} {
			r.set(text(body))
			r.nothing()
		}
		first.done(wire.Result{Status: 200})
		last := r.notify()
		if string(last.out.Body) != "4" || last.out.CSeq != first.out.CSeq+1 {
			t.Errorf("got %s, want state 4 at once", describe([]message{last}))
		}
		last.done(wire.Result{Status: 200})
		r.nothing()
	})
}

// Nothing changed, nothing sent; versions stay without a gap.
func TestEqualViews(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, r *rig) {
		tag := r.establish(sub{})
		s := r.pkg.opened[0]
		r.n.Changed("presence", amy)
		r.nothing()
		s.Changed()
		r.nothing()
		if s.lease.version != 1 {
			t.Errorf("next version %d after one document", s.lease.version)
		}
		r.set(View{State: Pending, Tag: "none"})
		if got := r.notify().header("Subscription-State"); got != "pending;expires=600" {
			t.Errorf("another state with the same tag: %q", got)
		}
		r.subscribe(sub{toTag: tag})
		if log := r.take(); len(log) != 2 {
			t.Errorf("a SUBSCRIBE always gets its NOTIFY, RFC 6665 §4.2.1.2: %s", describe(log))
		}
	})
}

// The life of a subscription that waits for a decision.
func TestPendingToActive(t *testing.T) {
	inBubble(t, Config{Pacing: RFC}, func(t *testing.T, r *rig) {
		r.pkg.set(amy, View{State: Pending, Tag: "p", Body: []byte("secret"), ContentType: "text/plain"})
		r.subscribe(sub{})
		log := r.take()
		if m := log[1]; m.header("Subscription-State") != "pending;expires=600" || len(m.out.Body) != 0 || m.header("Content-Type") != "" {
			t.Fatalf("got %s: pending shows nothing", describe(log))
		}
		r.set(text("hello")) // at once, whatever the pace
		if m := r.notify(); m.header("Subscription-State") != "active;expires=600" || string(m.out.Body) != "hello" {
			t.Fatalf("got %s", describe([]message{m}))
		}
		time.Sleep(10 * time.Second)
		r.set(View{State: Terminated, Reason: "rejected"})
		if m := r.notify(); m.header("Subscription-State") != "terminated;reason=rejected" || len(m.out.Body) != 0 {
			t.Fatalf("got %s", describe([]message{m}))
		}
		if len(r.rows()) != 0 || len(r.pkg.ended) != 1 || r.pkg.ended[0] != "rejected" {
			t.Errorf("ended %v", r.pkg.ended)
		}
	})
}

func TestTerminatedWithRetryAfter(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, r *rig) {
		r.establish(sub{})
		r.set(View{State: Terminated, Reason: "probation", RetryAfter: time.Minute})
		if got := r.notify().header("Subscription-State"); got != "terminated;reason=probation;retry-after=60" {
			t.Errorf("got %q", got)
		}
	})
}

func TestEnd(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, r *rig) {
		r.establish(sub{callID: "a"})
		r.establish(sub{callID: "b"})
		r.n.End("presence", amy, "noresource")
		log := r.take()
		if len(log) != 2 || log[0].header("Subscription-State") != "terminated;reason=noresource" || len(r.rows()) != 0 {
			t.Fatalf("got %s", describe(log))
		}
	})
}

// Nothing is left after the expiry, not in memory either.
func TestExpiry(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, r *rig) {
		r.establish(sub{})
		time.Sleep(601 * time.Second)
		if got := r.notify().header("Subscription-State"); got != "terminated;reason=timeout" {
			t.Errorf("got %q", got)
		}
		rm := &r.n.rooms[r.pkg.opened[0].Shard]
		if len(rm.byTag)+len(rm.byCall)+len(rm.byResource) != 0 || len(r.n.quota.held) != 0 || len(r.rows()) != 0 {
			t.Error("something is left")
		}
	})
}

// A subscription is told news no faster than its pacing allows, and the newest then.
func TestPacing(t *testing.T) {
	tests := []struct {
		pacing Pacing
		atOnce int           // of 15 changes 10 ms apart
		next   time.Duration // until the next one
	}{
		{Off, 15, 0},
		{Gentle, 9, time.Second}, // the tenth was the first NOTIFY
		{RFC, 0, 5 * time.Second},
	}
	for _, test := range tests {
		t.Run(test.pacing.String(), func(t *testing.T) {
			inBubble(t, Config{Pacing: test.pacing}, func(t *testing.T, r *rig) {
				tag := r.establish(sub{})
				sent := 0
				for i := range 15 {
					r.set(text(string(rune('a' + i))))
					sent += len(r.take())
					time.Sleep(10 * time.Millisecond)
				}
				if sent != test.atOnce {
					t.Errorf("%d sent at once, want %d", sent, test.atOnce)
				}
				if test.next > 0 {
					time.Sleep(test.next - 400*time.Millisecond)
					r.nothing()
					time.Sleep(500 * time.Millisecond)
					if got := string(r.notify().out.Body); got != "o" {
						t.Errorf("body %q, want the newest", got)
					}
				}
				r.set(text("refresh"))
				r.take()
				r.subscribe(sub{toTag: tag}) // not held back
				if log := r.take(); len(log) != 2 || string(log[1].out.Body) != "refresh" {
					t.Errorf("after a SUBSCRIBE: %s", describe(log))
				}
			})
		})
	}
}

// CSeq never goes backwards, however many NOTIFYs and restarts there are, and the
// stored ceiling is always ahead.
func TestLeases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := memory.New()
		var last, version uint32
		flowRef := ""
		for run := range 3 {
			r := newRig(t, Config{}, st)
			udp := r.flow("UDP", remote)
			r.sender.flows = map[string]*wire.Flow{udp.Ref(): udp}
			if run == 0 {
				r.establish(sub{flow: udp, expires: "7000", contact: "<sip:b@192.0.2.9:4444>"})
				last, version = 1, 1
				flowRef = udp.Ref()
			} else if err := r.n.Restore(context.Background()); err != nil {
				t.Fatal(err)
			}
			for i := range leaseBlock + 10 {
				r.set(text(string(rune('a'+run)) + string(rune(i))))
				m := r.notify()
				if m.out.CSeq <= last {
					t.Fatalf("CSeq %d after %d", m.out.CSeq, last)
				}
				last = m.out.CSeq
				row := r.rows()[0]
				if row.CSeqLease < last || row.Flow != flowRef {
					t.Fatalf("stored ceiling %d, sent %d", row.CSeqLease, last)
				}
				s := r.pkg.opened[0]
				if s.lease.version-1 < version || row.VersionLease < s.lease.version {
					t.Fatalf("version %d after %d, stored ceiling %d", s.lease.version-1, version, row.VersionLease)
				}
				version = s.lease.version
			}
			r.close() // as a crash: nothing is said, nothing written
		}
	})
}

// Without a durable lease nothing is sent; it comes when the store is back.
func TestLeaseNotDurable(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, r *rig) {
		r.establish(sub{})
		s := r.pkg.opened[0]
		s.lease.cseq = s.lease.cseqCeiling
		r.store.Fail(errors.New("disk full"))
		r.set(text("news"))
		r.nothing()
		r.store.Fail(nil)
		time.Sleep(firstRetry + time.Second)
		if got := string(r.notify().out.Body); got != "news" {
			t.Errorf("body %q", got)
		}
	})
}

// After a restart only those hear something whose view is another one.
func TestRestore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := memory.New()
		r := newRig(t, Config{}, st)
		udp := r.flow("UDP", remote)
		tags := map[string]string{}
		for _, call := range []string{"same", "other", "tcp", "gone"} {
			s := sub{callID: call, resource: "sip:" + call + "@example.test", flow: udp, extra: "Accept: application/pidf+xml, text/plain\r\nSupported: eventlist\r\n"}
			if call == "tcp" {
				s.flow = nil
			}
			tags[call] = r.establish(s)
		}
		time.Sleep(saveEvery + time.Second)
		r.take()
		r.n.Stop(context.Background())
		r.close()

		r = newRig(t, Config{}, st)
		defer r.close()
		r.sender.flows = map[string]*wire.Flow{udp.Ref(): r.flow("UDP", remote)}
		r.pkg.set("sip:other@example.test", text("changed"))
		r.pkg.set("sip:tcp@example.test", text("changed"))
		r.pkg.set("sip:gone@example.test", View{State: Terminated, Reason: "noresource"})
		if err := r.n.Restore(context.Background()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		log := r.take()
		got := map[string]message{}
		for _, m := range log {
			got[m.header("Call-ID")] = m
		}
		if len(log) != 2 || string(got["other"].out.Body) != "changed" ||
			got["gone"].header("Subscription-State") != "terminated;reason=noresource" {
			t.Fatalf("after the restart: %s", describe(log))
		}
		if s := r.pkg.opened[0]; !s.Restored || len(s.Accept) != 2 || len(s.Supported) != 1 || s.Watcher != bob {
			t.Errorf("restored as %+v", s)
		}
		// The connection is gone; a refresh over a new one brings the state.
		r.cseq += 10
		r.subscribe(sub{callID: "tcp", resource: "sip:tcp@example.test", toTag: tags["tcp"]})
		log = r.take()
		if len(log) != 2 || log[0].status() != 200 || string(log[1].out.Body) != "changed" || log[1].out.CSeq <= leaseBlock {
			t.Fatalf("refresh after the restart: %s", describe(log))
		}
		// And the expiry is armed.
		time.Sleep(700 * time.Second)
		r.take()
		if rows := r.rows(); len(rows) != 0 {
			t.Errorf("left after the expiry: %d rows", len(rows))
		}
	})
}

// A view that was sent last, and noted or not, is told again when that is needed, and
// otherwise not. The one at the restart is that of before the last.
func TestRestoreAgain(t *testing.T) {
	for _, tt := range []struct {
		name  string
		end   func(r *rig)
		state string
		want  int
	}{
		{"killed when the last was answered", func(*rig) {}, "first", 1},
		{"killed, nothing else to tell", func(*rig) {}, "second", 1},
		{"killed when it was written back", func(*rig) { time.Sleep(saveEvery + time.Second) }, "second", 0},
		{"killed when it was written back, long ago", func(*rig) { time.Sleep(saveEvery + time.Second) }, "first", 1},
		{"stopped when it was answered", func(r *rig) { r.n.Stop(context.Background()) }, "first", 1},
		{"stopped, nothing else to tell", func(r *rig) { r.n.Stop(context.Background()) }, "second", 0},
		{"stopped when it was not answered", func(r *rig) {
			r.sender.auto = 0
			r.set(text("third"))
			r.notify()
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			r.n.Stop(ctx)
		}, "second", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st := memory.New()
				r := newRig(t, Config{}, st)
				udp := r.flow("UDP", remote)
				r.set(text("first"))
				r.establish(sub{flow: udp, expires: "3600"})
				time.Sleep(saveEvery + time.Second)
				r.set(text("second"))
				r.notify()
				tt.end(r)
				r.close()

				r = newRig(t, Config{}, st)
				defer r.close()
				r.sender.flows = map[string]*wire.Flow{udp.Ref(): r.flow("UDP", remote)}
				r.set(text(tt.state))
				if err := r.n.Restore(context.Background()); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Second)
				if log := r.take(); len(log) != tt.want || tt.want == 1 && string(log[0].out.Body) != tt.state {
					t.Errorf("after the restart: %s", describe(log))
				}
			})
		})
	}
}

// What the package does not take back is over, and its watcher told why.
func TestRestoreRefused(t *testing.T) {
	tests := []struct {
		err  error
		want string
	}{
		{&Refusal{Status: 404}, "terminated;reason=noresource"},
		{&Refusal{Status: 403}, "terminated;reason=rejected"},
		{errors.New("store down"), "terminated;reason=deactivated"},
	}
	for _, test := range tests {
		synctest.Test(t, func(t *testing.T) {
			st := memory.New()
			r := newRig(t, Config{}, st)
			udp := r.flow("UDP", remote)
			r.establish(sub{flow: udp})
			r.close()
			r = newRig(t, Config{}, st)
			defer r.close()
			r.sender.flows = map[string]*wire.Flow{udp.Ref(): r.flow("UDP", remote)}
			r.pkg.refuse = test.err
			if err := r.n.Restore(context.Background()); err != nil {
				t.Fatal(err)
			}
			if got := r.notify().header("Subscription-State"); got != test.want {
				t.Errorf("%v: %q, want %q", test.err, got, test.want)
			}
			if len(r.rows()) != 0 {
				t.Error("the row is left")
			}
		})
	}
}

// Stop waits for what is in flight, starts nothing new and ends no subscription.
func TestStop(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, r *rig) {
		r.sender.auto = 0
		r.subscribe(sub{})
		log := r.take()
		stopped := make(chan struct{})
		go func() {
			r.n.Stop(context.Background())
			close(stopped)
		}()
		synctest.Wait()
		select {
		case <-stopped:
			t.Fatal("Stop did not wait")
		default:
		}
		r.set(text("too late"))
		log[1].done(wire.Result{Status: 200})
		<-stopped
		r.nothing()
		if rows := r.rows(); len(rows) != 1 || rows[0].Sent != "none" || rows[0].State != "active" {
			t.Errorf("stored: %+v", rows)
		}
	})
}

// Many subscriptions to one resource are looked at within seconds after a start,
// one by one, and only once each; those whose view is another one are told.
func TestRestoreIsNoStorm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const count = 3000
		st := memory.New()
		r := newRig(t, Config{MaxPerWatcher: count}, st)
		udp := r.flow("UDP", remote)
		for i := range count {
			r.subscribe(sub{callID: strconv.Itoa(i), flow: udp})
		}
		time.Sleep(saveEvery + time.Second)
		r.n.Stop(context.Background())
		r.close()
		r = newRig(t, Config{}, st)
		defer r.close()
		r.sender.flows = map[string]*wire.Flow{udp.Ref(): r.flow("UDP", remote)}
		r.pkg.set(amy, text("changed"))
		if err := r.n.Restore(context.Background()); err != nil {
			t.Fatal(err)
		}
		for sent := 0; sent < count; {
			time.Sleep(100 * time.Millisecond)
			now := len(r.take())
			if sent += now; now > count/20 {
				t.Fatalf("%d at once", now)
			}
			if now == 0 && sent < count {
				t.Fatalf("%d told, then nobody", sent)
			}
		}
		if len(r.pkg.fulls) != count {
			t.Errorf("%d views for %d subscriptions", len(r.pkg.fulls), count)
		}
	})
}
