package groupcommit

import (
	"iter"

	"rollcall/internal/store"
)

// singles yields the rows of a batch, each as a batch of its own.
func singles(b *store.Batch) iter.Seq[store.Batch] {
	return func(yield func(store.Batch) bool) {
		_ = each(b.Publications, yield, func(s *store.Batch, r []store.Publication) { s.Publications = r }) &&
			each(b.Bindings, yield, func(s *store.Batch, r []store.Binding) { s.Bindings = r }) &&
			each(b.Subscriptions, yield, func(s *store.Batch, r []store.Subscription) { s.Subscriptions = r }) &&
			each(b.Watchers, yield, func(s *store.Batch, r []store.Watcher) { s.Watchers = r }) &&
			each(b.Messages, yield, func(s *store.Batch, r []store.Message) { s.Messages = r }) &&
			each(b.DropPublications, yield, func(s *store.Batch, k []store.PublicationKey) { s.DropPublications = k }) &&
			each(b.DropBindings, yield, func(s *store.Batch, k []store.BindingKey) { s.DropBindings = k }) &&
			each(b.DropSubscriptions, yield, func(s *store.Batch, k []string) { s.DropSubscriptions = k }) &&
			each(b.DropWatchers, yield, func(s *store.Batch, k []store.WatcherKey) { s.DropWatchers = k }) &&
			each(b.DropMessages, yield, func(s *store.Batch, k []store.MessageKey) { s.DropMessages = k })
	}
}

func each[R any](rows []R, yield func(store.Batch) bool, set func(*store.Batch, []R)) bool {
	for i := range rows {
		var single store.Batch
		set(&single, rows[i:i+1])
		if !yield(single) {
			return false
		}
	}
	return true
}
