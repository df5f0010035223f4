package recent

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestLifetime(t *testing.T) {
	now := time.Unix(1000, 0)
	m := New[string, int](10, time.Minute)
	dropped := 0
	m.Dropped = func() { dropped++ }
	m.Put("a", 1, now)
	for _, step := range []struct {
		after time.Duration
		there bool
	}{{0, true}, {59 * time.Second, true}, {61 * time.Second, true}, {119 * time.Second, true}, {122 * time.Second, false}} {
		if v, ok := m.Get("a", now.Add(step.after)); ok != step.there || ok && v != 1 {
			t.Errorf("after %v: %d, %v", step.after, v, ok)
		}
	}
	if dropped != 2 || m.Len() != 0 {
		t.Errorf("%d generations dropped, %d entries left", dropped, m.Len())
	}
	m.Put("b", 2, now.Add(time.Hour))
	m.Remove("b")
	if _, ok := m.Get("b", now.Add(time.Hour)); ok {
		t.Error("removed, but there")
	}
}

// It never holds more than two generations, and never a value that was not put
// last under its key.
func TestBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(1, 5).Draw(t, "limit")
		m := New[int, int](limit, time.Second)
		now, last := time.Unix(1000, 0), map[int]int{}
		for i := range rapid.IntRange(0, 60).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 700).Draw(t, "ms")) * time.Millisecond)
			k := rapid.IntRange(0, 12).Draw(t, "key")
			if v, ok := m.Get(k, now); ok && v != last[k] {
				t.Fatalf("%d: %d instead of %d", k, v, last[k])
			}
			m.Put(k, i, now)
			last[k] = i
			if v, ok := m.Get(k, now); !ok || v != i {
				t.Fatalf("%d is not kept", k)
			}
			if m.Len() > 2*limit {
				t.Fatalf("%d entries", m.Len())
			}
		}
	})
}
