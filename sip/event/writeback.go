package event

import (
	"time"

	"rollcall/internal/store"
)

// How far the stored state and tag of a view may lag behind: saveEvery when there is
// much to write, less the less there is. What a crash loses costs one NOTIFY that was
// not needed; to write a row costs as much as to send one.
const (
	saveEvery = 5 * time.Second
	saveFirst = time.Second / 2
	savePace  = time.Second / 5 // more for each row the last time
)

// saveBatch bounds the rows of one deferred batch.
const saveBatch = 256

// saveLater has the state and tag last sent written back, at most once per
// saveEvery. It comes before the NOTIFY: a view that was stored as seen is taken back
// now, and in order with what is stored next. Otherwise, if that brought the old view
// back and the process was killed, the watcher would keep the one between.
func (n *Notifier) saveLater(s *Subscription) {
	if s.Fetch {
		return
	}
	if s.sending.stored {
		row := s.row()
		row.Sent, s.sending.stored = "", false
		n.doubt(&n.rooms[s.Shard], row)
	}
	if s.sending.unsaved {
		return
	}
	s.sending.unsaved = true
	r := &n.rooms[s.Shard]
	r.unsaved = append(r.unsaved, s)
	if len(r.unsaved) == 1 {
		n.saveSoon(r, s.Shard)
	}
}

// doubt has a row written that takes back what is stored as seen.
func (n *Notifier) doubt(r *room, row store.Subscription) {
	r.doubts = append(r.doubts, row)
	if !r.gathering || len(r.doubts) == saveBatch {
		n.writeDoubts(r)
	}
}

// gather has the doubts of do written together: many watch one resource.
func (n *Notifier) gather(r *room, do func()) {
	r.gathering = true
	defer func() {
		r.gathering = false
		n.writeDoubts(r)
	}()
	do()
}

func (n *Notifier) writeDoubts(r *room) {
	if len(r.doubts) > 0 {
		n.cfg.Store.Defer(store.Batch{Subscriptions: r.doubts})
		r.doubts = nil // the store has it now
	}
}

func (n *Notifier) saveSoon(r *room, shardIndex int) {
	wait := min(saveEvery, saveFirst+time.Duration(r.saved)*savePace)
	n.cfg.Wheel.Set(&r.saver, time.Now().Add(wait), func() {
		n.cfg.Pool.Post(shardIndex, func() { n.save(r) })
	})
}

// save writes back what has waited. A view that is on its way may be lost with the
// process: it waits until its NOTIFY is answered, or is noted as not seen when there
// is no time for that.
func (n *Notifier) save(r *room) {
	var b store.Batch
	waiting := r.unsaved[:0]
	r.saved = 0
	for _, s := range r.unsaved {
		if s.sending.inFlight && !s.sending.over {
			waiting = append(waiting, s)
			if !n.stopping.Load() {
				continue
			}
		} else {
			s.sending.unsaved = false
		}
		if s.sending.over {
			continue // its row has been dropped
		}
		r.saved++
		b.Subscriptions = append(b.Subscriptions, s.row())
		if len(b.Subscriptions) == saveBatch {
			n.cfg.Store.Defer(b)
			b = store.Batch{}
		}
	}
	if len(b.Subscriptions) > 0 {
		n.cfg.Store.Defer(b)
	}
	clear(r.unsaved[len(waiting):])
	if r.unsaved = waiting; len(waiting) > 0 {
		n.saveSoon(r, waiting[0].Shard)
	}
}
