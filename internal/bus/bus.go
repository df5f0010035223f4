package bus

import (
	"sync"

	"rollcall/internal/store"
)

// DocumentChanged says that a stored document was created, replaced or
// removed. NewETag is empty after a removal, OldETag before a creation.
type DocumentChanged struct {
	Key              store.DocumentKey
	OldETag, NewETag string
}

// BindingsChanged says that the registrar bindings of an address-of-record
// changed in a way others can see.
type BindingsChanged struct{ AOR string }

// UserChanged says that a user was added, changed or removed.
type UserChanged struct{ AOR string }

// Event is one of the types above.
type Event any

// Bus fans events out to subscribers. The zero value is ready for use.
type Bus struct {
	mu   sync.RWMutex
	subs []func(Event)
}

// Subscribe adds fn for every later event. fn runs on the publisher's
// goroutine: it must be quick, must not block and must be safe for concurrent use.
func (b *Bus) Subscribe(fn func(Event)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.subs = append(b.subs[:len(b.subs):len(b.subs)], fn)
}

// Publish tells all subscribers, in the order they subscribed, and returns
// when all have been told.
func (b *Bus) Publish(e Event) {
	b.mu.RLock()
	subs := b.subs
	b.mu.RUnlock()
	for _, fn := range subs {
		fn(e)
	}
}
