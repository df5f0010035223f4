package wire

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"

	"rollcall/internal/sipdns"
	"rollcall/internal/sipuri"
)

// nameServer answers for SRV records of example.com on loopback.
func nameServer(t *testing.T, records ...string) *sipdns.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	zone := map[uint16][]dns.RR{}
	for _, text := range append(records, "host.example.com. 60 IN A 127.0.0.1") {
		rr, err := dns.NewRR(text)
		if err != nil {
			t.Fatal(err)
		}
		zone[rr.Header().Rrtype] = append(zone[rr.Header().Rrtype], rr)
	}
	started, done := make(chan struct{}), make(chan struct{})
	s := &dns.Server{PacketConn: conn, NotifyStartedFunc: func() { close(started) }, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		for _, rr := range zone[q.Question[0].Qtype] {
			if rr.Header().Name == q.Question[0].Name {
				m.Answer = append(m.Answer, rr)
			}
		}
		_ = w.WriteMsg(m)
	})}
	go func() { defer close(done); _ = s.ActivateAndServe() }()
	<-started
	t.Cleanup(func() { _ = s.Shutdown(); <-done })
	return sipdns.New(sipdns.Config{Servers: []string{conn.LocalAddr().String()}})
}

// RFC 3263 §4.3: after a 503 or an error the next server is asked, with another
// branch; any other answer stands.
func TestForward(t *testing.T) {
	var mu sync.Mutex
	var branches, transports []string
	answer := func(status int) handlerFunc {
		return func(r *Request) {
			mu.Lock()
			branches = append(branches, r.top.branch)
			transports = append(transports, r.Flow.Transport())
			mu.Unlock()
			_ = r.Respond(Response{Status: status})
		}
	}
	busy, fine := start(t, Config{}, answer(503)), start(t, Config{}, answer(404))
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := netip.MustParseAddrPort(ln.Addr().String())
	ln.Close()
	records := func(proto string, servers ...netip.AddrPort) (out []string) {
		for i, s := range servers {
			out = append(out, fmt.Sprintf("_sip._%s.example.com. 60 IN SRV %d 0 %d host.example.com.", proto, i, s.Port()))
		}
		return out
	}
	for _, tc := range []struct {
		name    string
		records []string
		uri     string
		body    int
		tls     bool
		want    string
		by      string
	}{
		{"503, then an answer", records("udp", busy.udp, fine.udp), "sip:example.com", 0, false, "404", "UDP UDP"},
		{"refused, then an answer", records("tcp", closed, fine.tcp), "sip:example.com", 0, false, "404", "TCP"},
		{"503 everywhere", records("udp", busy.udp), "sip:example.com", 0, false, "503", "UDP"},
		{"the first answers", records("udp", fine.udp, busy.udp), "sip:example.com", 0, false, "404", "UDP"},
		{"TLS demanded", records("udp", fine.udp), "sip:example.com", 0, true, "unreachable", ""},
		{"no such domain", nil, "sip:other.example.com", 0, false, "unreachable", ""},
		// RFC 3261 §18.1.1; the port is closed for TCP, so UDP is what remains.
		{"large over UDP only", records("udp", fine.udp), "sip:example.com", 2000, false, "404", "UDP"},
	} {
		mu.Lock()
		branches, transports = nil, nil
		mu.Unlock()
		s := start(t, Config{Resolver: nameServer(t, tc.records...)}, answer200)
		uri, err := sipuri.Parse(tc.uri)
		if err != nil {
			t.Fatal(err)
		}
		result := make(chan Result, 1)
		s.Forward(Outgoing{Method: "MESSAGE", RequestURI: "sip:x@example.com", CSeq: 1, Body: make([]byte, tc.body),
			Head: []byte("From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: y\r\n")}, Hop{URI: uri, TLS: tc.tls}, func(r Result) { result <- r })
		r := <-result
		mu.Lock()
		got := fmt.Sprint(r.Status)
		if errors.Is(r.Err, ErrUnreachable) {
			got = "unreachable"
		}
		if got != tc.want || strings.Join(transports, " ") != tc.by {
			t.Errorf("%s: %s over %q (%v), want %s over %q", tc.name, got, transports, r.Err, tc.want, tc.by)
		}
		if len(branches) == 2 && branches[0] == branches[1] {
			t.Errorf("%s: the same branch for two servers", tc.name)
		}
		mu.Unlock()
	}
}
