package auth

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"rollcall/internal/recent"
	"rollcall/internal/store"
)

const (
	userShards    = 32
	usersPerShard = 2048 // per generation
	maxAOR        = 1024 // no account has a longer one

	// What was read is believed for so long when the store does not answer, and the
	// store asked no more often than that meanwhile: whoever asks may have to wait.
	staleFor   = 2 * time.Minute
	probeEvery = time.Second
)

// Users is a cache in front of the accounts of a store. It knows that an account
// is not there, too. While the store is away those who were there lately still
// are. It is safe for concurrent use.
type Users struct {
	store  store.Users
	ttl    time.Duration
	away   atomic.Int64 // when to ask the store again, in Unix nanoseconds; 0: it answers
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
		u.shards[i].entries = recent.New[string, userEntry](usersPerShard, max(ttl, staleFor))
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
	if !u.mayAsk(now) {
		return e.known(ok, fmt.Errorf("user %q: %w", aor, store.ErrUnavailable))
	}
	user, err := u.store.User(ctx, aor)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		if errors.Is(err, store.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) {
			u.away.Store(time.Now().Add(probeEvery).UnixNano())
		}
		return e.known(ok, err)
	}
	u.away.Store(0)
	e = userEntry{user: user, found: err == nil, loaded: now}
	s.mu.Lock()
	// What was read before a Forget may be what it is to forget.
	if s.generation == generation {
		s.entries.Put(aor, e, now)
	}
	s.mu.Unlock()
	return e.result()
}

// mayAsk reports whether the store is to be asked: if it is away, by one caller now
// and then.
func (u *Users) mayAsk(now time.Time) bool {
	at := u.away.Load()
	return at == 0 || now.UnixNano() >= at && u.away.CompareAndSwap(at, now.Add(probeEvery).UnixNano())
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

// known is what was read some time ago, if anything was, else the error.
func (e userEntry) known(ok bool, err error) (store.User, error) {
	if !ok {
		return store.User{}, err
	}
	return e.result()
}
