package im

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"rollcall/internal/shard"
	"rollcall/internal/store"
	"rollcall/internal/wheel"
)

// maxWaiting bounds the messages kept for all recipients together.
const maxWaiting = 1_000_000

// box is what waits for one recipient: the messages themselves are in the store.
// It belongs to the recipient's shard.
type box struct {
	owner      string
	queue      []store.WaitingMessage // in order of ID
	size       int
	delivering bool
	timer      wheel.Timer // for the first that expires
}

// find returns the box of a recipient, nil when nothing waits.
func (r *Relay) find(recipient string) *box { return r.boxes[shard.Index(recipient)][recipient] }

// fits reports whether the quota of the recipient leaves room; b may be nil.
func (r *Relay) fits(b *box, size int) bool {
	if r.kept.Load() >= maxWaiting || size > r.cfg.MaxKeptBytes {
		return false
	}
	return b == nil || len(b.queue) < r.cfg.MaxKept && b.size+size <= r.cfg.MaxKeptBytes
}

// put files a message that is in the store.
func (r *Relay) put(m store.WaitingMessage) *box {
	boxes := r.boxes[shard.Index(m.Recipient)]
	b := boxes[m.Recipient]
	if b == nil {
		b = &box{owner: m.Recipient}
		boxes[m.Recipient] = b
	}
	i, there := slices.BinarySearchFunc(b.queue, m.ID, byID)
	if there {
		return b
	}
	b.queue = slices.Insert(b.queue, i, m)
	b.size += m.Size
	r.kept.Add(1)
	return b
}

func byID(m store.WaitingMessage, id string) int { return cmp.Compare(m.ID, id) }

// take removes the messages that gone says, and the box with the last of them.
// The rows are the caller's business.
func (r *Relay) take(b *box, gone func(store.WaitingMessage) bool) {
	b.queue = slices.DeleteFunc(b.queue, func(m store.WaitingMessage) bool {
		if !gone(m) {
			return false
		}
		b.size -= m.Size
		r.kept.Add(-1)
		return true
	})
	if len(b.queue) == 0 {
		r.cfg.Wheel.Cancel(&b.timer)
		delete(r.boxes[shard.Index(b.owner)], b.owner)
	}
}

// arm has expired messages forgotten when the first of them is over. Their rows
// are left to the reaper.
func (r *Relay) arm(b *box) {
	if len(b.queue) == 0 {
		return
	}
	first := slices.MinFunc(b.queue, func(x, y store.WaitingMessage) int { return x.Expires.Compare(y.Expires) })
	r.cfg.Wheel.Set(&b.timer, first.Expires, func() {
		r.cfg.Pool.Post(shard.Index(b.owner), func() {
			if r.find(b.owner) == b {
				r.expire(b)
				r.arm(b)
			}
		})
	})
}

func (r *Relay) expire(b *box) {
	now := time.Now()
	r.take(b, func(m store.WaitingMessage) bool { return !m.Expires.After(now) })
}

// Restore takes over what an earlier run kept, before traffic begins.
func (r *Relay) Restore(ctx context.Context) error {
	if r.cfg.Store == nil {
		return nil
	}
	touched := make(map[*box]struct{})
	err := r.cfg.Store.LoadMessages(ctx, time.Now(), func(m store.WaitingMessage) error {
		touched[r.put(m)] = struct{}{}
		return nil
	})
	if err != nil {
		return fmt.Errorf("loading messages: %w", err)
	}
	for b := range touched {
		r.arm(b)
	}
	return nil
}

// UserRemoved forgets what waits for an account that is gone; its rows went with
// the account.
func (r *Relay) UserRemoved(aor string) {
	r.cfg.Pool.Post(shard.Index(aor), func() {
		if b := r.find(aor); b != nil {
			r.take(b, func(store.WaitingMessage) bool { return true })
		}
	})
}
