package registrar

import (
	"net/netip"
	"testing"
	"time"

	"rollcall/internal/auth"
	"rollcall/internal/bus"
	"rollcall/internal/metrics"
	"rollcall/internal/pidf"
	"rollcall/internal/shard"
	"rollcall/internal/store/memory"
	"rollcall/internal/wheel"
	"rollcall/sip/wire"
)

// BenchmarkRefresh is what most REGISTER requests are.
func BenchmarkRefresh(b *testing.B) {
	pool, w := shard.New(16, nil), wheel.New(50*time.Millisecond)
	defer w.Stop()
	defer pool.Stop(b.Context())
	r := New(Config{
		Store: memory.New(), Pool: pool, Wheel: w, Bus: &bus.Bus{}, Metrics: metrics.New(),
		MinExpires: time.Minute, DefaultExpires: time.Hour, MaxExpires: time.Hour, MaxContacts: 4,
		Changed: func(string, []pidf.Registration) {},
	})
	flow := wire.NewFlow("TCP", netip.MustParseAddrPort("127.0.0.1:5060"), netip.MustParseAddrPort("192.0.2.7:4000"), func([]byte) error { return nil })
	req, _, err := wire.ParseRequest([]byte("REGISTER sip:example.org SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.7:4000;rport;branch=z9hG4bKa\r\n"+
		"From: <sip:alice@example.org>;tag=1\r\nTo: <sip:alice@example.org>\r\nCall-ID: a\r\nCSeq: 1 REGISTER\r\n"+
		"Contact: <sip:14230856@127.0.0.1:45161;transport=tcp>;+sip.instance=\"<urn:uuid:534815d2-1459-4072-8f06-815e27c30a87>\"\r\n"+
		"Expires: 600\r\nContent-Length: 0\r\n\r\n"), flow)
	if err != nil {
		b.Fatal(err)
	}
	who := auth.Identity{AOR: alice}
	b.ReportAllocs()
	for b.Loop() {
		req.CSeq++
		bindings, no := r.register(b.Context(), req, alice, who)
		if no != nil {
			b.Fatal(no.status)
		}
		if len(r.answer(req, bindings, time.Now())) != 2 {
			b.Fatal("no answer")
		}
	}
}
