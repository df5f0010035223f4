package subscriber

import (
	"crypto/rand"
	"log/slog"
	"sync/atomic"
	"time"

	"rollcall/internal/sipuri"
	"rollcall/internal/wheel"
	"rollcall/sip/event"
	"rollcall/sip/wire"
)

// timerN is how long a NOTIFY may take: 64*T1, RFC 6665 §4.1.2.4.
const timerN = 32 * time.Second

// phase is where a subscription stands.
type phase uint8

const (
	idle    phase = iota // there is no dialog; the next try, if any, is at due
	asking               // a first SUBSCRIBE went out, and no NOTIFY has come
	live                 // there is a dialog
	leaving              // it is being ended
	gone
)

// subscription is one subscription and its wish to exist: it lasts over dialogs
// that end and tries that fail. Its fields belong to its shard.
type subscription struct {
	s     *Subscriber
	key   Key
	shard int
	uri   sipuri.URI
	like  *wire.Flow           // where the newest wish for it came from
	users map[string]func()    // who is told of news, by id; guarded by the room
	view  atomic.Pointer[View] // read anywhere

	admitted bool // by the quota

	phase  phase
	run    uint64 // counts dialogs; answers to SUBSCRIBEs of earlier ones mean nothing
	tag    string
	callID string
	cseq   uint32
	dialog dialog
	busy   bool          // a SUBSCRIBE is on its way
	ask    time.Duration // Expires to ask for
	short  bool          // the newest 423 was heeded
	begun  time.Time     // the dialog
	fails  int           // in a row
	queues int           // that it has passed, or is in until due

	// Deadlines; zero: none.
	due     time.Time // the next SUBSCRIBE
	confirm time.Time // Timer N: until then a NOTIFY has to come
	expires time.Time // the subscription
	unused  time.Time // nobody is interested since, and it has lingered

	timer   wheel.Timer
	onTimer func()
}

func (s *Subscriber) newSubscription(shardIndex int, key Key) *subscription {
	b := &subscription{s: s, key: key, shard: shardIndex, users: make(map[string]func()), ask: s.cfg.Expires}
	b.uri, _, _ = s.address(key)
	b.view.Store(&View{})
	b.onTimer = func() { s.cfg.Pool.Post(b.shard, b.tick) }
	return b
}

// join takes notice of somebody who watches. To somebody new a subscription that was
// given up is worth another try, as it is when there was no room for it, or nobody
// to say for whom the way is looked for.
func (b *subscription) join(like *wire.Flow, again bool) {
	if b.phase >= leaving {
		return // of a Watch that was followed by an Unwatch
	}
	lacking := b.like == nil && like != nil
	if like != nil {
		b.like = like
	}
	b.unused = time.Time{}
	if !b.admitted {
		if !b.s.quota.Take(b.key.Watcher) {
			b.show(&noRoom)
			return
		}
		b.admitted, lacking = true, true
		b.s.cfg.Metrics.Backend.Inc()
	}
	if b.phase == idle && (lacking || b.due.IsZero() && !again) {
		b.queue(0)
	}
	b.arm()
}

// part takes notice that somebody has left.
func (b *subscription) part() {
	if b.phase < leaving && !b.used() {
		b.unused = time.Now().Add(b.s.cfg.Linger)
		b.arm()
	}
}

func (b *subscription) used() bool {
	r := &b.s.rooms[b.shard]
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(b.users) > 0
}

// tick sees to the deadlines that have come.
func (b *subscription) tick() {
	now := time.Now()
	passed := func(t time.Time) bool { return !t.IsZero() && !now.Before(t) }
	switch {
	case b.phase == gone:
		return
	case passed(b.unused):
		b.leave()
	case passed(b.confirm):
		b.unconfirmed()
	case b.phase == live && passed(b.expires):
		b.lost("expired")
	case b.due.IsZero() || now.Before(b.due) || b.busy:
	case b.phase == live:
		b.refresh()
	case b.phase == idle:
		b.try()
	}
	b.arm()
}

// arm sets the timer to the next deadline.
func (b *subscription) arm() {
	var next time.Time
	consider := func(t time.Time) {
		if !t.IsZero() && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	if b.phase != gone {
		consider(b.unused)
		consider(b.confirm)
	}
	if b.phase == live {
		consider(b.expires)
	}
	if (b.phase == live || b.phase == idle) && !b.busy {
		consider(b.due)
	}
	if next.IsZero() {
		b.s.cfg.Wheel.Cancel(&b.timer)
		return
	}
	b.s.cfg.Wheel.Set(&b.timer, next, b.onTimer)
}

// queue has a new dialog begun after some time.
func (b *subscription) queue(after time.Duration) {
	b.due, b.queues = time.Now().Add(after), 0
	if after <= 0 {
		b.try()
	}
}

// try begins a new dialog when it is its turn.
func (b *subscription) try() {
	for b.queues < 2 {
		wait := b.s.pace.turn(b.queues, b.uri.Host)
		b.queues++
		if wait > 0 {
			b.due = time.Now().Add(wait)
			return
		}
	}
	b.subscribe()
}

// start makes the identifiers of a new dialog.
func (b *subscription) start() {
	b.forget()
	b.run++
	b.tag, b.callID, b.cseq = event.NewTag(b.shard), rand.Text(), 0
	b.dialog = dialog{}
	b.s.rooms[b.shard].byTag[b.tag] = b
	b.phase = asking
}

// forget ends the dialog, or the try, on our side.
func (b *subscription) forget() {
	if b.tag == "" {
		return
	}
	delete(b.s.rooms[b.shard].byTag, b.tag)
	b.run++
	b.tag, b.busy, b.phase = "", false, idle
	b.due, b.confirm, b.expires = time.Time{}, time.Time{}, time.Time{}
}

// end is the end of a dialog or a try. It shows, and decides what comes next.
func (b *subscription) end(v verdict) {
	b.again(v)
	b.s.cfg.Metrics.BackendEnds.WithLabelValues(label(v.reason)).Inc()
	b.show(&View{Known: true, State: event.Terminated, Reason: v.reason})
}

// lost is the end of a dialog that the notifier said nothing about: a new one
// takes its place, and until then what was known stays.
func (b *subscription) lost(why string) {
	slog.Debug("subscription lost", "resource", b.key.Resource, "watcher", b.key.Watcher, "why", why)
	b.s.cfg.Metrics.BackendEnds.WithLabelValues("lost").Inc()
	b.again(verdict{retry: atOnce})
}

// again forgets the dialog and plans the next one.
func (b *subscription) again(v verdict) {
	if b.phase == live && time.Since(b.begun) >= shortLived {
		b.fails = 0
	}
	b.forget()
	after, ok := v.delay(b.fails)
	b.fails++
	if ok && b.used() {
		b.queue(after)
	}
}

// unconfirmed is Timer N: no NOTIFY came.
func (b *subscription) unconfirmed() {
	switch b.phase {
	case live:
		b.lost("no NOTIFY after a refresh")
	case leaving:
		b.drop()
	default:
		b.end(verdict{reason: "probation", retry: backOff})
	}
}

// leave ends a subscription that nobody is interested in. Without a dialog, a NOTIFY
// that still comes is told 481.
func (b *subscription) leave() {
	b.unused = time.Time{}
	if !b.withdraw() {
		return
	}
	if b.phase != live {
		b.drop()
		return
	}
	b.phase = leaving
	b.unsubscribe()
}

// withdraw takes b away from those who look for it, unless it is used again.
func (b *subscription) withdraw() bool {
	r := &b.s.rooms[b.shard]
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(b.users) > 0 {
		return false
	}
	delete(r.byKey, b.key)
	return true
}

// drop is the end of all.
func (b *subscription) drop() {
	if b.phase == gone {
		return
	}
	b.forget()
	b.phase = gone
	b.s.cfg.Wheel.Cancel(&b.timer)
	if b.admitted {
		b.s.quota.Give(b.key.Watcher)
		b.s.cfg.Metrics.Backend.Dec()
	}
}

// show publishes what is known now.
func (b *subscription) show(v *View) {
	old := b.view.Load()
	if old.Known == v.Known && old.State == v.State && old.Reason == v.Reason && old.Tag == v.Tag && old.ContentType == v.ContentType {
		return
	}
	b.view.Store(v)
	r := &b.s.rooms[b.shard]
	r.mu.Lock()
	users := make([]func(), 0, len(b.users))
	for _, changed := range b.users {
		users = append(users, changed)
	}
	r.mu.Unlock()
	for _, changed := range users {
		changed()
	}
}

// label bounds what a peer can make a label of a metric.
func label(reason string) string {
	if _, known := ended[reason]; known {
		return reason
	}
	return "other"
}
