package auth

import (
	"context"
	"errors"
	"hash/maphash"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"rollcall/internal/recent"
	"rollcall/internal/store"
)

const (
	userShards    = 32
	usersPerShard = 2048 // per generation
	maxAOR        = 1024 // no account has a longer one
)

// Users is a cache in front of the accounts of a store. What it does not know
// that an account is not there, too. It is safe for concurrent use.
type Users struct {
	store  store.Users
	ttl    time.Duration
	seed   maphash.Seed
	shards [userShards]userShard
}

type userShard struct {
	mu         sync.Mutex
	entries    recent.Map[string, userEntry]
	generation uint64 // counts Forget calls
}

type userEntry struct {
	user   store.User
	found  bool
	loaded time.Time
}

// NewUsers returns a cache that looks again after ttl.
func NewUsers(s store.Users, ttl time.Duration) *Users {
	u := &Users{store: s, ttl: ttl, seed: maphash.MakeSeed()}
	for i := range u.shards {
		u.shards[i].entries = recent.New[string, userEntry](usersPerShard, max(ttl, time.Millisecond))
	}
	return u
}

// Get returns the account of a canonical AOR; store.ErrNotFound when there is none.
func (u *Users) Get(ctx context.Context, aor string) (store.User, error) {
	if len(aor) > maxAOR || !utf8.ValidString(aor) || strings.IndexByte(aor, 0) >= 0 {
		return store.User{}, store.ErrNotFound
	}
	s := u.shard(aor)
	now := time.Now()
	s.mu.Lock()
	e, ok := s.entries.Get(aor, now)
	generation := s.generation
	s.mu.Unlock()
	if ok && now.Sub(e.loaded) < u.ttl {
		return e.result()
	}
	user, err := u.store.User(ctx, aor)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return store.User{}, err
	}
	e = userEntry{user: user, found: err == nil, loaded: now}
	s.mu.Lock()
	// What was read before a Forget may be what it is to forget.
	if s.generation == generation {
		s.entries.Put(aor, e, now)
	}
	s.mu.Unlock()
	return e.result()
}

// Forget makes the next Get of aor look into the store.
func (u *Users) Forget(aor string) {
	s := u.shard(aor)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.generation++
	s.entries.Remove(aor)
}

func (u *Users) shard(aor string) *userShard {
	return &u.shards[maphash.String(u.seed, aor)%userShards]
}

func (e userEntry) result() (store.User, error) {
	if !e.found {
		return store.User{}, store.ErrNotFound
	}
	return e.user, nil
}
