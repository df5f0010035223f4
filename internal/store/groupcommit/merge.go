package groupcommit

import (
	"math"

	"rollcall/internal/store"
)

// table merges the changes to one kind of rows: of those to one key the last one
// counts.
type table[K comparable, R any] struct {
	index map[K]int
	keys  []K
	rows  []*R // nil: a drop
}

// put notes a change; one to a row that has none yet takes up room.
func (t *table[K, R]) put(k K, row *R, room *int) {
	if i, ok := t.index[k]; ok {
		t.rows[i] = row
		return
	}
	if *room--; *room < 0 {
		return
	}
	if t.index == nil {
		t.index = map[K]int{}
	}
	t.index[k] = len(t.keys)
	t.keys = append(t.keys, k)
	t.rows = append(t.rows, row)
}

func (t *table[K, R]) add(rows []R, key func(R) K, drops []K, room *int) {
	for i := range rows {
		t.put(key(rows[i]), &rows[i], room)
	}
	for _, k := range drops {
		t.put(k, nil, room)
	}
}

func (t *table[K, R]) result() (rows []R, drops []K) {
	if len(t.keys) > 0 {
		rows = make([]R, 0, len(t.keys))
	}
	for i, row := range t.rows {
		if row == nil {
			drops = append(drops, t.keys[i])
		} else {
			rows = append(rows, *row)
		}
	}
	return rows, drops
}

// merger makes one batch of several.
type merger struct {
	publications  table[store.PublicationKey, store.Publication]
	bindings      table[store.BindingKey, store.Binding]
	subscriptions table[string, store.Subscription]
	watchers      table[store.WatcherKey, store.Watcher]
	messages      table[store.MessageKey, store.Message]
}

// add notes changes, of rows that have none yet as many as there is room for, and
// returns how many that left out. It keeps what it is given.
func (m *merger) add(b *store.Batch, room int) int {
	m.publications.add(b.Publications, store.Publication.Key, b.DropPublications, &room)
	m.bindings.add(b.Bindings, store.Binding.Key, b.DropBindings, &room)
	m.subscriptions.add(b.Subscriptions, subscriptionKey, b.DropSubscriptions, &room)
	m.watchers.add(b.Watchers, store.Watcher.Key, b.DropWatchers, &room)
	m.messages.add(b.Messages, store.Message.Key, b.DropMessages, &room)
	return max(-room, 0)
}

func (m *merger) batch() (b store.Batch) {
	b.Publications, b.DropPublications = m.publications.result()
	b.Bindings, b.DropBindings = m.bindings.result()
	b.Subscriptions, b.DropSubscriptions = m.subscriptions.result()
	b.Watchers, b.DropWatchers = m.watchers.result()
	b.Messages, b.DropMessages = m.messages.result()
	return b
}

// rows is how many rows change.
func (m *merger) rows() int {
	return len(m.publications.keys) + len(m.bindings.keys) + len(m.subscriptions.keys) + len(m.watchers.keys) + len(m.messages.keys)
}

// Merge makes one batch of several: of the changes to one row the last one wins.
func Merge(batches []store.Batch) store.Batch {
	var m merger
	for i := range batches {
		m.add(&batches[i], math.MaxInt)
	}
	return m.batch()
}

func subscriptionKey(s store.Subscription) string { return s.ID }

// Rows returns how many rows a batch changes.
func Rows(b *store.Batch) int {
	return len(b.Publications) + len(b.Bindings) + len(b.Subscriptions) + len(b.Watchers) + len(b.Messages) +
		len(b.DropPublications) + len(b.DropBindings) + len(b.DropSubscriptions) + len(b.DropWatchers) + len(b.DropMessages)
}
