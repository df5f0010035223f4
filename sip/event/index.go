package event

import (
	"sync"

	"rollcall/internal/wheel"
)

// room is what one shard keeps of its subscriptions. Only its goroutine touches
// it, except for what mu guards.
type room struct {
	byTag      map[string]*Subscription
	byCall     map[callKey]*Subscription // newest of its initial SUBSCRIBE
	byResource map[resourceKey][]*Subscription

	unsaved []*Subscription // wait for write-back
	saver   wheel.Timer
	head    []byte // reused by every NOTIFY

	mu        sync.Mutex
	announced map[resourceKey]struct{} // by Changed, not yet seen to

	spreading map[resourceKey]struct{} // empty; takes turns with announced
}

type callKey struct{ callID, remoteTag string }

type resourceKey struct{ event, resource string }

func (r *room) init() {
	r.byTag = make(map[string]*Subscription)
	r.byCall = make(map[callKey]*Subscription)
	r.byResource = make(map[resourceKey][]*Subscription)
	r.announced = make(map[resourceKey]struct{})
	r.spreading = make(map[resourceKey]struct{})
}

func (s *Subscription) callKey() callKey { return callKey{s.dialog.callID, s.dialog.remoteTag} }

func (s *Subscription) resourceKey() resourceKey { return resourceKey{s.Event, s.Resource} }

func (r *room) link(s *Subscription) {
	k := s.resourceKey()
	if others := r.byResource[k]; len(others) > 0 {
		s.Resource = others[0].Resource // one string for all
	}
	s.index = int32(len(r.byResource[k]))
	r.byResource[k] = append(r.byResource[k], s)
	r.byTag[s.ID] = s
	r.byCall[s.callKey()] = s
}

func (r *room) unlink(s *Subscription) {
	delete(r.byTag, s.ID)
	if r.byCall[s.callKey()] == s {
		delete(r.byCall, s.callKey())
	}
	k := s.resourceKey()
	list := r.byResource[k]
	last := len(list) - 1
	list[s.index] = list[last]
	list[s.index].index = s.index
	list[last] = nil
	if last == 0 {
		delete(r.byResource, k)
		return
	}
	r.byResource[k] = list[:last]
}

// each calls fn for every subscription of a resource; fn may end the one it is
// called for.
func (r *room) each(k resourceKey, fn func(*Subscription)) {
	// Backwards: unlink fills the gap with one that has had its turn.
	for i := len(r.byResource[k]) - 1; i >= 0; i-- {
		fn(r.byResource[k][i])
	}
}

// merged reports whether an initial SUBSCRIBE has come before, on another path
// (RFC 3261 §8.2.2.2).
func (r *room) merged(k callKey, cseq uint32) bool {
	s := r.byCall[k]
	return s != nil && s.dialog.firstCSeq == cseq
}
