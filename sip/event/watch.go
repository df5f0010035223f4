package event

import (
	"time"

	"rollcall/internal/shard"
	"rollcall/sip/wire"
)

// Watch is somebody who watches a resource without a subscription of its own: a
// list has it watch.
type Watch struct {
	ID                string // unique, the same after a restart
	Resource, Watcher string // canonical; Watcher "" when anonymous
	DisplayName       string
	Expires           time.Time
	Flow              *wire.Flow // of the subscription behind it; nil: not known
	// Changed is called on any goroutine when there may be news, or for no reason.
	// It must not block.
	Changed func()
}

// Watch has changed called, until Unwatch, whenever there may be news of resource
// for an event package. id tells those apart who watch the same.
func (n *Notifier) Watch(event, resource, id string, changed func()) {
	r, k := &n.rooms[shard.Index(resource)], resourceKey{event, resource}
	r.mu.Lock()
	defer r.mu.Unlock()
	watches := r.watches[k]
	if watches == nil {
		watches = make(map[string]func())
		r.watches[k] = watches
	}
	watches[id] = changed
}

// Unwatch ends what Watch began.
func (n *Notifier) Unwatch(event, resource, id string) {
	r, k := &n.rooms[shard.Index(resource)], resourceKey{event, resource}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.watches[k], id)
	if len(r.watches[k]) == 0 {
		delete(r.watches, k)
	}
}

// tell calls those who watch a resource.
func (r *room) tell(k resourceKey) {
	r.mu.Lock()
	watches := make([]func(), 0, len(r.watches[k]))
	for _, changed := range r.watches[k] {
		watches = append(watches, changed)
	}
	r.mu.Unlock()
	for _, changed := range watches {
		changed()
	}
}
