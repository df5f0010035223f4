package subscriber

import "sync"

// quota counts subscriptions, in all and by watcher.
type quota struct {
	max, perWatcher int

	mu   sync.Mutex
	all  int
	held map[string]int
}

func (q *quota) take(watcher string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.all >= q.max || q.held[watcher] >= q.perWatcher {
		return false
	}
	q.all++
	q.held[watcher]++
	return true
}

func (q *quota) give(watcher string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.all--
	if q.held[watcher]--; q.held[watcher] == 0 {
		delete(q.held, watcher)
	}
}
