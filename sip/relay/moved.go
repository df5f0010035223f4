package relay

import (
	"sync"
	"time"

	"rollcall/sip/wire"
)

// moved knows the new flows of dialogs whose subscriber came back over another
// connection than that in the route set, which cannot change (RFC 3261 §12.2).
type moved struct {
	mu    sync.Mutex
	flows map[dialogKey]movedTo
}

type dialogKey struct{ callID, flow string }

type movedTo struct {
	flow  *wire.Flow
	until time.Time
}

const (
	maxMoved = 50_000
	// movedFor is longer than any refresh interval that makes sense.
	movedFor = 24 * time.Hour
)

// note says that the dialog with the flow of was refreshed over f.
func (m *moved) note(callID, of string, f *wire.Flow) {
	k := dialogKey{callID, of}
	m.mu.Lock()
	defer m.mu.Unlock()
	if f.Ref() == of {
		delete(m.flows, k)
		return
	}
	if m.flows == nil {
		m.flows = make(map[dialogKey]movedTo)
	}
	if _, there := m.flows[k]; !there && len(m.flows) >= maxMoved && !m.tidy() {
		return
	}
	m.flows[k] = movedTo{f, time.Now().Add(movedFor)}
}

// tidy makes room; false: there is none.
func (m *moved) tidy() bool {
	now := time.Now()
	for k, to := range m.flows {
		if !to.flow.Alive() || now.After(to.until) {
			delete(m.flows, k)
		}
	}
	return len(m.flows) < maxMoved
}

// find returns the flow that replaces the one of a dialog; nil: none does.
func (m *moved) find(callID, of string) *wire.Flow {
	m.mu.Lock()
	defer m.mu.Unlock()
	to, ok := m.flows[dialogKey{callID, of}]
	if !ok || !to.flow.Alive() {
		return nil
	}
	return to.flow
}
