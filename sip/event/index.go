package event

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"rollcall/internal/store"
	"rollcall/internal/wheel"
	"rollcall/sip/wire"
)

// timerJ is how long a transaction may go on: 64*T1.
const timerJ = 32 * time.Second

// room is what one shard keeps of its subscriptions. Only its goroutine touches
// it, except for what mu guards.
type room struct {
	byTag      map[string]*Subscription
	byCall     map[uint64]*Subscription // newest of its initial SUBSCRIBE
	byDevice   map[uint64]*Subscription // newest of its device
	byResource map[resourceKey][]*Subscription

	astray  map[string][]*Subscription // by watcher: wait for a connection
	waiting atomic.Int32               // how many; anybody may read

	doubts    []store.Subscription // rows that take back what is stored as seen
	gathering bool                 // they are written together

	unsaved []*Subscription // wait for write-back
	saver   wheel.Timer
	saved   int    // rows last written back
	head    []byte // reused by every NOTIFY

	mu        sync.Mutex
	announced map[resourceKey]struct{} // by Changed, not yet seen to
	watches   map[resourceKey]map[string]func()

	spreading map[resourceKey]struct{} // empty; takes turns with announced
}

type resourceKey struct{ event, resource string }

func (r *room) init() {
	r.byTag = make(map[string]*Subscription)
	r.byCall = make(map[uint64]*Subscription)
	r.byDevice = make(map[uint64]*Subscription)
	r.byResource = make(map[resourceKey][]*Subscription)
	r.astray = make(map[string][]*Subscription)
	r.announced = make(map[resourceKey]struct{})
	r.spreading = make(map[resourceKey]struct{})
	r.watches = make(map[resourceKey]map[string]func())
}

// hashSeed is that of the keys below. Hashes serve as keys because strings would
// take several times the room; what is found is compared.
var hashSeed = maphash.MakeSeed()

func callKey(callID, remoteTag string) uint64 {
	return maphash.Comparable(hashSeed, [2]string{callID, remoteTag})
}

func (s *Subscription) callKey() uint64 { return callKey(s.dialog.callID(), s.dialog.remoteTag()) }

func (s *Subscription) resourceKey() resourceKey { return resourceKey{s.Event, s.Resource} }

func (r *room) link(s *Subscription) {
	k := s.resourceKey()
	if others := r.byResource[k]; len(others) > 0 {
		s.Resource = others[0].Resource // one string for all
	}
	s.ID = s.dialog.localTag(len(s.ID))
	s.n.quota.share(s)
	s.index = int32(len(r.byResource[k]))
	r.byResource[k] = append(r.byResource[k], s)
	r.byTag[s.ID] = s
	r.byCall[s.callKey()] = s
	if s.Watcher != "" {
		r.byDevice[s.deviceKey()] = s
	}
}

func (r *room) unlink(s *Subscription) {
	r.found(s)
	delete(r.byTag, s.ID)
	if r.byCall[s.callKey()] == s {
		delete(r.byCall, s.callKey())
	}
	if s.Watcher != "" && r.byDevice[s.deviceKey()] == s {
		delete(r.byDevice, s.deviceKey())
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

// merged reports whether an initial SUBSCRIBE of the same watcher has come before,
// on another path, in a transaction that may still go on (RFC 3261 §8.2.2.2). All
// copies of libpurple choose the same Call-IDs and tags, anew after each start.
func (r *room) merged(req *wire.Request, resource, watcher string) bool {
	s := r.byCall[callKey(req.CallID, req.From.Tag())]
	return s != nil && s.Resource == resource && s.Watcher == watcher && time.Since(s.Created) < timerJ &&
		s.dialog.firstCSeq == req.CSeq && s.dialog.callID() == req.CallID && s.dialog.remoteTag() == req.From.Tag()
}
