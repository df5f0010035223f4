package auth

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// However the table forgets, a count that was accepted is never accepted again
// while its nonce is good.
func TestNoReplay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newCounts()
		for i := range c.shards {
			c.shards[i].used.Limit = 3
		}
		now := time.UnixMicro(1e15)
		type use struct {
			id    nonceID
			count uint32
		}
		accepted := map[use]bool{}
		var ids []nonceID
		signer := newSigner([]byte("k"))
		t.Repeat(map[string]func(*rapid.T){
			"new nonce": func(t *rapid.T) {
				id, _, ours := signer.verify("r", signer.nonce("r", now), now)
				if !ours {
					t.Fatal("own nonce not recognised")
				}
				id[nonceHead-1] = 0 // all in one shard
				ids = append(ids, id)
				now = now.Add(time.Microsecond)
			},
			"time": func(t *rapid.T) {
				now = now.Add(time.Duration(rapid.IntRange(1, 200).Draw(t, "seconds")) * time.Second)
			},
			"use": func(t *rapid.T) {
				if len(ids) == 0 {
					t.Skip()
				}
				u := use{rapid.SampledFrom(ids).Draw(t, "nonce"), uint32(rapid.IntRange(1, 200).Draw(t, "count"))}
				if now.Sub(u.id.issued()) >= nonceLifetime {
					return // refused before it comes here
				}
				if c.use(u.id, u.count, now) {
					if accepted[u] {
						t.Fatalf("count %d was accepted twice", u.count)
					}
					accepted[u] = true
				}
			},
			"": func(t *rapid.T) {
				if n := c.shards[0].used.Len(); n > 6 {
					t.Fatalf("%d entries are kept", n)
				}
			},
		})
	})
}

// Parallel requests share a nonce: counts arrive out of order.
func TestCountWindow(t *testing.T) {
	c := newCounts()
	now := time.Now()
	s := newSigner([]byte("k"))
	id, fresh, ours := s.verify("r", s.nonce("r", now), now)
	if !fresh || !ours {
		t.Fatal("own nonce not recognised")
	}
	for _, step := range []struct {
		count uint32
		want  bool
	}{
		{5, true}, {5, false}, {1, true}, {1, false}, {70, true}, {6, false}, {7, true}, {7, false}, {69, true}, {1<<32 - 1, true}, {70, false},
	} {
		if got := c.use(id, step.count, now); got != step.want {
			t.Errorf("count %d: %v, want %v", step.count, got, step.want)
		}
	}
}

func TestNonceTampering(t *testing.T) {
	now := time.Now()
	s := newSigner([]byte("k"))
	nonce := s.nonce("r", now)
	for i := range nonce {
		b := []byte(nonce)
		b[i] ^= 1
		if _, _, ours := s.verify("r", string(b), now); ours {
			t.Errorf("changed at %d and still accepted", i)
		}
	}
	if _, _, ours := newSigner([]byte("other")).verify("r", nonce, now); ours {
		t.Error("accepted under another secret")
	}
	if _, _, ours := s.verify("r2", nonce, now); ours {
		t.Error("accepted for another realm")
	}
	if _, fresh, _ := s.verify("r", nonce, now.Add(-time.Hour)); fresh {
		t.Error("a nonce from the future is fresh")
	}
}

func TestThrottle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := NewThrottle()
		const aor = "sip:alice@example.com"
		attacker, owner := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
		th.Succeeded(owner, aor)
		for i := range accountBurst {
			if ok, _ := th.Allow(attacker, aor); !ok {
				t.Fatalf("refused after %d failures", i)
			}
			th.Failed(attacker, aor)
		}
		ok, wait := th.Allow(attacker, aor)
		if ok || wait <= 0 || wait > accountRefill {
			t.Errorf("after %d failures: %v, retry after %v", accountBurst, ok, wait)
		}
		if ok, _ := th.Allow(netip.MustParseAddr("192.0.2.3"), aor); ok {
			t.Error("the limit of an account holds for every unknown source")
		}
		if ok, _ := th.Allow(owner, aor); !ok {
			t.Error("guessing at an account must not shut out its owner")
		}
		if ok, _ := th.Allow(attacker, "sip:bob@example.com"); !ok {
			t.Error("the source is below its own limit")
		}
		time.Sleep(wait)
		if ok, _ := th.Allow(attacker, aor); !ok {
			t.Error("still refused after the time it was told")
		}
		for range sourceBurst {
			th.Failed(attacker, "")
		}
		if ok, wait := th.Allow(attacker, "sip:bob@example.com"); ok || wait <= 0 {
			t.Error("a source over its limit is refused for every account")
		}
		if ok, _ := th.Allow(netip.MustParseAddr("::ffff:192.0.2.1"), ""); ok {
			t.Error("the same source, mapped to IPv6, is refused as well")
		}
		time.Sleep(time.Hour)
		if ok, _ := th.Allow(attacker, aor); !ok {
			t.Error("an hour later all is forgotten")
		}
	})
}

// One /64 is one source; tables stay bounded whoever comes.
func TestThrottleIsBounded(t *testing.T) {
	th := NewThrottle()
	a := netip.MustParseAddr("2001:db8::1")
	for range sourceBurst {
		th.Failed(a, "")
		a = a.Next()
	}
	if ok, _ := th.Allow(a, ""); ok {
		t.Error("the addresses of one network count together")
	}
	source := netip.MustParseAddr("10.0.0.0")
	for range 3 * throttleShards * throttleSize {
		th.Failed(source, source.String())
		source = source.Next()
	}
	for i := range th.shards {
		if n := th.shards[i].sources.Len() + th.shards[i].accounts.Len(); n > 4*throttleSize {
			t.Errorf("shard %d keeps %d entries", i, n)
		}
	}
}
