package auth

import "time"

// recent is a bounded map that forgets: entries live in two generations, and
// when the young one is full or old enough the elder one is dropped whole. An
// entry is kept for at least one lifetime unless the map is full. It is not safe
// for concurrent use.
type recent[K comparable, V any] struct {
	young, old map[K]V
	limit      int // per generation
	lifetime   time.Duration
	born       time.Time // of the young generation
	dropped    func()    // called after a generation was dropped, may be nil
}

func newRecent[K comparable, V any](limit int, lifetime time.Duration) recent[K, V] {
	return recent[K, V]{young: map[K]V{}, limit: max(limit, 1), lifetime: lifetime}
}

// get returns what is kept under k.
func (r *recent[K, V]) get(k K, now time.Time) (V, bool) {
	r.age(now)
	v, ok := r.young[k]
	if !ok {
		v, ok = r.old[k]
	}
	return v, ok
}

// put keeps v under k, as young.
func (r *recent[K, V]) put(k K, v V, now time.Time) {
	r.age(now)
	if _, ok := r.young[k]; !ok && len(r.young) >= r.limit {
		r.turn(now)
	}
	delete(r.old, k)
	r.young[k] = v
}

func (r *recent[K, V]) remove(k K) {
	delete(r.young, k)
	delete(r.old, k)
}

func (r *recent[K, V]) len() int { return len(r.young) + len(r.old) }

func (r *recent[K, V]) age(now time.Time) {
	if r.born.IsZero() {
		r.born = now
	}
	switch age := now.Sub(r.born); {
	case age >= 2*r.lifetime:
		r.turn(now)
		r.turn(now)
	case age >= r.lifetime:
		r.turn(now)
	}
}

func (r *recent[K, V]) turn(now time.Time) {
	r.old, r.young, r.born = r.young, map[K]V{}, now
	if r.dropped != nil {
		r.dropped()
	}
}
