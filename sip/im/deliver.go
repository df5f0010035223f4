package im

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"rollcall/internal/shard"
	"rollcall/internal/store"
	"rollcall/sip/wire"
)

// Registered says that aor has registered: what waits for it is sent, one
// message after the other (RFC 3428 §8). It runs on the shard of aor.
func (r *Relay) Registered(aor string) {
	if b := r.find(aor); b == nil || b.delivering {
		return
	}
	// The answer to REGISTER goes first.
	r.cfg.Pool.Post(shard.Index(aor), func() {
		if b := r.find(aor); b != nil && !b.delivering {
			r.deliver(b, "")
		}
	})
}

// catchUp delivers what was kept for one who registered since then, while the
// message was on its way to contacts that did not answer.
func (r *Relay) catchUp(aor string, since time.Time) {
	b := r.find(aor)
	if b != nil && !b.delivering && slices.ContainsFunc(r.cfg.Bindings.Bindings(aor),
		func(binding store.Binding) bool { return binding.Updated.After(since) }) {
		r.deliver(b, "")
	}
}

// deliver sends the first message behind after.
func (r *Relay) deliver(b *box, after string) {
	b.delivering = false
	r.expire(b)
	m, ok := r.next(b, after)
	if !ok {
		return
	}
	groups := r.targets(b.owner, nil)
	if len(groups) == 0 {
		return
	}
	b.delivering = true
	out := wire.Outgoing{Method: "MESSAGE", CSeq: m.CSeq, Head: m.Head, Body: m.Body}
	r.send(out, groups, func(best *wire.Result) {
		r.cfg.Pool.Post(shard.Index(b.owner), func() {
			if r.find(b.owner) == b {
				r.delivered(b, m.ID, best)
			}
		})
	})
}

// next reads the first message behind after.
func (r *Relay) next(b *box, after string) (store.Message, bool) {
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	for {
		i, there := slices.BinarySearchFunc(b.queue, after, byID)
		if there {
			i++
		}
		if i == len(b.queue) {
			return store.Message{}, false
		}
		waiting := b.queue[i]
		m, err := r.cfg.Store.Message(ctx, waiting.MessageKey)
		switch {
		case err == nil:
			return m, true
		case errors.Is(err, store.ErrNotFound):
			r.take(b, func(w store.WaitingMessage) bool { return w.ID == waiting.ID })
		default:
			slog.Error("message not read", "aor", b.owner, "error", err)
			return store.Message{}, false
		}
	}
}

// delivered goes on after one message. What was taken, or refused for good
// (RFC 3428 §7), is forgotten. What a device cannot take now stays for the next
// registration; unless the devices are out of reach the others go on.
func (r *Relay) delivered(b *box, id string, best *wire.Result) {
	switch {
	case unreached(best), best.Status/100 == 5:
		b.delivering = false
		return
	case best.Status/100 == 2, best.Status/100 == 6:
		// Should this be lost in a crash, the message comes twice.
		r.cfg.Store.Defer(store.Batch{DropMessages: []store.MessageKey{{Recipient: b.owner, ID: id}}})
		r.take(b, func(m store.WaitingMessage) bool { return m.ID == id })
	}
	if r.find(b.owner) == b {
		r.deliver(b, id)
	}
}
