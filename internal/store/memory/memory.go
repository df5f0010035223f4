package memory

import (
	"context"
	"crypto/rand"
	"slices"
	"sync"
	"time"

	"rollcall/internal/store"
)

// Store keeps everything in memory. Values it returns share byte slices with
// the store: they must not be modified.
type Store struct {
	mu            sync.RWMutex
	failure       error
	closed        bool
	hook          store.CommitHook
	users         map[string]store.User
	documents     map[store.DocumentKey]store.Document
	versions      map[store.DocumentKey][]store.Version // oldest first
	history       int
	deleted       time.Duration
	claims        map[string]store.DocumentKey
	publications  map[store.PublicationKey]store.Publication
	bindings      map[store.BindingKey]store.Binding
	subscriptions map[string]store.Subscription
	watchers      map[store.WatcherKey]store.Watcher
	messages      map[store.MessageKey]store.Message
	secrets       map[string][]byte
	certificates  map[string][]byte
}

var _ store.Store = (*Store)(nil)

// New returns an empty store.
func New() *Store {
	return &Store{
		users:         map[string]store.User{},
		documents:     map[store.DocumentKey]store.Document{},
		versions:      map[store.DocumentKey][]store.Version{},
		claims:        map[string]store.DocumentKey{},
		publications:  map[store.PublicationKey]store.Publication{},
		bindings:      map[store.BindingKey]store.Binding{},
		subscriptions: map[string]store.Subscription{},
		watchers:      map[store.WatcherKey]store.Watcher{},
		messages:      map[store.MessageKey]store.Message{},
		secrets:       map[string][]byte{},
		certificates:  map[string][]byte{},
	}
}

// Fail makes every later operation fail with err, until Fail(nil). Deferred
// batches are lost meanwhile.
func (s *Store) Fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failure = err
}

// Hook sets what is told of every Commit.
func (s *Store) Hook(hook store.CommitHook) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hook = hook
}

// Remember sets what is kept of documents, as in store.Options. A new store
// keeps no history.
func (s *Store) Remember(history int, deleted time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.history, s.deleted = history, deleted
}

// check says whether an operation may go on; the lock is held.
func (s *Store) check(ctx context.Context) error {
	if s.closed {
		return store.ErrUnavailable
	}
	if s.failure != nil {
		return s.failure
	}
	return ctx.Err()
}

// Secret implements store.Store.
func (s *Store) Secret(ctx context.Context, name string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.check(ctx); err != nil {
		return nil, err
	}
	secret, ok := s.secrets[name]
	if !ok {
		secret = make([]byte, 32)
		if _, err := rand.Read(secret); err != nil {
			return nil, err
		}
		s.secrets[name] = secret
	}
	return slices.Clone(secret), nil
}

// Ping implements store.Store.
func (s *Store) Ping(ctx context.Context) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.check(ctx)
}

// Close implements store.Store; later operations fail.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return nil
}

// instant brings a time to the form in which it comes back from a database.
func instant(t time.Time) time.Time { return time.UnixMicro(t.UnixMicro()).UTC() }
