package subscriber

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// pace spreads new subscriptions over time, per domain and in all.
type pace struct {
	perDomain rate.Limit
	all       *rate.Limiter

	mu      sync.Mutex
	domains map[string]*rate.Limiter
}

// Limits of pace.
const (
	burst       = 20
	allFaster   = 5    // than one domain
	manyDomains = 4096 // then those that wait for nothing are forgotten
)

func newPace(perDomain float64) *pace {
	return &pace{
		perDomain: rate.Limit(perDomain),
		all:       rate.NewLimiter(rate.Limit(allFaster*perDomain), allFaster*burst),
		domains:   make(map[string]*rate.Limiter),
	}
}

// turn takes a place in one of two queues, the first that of the domain, the
// second that of all whose turn came there, and returns how long it is until its
// end: who waits for one domain keeps nobody from another.
func (p *pace) turn(queue int, domain string) time.Duration {
	if queue > 0 {
		return p.all.Reserve().Delay()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	l := p.domains[domain]
	if l == nil {
		if len(p.domains) >= manyDomains {
			p.tidy(now)
		}
		l = rate.NewLimiter(p.perDomain, burst)
		p.domains[domain] = l
	}
	return l.ReserveN(now, 1).DelayFrom(now)
}

// tidy forgets domains that nothing was sent to for some time: a new limiter
// would say the same.
func (p *pace) tidy(now time.Time) {
	for domain, l := range p.domains {
		if l.TokensAt(now) >= burst {
			delete(p.domains, domain)
		}
	}
}
