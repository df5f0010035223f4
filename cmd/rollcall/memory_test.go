package main

import "testing"

func TestMemoryIsGivenBackWhenQuiet(t *testing.T) {
	const mb = 1 << 20
	before := heap{allocated: 1000 * mb, live: 200 * mb, resident: 400 * mb}
	for _, c := range []struct {
		name string
		now  heap
		want bool
	}{
		{"after a rush", heap{allocated: 1010 * mb, live: 200 * mb, resident: 400 * mb}, true},
		{"during one", heap{allocated: 1500 * mb, live: 200 * mb, resident: 400 * mb}, false},
		{"given back already", heap{allocated: 1010 * mb, live: 200 * mb, resident: 210 * mb}, false},
		{"a small server", heap{allocated: 1000 * mb, live: 10 * mb, resident: 30 * mb}, false},
	} {
		if got := c.now.quiet(before) && c.now.excess(); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	if h := readHeap(); h.allocated == 0 || h.resident == 0 {
		t.Errorf("the runtime tells nothing: %+v", h)
	}
}
