package presence

import (
	"crypto/sha256"
	"encoding/hex"
	"sync"
	"sync/atomic"

	"rollcall/internal/pidf"
	"rollcall/policy"
	"rollcall/sip/event"
)

// maxViews bounds the renderings kept of one snapshot; a presentity with more
// kinds of watchers has the rest rendered each time.
const maxViews = 64

// snapshot is the state of a presentity at one time, with what has been rendered
// of it. It can be used on any goroutine.
type snapshot struct {
	doc     *pidf.Composed
	offline View
	views   sync.Map // Transformation.Key -> View
	count   atomic.Int32
}

func newSnapshot(doc *pidf.Composed) *snapshot {
	return &snapshot{doc: doc, offline: activeView(pidf.Offline(doc.AOR, pidf.OfflineTupleID(doc.AOR)))}
}

func activeView(body []byte) View {
	sum := sha256.Sum256(body)
	return View{State: event.Active, Body: body, Tag: hex.EncodeToString(sum[:8]), forms: &forms{body: body}}
}

// view renders the snapshot as a decision demands.
func (s *snapshot) view(h policy.Handling, t *policy.Transformation) View {
	switch {
	case h == policy.Block:
		return View{State: event.Terminated, Reason: "rejected"}
	case h == policy.PoliteBlock:
		// RFC 5025 §3.2.1: not to be told from someone who is really offline.
		return s.offline
	case h == policy.Allow && t != nil:
		return s.allowed(t)
	}
	return pendingView
}

func (s *snapshot) allowed(t *policy.Transformation) View {
	key := t.Key()
	if v, ok := s.views.Load(key); ok {
		return v.(View)
	}
	v := activeView(t.Apply(s.doc))
	if s.count.Add(1) <= maxViews {
		s.views.Store(key, v)
	}
	return v
}
