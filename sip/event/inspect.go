package event

import (
	"context"
	"time"

	"rollcall/internal/shard"
)

// Inspection is a subscription at one time, for explanations.
type Inspection struct {
	ID, Event, Resource, Watcher, Kind string
	State                              State // last told
	Accept                             []string
	Forms                              []string // other than the plain one
	Created, Expires                   time.Time
	Flow                               string // transport and address NOTIFY goes to, "" when it is gone
	InFlight                           bool   // a NOTIFY waits for its answer
	Due                                bool   // there is news, or a failure to repair, that is not sent yet
	Last                               Notification
}

// Notification is the newest NOTIFY of a subscription.
type Notification struct {
	Sent     time.Time // zero: none since the start
	CSeq     uint32
	Answered bool
	Status   int    // 0 without an answer of the watcher
	Failure  string // when it failed: busy, flow, timeout, transport, rejected, answer
}

// maxInspected bounds what one Inspect returns.
const maxInspected = 64

// Inspect returns the subscriptions of watcher to resource. It waits for the shard
// until ctx ends.
func (n *Notifier) Inspect(ctx context.Context, event, resource, watcher string) ([]Inspection, error) {
	i := shard.Index(resource)
	return n.inspect(ctx, i, func(found func(*Subscription)) {
		n.rooms[i].each(resourceKey{event, resource}, func(s *Subscription) {
			if s.Watcher == watcher {
				found(s)
			}
		})
	})
}

// InspectID returns the subscription with an ID, if there is one.
func (n *Notifier) InspectID(ctx context.Context, id string) ([]Inspection, error) {
	i, ok := TagShard(id)
	if !ok {
		return nil, nil
	}
	return n.inspect(ctx, i, func(found func(*Subscription)) {
		if s := n.rooms[i].byTag[id]; s != nil {
			found(s)
		}
	})
}

func (n *Notifier) inspect(ctx context.Context, i int, each func(found func(*Subscription))) ([]Inspection, error) {
	done := make(chan []Inspection, 1)
	n.cfg.Pool.Post(i, func() {
		if ctx.Err() != nil {
			return
		}
		var list []Inspection
		each(func(s *Subscription) {
			if len(list) < maxInspected {
				list = append(list, s.inspection())
			}
		})
		done <- list
	})
	select {
	case list := <-done:
		return list, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (s *Subscription) inspection() Inspection {
	p := &s.sending
	in := Inspection{
		ID: s.ID, Event: s.Event, Resource: s.Resource, Watcher: s.Watcher, Kind: s.Kind,
		State: s.state, Accept: s.Accept, Created: s.Created, Expires: s.Expires,
		InFlight: p.inFlight, Due: p.owed || p.news || p.retry > time.Now().UnixNano(),
	}
	if formed, ok := s.source.(Formed); ok {
		in.Forms = formed.Forms()
	}
	if s.out != nil && s.out.Alive() {
		in.Flow = s.out.Transport() + " " + s.out.Remote().String()
	}
	if p.notified != 0 {
		in.Last = Notification{
			Sent: time.Unix(0, p.notified), CSeq: s.lease.cseq, Answered: !p.inFlight,
			Status: int(p.status), Failure: p.failure,
		}
	}
	return in
}
