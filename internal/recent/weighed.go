package recent

// Weighed keeps values by key as long as they weigh no more together than two
// generations may: when the young one is full the elder one goes. The zero value
// keeps nothing. It is not safe for concurrent use.
type Weighed[K comparable, V any] struct {
	limit      int // of one generation
	young, old map[K]V
	weight     int // of the young generation
}

// NewWeighed returns a map whose generations weigh at most limit each.
func NewWeighed[K comparable, V any](limit int) Weighed[K, V] {
	return Weighed[K, V]{limit: limit, young: map[K]V{}}
}

// Get returns what is kept under k. What is in use is to be put again when it is
// not young.
func (m *Weighed[K, V]) Get(k K) (v V, young, ok bool) {
	if v, ok = m.young[k]; ok {
		return v, true, true
	}
	v, ok = m.old[k]
	return v, false, ok
}

// Put keeps v under k. A value that would take half of a generation is not kept.
func (m *Weighed[K, V]) Put(k K, v V, weight int) {
	if weight > m.limit/2 {
		m.Remove(k)
		return
	}
	// What it takes the place of is not taken off: a bound is needed, not a balance.
	if m.weight+weight > m.limit {
		m.old, m.young, m.weight = m.young, map[K]V{}, 0
	}
	delete(m.old, k)
	m.young[k] = v
	m.weight += weight
}

// Remove forgets k.
func (m *Weighed[K, V]) Remove(k K) {
	delete(m.young, k)
	delete(m.old, k)
}

// RemoveFunc forgets the keys that gone reports true for.
func (m *Weighed[K, V]) RemoveFunc(gone func(K) bool) {
	for _, generation := range [...]map[K]V{m.young, m.old} {
		for k := range generation {
			if gone(k) {
				delete(generation, k)
			}
		}
	}
}
