package quota

import "sync"

// Quota bounds what there is at a time. K is what holders are told apart by; its
// zero value is nobody in particular, and bounded only by what there may be in all.
// It is safe for concurrent use.
type Quota[K comparable] struct {
	all, each int

	mu    sync.Mutex
	total int
	held  map[K]int
}

// New returns a Quota of so many in all and so many for each holder.
func New[K comparable](all, each int) *Quota[K] {
	return &Quota[K]{all: all, each: each, held: make(map[K]int)}
}

// Take counts one more for a holder; false: there is no room, and nothing is counted.
func (q *Quota[K]) Take(holder K) bool {
	var nobody K
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.total >= q.all || holder != nobody && q.held[holder] >= q.each {
		return false
	}
	q.total++
	if holder != nobody {
		q.held[holder]++
	}
	return true
}

// Give gives back one that was taken.
func (q *Quota[K]) Give(holder K) {
	var nobody K
	q.mu.Lock()
	defer q.mu.Unlock()
	q.total--
	if holder == nobody {
		return
	}
	if q.held[holder]--; q.held[holder] <= 0 {
		delete(q.held, holder)
	}
}

// Taken returns how many are taken, and by how many holders.
func (q *Quota[K]) Taken() (total, holders int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.total, len(q.held)
}
