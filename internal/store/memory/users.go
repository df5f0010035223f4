package memory

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"rollcall/internal/store"
)

// User implements store.Users.
func (s *Store) User(ctx context.Context, aor string) (store.User, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.check(ctx); err != nil {
		return store.User{}, err
	}
	u, ok := s.users[aor]
	if !ok {
		return store.User{}, fmt.Errorf("user %s: %w", aor, store.ErrNotFound)
	}
	return u, nil
}

// AddUsers implements store.Users.
func (s *Store) AddUsers(ctx context.Context, users []store.User, replace bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.check(ctx); err != nil {
		return err
	}
	added := make(map[string]store.User, len(users))
	for _, u := range users {
		u.Created = instant(u.Created)
		old, there := s.users[u.AOR]
		if again, ok := added[u.AOR]; ok {
			old, there = again, true
		}
		if there {
			if !replace {
				return fmt.Errorf("user %s: %w", u.AOR, store.ErrExists)
			}
			old.HA1MD5, old.HA1SHA256, old.HA1SHA512 = u.HA1MD5, u.HA1SHA256, u.HA1SHA512
			u = old
		}
		added[u.AOR] = u
	}
	maps.Copy(s.users, added)
	return nil
}

// SetUser implements store.Users.
func (s *Store) SetUser(ctx context.Context, u store.User) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.check(ctx); err != nil {
		return err
	}
	if _, ok := s.users[u.AOR]; !ok {
		return fmt.Errorf("user %s: %w", u.AOR, store.ErrNotFound)
	}
	u.Created = instant(u.Created)
	s.users[u.AOR] = u
	return nil
}

// RemoveUser implements store.Users.
func (s *Store) RemoveUser(ctx context.Context, aor string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.check(ctx); err != nil {
		return err
	}
	if _, ok := s.users[aor]; !ok {
		return fmt.Errorf("user %s: %w", aor, store.ErrNotFound)
	}
	delete(s.users, aor)
	maps.DeleteFunc(s.documents, func(k store.DocumentKey, _ store.Document) bool { return k.XUI == aor })
	maps.DeleteFunc(s.versions, func(k store.DocumentKey, _ []store.Version) bool { return k.XUI == aor })
	maps.DeleteFunc(s.claims, func(_ string, k store.DocumentKey) bool { return k.XUI == aor })
	maps.DeleteFunc(s.publications, func(k store.PublicationKey, _ store.Publication) bool { return k.AOR == aor })
	maps.DeleteFunc(s.bindings, func(k store.BindingKey, _ store.Binding) bool { return k.AOR == aor })
	maps.DeleteFunc(s.subscriptions, func(_ string, v store.Subscription) bool { return v.Watcher == aor })
	maps.DeleteFunc(s.messages, func(k store.MessageKey, _ store.Message) bool { return k.Recipient == aor })
	maps.DeleteFunc(s.watchers, func(k store.WatcherKey, v store.Watcher) bool {
		return k.Presentity == aor || v.Watcher == aor
	})
	return nil
}

// ListUsers implements store.Users.
func (s *Store) ListUsers(ctx context.Context, after string, limit int) ([]store.User, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.check(ctx); err != nil {
		return nil, err
	}
	var list []store.User
	for _, u := range s.users {
		if u.AOR > after {
			list = append(list, u)
		}
	}
	slices.SortFunc(list, func(a, b store.User) int { return cmp.Compare(a.AOR, b.AOR) })
	return list[:min(len(list), max(limit, 0))], nil
}
