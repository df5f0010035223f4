package wheel

import (
	"log/slog"
	"math"
	"math/bits"
	"runtime/debug"
	"sync"
	"time"
)

// slots is the circumference of the wheel; a deadline further away than one
// revolution stays in its slot until its turn comes.
const slots = 4096

const never = math.MaxInt64

// Timer is one deadline. The zero value is ready for use. It must not be copied
// and belongs to one wheel at a time.
type Timer struct {
	next, prev *Timer // neighbours in the slot; nil when not armed
	tick       int64
	fn         func()
}

// Wheel runs functions at their deadlines, rounded up to its tick.
type Wheel struct {
	tick  time.Duration
	start time.Time
	wake  chan struct{}
	stop  chan struct{}
	done  chan struct{}

	mu       sync.Mutex
	stopped  bool
	ring     [slots]Timer       // list heads
	occupied [slots / 64]uint64 // slots that may hold timers
	due      Timer              // list head: timers whose turn it is
	current  int64              // the tick up to which slots have been looked at
	planned  int64              // the tick at which the goroutine wakes by itself
}

// New starts a wheel of the given resolution.
func New(tick time.Duration) *Wheel {
	w := &Wheel{
		tick:    max(tick, time.Millisecond),
		start:   time.Now(),
		wake:    make(chan struct{}, 1),
		stop:    make(chan struct{}),
		done:    make(chan struct{}),
		planned: never,
	}
	for i := range w.ring {
		w.ring[i].init()
	}
	w.due.init()
	go w.run()
	return w
}

// Stop ends the wheel and waits until no function runs any more; timers that
// are still armed never fire. It must not be called by a timer's function.
func (w *Wheel) Stop() {
	w.mu.Lock()
	first := !w.stopped
	w.stopped = true
	w.mu.Unlock()
	if first {
		close(w.stop)
	}
	<-w.done
}

// Set arms t, or moves it when it is armed: fn runs once on the wheel's
// goroutine at the given time or up to one tick later. fn must be quick and must
// not block. It may set or cancel timers, its own included.
func (w *Wheel) Set(t *Timer, at time.Time, fn func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if t.next != nil {
		t.unlink()
	}
	if w.stopped {
		return
	}
	t.fn = fn
	t.tick = max(w.ceil(at), w.current+1)
	slot := t.tick % slots
	w.ring[slot].append(t)
	w.occupied[slot/64] |= 1 << (slot % 64)
	if t.tick < w.planned {
		w.planned = t.tick
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
}

// Cancel disarms t and reports whether it was armed: after true its function
// will not run.
func (w *Wheel) Cancel(t *Timer) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if t.next == nil {
		return false
	}
	t.unlink()
	t.fn = nil
	return true
}

// ceil returns the first tick that is not before at.
func (w *Wheel) ceil(at time.Time) int64 {
	d := at.Sub(w.start)
	n := int64(d / w.tick)
	if d%w.tick > 0 {
		n++
	}
	return n
}

func (w *Wheel) run() {
	defer close(w.done)
	clock := time.NewTimer(time.Hour)
	defer clock.Stop()
	for {
		select {
		case <-w.stop:
			return
		case <-w.wake:
		case <-clock.C:
		}
		w.collect()
		for fn := w.pop(); fn != nil; fn = w.pop() {
			call(fn)
		}
		clock.Reset(w.plan())
	}
}

// collect moves the timers whose time has come to the due list.
func (w *Wheel) collect() {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := int64(time.Since(w.start) / w.tick)
	// After a long sleep one revolution visits every slot there is.
	for i := max(w.current+1, now-slots+1); i <= now; i++ {
		slot := i % slots
		if w.occupied[slot/64]&(1<<(slot%64)) == 0 {
			continue
		}
		head := &w.ring[slot]
		for t := head.next; t != head; {
			following := t.next
			if t.tick <= now {
				t.unlink()
				w.due.append(t)
			}
			t = following
		}
		if head.next == head {
			w.occupied[slot/64] &^= 1 << (slot % 64)
		}
	}
	w.current = max(w.current, now)
}

// pop takes the next due function. Timers wait for it while still armed, so that
// Cancel works up to the moment the function starts.
func (w *Wheel) pop() func() {
	w.mu.Lock()
	defer w.mu.Unlock()
	t := w.due.next
	if t == &w.due || w.stopped {
		return nil
	}
	t.unlink()
	fn := t.fn
	t.fn = nil
	return fn
}

// plan returns how long the goroutine may sleep: until the next slot that holds
// something.
func (w *Wheel) plan() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.planned = w.nextOccupied()
	if w.planned == never {
		return time.Hour
	}
	return time.Until(w.start.Add(time.Duration(w.planned) * w.tick))
}

func (w *Wheel) nextOccupied() int64 {
	first := w.current + 1
	for distance := int64(0); distance < slots; {
		slot := (first + distance) % slots
		if word := w.occupied[slot/64] >> (slot % 64); word != 0 {
			return first + distance + int64(bits.TrailingZeros64(word))
		}
		distance += 64 - slot%64
	}
	return never
}

func call(fn func()) {
	defer func() {
		if r := recover(); r != nil {
			slog.Error("panic in a timer", "panic", r, "stack", string(debug.Stack()))
		}
	}()
	fn()
}

func (t *Timer) init() { t.next, t.prev = t, t }

// append puts n at the end of the list with head t.
func (t *Timer) append(n *Timer) {
	n.next, n.prev = t, t.prev
	t.prev.next = n
	t.prev = n
}

func (t *Timer) unlink() {
	t.prev.next, t.next.prev = t.next, t.prev
	t.next, t.prev = nil, nil
}
