package events

const watcherPrefix = "w "

// terminated is the status of a watcher that watches no more.
const terminated = "terminated"

// watcherState is one who watches the user (RFC 3858 §4).
type watcherState struct {
	ID      string `json:"id"`
	Watcher string `json:"watcher"`
	Name    string `json:"name,omitempty"`
	Status  string `json:"status"`
	Event   string `json:"event"`
}

func (w watcherState) same(other state) bool { return w == other }

func (w watcherState) event(change) (string, any) { return "watcher", w }

// lookAtWatchers finds who watches now.
func (f *feed) lookAtWatchers() {
	found := make(map[string]bool)
	for _, w := range f.hub.cfg.Watchers(f.key.user) {
		key := watcherPrefix + w.ID
		now := watcherState{ID: w.ID, Watcher: w.Watcher, Name: w.DisplayName, Status: w.Status, Event: w.Event}
		if w.Status != terminated {
			found[key] = true
			f.table.set(key, now)
			continue
		}
		f.table.remove(key, func(state) state { return now })
	}
	for _, key := range f.table.keys(watcherPrefix) {
		if !found[key] {
			f.table.remove(key, func(s state) state {
				w := s.(watcherState)
				w.Status, w.Event = terminated, "timeout"
				return w
			})
		}
	}
}
