package rls

import (
	"sync"
	"sync/atomic"

	"rollcall/internal/bus"
	"rollcall/internal/resourcelist"
	"rollcall/internal/shard"
	"rollcall/internal/store"
)

// index knows which live lists were read from which documents.
type index struct {
	mu    sync.Mutex
	users map[store.DocumentKey]map[*list]struct{}
	// changes counts the changes of documents by owner, hashed: what changed
	// while a list was being read cannot be known by its dependencies yet.
	changes [64]atomic.Uint64
}

func (x *index) init() { x.users = make(map[store.DocumentKey]map[*list]struct{}) }

func (x *index) count(xui string) *atomic.Uint64 {
	return &x.changes[shard.Index(xui)%len(x.changes)]
}

// generation changes when a document changes that a list of owner may depend on:
// the owner's own and those of the global tree.
func (x *index) generation(owner string) uint64 {
	return x.count(owner).Load() + x.count("").Load()
}

// set makes deps the dependencies of l.
func (x *index) set(l *list, deps []store.DocumentKey) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.drop(l)
	l.deps = deps
	for _, key := range deps {
		lists := x.users[key]
		if lists == nil {
			lists = make(map[*list]struct{})
			x.users[key] = lists
		}
		lists[l] = struct{}{}
	}
}

func (x *index) remove(l *list) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.drop(l)
	l.deps = nil
}

func (x *index) drop(l *list) {
	for _, key := range l.deps {
		lists := x.users[key]
		delete(lists, l)
		if len(lists) == 0 {
			delete(x.users, key)
		}
	}
}

// changed returns the lists that depend on a document.
func (x *index) changed(key store.DocumentKey) []*list {
	x.count(key.XUI).Add(1)
	x.mu.Lock()
	defer x.mu.Unlock()
	lists := make([]*list, 0, len(x.users[key]))
	for l := range x.users[key] {
		lists = append(lists, l)
	}
	return lists
}

// DocumentChanged marks the lists that were read from the document. They are
// read again on their own shards.
func (s *Service) DocumentChanged(e bus.DocumentChanged) {
	if e.Key.AUID != AUID && e.Key.AUID != resourcelist.AUID {
		return
	}
	for _, l := range s.index.changed(e.Key) {
		l.outdated()
	}
}

// UserChanged ends the lists of an account that was removed, with its documents.
func (s *Service) UserChanged(aor string) {
	for _, l := range s.index.changed(serviceDocument(aor)) {
		l.outdated()
	}
}
