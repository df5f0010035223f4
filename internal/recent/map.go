package recent

import "time"

// Map is a map of bounded size. An entry is kept for at least one lifetime
// after it was put unless the map is full. It is not safe for concurrent use.
type Map[K comparable, V any] struct {
	Limit   int    // of entries per generation
	Dropped func() // called after a generation was dropped, may be nil

	young, old map[K]V
	lifetime   time.Duration
	born       time.Time // of the young generation
}

// New returns an empty map of two generations of limit entries each.
func New[K comparable, V any](limit int, lifetime time.Duration) Map[K, V] {
	return Map[K, V]{Limit: max(limit, 1), young: map[K]V{}, lifetime: lifetime}
}

// Get returns what is kept under k.
func (m *Map[K, V]) Get(k K, now time.Time) (V, bool) {
	m.age(now)
	v, ok := m.young[k]
	if !ok {
		v, ok = m.old[k]
	}
	return v, ok
}

// Put keeps v under k, as young.
func (m *Map[K, V]) Put(k K, v V, now time.Time) {
	m.age(now)
	if _, ok := m.young[k]; !ok && len(m.young) >= m.Limit {
		m.turn(now)
	}
	delete(m.old, k)
	m.young[k] = v
}

// Remove forgets k.
func (m *Map[K, V]) Remove(k K) {
	delete(m.young, k)
	delete(m.old, k)
}

// Len is the number of entries.
func (m *Map[K, V]) Len() int { return len(m.young) + len(m.old) }

func (m *Map[K, V]) age(now time.Time) {
	if m.born.IsZero() {
		m.born = now
	}
	switch age := now.Sub(m.born); {
	case age >= 2*m.lifetime:
		m.turn(now)
		m.turn(now)
	case age >= m.lifetime:
		m.turn(now)
	}
}

func (m *Map[K, V]) turn(now time.Time) {
	m.old, m.young, m.born = m.young, map[K]V{}, now
	if m.Dropped != nil {
		m.Dropped()
	}
}
