package memory

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"time"

	"rollcall/internal/store"
)

// Commit implements store.SoftState.
func (s *Store) Commit(ctx context.Context, b store.Batch) error {
	start := time.Now()
	s.mu.Lock()
	err := s.check(ctx)
	if err == nil {
		s.apply(b)
	}
	hook := s.hook
	s.mu.Unlock()
	if hook != nil {
		hook(1, time.Since(start), err)
	}
	return err
}

// Defer implements store.SoftState; the batch is written at once.
func (s *Store) Defer(b store.Batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.check(context.Background()) == nil {
		s.apply(b)
	}
}

func (s *Store) apply(b store.Batch) {
	for _, p := range b.Publications {
		p.Body, p.Published, p.Expires = bytes.Clone(p.Body), instant(p.Published), instant(p.Expires)
		s.publications[p.Key()] = p
	}
	for _, v := range b.Bindings {
		v.Path, v.Registered = slices.Clone(v.Path), instant(v.Registered)
		v.Updated, v.Expires = instant(v.Updated), instant(v.Expires)
		s.bindings[v.Key()] = v
	}
	for _, v := range b.Subscriptions {
		v.RouteSet, v.Body = slices.Clone(v.RouteSet), bytes.Clone(v.Body)
		v.Created, v.Expires = instant(v.Created), instant(v.Expires)
		s.subscriptions[v.ID] = v
	}
	for _, v := range b.Watchers {
		v.Since, v.Expires = instant(v.Since), instant(v.Expires)
		s.watchers[v.Key()] = v
	}
	for _, v := range b.Messages {
		v.Head, v.Body = bytes.Clone(v.Head), bytes.Clone(v.Body)
		v.Received, v.Expires = instant(v.Received), instant(v.Expires)
		s.messages[v.Key()] = v
	}
	drop(s.publications, b.DropPublications)
	drop(s.bindings, b.DropBindings)
	drop(s.subscriptions, b.DropSubscriptions)
	drop(s.watchers, b.DropWatchers)
	drop(s.messages, b.DropMessages)
}

func drop[K comparable, V any](m map[K]V, keys []K) {
	for _, k := range keys {
		delete(m, k)
	}
}

// LoadPublications implements store.SoftState.
func (s *Store) LoadPublications(ctx context.Context, now time.Time, fn func(store.Publication) error) error {
	return load(ctx, s, s.publications, now, func(v store.Publication) time.Time { return v.Expires }, fn)
}

// LoadBindings implements store.SoftState.
func (s *Store) LoadBindings(ctx context.Context, now time.Time, fn func(store.Binding) error) error {
	return load(ctx, s, s.bindings, now, func(v store.Binding) time.Time { return v.Expires }, fn)
}

// LoadSubscriptions implements store.SoftState.
func (s *Store) LoadSubscriptions(ctx context.Context, now time.Time, fn func(store.Subscription) error) error {
	return load(ctx, s, s.subscriptions, now, func(v store.Subscription) time.Time { return v.Expires }, fn)
}

// LoadWatchers implements store.SoftState.
func (s *Store) LoadWatchers(ctx context.Context, now time.Time, fn func(store.Watcher) error) error {
	return load(ctx, s, s.watchers, now, func(v store.Watcher) time.Time { return v.Expires }, fn)
}

// load calls fn outside the lock, so that fn may use the store.
func load[K comparable, V any](ctx context.Context, s *Store, m map[K]V, now time.Time, expires func(V) time.Time, fn func(V) error) error {
	s.mu.RLock()
	err := s.check(ctx)
	var rows []V
	for _, v := range m {
		if expires(v).After(now) {
			rows = append(rows, v)
		}
	}
	s.mu.RUnlock()
	if err != nil {
		return err
	}
	for _, v := range rows {
		if err := fn(v); err != nil {
			return err
		}
	}
	return nil
}

// Reap implements store.SoftState.
func (s *Store) Reap(ctx context.Context, before time.Time) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.check(ctx); err != nil {
		return 0, err
	}
	return reap(s.publications, func(v store.Publication) bool { return v.Expires.Before(before) }) +
		reap(s.bindings, func(v store.Binding) bool { return v.Expires.Before(before) }) +
		reap(s.subscriptions, func(v store.Subscription) bool { return v.Expires.Before(before) }) +
		reap(s.watchers, func(v store.Watcher) bool { return v.Expires.Before(before) }) +
		reap(s.messages, func(v store.Message) bool { return v.Expires.Before(before) }) +
		s.reapHistory(before), nil
}

func reap[K comparable, V any](m map[K]V, expired func(V) bool) int {
	n := len(m)
	maps.DeleteFunc(m, func(_ K, v V) bool { return expired(v) })
	return n - len(m)
}
