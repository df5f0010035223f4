package sip

import (
	"hash/maphash"
	"time"

	"rollcall/sip/wire"
)

const (
	// mergeFor is how long a transaction may go on: Timer J, 64*T1.
	mergeFor = 32 * time.Second
	// maxMerges bounds what is remembered per shard and mergeFor.
	maxMerges = 8192
)

// merges remembers the requests outside of dialogs that one shard has served, to
// find those that came over two paths: RFC 3261 §8.2.2.2.
type merges struct {
	newer, older map[uint64]uint64 // key of a request to its branch
	since        time.Time         // when newer began
}

var mergeSeed = maphash.MakeSeed()

// mergeKey has the sender as well: all copies of libpurple choose the same Call-IDs
// and tags after their start.
type mergeKey struct {
	method, from, callID, tag, about string
	cseq                             uint32
}

// enter notes a request about a resource; merged: it has come with another branch.
// forget, to be called when it has been served, makes room for another try of what
// was refused.
func (m *merges) enter(req *wire.Request, about string) (forget func(), merged bool) {
	if req.Branch() == "" {
		return func() {}, false
	}
	if now := time.Now(); now.Sub(m.since) > mergeFor || len(m.newer) >= maxMerges {
		m.older, m.newer, m.since = m.newer, make(map[uint64]uint64), now
	}
	k := maphash.Comparable(mergeSeed, mergeKey{req.Method, req.From.URI, req.CallID, req.From.Tag(), about, req.CSeq})
	branch := maphash.String(mergeSeed, req.Branch())
	before, known := m.newer[k]
	if !known {
		before, known = m.older[k]
	}
	if known {
		return func() {}, before != branch
	}
	m.newer[k] = branch
	return func() {
		if req.Status() >= 300 {
			delete(m.newer, k)
		}
	}, false
}
