package wire

import (
	"sync"
	"sync/atomic"
	"time"
)

// RFC 4320 §4.1: a request that is not INVITE gets a 100 when it was not answered
// by the time the sender's Timer E has reached T2, and no earlier.
const (
	slowAfter = 7 * t1 // T1 + 2*T1 + 4*T1
	slowTick  = 500 * time.Millisecond
)

// slowList finds the requests that have waited for slowAfter. It holds a request
// no longer than that, and not beyond its answer.
type slowList struct {
	mu    sync.Mutex
	slots [slowAfter/slowTick + 1][]*watched
	at    int
}

// watched is the way to a request that is not answered yet.
type watched struct{ request atomic.Pointer[Request] }

func (l *slowList) watch(r *Request) {
	w := &watched{}
	w.request.Store(r)
	r.watched = w
	l.mu.Lock()
	defer l.mu.Unlock()
	l.slots[l.at] = append(l.slots[l.at], w)
}

// due is called every slowTick and returns the requests whose time has come.
func (l *slowList) due() []*Request {
	l.mu.Lock()
	l.at = (l.at + 1) % len(l.slots)
	old := l.slots[l.at]
	l.slots[l.at] = nil
	l.mu.Unlock()
	var out []*Request
	for _, w := range old {
		if r := w.request.Load(); r != nil {
			out = append(out, r)
		}
	}
	return out
}
