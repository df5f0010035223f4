package auth

import (
	"hash/maphash"
	"log/slog"
	"math"
	"net/netip"
	"sync"
	"time"

	"rollcall/internal/hop"
	"rollcall/internal/recent"
)

// Allowances of wrong passwords. A source may be a whole office behind one
// address, an account is one person.
const (
	sourceBurst   = 50
	sourceRefill  = time.Second // one more attempt
	accountBurst  = 10
	accountRefill = 6 * time.Second

	throttleShards = 16
	throttleSize   = 4096           // entries per shard and generation
	knownFor       = 24 * time.Hour // a source that gave the right password
)

// Throttle counts wrong passwords per source address and per account, in bounded
// tables, and says when to stop listening. The limit per account does not hold
// for sources from which the right password came lately, so that guessing at an
// account does not shut out its owner. It is safe for concurrent use.
type Throttle struct {
	seed   maphash.Seed
	shards [throttleShards]throttleShard
}

type throttleShard struct {
	mu       sync.Mutex
	sources  recent.Map[netip.Addr, bucket]
	accounts recent.Map[string, bucket]
	known    recent.Map[knownKey, struct{}]
}

type knownKey struct {
	source netip.Addr
	aor    string
}

// bucket counts failures, leaking one per refill interval.
type bucket struct {
	level float64
	at    time.Time
	told  bool // that it is full
}

// NewThrottle returns an empty throttle.
func NewThrottle() *Throttle {
	t := &Throttle{seed: maphash.MakeSeed()}
	for i := range t.shards {
		s := &t.shards[i]
		s.sources = recent.New[netip.Addr, bucket](throttleSize, sourceBurst*sourceRefill)
		s.accounts = recent.New[string, bucket](throttleSize, accountBurst*accountRefill)
		s.known = recent.New[knownKey, struct{}](throttleSize, knownFor)
	}
	return t
}

// Allow reports whether a request with credentials from source, for the account
// aor (may be empty), is to be looked at, and if not, when to come back.
func (t *Throttle) Allow(source netip.Addr, aor string) (ok bool, retryAfter time.Duration) {
	now := time.Now()
	source = hop.Network(source)
	s := t.ofSource(source)
	s.mu.Lock()
	b, _ := s.sources.Get(source, now)
	s.mu.Unlock()
	wait := b.wait(now, sourceBurst, sourceRefill)
	if aor != "" && !t.isKnown(source, aor, now) {
		s = t.ofAccount(aor)
		s.mu.Lock()
		b, _ = s.accounts.Get(aor, now)
		s.mu.Unlock()
		wait = max(wait, b.wait(now, accountBurst, accountRefill))
	}
	return wait == 0, wait
}

// Failed counts a wrong password.
func (t *Throttle) Failed(source netip.Addr, aor string) {
	now := time.Now()
	source = hop.Network(source)
	s := t.ofSource(source)
	s.mu.Lock()
	b, _ := s.sources.Get(source, now)
	b, full := b.add(now, sourceBurst, sourceRefill)
	s.sources.Put(source, b, now)
	s.mu.Unlock()
	if full {
		slog.Warn("too many wrong passwords from an address", "address", source, "account", aor)
	}
	if aor == "" || t.isKnown(source, aor, now) {
		return
	}
	s = t.ofAccount(aor)
	s.mu.Lock()
	b, _ = s.accounts.Get(aor, now)
	b, full = b.add(now, accountBurst, accountRefill)
	s.accounts.Put(aor, b, now)
	s.mu.Unlock()
	if full {
		slog.Warn("too many wrong passwords for an account", "address", source, "account", aor)
	}
}

// Succeeded notes that the right password for aor came from source.
func (t *Throttle) Succeeded(source netip.Addr, aor string) {
	now := time.Now()
	source = hop.Network(source)
	s := t.ofAccount(aor)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known.Put(knownKey{source, aor}, struct{}{}, now)
}

func (t *Throttle) isKnown(source netip.Addr, aor string, now time.Time) bool {
	s := t.ofAccount(aor)
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.known.Get(knownKey{source, aor}, now)
	return ok
}

func (t *Throttle) ofSource(source netip.Addr) *throttleShard {
	return &t.shards[maphash.Comparable(t.seed, source)%throttleShards]
}

func (t *Throttle) ofAccount(aor string) *throttleShard {
	return &t.shards[maphash.String(t.seed, aor)%throttleShards]
}

// add puts one more in; full: now there are too many, for the first time since it
// was half empty.
func (b bucket) add(now time.Time, burst float64, refill time.Duration) (after bucket, full bool) {
	level := b.now(now, refill)
	after = bucket{level: level + 1, at: now, told: b.told && level > burst/2}
	full = !after.told && after.wait(now, burst, refill) > 0
	after.told = after.told || full
	return after, full
}

func (b bucket) now(now time.Time, refill time.Duration) float64 {
	return max(0, b.level-float64(now.Sub(b.at))/float64(refill))
}

// wait returns how long until the level is below burst, in whole seconds.
func (b bucket) wait(now time.Time, burst float64, refill time.Duration) time.Duration {
	over := b.now(now, refill) - (burst - 1)
	if over <= 0 {
		return 0
	}
	return time.Duration(math.Ceil(over*refill.Seconds())) * time.Second
}
