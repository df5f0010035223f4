package sipdns

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"

	"rollcall/internal/sipuri"
)

// Errors of Targets.
var (
	// ErrNoTarget: the URI names nothing that can be reached with the transports we
	// have, or its domain has no such service.
	ErrNoTarget = errors.New("no server for this URI")
	// ErrUnavailable: the DNS gave no answer; a later one may differ.
	ErrUnavailable = errors.New("DNS not available")
)

// Transports of a Target.
const (
	UDP = "UDP"
	TCP = "TCP"
	TLS = "TLS"
)

// Target is one server to try.
type Target struct {
	Transport string
	Addr      netip.AddrPort
	// Name is the domain that was asked for: what a certificate must name, RFC 5922 §4.
	Name string
}

// maxTargets bounds what one URI can make us try.
const maxTargets = 16

// services are those of RFC 3263 §4.1 that we know, the best first.
var services = [...]struct{ transport, naptr, srv string }{
	{TLS, "SIPS+D2T", "_sips._tcp."},
	{TCP, "SIP+D2T", "_sip._tcp."},
	{UDP, "SIP+D2U", "_sip._udp."},
}

// Resolver resolves SIP URIs. It is safe for concurrent use.
type Resolver struct {
	dns  *client
	dead graveyard
	rand func(n int) int
}

// New returns a resolver.
func New(cfg Config) *Resolver {
	cfg = cfg.withDefaults()
	r := &Resolver{dns: newClient(cfg), dead: graveyard{first: cfg.Backoff, max: cfg.CacheSize}, rand: cfg.Rand}
	if r.rand == nil {
		r.rand = rand.IntN
	}
	return r
}

// Targets returns the servers of a URI in the order in which to try them; never
// none without an error.
func (r *Resolver) Targets(ctx context.Context, uri sipuri.URI) ([]Target, error) {
	q, err := newQuestion(uri)
	if err != nil {
		return nil, err
	}
	targets, err := r.locate(ctx, q)
	if len(targets) == 0 {
		if err == nil {
			err = fmt.Errorf("%w: %s", ErrNoTarget, uri)
		}
		return nil, err
	}
	return r.dead.last(targets[:min(len(targets), maxTargets)]), nil
}

// question is what RFC 3263 §4 asks about a URI.
type question struct {
	host      string // of maddr or of the URI
	addr      netip.Addr
	port      uint16 // 0: none given
	transport string // "": none given
	secure    bool
}

func newQuestion(uri sipuri.URI) (question, error) {
	q := question{host: uri.Host, port: uint16(uri.Port), secure: uri.Scheme == "sips"}
	if uri.Scheme != "sip" && uri.Scheme != "sips" {
		return q, fmt.Errorf("%w: scheme %s", ErrNoTarget, uri.Scheme)
	}
	if maddr, ok := uri.Param("maddr"); ok {
		q.host = maddr
	}
	if q.host == "" {
		return q, fmt.Errorf("%w: no host", ErrNoTarget)
	}
	if a, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(q.host, "["), "]")); err == nil {
		q.addr = a.Unmap()
	}
	if given, ok := uri.Param("transport"); ok {
		q.transport = strings.ToUpper(given)
		if q.secure && q.transport == TCP {
			q.transport = TLS // RFC 3261 §26.2.2
		}
		known := q.transport == TCP || q.transport == TLS || q.transport == UDP && !q.secure
		if !known {
			return q, fmt.Errorf("%w: transport %s", ErrNoTarget, given)
		}
	}
	return q, nil
}

// plain is the transport when nothing says another: RFC 3263 §4.1.
func (q *question) plain() string {
	switch {
	case q.transport != "":
		return q.transport
	case q.secure:
		return TLS
	}
	return UDP
}

func (r *Resolver) locate(ctx context.Context, q question) ([]Target, error) {
	switch {
	case q.addr.IsValid():
		return []Target{q.target(q.plain(), q.addr, q.port)}, nil
	case q.port != 0:
		return r.hosts(ctx, q, q.plain(), q.host, q.port)
	}
	found, none, err := r.service(ctx, q)
	if len(found) > 0 || none || errors.Is(err, ErrUnavailable) {
		return found, err
	}
	return r.hosts(ctx, q, q.plain(), q.host, 0)
}

// service looks for NAPTR and SRV records. none: there are some, and they say that
// there is no server for us.
func (r *Resolver) service(ctx context.Context, q question) (found []Target, none bool, err error) {
	if q.transport == "" {
		found, none, err = r.byNAPTR(ctx, q)
		if len(found) > 0 || none || err != nil {
			return found, none, err
		}
	}
	refused, asked := 0, 0
	for _, s := range services {
		if q.transport != "" && s.transport != q.transport || q.secure && s.transport != TLS {
			continue
		}
		asked++
		targets, no, err := r.servers(ctx, q, s.transport, s.srv+q.host)
		if err != nil {
			return found, false, err
		}
		if no {
			refused++
		}
		found = append(found, targets...)
	}
	return found, len(found) == 0 && refused == asked, nil
}

// byNAPTR is RFC 3263 §4.1. Records for transports that we lack are passed over.
func (r *Resolver) byNAPTR(ctx context.Context, q question) (found []Target, none bool, err error) {
	records, err := r.dns.naptr(ctx, q.host)
	if err != nil {
		return nil, false, err
	}
	slices.SortStableFunc(records, func(a, b naptr) int {
		if a.order != b.order {
			return int(a.order) - int(b.order)
		}
		return int(a.preference) - int(b.preference)
	})
	usable := 0
	for _, n := range records {
		for _, s := range services {
			if !strings.EqualFold(n.service, s.naptr) || q.secure && s.transport != TLS {
				continue
			}
			usable++
			targets, _, err := r.servers(ctx, q, s.transport, n.replacement)
			if err != nil {
				return found, false, err
			}
			found = append(found, targets...)
		}
	}
	// Without a record for us SRV is asked as if there were none: a domain may
	// announce only what we lack. For sips that must not end in something plain, and
	// does not, because only _sips is asked.
	return found, usable > 0 && len(found) == 0, nil
}

// servers resolves the SRV records of name. none: the domain says that it has no
// such service (RFC 2782, target ".").
func (r *Resolver) servers(ctx context.Context, q question, transport, name string) (found []Target, none bool, err error) {
	records, err := r.dns.srv(ctx, name)
	if err != nil {
		return nil, false, err
	}
	if len(records) == 1 && records[0].target == "." {
		return nil, true, nil
	}
	for _, s := range r.order(records) {
		targets, err := r.hosts(ctx, q, transport, s.target, s.port)
		if err != nil && !errors.Is(err, ErrNoTarget) {
			continue // one name server of many: others may be well
		}
		if found = append(found, targets...); len(found) >= maxTargets {
			break
		}
	}
	return found, false, nil
}

// order sorts SRV records by priority and draws by weight within one, RFC 2782.
func (r *Resolver) order(records []srv) []srv {
	slices.SortStableFunc(records, func(a, b srv) int {
		if a.priority != b.priority {
			return int(a.priority) - int(b.priority)
		}
		return int(min(a.weight, 1)) - int(min(b.weight, 1)) // weight 0 first
	})
	for at := range records {
		end, sum := at, 0
		for end < len(records) && records[end].priority == records[at].priority {
			sum += int(records[end].weight)
			end++
		}
		drawn := r.rand(sum + 1)
		for i := at; i < end; i++ {
			if drawn -= int(records[i].weight); drawn <= 0 {
				chosen := records[i]
				copy(records[at+1:i+1], records[at:i])
				records[at] = chosen
				break
			}
		}
	}
	return records
}

// hosts returns the addresses of a host as targets.
func (r *Resolver) hosts(ctx context.Context, q question, transport, host string, port uint16) ([]Target, error) {
	addrs, err := r.dns.addrs(ctx, host)
	if err != nil {
		return nil, err
	}
	out := make([]Target, 0, len(addrs))
	for _, a := range addrs {
		out = append(out, q.target(transport, a, port))
	}
	return out, nil
}

func (q *question) target(transport string, addr netip.Addr, port uint16) Target {
	if port == 0 {
		port = 5060
		if transport == TLS {
			port = 5061
		}
	}
	name := q.host
	if q.addr.IsValid() {
		name = q.addr.String()
	}
	return Target{Transport: transport, Addr: netip.AddrPortFrom(addr, port), Name: strings.TrimSuffix(name, ".")}
}

// Failed notes that a target gave a 503, an error or no answer: RFC 3263 §4.3.
func (r *Resolver) Failed(t Target) { r.dead.bury(t) }

// Succeeded notes that a target answered.
func (r *Resolver) Succeeded(t Target) { r.dead.revive(t) }
