package wheel

import (
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const tick = 50 * time.Millisecond

// Every deadline is met, at most one tick late and never early, over several
// revolutions and after long idle times.
func TestDeadlines(t *testing.T) {
	for _, d := range []time.Duration{-time.Hour, 0, 1, time.Millisecond, tick, tick + 1, time.Second, slots*tick - 1, slots * tick,
		slots*tick + 1, 3*slots*tick + tick/2, 24 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			w := New(tick)
			defer w.Stop()
			time.Sleep(7*time.Hour + 13*time.Millisecond)
			start := time.Now()
			var timer Timer
			fired := make(chan time.Time, 2)
			w.Set(&timer, start.Add(d), func() { fired <- time.Now() })
			late := (<-fired).Sub(start) - d
			if d < 0 {
				late += d
			}
			if late < 0 || late > tick {
				t.Errorf("deadline in %v: %v late", d, late)
			}
			time.Sleep(48 * time.Hour)
			if len(fired) != 0 {
				t.Errorf("deadline in %v: fired twice", d)
			}
		})
	}
}

// A wheel behaves as a list of deadlines would.
func TestAgainstModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		seed := rapid.Uint64().Draw(rt, "seed")
		steps := rapid.IntRange(1, 60).Draw(rt, "steps")
		synctest.Test(t, func(t *testing.T) { compare(t, seed, steps) })
	})
}

func compare(t *testing.T, seed uint64, steps int) {
	random := rand.New(rand.NewPCG(seed, 0))
	w := New(tick)
	defer w.Stop()
	var mu sync.Mutex
	var timers [8]Timer
	due := map[int]time.Time{}
	fire := func(i int) func() {
		return func() {
			mu.Lock()
			defer mu.Unlock()
			at, ok := due[i]
			if late := time.Since(at); !ok || late < 0 || late > tick {
				t.Errorf("seed %d: timer %d fired, armed %v, %v late", seed, i, ok, late)
			}
			delete(due, i)
		}
	}
	for range steps {
		i := random.IntN(len(timers))
		mu.Lock()
		switch random.IntN(3) {
		case 0:
			at := time.Now().Add(time.Duration(random.Int64N(int64(2 * slots * tick))))
			due[i] = at
			w.Set(&timers[i], at, fire(i))
		case 1:
			_, armed := due[i]
			if got := w.Cancel(&timers[i]); got != armed {
				t.Errorf("seed %d: Cancel = %v, armed = %v", seed, got, armed)
			}
			delete(due, i)
		}
		mu.Unlock()
		time.Sleep(time.Duration(random.Int64N(int64(slots * tick / 4))))
		synctest.Wait()
	}
	time.Sleep(3 * slots * tick)
	synctest.Wait()
	if len(due) != 0 {
		t.Errorf("seed %d: never fired: %v", seed, due)
	}
}

func TestFunctionsMaySetAndCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := New(tick)
		defer w.Stop()
		var again, victim Timer
		n := 0
		var step func()
		step = func() {
			n++
			if n == 1 && !w.Cancel(&victim) {
				t.Error("a timer due in the same tick can be cancelled until it runs")
			}
			if n < 5 {
				w.Set(&again, time.Now().Add(time.Second), step)
			}
		}
		at := time.Now().Add(time.Second)
		w.Set(&again, at, step)
		w.Set(&victim, at, func() { t.Error("cancelled and still run") })
		time.Sleep(time.Minute)
		synctest.Wait()
		if n != 5 {
			t.Errorf("ran %d times, want 5", n)
		}
	})
}

func TestPanicIsContained(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := New(tick)
		defer w.Stop()
		var bad, good Timer
		ran := false
		w.Set(&bad, time.Now(), func() { panic("a bug in a handler") })
		w.Set(&good, time.Now(), func() { ran = true })
		time.Sleep(time.Second)
		synctest.Wait()
		if !ran {
			t.Error("one bad function stopped the wheel")
		}
	})
}

func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := New(tick)
		var before, after Timer
		w.Set(&before, time.Now().Add(time.Second), func() { t.Error("fired after Stop") })
		w.Stop()
		w.Stop()
		w.Set(&after, time.Now(), func() { t.Error("armed after Stop") })
		time.Sleep(time.Minute)
	})
}

func BenchmarkSet(b *testing.B) {
	w := New(tick)
	defer w.Stop()
	timers := make([]Timer, 100_000)
	at := time.Now().Add(time.Hour)
	fn := func() {}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		w.Set(&timers[i%len(timers)], at.Add(time.Duration(i)*time.Millisecond), fn)
	}
}

func BenchmarkSetParallel(b *testing.B) {
	w := New(tick)
	defer w.Stop()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		var t Timer
		at := time.Now().Add(time.Hour)
		for pb.Next() {
			w.Set(&t, at, func() {})
			w.Cancel(&t)
		}
	})
}
