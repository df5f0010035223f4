package sipdns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// Config is what a resolver needs; zero values stand for the defaults beside them.
type Config struct {
	Servers []string // "host:port"; those of the system

	Timeout     time.Duration // of one question to one server: 2 s
	MinTTL      time.Duration // an answer is kept at least: 5 s
	MaxTTL      time.Duration // and at most: 1 h
	NegativeTTL time.Duration // a "there is none" at most: 1 min
	Backoff     time.Duration // a target is tried last after its first failure: 30 s
	CacheSize   int           // answers, and dead targets: 4096
	Parallel    int           // questions at a time: 32

	Rand func(n int) int // for tests: below n
}

func (c Config) withDefaults() Config {
	def := func(v *time.Duration, d time.Duration) {
		if *v <= 0 {
			*v = d
		}
	}
	def(&c.Timeout, 2*time.Second)
	def(&c.MinTTL, 5*time.Second)
	def(&c.MaxTTL, time.Hour)
	def(&c.NegativeTTL, time.Minute)
	def(&c.Backoff, 30*time.Second)
	if c.CacheSize <= 0 {
		c.CacheSize = 4096
	}
	if c.Parallel <= 0 {
		c.Parallel = 32
	}
	return c
}

type naptr struct {
	order, preference    uint16
	service, replacement string
}

type srv struct {
	priority, weight, port uint16
	target                 string
}

// client asks name servers and keeps what they say.
type client struct {
	cfg    Config
	system bool // also the hosts file and whatever else the system has
	slots  chan struct{}

	mu    sync.Mutex
	cache map[key]*answer
}

type key struct {
	name  string
	qtype uint16
}

// answer is in the cache from the moment the question is asked, so that others
// wait for it instead of asking again.
type answer struct {
	ready   chan struct{}
	records []dns.RR
	err     error
	until   time.Time // zero until ready
}

func newClient(cfg Config) *client {
	c := &client{cfg: cfg, slots: make(chan struct{}, cfg.Parallel), cache: make(map[key]*answer)}
	if len(cfg.Servers) == 0 {
		c.system = true
		// Without the file there is no server to ask: then only the system's own way is left.
		if sys, err := dns.ClientConfigFromFile("/etc/resolv.conf"); err == nil {
			for _, s := range sys.Servers {
				c.cfg.Servers = append(c.cfg.Servers, net.JoinHostPort(s, sys.Port))
			}
		}
	}
	return c
}

func (c *client) naptr(ctx context.Context, host string) ([]naptr, error) {
	records, err := c.ask(ctx, host, dns.TypeNAPTR)
	var out []naptr
	for _, rr := range records {
		// RFC 3263 §4.1: only terminal records that lead to SRV.
		if n, ok := rr.(*dns.NAPTR); ok && strings.EqualFold(n.Flags, "s") && n.Regexp == "" {
			out = append(out, naptr{n.Order, n.Preference, n.Service, n.Replacement})
		}
	}
	return out, err
}

func (c *client) srv(ctx context.Context, name string) ([]srv, error) {
	records, err := c.ask(ctx, name, dns.TypeSRV)
	var out []srv
	for _, rr := range records {
		if s, ok := rr.(*dns.SRV); ok {
			out = append(out, srv{s.Priority, s.Weight, s.Port, s.Target})
		}
	}
	return out, err
}

// addrs returns the addresses of a host, IPv4 first.
func (c *client) addrs(ctx context.Context, host string) ([]netip.Addr, error) {
	var out []netip.Addr
	var failed error
	for _, qtype := range [...]uint16{dns.TypeA, dns.TypeAAAA} {
		records, err := c.ask(ctx, host, qtype)
		if err != nil {
			failed = err
		}
		for _, rr := range records {
			ip := net.IP(nil)
			switch rr := rr.(type) {
			case *dns.A:
				ip = rr.A
			case *dns.AAAA:
				ip = rr.AAAA
			}
			if a, ok := netip.AddrFromSlice(ip); ok {
				out = append(out, a.Unmap())
			}
		}
	}
	switch {
	case len(out) > 0:
		return out, nil
	case c.system:
		return c.systemAddrs(ctx, host)
	case failed != nil:
		return nil, failed
	}
	return nil, fmt.Errorf("%w: %s has no address", ErrNoTarget, host)
}

// systemAddrs asks the way all programs do, which knows the hosts file. A name
// that is only there costs a look at it each time.
func (c *client) systemAddrs(ctx context.Context, host string) ([]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", strings.TrimSuffix(host, "."))
	var missing *net.DNSError
	if errors.As(err, &missing) && missing.IsNotFound || err == nil && len(addrs) == 0 {
		return nil, fmt.Errorf("%w: %s has no address", ErrNoTarget, host)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	for i := range addrs {
		addrs[i] = addrs[i].Unmap()
	}
	return addrs, nil
}

// ask returns the records of a name; none is not an error.
func (c *client) ask(ctx context.Context, name string, qtype uint16) ([]dns.RR, error) {
	if len(c.cfg.Servers) == 0 {
		return nil, nil
	}
	k := key{strings.ToLower(dns.Fqdn(name)), qtype}
	if _, ok := dns.IsDomainName(k.name); !ok {
		return nil, fmt.Errorf("%w: %q is not a domain name", ErrNoTarget, name)
	}
	a, mine := c.claim(k)
	if !mine {
		select {
		case <-a.ready:
			return a.records, a.err
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", ErrUnavailable, ctx.Err())
		}
	}
	// Others wait for this answer, so it does not end with the first who asked.
	records, ttl, err := c.query(context.WithoutCancel(ctx), k)
	c.mu.Lock()
	a.records, a.err, a.until = records, err, time.Now().Add(ttl)
	c.mu.Unlock()
	close(a.ready)
	return records, err
}

// claim returns the answer kept or being fetched, or a new one that is the
// caller's to fetch.
func (c *client) claim(k key) (a *answer, mine bool) {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if a := c.cache[k]; a != nil && (a.until.IsZero() || now.Before(a.until)) {
		return a, false
	}
	if len(c.cache) >= c.cfg.CacheSize {
		c.makeRoom(now)
	}
	a = &answer{ready: make(chan struct{})}
	c.cache[k] = a
	return a, true
}

// makeRoom removes what has expired, or else an eighth of what there is.
func (c *client) makeRoom(now time.Time) {
	for k, a := range c.cache {
		if !a.until.IsZero() && now.After(a.until) {
			delete(c.cache, k)
		}
	}
	for k, a := range c.cache {
		if len(c.cache) < c.cfg.CacheSize*7/8 {
			return
		}
		if !a.until.IsZero() {
			delete(c.cache, k)
		}
	}
}

// query asks one server after the other.
func (c *client) query(ctx context.Context, k key) (records []dns.RR, ttl time.Duration, err error) {
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	default:
		return nil, 0, fmt.Errorf("%w: too many questions at once", ErrUnavailable)
	}
	err = fmt.Errorf("%w: no name server answered", ErrUnavailable)
	for _, server := range c.cfg.Servers {
		m, failed := c.exchange(ctx, k, server)
		switch {
		case failed != nil:
			err = fmt.Errorf("%w: %w", ErrUnavailable, failed)
		case m.Rcode == dns.RcodeSuccess || m.Rcode == dns.RcodeNameError:
			records, ttl = c.take(m, k)
			return records, ttl, nil
		default:
			err = fmt.Errorf("%w: %s says %s", ErrUnavailable, server, dns.RcodeToString[m.Rcode])
		}
	}
	return nil, c.cfg.MinTTL, err
}

// exchange asks over UDP, and over TCP if the answer did not fit.
func (c *client) exchange(ctx context.Context, k key, server string) (*dns.Msg, error) {
	q := new(dns.Msg).SetQuestion(k.name, k.qtype)
	q.SetEdns0(1232, false)
	over := dns.Client{Timeout: c.cfg.Timeout}
	m, _, err := over.ExchangeContext(ctx, q, server)
	if err != nil || !m.Truncated {
		return m, err
	}
	over.Net = "tcp"
	m, _, err = over.ExchangeContext(ctx, q, server)
	return m, err
}

// take returns the records asked for, following aliases, and how long they hold.
func (c *client) take(m *dns.Msg, k key) ([]dns.RR, time.Duration) {
	var out []dns.RR
	ttl := uint32(c.cfg.MaxTTL / time.Second)
	for _, rr := range m.Answer {
		h := rr.Header()
		if h.Rrtype != k.qtype && h.Rrtype != dns.TypeCNAME {
			continue
		}
		ttl = min(ttl, h.Ttl)
		if h.Rrtype == k.qtype {
			out = append(out, rr)
		}
	}
	if len(out) > 0 {
		return out, max(time.Duration(ttl)*time.Second, c.cfg.MinTTL)
	}
	// RFC 2308 §5
	negative := c.cfg.NegativeTTL
	for _, rr := range m.Ns {
		if soa, ok := rr.(*dns.SOA); ok {
			negative = min(negative, time.Duration(min(soa.Hdr.Ttl, soa.Minttl))*time.Second)
		}
	}
	return nil, max(negative, c.cfg.MinTTL)
}
