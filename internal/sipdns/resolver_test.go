package sipdns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"
	"go.uber.org/goleak"

	"rollcall/internal/sipuri"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// zone is a name server on loopback.
type zone struct {
	t    *testing.T
	addr string

	mu      sync.Mutex
	records map[string][]dns.RR // by name and type
	broken  map[string]bool     // names that get SERVFAIL
	asked   map[string]int
}

func serve(t *testing.T, records ...string) *zone {
	t.Helper()
	z := &zone{t: t, records: map[string][]dns.RR{}, broken: map[string]bool{}, asked: map[string]int{}}
	for _, text := range records {
		rr, err := dns.NewRR(text)
		if err != nil {
			t.Fatal(text, err)
		}
		k := rr.Header().Name + dns.TypeToString[rr.Header().Rrtype]
		z.records[k] = append(z.records[k], rr)
	}
	udp, tcp := listen(t)
	z.addr = udp.LocalAddr().String()
	for _, s := range []*dns.Server{{PacketConn: udp, Handler: z}, {Listener: tcp, Handler: z}} {
		started := make(chan struct{})
		s.NotifyStartedFunc = func() { close(started) }
		done := make(chan struct{})
		go func() { defer close(done); _ = s.ActivateAndServe() }()
		<-started
		t.Cleanup(func() { _ = s.Shutdown(); <-done })
	}
	return z
}

// listen takes one port for both transports.
func listen(t *testing.T) (net.PacketConn, net.Listener) {
	t.Helper()
	for range 20 {
		udp, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		tcp, err := net.Listen("tcp", udp.LocalAddr().String())
		if err == nil {
			return udp, tcp
		}
		_ = udp.Close() // somebody has the port over TCP
	}
	t.Fatal("no port is free for both transports")
	return nil, nil
}

// ServeDNS implements dns.Handler.
func (z *zone) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	z.mu.Lock()
	defer z.mu.Unlock()
	name := q.Question[0].Name
	k := name + dns.TypeToString[q.Question[0].Qtype]
	z.asked[k]++
	m := new(dns.Msg).SetReply(q)
	m.Answer = z.records[k]
	switch {
	case z.broken[name]:
		m.Rcode = dns.RcodeServerFailure
	case len(m.Answer) == 0:
		m.Rcode = dns.RcodeNameError
	}
	if w.RemoteAddr().Network() == "udp" {
		m.Truncate(1232)
	}
	_ = w.WriteMsg(m)
}

func (z *zone) resolver(cfg Config) *Resolver {
	cfg.Servers = []string{z.addr}
	cfg.Timeout = time.Second
	return New(cfg)
}

func uri(t *testing.T, s string) sipuri.URI {
	t.Helper()
	u, err := sipuri.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func text(targets []Target) string {
	parts := make([]string, len(targets))
	for i, t := range targets {
		parts[i] = t.Transport + " " + t.Addr.String()
	}
	return strings.Join(parts, ", ")
}

// RFC 3263 §4.1 and §4.2: transport, port and address of each kind of URI.
func TestTargets(t *testing.T) {
	z := serve(t,
		"plain.test. 300 IN A 192.0.2.1",
		"both.test. 300 IN A 192.0.2.2",
		"both.test. 300 IN AAAA 2001:db8::2",
		"alias.test. 300 IN A 192.0.2.3",
		`full.test. 300 IN NAPTR 20 10 "s" "SIP+D2U" "" _sip._udp.full.test.`,
		`full.test. 300 IN NAPTR 10 20 "s" "SIP+D2T" "" _sip._tcp.full.test.`,
		`full.test. 300 IN NAPTR 10 10 "s" "SIPS+D2T" "" _sips._tcp.full.test.`,
		`full.test. 300 IN NAPTR 5 10 "s" "SIP+D2S" "" _sip._sctp.full.test.`,
		`full.test. 300 IN NAPTR 1 10 "u" "E2U+sip" "!^.*$!sip:x@y!" .`,
		"_sips._tcp.full.test. 300 IN SRV 1 0 5071 plain.test.",
		"_sip._tcp.full.test. 300 IN SRV 2 0 5072 plain.test.",
		"_sip._tcp.full.test. 300 IN SRV 1 0 5073 both.test.",
		"_sip._udp.full.test. 300 IN SRV 1 0 5074 plain.test.",
		"full.test. 300 IN A 192.0.2.9",
		"_sip._tcp.srv.test. 300 IN SRV 1 0 5080 plain.test.",
		"_sip._udp.srv.test. 300 IN SRV 1 0 5081 plain.test.",
		"srv.test. 300 IN A 192.0.2.9",
		"_sip._udp.none.test. 300 IN SRV 0 0 0 .",
		"_sip._tcp.none.test. 300 IN SRV 0 0 0 .",
		"_sips._tcp.none.test. 300 IN SRV 0 0 0 .",
		"none.test. 300 IN A 192.0.2.9",
		`dangling.test. 300 IN NAPTR 1 1 "s" "SIP+D2U" "" _sip._udp.nowhere.test.`,
		"dangling.test. 300 IN A 192.0.2.9",
	)
	z.mu.Lock()
	z.broken["broken.test."] = true
	z.mu.Unlock()
	r := z.resolver(Config{})
	for _, tc := range []struct{ uri, want string }{
		{"sip:192.0.2.7", "UDP 192.0.2.7:5060"},
		{"sip:a@192.0.2.7:5070", "UDP 192.0.2.7:5070"},
		{"sip:[2001:db8::7]", "UDP [2001:db8::7]:5060"},
		{"sip:192.0.2.7;transport=tcp", "TCP 192.0.2.7:5060"},
		{"sip:192.0.2.7;transport=TLS", "TLS 192.0.2.7:5061"},
		{"sips:192.0.2.7", "TLS 192.0.2.7:5061"},
		{"sips:192.0.2.7;transport=tcp", "TLS 192.0.2.7:5061"},
		{"sip:full.test;maddr=192.0.2.8", "UDP 192.0.2.8:5060"},
		{"sip:plain.test:5070", "UDP 192.0.2.1:5070"},
		{"sip:full.test:5070", "UDP 192.0.2.9:5070"},
		{"sips:plain.test:5070", "TLS 192.0.2.1:5070"},
		{"sip:plain.test", "UDP 192.0.2.1:5060"},
		{"sips:plain.test", "TLS 192.0.2.1:5061"},
		{"sip:both.test", "UDP 192.0.2.2:5060, UDP [2001:db8::2]:5060"},
		{"sip:full.test", "TLS 192.0.2.1:5071, TCP 192.0.2.2:5073, TCP [2001:db8::2]:5073, TCP 192.0.2.1:5072, UDP 192.0.2.1:5074"},
		{"sips:full.test", "TLS 192.0.2.1:5071"},
		{"sip:full.test;transport=udp", "UDP 192.0.2.1:5074"},
		{"sip:srv.test", "TCP 192.0.2.1:5080, UDP 192.0.2.1:5081"},
		{"sip:srv.test;transport=tls", "TLS 192.0.2.9:5061"},
		{"sips:srv.test", "TLS 192.0.2.9:5061"},
		{"sip:plain.test;transport=tcp", "TCP 192.0.2.1:5060"},
		{"sip:none.test", "no server"},
		{"sip:dangling.test", "no server"},
		{"sip:absent.test", "no server"},
		{"sip:broken.test", "not available"},
		{"sips:192.0.2.7;transport=udp", "no server"},
		{"sip:192.0.2.7;transport=sctp", "no server"},
		{"pres:a@plain.test", "no server"},
	} {
		targets, err := r.Targets(t.Context(), uri(t, tc.uri))
		got := text(targets)
		switch {
		case errors.Is(err, ErrNoTarget):
			got = "no server"
		case errors.Is(err, ErrUnavailable):
			got = "not available"
		}
		if got != tc.want {
			t.Errorf("%s: %s (%v), want %s", tc.uri, got, err, tc.want)
		}
	}
	targets, _ := r.Targets(t.Context(), uri(t, "sips:full.test"))
	if targets[0].Name != "full.test" {
		t.Errorf("name %q: a certificate must name the domain that was asked for, RFC 5922 §4", targets[0].Name)
	}
}

// RFC 2782: within a priority records are drawn by weight, without repetition.
func TestWeights(t *testing.T) {
	records := func() []srv {
		return []srv{{1, 10, 1, "a"}, {1, 0, 1, "b"}, {1, 30, 1, "c"}, {0, 5, 1, "d"}}
	}
	for _, tc := range []struct {
		draws []int
		want  string
	}{
		{[]int{0, 0, 0, 0}, "dbac"},
		{[]int{5, 1, 0, 0}, "dabc"},
		{[]int{0, 11, 10, 0}, "dcab"},
		{[]int{0, 40, 0, 0}, "dcba"},
	} {
		i := 0
		r := &Resolver{rand: func(n int) int { i++; return min(tc.draws[i-1], n-1) }}
		got := ""
		for _, s := range r.order(records()) {
			got += s.target
		}
		if got != tc.want {
			t.Errorf("draws %v: %s, want %s", tc.draws, got, tc.want)
		}
	}
}

// Answers are kept for their time, those that say no as well.
func TestCache(t *testing.T) {
	z := serve(t, "a.test. 3600 IN A 192.0.2.1")
	r := z.resolver(Config{MinTTL: time.Hour})
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := r.Targets(context.Background(), uri(t, "sip:a.test:5060")); err != nil {
				t.Error(err)
			}
			if _, err := r.Targets(context.Background(), uri(t, "sip:b.test:5060")); !errors.Is(err, ErrNoTarget) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	z.mu.Lock()
	defer z.mu.Unlock()
	for k, n := range z.asked {
		if n != 1 {
			t.Errorf("%s asked %d times", k, n)
		}
	}
}

func TestCacheBound(t *testing.T) {
	z := serve(t)
	r := z.resolver(Config{CacheSize: 64})
	for i := range 200 {
		_, _ = r.Targets(t.Context(), uri(t, fmt.Sprintf("sip:h%d.test:5060", i)))
	}
	if n := len(r.dns.cache); n > 64 {
		t.Errorf("%d answers kept", n)
	}
}

// What does not fit into a datagram comes over TCP.
func TestTruncated(t *testing.T) {
	var records []string
	for i := range 100 {
		records = append(records, fmt.Sprintf("_sip._udp.big.test. 60 IN SRV %d 0 5060 host-with-a-long-name-%d.big.test.", i, i))
	}
	records = append(records, "host-with-a-long-name-0.big.test. 60 IN A 192.0.2.1")
	targets, err := serve(t, records...).resolver(Config{}).Targets(t.Context(), uri(t, "sip:big.test;transport=udp"))
	if err != nil || text(targets) != "UDP 192.0.2.1:5060" {
		t.Errorf("%s, %v", text(targets), err)
	}
}

// A server that is silent does not stop the next one from being asked.
func TestSecondServer(t *testing.T) {
	z := serve(t, "a.test. 60 IN A 192.0.2.1")
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	r := New(Config{Servers: []string{silent.LocalAddr().String(), z.addr}, Timeout: 50 * time.Millisecond})
	targets, err := r.Targets(t.Context(), uri(t, "sip:a.test:5060"))
	if err != nil || text(targets) != "UDP 192.0.2.1:5060" {
		t.Errorf("%s, %v", text(targets), err)
	}
}

// RFC 3263 §4.3: who failed is tried last, for longer each time, and never not at all.
func TestBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := graveyard{first: 30 * time.Second, max: 2}
		a, b := Target{Transport: UDP, Name: "a"}, Target{Transport: TCP, Name: "a"}
		order := func() string {
			var out string
			for _, x := range g.last([]Target{a, b}) {
				out += x.Transport + " "
			}
			return out
		}
		g.bury(a)
		if got := order(); got != "TCP UDP " {
			t.Error("after a failure:", got)
		}
		time.Sleep(31 * time.Second)
		if got := order(); got != "UDP TCP " {
			t.Error("after the time:", got)
		}
		g.bury(a)
		time.Sleep(31 * time.Second)
		if got := order(); got != "TCP UDP " {
			t.Error("the second time lasts longer:", got)
		}
		g.bury(b)
		if got := order(); got != "UDP TCP " {
			t.Error("all dead: the order stays:", got)
		}
		g.bury(Target{Transport: TLS})
		if len(g.graves) > 2 {
			t.Error("no bound")
		}
		g.revive(a)
		if got := order(); got != "UDP TCP " {
			t.Error("after a success:", got)
		}
	})
}

func FuzzTargets(f *testing.F) {
	for _, s := range []string{"sip:a@b.test", "sips:[::1]:5061;transport=tls", "sip:x;maddr=;transport=", "sip:" + strings.Repeat("a.", 200) + "b", "sip:-;maddr=a b"} {
		f.Add(s)
	}
	r := New(Config{Servers: []string{"127.0.0.1:1"}, Timeout: time.Millisecond})
	f.Fuzz(func(t *testing.T, s string) {
		u, err := sipuri.Parse(s)
		if err != nil {
			return
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		targets, err := r.Targets(ctx, u)
		if (err == nil) == (len(targets) == 0) {
			t.Errorf("%q: %v, %v", s, targets, err)
		}
	})
}
