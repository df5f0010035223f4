package flows

import (
	"sync"

	"rollcall/sip/wire"
)

// Tracker is safe for concurrent use. Its size is bounded by the open
// connections and the addresses with state on each.
type Tracker struct {
	closed func(aor, ref string)

	mu    sync.Mutex
	flows map[string]*connection // by wire.Flow.Ref
}

type connection struct {
	aors   map[string]struct{}
	cancel func()
}

// New returns a tracker that calls closed for every address on a connection
// that ends, on some goroutine; it must be quick.
func New(closed func(aor, ref string)) *Tracker {
	return &Tracker{closed: closed, flows: map[string]*connection{}}
}

// Add notes that aor has state that came over f. Datagram flows never end and
// are passed over. Of a flow that is closed by now closed is told at once.
func (t *Tracker) Add(f *wire.Flow, aor string) {
	if !f.Reliable() {
		return
	}
	ref := f.Ref()
	t.mu.Lock()
	c, known := t.flows[ref]
	if !known {
		c = &connection{aors: map[string]struct{}{}}
		t.flows[ref] = c
	}
	c.aors[aor] = struct{}{}
	t.mu.Unlock()
	if known {
		return
	}
	// Without the lock: the hook of a closed flow runs right here.
	cancel := f.OnClose(func() { t.end(ref) })
	t.mu.Lock()
	c.cancel = cancel
	over := len(c.aors) == 0
	t.mu.Unlock()
	if over {
		cancel()
	}
}

// Drop notes that aor has nothing on a flow any more.
func (t *Tracker) Drop(ref, aor string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.flows[ref]
	if c == nil {
		return
	}
	delete(c.aors, aor)
	if len(c.aors) > 0 {
		return
	}
	delete(t.flows, ref)
	if c.cancel != nil {
		c.cancel()
	}
}

func (t *Tracker) end(ref string) {
	t.mu.Lock()
	c := t.flows[ref]
	delete(t.flows, ref)
	t.mu.Unlock()
	if c == nil {
		return
	}
	for aor := range c.aors {
		t.closed(aor, ref)
	}
}
