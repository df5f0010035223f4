package recent

import (
	"testing"

	"pgregory.net/rapid"
)

// It never holds more than two generations may weigh, and never a value that was
// not put last under its key.
func TestWeighed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type value struct{ number, weight int }
		limit := rapid.IntRange(0, 40).Draw(t, "limit")
		m, last := NewWeighed[int, value](limit), map[int]int{}
		for i := range rapid.IntRange(0, 80).Draw(t, "steps") {
			k := rapid.IntRange(0, 9).Draw(t, "key")
			if v, _, ok := m.Get(k); ok && v.number != last[k] {
				t.Fatalf("%d: %d instead of %d", k, v.number, last[k])
			}
			switch rapid.IntRange(0, 5).Draw(t, "what") {
			case 0:
				m.Remove(k)
				last[k] = -1
			case 1:
				m.RemoveFunc(func(other int) bool { return other%2 == k%2 })
				for other := range last {
					if other%2 == k%2 {
						last[other] = -1
					}
				}
			default:
				v := value{i, rapid.IntRange(0, 30).Draw(t, "weight")}
				m.Put(k, v, v.weight)
				last[k] = i
			}
			total := 0
			for _, generation := range [...]map[int]value{m.young, m.old} {
				for _, v := range generation {
					total += v.weight
				}
			}
			if total > 2*limit {
				t.Fatalf("%d of %d", total, 2*limit)
			}
		}
	})
}

func TestWeighedKeeps(t *testing.T) {
	m := NewWeighed[string, int](10)
	m.Put("a", 1, 5)
	m.Put("b", 2, 5)
	m.Put("c", 3, 5)
	if v, young, ok := m.Get("a"); v != 1 || young || !ok {
		t.Error("what is old is forgotten too early")
	}
	if v, young, ok := m.Get("c"); v != 3 || !young || !ok {
		t.Error("what was put is not there")
	}
	m.Put("d", 4, 6)
	if _, _, ok := m.Get("d"); ok {
		t.Error("one value takes more than half")
	}
}
