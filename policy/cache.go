package policy

import (
	"slices"
	"sync"

	"rollcall/internal/resourcelist"
	"rollcall/internal/store"
)

// cache keeps compiled rule sets and knows which documents they depend on.
//
// A compilation that is under way while a document changes may have read the old
// version: it is marked stale, its result serves those who asked before the
// change and is not kept.
type cache struct {
	mu      sync.RWMutex
	limit   int
	size    int // cost of all sets
	sets    map[string]*ruleset
	loading map[string]*load
	// users are the presentities whose rules depend on a document. For the
	// user's own documents an entry lives as long as the set. For documents of
	// the global tree it outlives the set, so that a presentity whose set was
	// evicted is still told of; there are at most as many as users.
	users map[store.DocumentKey]map[string]struct{}
}

// load is one compilation under way. set and err are there when done is closed.
type load struct {
	done  chan struct{}
	set   *ruleset
	err   error
	stale bool
}

func (c *cache) init(limit int) {
	c.limit = limit
	c.sets = make(map[string]*ruleset)
	c.loading = make(map[string]*load)
	c.users = make(map[store.DocumentKey]map[string]struct{})
}

func (c *cache) get(presentity string) *ruleset {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.sets[presentity]
}

// begin joins the compilation under way or makes the caller its leader.
func (c *cache) begin(presentity string) (l *load, leader bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if set := c.sets[presentity]; set != nil {
		l = &load{done: make(chan struct{}), set: set}
		close(l.done)
		return l, false
	}
	if l := c.loading[presentity]; l != nil {
		return l, false
	}
	l = &load{done: make(chan struct{})}
	c.loading[presentity] = l
	return l, true
}

// finish publishes the result of a compilation and keeps it unless it is stale.
func (c *cache) finish(presentity string, l *load, set *ruleset, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l.set, l.err = set, err
	close(l.done)
	if l.stale { // and no longer in c.loading
		return
	}
	delete(c.loading, presentity)
	if err != nil || set.cost > c.limit {
		return
	}
	for victim := range c.sets {
		if c.size+set.cost <= c.limit {
			break
		}
		c.drop(victim)
	}
	c.sets[presentity] = set
	c.size += set.cost
	for _, key := range set.deps {
		c.users[key] = insert(c.users[key], presentity)
	}
}

// drop forgets a set.
func (c *cache) drop(presentity string) {
	set := c.sets[presentity]
	if set == nil {
		return
	}
	delete(c.sets, presentity)
	c.size -= set.cost
	for _, key := range set.deps {
		if key.XUI == "" {
			continue
		}
		delete(c.users[key], presentity)
		if len(c.users[key]) == 0 {
			delete(c.users, key)
		}
	}
}

// supersede makes the compilation under way stale: who asks from now on starts
// a new one.
func (c *cache) supersede(presentity string) {
	if l := c.loading[presentity]; l != nil {
		l.stale = true
		delete(c.loading, presentity)
	}
}

// DocumentChanged forgets what was compiled from the document and returns the
// presentities whose decisions may differ now.
func (e *Engine) DocumentChanged(key store.DocumentKey) (presentities []string) {
	if key.AUID != resourcelist.AUID && !slices.Contains(e.opt.AUIDs, key.AUID) {
		return nil
	}
	return e.cache.changed(key)
}

// Forget drops the compiled rules of a presentity, for instance when the user
// is removed.
func (e *Engine) Forget(presentity string) {
	e.cache.mu.Lock()
	defer e.cache.mu.Unlock()
	e.cache.supersede(presentity)
	e.cache.drop(presentity)
}

func (c *cache) changed(key store.DocumentKey) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	affected := make(map[string]struct{})
	for presentity := range c.users[key] {
		affected[presentity] = struct{}{}
	}
	switch {
	case key.XUI == "":
		delete(c.users, key)
	case key.AUID != resourcelist.AUID || c.sets[key.XUI] == nil:
		// Any rule document counts, new ones too. Rules that are not compiled
		// now may depend on the list.
		affected[key.XUI] = struct{}{}
	}
	// What a compilation under way depends on is not known yet.
	for presentity := range c.loading {
		if key.XUI == "" || key.XUI == presentity || key.AUID == resourcelist.AUID {
			affected[presentity] = struct{}{}
		}
	}
	list := make([]string, 0, len(affected))
	for presentity := range affected {
		c.supersede(presentity)
		c.drop(presentity)
		list = append(list, presentity)
	}
	return list
}
