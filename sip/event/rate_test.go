package event

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/internal/store/memory"
	"rollcall/sip/wire"
)

// RFC 6446 §9.2: 1*2DIGIT ["." 1*10DIGIT], above zero.
func TestParseRate(t *testing.T) {
	for in, want := range map[string]float64{
		"1": 1, "0.1": 0.1, "99.5": 99.5, "0.0000000001": 1e-10,
		"0": 0, "0.0": 0, "": 0, "100": 0, "1.": 0, ".5": 0, "-1": 0, "1e1": 0, "0.00000000001": 0, "+1": 0, "Inf": 0, "1 ": 0,
	} {
		if got := parseRate(in); got != want {
			t.Errorf("%q: %v, want %v", in, got, want)
		}
	}
}

// RFC 6446 §5.3, §8: what is adopted and shown.
func TestAdoptedRates(t *testing.T) {
	tests := []struct {
		in   rates
		left time.Duration
		want string
	}{
		{rates{max: 0.1}, time.Hour, ";max-rate=0.1"},
		{rates{max: 0.001}, 100 * time.Second, ";max-rate=0.01"},
		{rates{max: 0.2, min: 0.5}, time.Hour, ";max-rate=0.2;min-rate=0.2"},
		{rates{min: 0.5, adaptive: 0.1}, time.Hour, ";adaptive-min-rate=0.1"},
		{rates{min: 0.05, adaptive: 0.1}, time.Hour, ";min-rate=0.05;adaptive-min-rate=0.1"},
		{rates{min: 50}, time.Hour, ";min-rate=1"},
		{rates{max: 0.2, adaptive: 0.5}, time.Hour, ";max-rate=0.2;adaptive-min-rate=0.2"},
		{rates{}, time.Hour, ""},
	}
	for _, test := range tests {
		got := test.in.adopted(test.left)
		if text := string(got.appendTo(nil)); text != test.want {
			t.Errorf("%+v: %q, want %q", test.in, text, test.want)
		}
		if back := ratesOf(parseParams(string(got.appendTo(nil)))); back != got {
			t.Errorf("%+v reads back as %+v", got, back)
		}
	}
}

func FuzzRates(f *testing.F) {
	f.Add("presence;max-rate=0.1;min-rate=1")
	f.Add(";adaptive-min-rate=.5;=;max-rate")
	f.Fuzz(func(t *testing.T, in string) {
		r := ratesOf(parseParams(in)).adopted(time.Hour)
		for _, v := range []float64{r.max, r.min, r.adaptive} {
			if v != 0 && !(v > 0 && v < 100) {
				t.Errorf("%q: %+v", in, r)
			}
		}
		if r.min > fastestMinRate || r.max > 0 && r.min > r.max {
			t.Errorf("%q: %+v", in, r)
		}
	})
}

// max-rate=0.1, three changes in 1 s: one NOTIFY after 10 s with the last state
// (RFC 6446 §5.2, §5.5). What a SUBSCRIBE triggers is exempt.
func TestMaxRate(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, r *rig) {
		r.subscribe(sub{event: "presence;max-rate=0.1"})
		log := r.take()
		if got := log[1].header("Subscription-State"); got != "active;expires=600;max-rate=0.1" {
			t.Errorf("got %q", got)
		}
		for _, body := range []string{"1", "2", "3"} {
			r.set(text(body))
			time.Sleep(300 * time.Millisecond)
		}
		time.Sleep(9 * time.Second)
		r.nothing()
		time.Sleep(200 * time.Millisecond)
		if m := r.notify(); string(m.out.Body) != "3" || m.header("Subscription-State") != "active;expires=590;max-rate=0.1" {
			t.Errorf("got %s", describe([]message{m}))
		}
		r.subscribe(sub{toTag: log[0].toTag()}) // and without the parameter there is no limit
		if log := r.take(); len(log) != 2 || log[1].header("Subscription-State") != "active;expires=600" {
			t.Fatalf("got %s", describe(log))
		}
		r.set(text("4"))
		r.notify()
	})
}

// The end of waiting, and the end of all, are not held back (RFC 6446 §5.2).
func TestMaxRateExempt(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, r *rig) {
		r.pkg.set(amy, View{State: Pending, Tag: "p"})
		r.establish(sub{event: "presence;max-rate=0.01"})
		r.set(text("let in"))
		r.notify()
		r.n.End("presence", amy, "noresource")
		if got := r.notify().header("Subscription-State"); got != "terminated;reason=noresource" {
			t.Errorf("got %q", got)
		}
	})
}

// RFC 6446 §6.2: the state is sent again when nothing has been said for 1/min-rate.
func TestMinRate(t *testing.T) {
	inBubble(t, Config{Pacing: RFC}, func(t *testing.T, r *rig) {
		r.establish(sub{event: "presence;min-rate=0.05", expires: "1000"})
		time.Sleep(19 * time.Second)
		r.nothing()
		time.Sleep(1100 * time.Millisecond)
		if m := r.notify(); string(m.out.Body) != "none" || m.header("Subscription-State") != "active;expires=980;min-rate=0.05" {
			t.Errorf("got %s", describe([]message{m}))
		}
		time.Sleep(10 * time.Second)
		r.set(text("news")) // begins the interval anew
		r.notify()
		time.Sleep(19 * time.Second)
		r.nothing()
		time.Sleep(1100 * time.Millisecond)
		r.notify()
		time.Sleep(200 * time.Second)
		if got := len(r.take()); got < 9 || got > 10 {
			t.Errorf("%d in 200 s", got)
		}
	})
}

// A slow watcher is not sent more for being late.
func TestMinRateInFlight(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, r *rig) {
		r.establish(sub{event: "presence;min-rate=0.5"})
		r.sender.answer(0)
		time.Sleep(3 * time.Second)
		first := r.notify()
		time.Sleep(20 * time.Second)
		r.nothing()
		first.done(wire.Result{Status: 200})
		r.notify()
		r.nothing()
	})
}

// RFC 6446 §7.4: the more has been said lately, the longer silence may last.
func TestAdaptiveMinRate(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, r *rig) {
		r.establish(sub{event: "presence;adaptive-min-rate=0.1", expires: "7000"})
		for range 8 {
			time.Sleep(50 * time.Millisecond)
			r.set(text(time.Now().String()))
			r.notify()
		}
		time.Sleep(12 * time.Second) // at the bare rate there would be one
		r.nothing()
		start := time.Now()
		for time.Since(start) < 1000*time.Second {
			time.Sleep(time.Second)
		}
		if got := len(r.take()); got < 85 || got > 115 {
			t.Errorf("%d NOTIFYs in 1000 s at a rate of 0.1", got)
		}
	})
}

// RFC 6446 §9.3: the answer to a NOTIFY may change the rates, but only of a
// watcher who asked for some.
func TestRatesInAnswers(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, r *rig) {
		toTag := r.establish(sub{event: "presence;max-rate=0.1"})
		time.Sleep(11 * time.Second)
		r.sender.answer(0)
		r.set(text("1"))
		r.notify().done(wire.Result{Status: 200, Headers: []wire.Header{{Name: "Event", Value: "presence;max-rate=0.5"}}})
		r.set(text("2"))
		time.Sleep(2100 * time.Millisecond)
		m := r.notify()
		if got := m.header("Subscription-State"); got != "active;expires=587;max-rate=0.5" {
			t.Errorf("got %q", got)
		}
		m.done(wire.Result{Status: 200})
		r.sender.answer(200)
		r.subscribe(sub{toTag: toTag})
		r.take()
		r.sender.answer(0)
		r.set(text("3"))
		r.notify().done(wire.Result{Status: 200, Headers: []wire.Header{{Name: "Event", Value: "presence;max-rate=0.01"}}})
		r.set(text("4"))
		r.notify()
	})
}

// Gentle pacing of lists, and of what must not wait.
func TestPacingLimits(t *testing.T) {
	presence, lamps := Terms{Pace: 5 * time.Second}, Terms{Pace: time.Second}
	tests := []struct {
		pacing   Pacing
		terms    Terms
		kind     string
		burst    int64
		interval time.Duration
	}{
		{Gentle, presence, "plain", 10, time.Second},
		{Gentle, presence, "list", 10, 200 * time.Millisecond},
		{Gentle, lamps, "plain", 1, 0},
		{Gentle, lamps, "list", 1, 0},
		{RFC, presence, "list", 1, 5 * time.Second},
		{RFC, lamps, "plain", 1, time.Second},
		{Off, presence, "plain", 1, 0},
	}
	for _, test := range tests {
		if burst, interval := test.pacing.limits(test.terms, test.kind); burst != test.burst || interval != test.interval {
			t.Errorf("%v %v %s: %d, %v", test.pacing, test.terms.Pace, test.kind, burst, interval)
		}
	}
}

// That a watcher may see no longer, or now, is told whatever the pace.
func TestStateIsNotPaced(t *testing.T) {
	inBubble(t, Config{Pacing: RFC}, func(t *testing.T, r *rig) {
		r.establish(sub{})
		r.set(text("news"))
		r.nothing()
		r.set(View{State: Terminated, Reason: "rejected"})
		if got := r.notify().header("Subscription-State"); got != "terminated;reason=rejected" {
			t.Errorf("got %q", got)
		}
	})
}

// Rates, and what device a subscription belongs to, outlive a restart.
func TestRatesAfterRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := memory.New()
		r := newRig(t, Config{}, st)
		udp := r.flow("UDP", remote)
		const phone = `<sip:b@192.0.2.9:4444>;+sip.instance="<urn:uuid:1>"`
		r.establish(sub{flow: udp, contact: phone, event: "presence;max-rate=0.1"})
		time.Sleep(saveEvery + time.Second)
		r.close()
		r = newRig(t, Config{}, st)
		defer r.close()
		r.sender.flows = map[string]*wire.Flow{udp.Ref(): r.flow("UDP", remote)}
		if err := r.n.Restore(context.Background()); err != nil {
			t.Fatal(err)
		}
		r.set(text("1"))
		time.Sleep(9 * time.Second)
		r.nothing()
		time.Sleep(2 * time.Second)
		if got := r.notify().header("Subscription-State"); got != "active;expires=584;max-rate=0.1" {
			t.Errorf("got %q", got)
		}
		r.establish(sub{callID: "rebooted", contact: phone})
		if rows := r.rows(); len(rows) != 1 || rows[0].CallID != "rebooted" {
			t.Errorf("%d rows", len(rows))
		}
	})
}
