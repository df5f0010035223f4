package event

import (
	"net/netip"
	"slices"
	"sync"

	"rollcall/sip/wire"
)

// quota counts the subscriptions of each watcher over all shards.
type quota struct {
	limit int
	mu    sync.Mutex
	held  map[string]*holding
}

// holding is what a watcher has.
type holding struct {
	count   int
	devices []alike
}

// alike is what the subscriptions from one device of a watcher mostly have in
// common. It is in memory once.
type alike struct {
	remote                       netip.AddrPort
	watcher, displayName, target string
	accept, supported            []string
	flow                         *wire.Flow
}

// maxAlike bounds the devices of one watcher that are told apart for that.
const maxAlike = 8

// device returns what is known of the device at the other end of a flow.
func (h *holding) device(f *wire.Flow) *alike {
	var remote netip.AddrPort
	if f != nil {
		remote = f.Remote()
	}
	for i := range h.devices {
		if h.devices[i].remote == remote {
			return &h.devices[i]
		}
	}
	if len(h.devices) == maxAlike {
		h.devices = h.devices[:0]
	}
	h.devices = append(h.devices, alike{remote: remote})
	return &h.devices[len(h.devices)-1]
}

// take counts one more for watcher, even above the limit when forced.
func (q *quota) take(watcher string, forced bool) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	h := q.held[watcher]
	if h == nil {
		h = &holding{}
		q.held[watcher] = h
	}
	if !forced && h.count >= q.limit {
		return false
	}
	h.count++
	return true
}

func (q *quota) release(watcher string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	h := q.held[watcher]
	if h == nil {
		return
	}
	if h.count--; h.count <= 0 {
		delete(q.held, watcher)
	}
}

// share has s use what the newest subscription before it from the same device has,
// where that says the same.
func (q *quota) share(s *Subscription) {
	q.mu.Lock()
	defer q.mu.Unlock()
	h := q.held[s.Watcher]
	if h == nil {
		return
	}
	a := h.device(s.Flow)
	common(&s.Watcher, &a.watcher)
	common(&s.DisplayName, &a.displayName)
	common(&s.dialog.target, &a.target)
	if slices.Equal(s.Accept, a.accept) {
		s.Accept = a.accept
	}
	if slices.Equal(s.Supported, a.supported) {
		s.Supported = a.supported
	}
	if sameDatagrams(s.Flow, a.flow) {
		if s.out == s.Flow {
			s.out = a.flow
		}
		s.Flow = a.flow
	}
	if a.accept, a.supported = s.Accept, s.Supported; s.Flow != nil && !s.Flow.Reliable() {
		a.flow = s.Flow
	}
}

func common(mine, shared *string) {
	if *mine != *shared {
		*shared = *mine
	}
	*mine = *shared
}

// sameDatagrams reports whether two flows are datagrams between the same addresses.
func sameDatagrams(a, b *wire.Flow) bool {
	return a != nil && b != nil && !a.Reliable() && sameFlow(a, b) && a.Local() == b.Local()
}
