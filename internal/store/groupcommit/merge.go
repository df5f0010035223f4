package groupcommit

import "rollcall/internal/store"

// change is the last thing that happens to a row in a group: an upsert or a drop.
type change[R any] struct {
	row  R
	drop bool
}

// table merges the changes to one kind of rows.
type table[K comparable, R any] struct {
	index   map[K]int
	keys    []K
	changes []change[R]
}

func (t *table[K, R]) put(k K, c change[R]) {
	if i, ok := t.index[k]; ok {
		t.changes[i] = c
		return
	}
	if t.index == nil {
		t.index = map[K]int{}
	}
	t.index[k] = len(t.keys)
	t.keys = append(t.keys, k)
	t.changes = append(t.changes, c)
}

func (t *table[K, R]) add(rows []R, key func(R) K, drops []K) {
	for _, r := range rows {
		t.put(key(r), change[R]{row: r})
	}
	for _, k := range drops {
		t.put(k, change[R]{drop: true})
	}
}

func (t *table[K, R]) result() (rows []R, drops []K) {
	for i, c := range t.changes {
		if c.drop {
			drops = append(drops, t.keys[i])
		} else {
			rows = append(rows, c.row)
		}
	}
	return rows, drops
}

// Merge makes one batch of several: of the changes to one row the last one wins.
func Merge(batches []store.Batch) store.Batch {
	var (
		publications  table[store.PublicationKey, store.Publication]
		bindings      table[store.BindingKey, store.Binding]
		subscriptions table[string, store.Subscription]
		watchers      table[store.WatcherKey, store.Watcher]
		messages      table[store.MessageKey, store.Message]
		merged        store.Batch
	)
	for i := range batches {
		b := &batches[i]
		publications.add(b.Publications, store.Publication.Key, b.DropPublications)
		bindings.add(b.Bindings, store.Binding.Key, b.DropBindings)
		subscriptions.add(b.Subscriptions, subscriptionKey, b.DropSubscriptions)
		watchers.add(b.Watchers, store.Watcher.Key, b.DropWatchers)
		messages.add(b.Messages, store.Message.Key, b.DropMessages)
	}
	merged.Publications, merged.DropPublications = publications.result()
	merged.Bindings, merged.DropBindings = bindings.result()
	merged.Subscriptions, merged.DropSubscriptions = subscriptions.result()
	merged.Watchers, merged.DropWatchers = watchers.result()
	merged.Messages, merged.DropMessages = messages.result()
	return merged
}

func subscriptionKey(s store.Subscription) string { return s.ID }

// Rows returns how many rows a batch changes.
func Rows(b *store.Batch) int {
	return len(b.Publications) + len(b.Bindings) + len(b.Subscriptions) + len(b.Watchers) + len(b.Messages) +
		len(b.DropPublications) + len(b.DropBindings) + len(b.DropSubscriptions) + len(b.DropWatchers) + len(b.DropMessages)
}
