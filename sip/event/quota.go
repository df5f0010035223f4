package event

import "sync"

// quota counts the subscriptions of each watcher over all shards.
type quota struct {
	limit int
	mu    sync.Mutex
	held  map[string]int
}

// take counts one more for watcher, even above the limit when forced.
func (q *quota) take(watcher string, forced bool) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !forced && q.held[watcher] >= q.limit {
		return false
	}
	q.held[watcher]++
	return true
}

func (q *quota) release(watcher string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.held[watcher]--; q.held[watcher] <= 0 {
		delete(q.held, watcher)
	}
}
