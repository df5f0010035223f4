package wire

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"rollcall/internal/metrics"
	"rollcall/internal/sipuri"
	"rollcall/internal/wheel"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type handlerFunc func(*Request)

func (h handlerFunc) ServeSIP(r *Request) { h(r) }

func answer200(r *Request) { _ = r.Respond(Response{Status: 200}) }

// server is an endpoint on loopback with both listeners.
type server struct {
	*Endpoint
	metrics  *metrics.Metrics
	udp, tcp netip.AddrPort
}

func start(t testing.TB, cfg Config, h handlerFunc) *server {
	t.Helper()
	w := wheel.New(10 * time.Millisecond)
	cfg.Handler, cfg.Wheel, cfg.Metrics = h, w, metrics.New()
	cfg.ReadBuffer = 64 << 10
	s := &server{Endpoint: New(cfg), metrics: cfg.Metrics}
	var err error
	if s.udp, err = s.Listen(context.Background(), "udp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	if s.tcp, err = s.Listen(context.Background(), "tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := s.Close(ctx); err != nil {
			t.Error("close:", err)
		}
		w.Stop()
	})
	return s
}

// counted sums a counter over its labels.
func counted(t *testing.T, m *metrics.Metrics, name string) (sum float64) {
	t.Helper()
	families, err := m.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			for _, metric := range f.GetMetric() {
				sum += metric.GetCounter().GetValue()
			}
		}
	}
	return sum
}

// peer is a socket of a client.
type peer struct {
	t testing.TB
	net.Conn
	r *bufio.Reader
}

func dialPeer(t testing.TB, network string, to netip.AddrPort) *peer {
	t.Helper()
	conn, err := net.Dial(network, to.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return newPeer(t, conn)
}

func newPeer(t testing.TB, conn net.Conn) *peer {
	return &peer{t: t, Conn: conn, r: bufio.NewReaderSize(conn, 64<<10)}
}

func (p *peer) write(s string) {
	p.t.Helper()
	if _, err := io.WriteString(p, s); err != nil {
		p.t.Fatal(err)
	}
}

// datagram reads one; "" after the time for one is over.
func (p *peer) datagram(wait time.Duration) string {
	p.t.Helper()
	_ = p.SetReadDeadline(time.Now().Add(wait))
	buf := make([]byte, 64<<10)
	n, err := p.Read(buf)
	if err != nil {
		return ""
	}
	return string(buf[:n])
}

// message reads one from a stream.
func (p *peer) message() string {
	p.t.Helper()
	_ = p.SetReadDeadline(time.Now().Add(20 * time.Second))
	var b strings.Builder
	length := 0
	for {
		line, err := p.r.ReadString('\n')
		if err != nil {
			p.t.Fatalf("after %q: %v", b.String(), err)
		}
		b.WriteString(line)
		if v, ok := strings.CutPrefix(line, "Content-Length: "); ok {
			length, _ = strconv.Atoi(strings.TrimSpace(v))
		}
		if line == "\r\n" {
			break
		}
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(p.r, body); err != nil {
		p.t.Fatal(err)
	}
	return b.String() + string(body)
}

func request(method, via, branch, body string) string {
	return fmt.Sprintf("%s sip:bob@example.com SIP/2.0\r\nVia: %s;branch=%s\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:bob@example.com>\r\n"+
		"Call-ID: x\r\nCSeq: 1 %s\r\nRecord-Route: <sip:p@h;lr>\r\nContent-Length: %d\r\n\r\n%s", method, via, branch, method, len(body), body)
}

const long = 5 * time.Second

// RFC 3581 §4: the answer goes to the source port from the same socket.
func TestUDPResponse(t *testing.T) {
	s := start(t, Config{}, answer200)
	p := dialPeer(t, "udp", s.udp)
	p.write(request("OPTIONS", "SIP/2.0/UDP 10.0.0.1:5060;rport", "z9hG4bKa", ""))
	got := p.datagram(long)
	port := p.LocalAddr().(*net.UDPAddr).Port
	want := fmt.Sprintf("Via: SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bKa;rport=%d;received=127.0.0.1\r\n", port)
	if !strings.HasPrefix(got, "SIP/2.0 200 OK\r\n"+want) {
		t.Errorf("got %q\nwant it to begin with %q", got, want)
	}
	if strings.Contains(got, "Record-Route") {
		t.Error("OPTIONS forms no dialog: no Record-Route")
	}
	if n := counted(t, s.metrics, "rollcall_sip_requests_total"); n != 1 {
		t.Errorf("counted %v", n)
	}
}

// RFC 3261 §18.2.2: without rport to the port of sent-by.
func TestUDPResponseToSentBy(t *testing.T) {
	s := start(t, Config{}, answer200)
	other, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	p := dialPeer(t, "udp", s.udp)
	p.write(request("SUBSCRIBE", "SIP/2.0/UDP "+other.LocalAddr().String(), "z9hG4bKa", ""))
	_ = other.SetReadDeadline(time.Now().Add(long))
	buf := make([]byte, 2000)
	n, from, err := other.ReadFrom(buf)
	if err != nil || from.String() != s.udp.String() {
		t.Fatalf("from %v: %v", from, err)
	}
	if !strings.Contains(string(buf[:n]), "\r\nRecord-Route: <sip:p@h;lr>\r\n") {
		t.Errorf("no Record-Route in %q", buf[:n])
	}
}

// RFC 3261 §17.2.2: a retransmission is absorbed while in progress and gets the
// same response afterwards.
func TestRetransmission(t *testing.T) {
	requests := make(chan *Request, 10)
	s := start(t, Config{}, func(r *Request) {
		if r.Method == "OPTIONS" {
			answer200(r)
			return
		}
		requests <- r
	})
	p := dialPeer(t, "udp", s.udp)
	publish := request("PUBLISH", "SIP/2.0/UDP h;rport", "z9hG4bKa", "")
	p.write(publish)
	p.write(publish)
	// The barrier shows that both copies were looked at.
	p.write(request("OPTIONS", "SIP/2.0/UDP h;rport", "z9hG4bKb", ""))
	if got := p.datagram(long); !strings.Contains(got, "OPTIONS") {
		t.Fatalf("answered early: %q", got)
	}
	r := <-requests
	if err := r.Respond(Response{Status: 412}); err != nil {
		t.Fatal(err)
	}
	if err := r.Respond(Response{Status: 200}); err != ErrAnswered {
		t.Errorf("second response: %v", err)
	}
	first := p.datagram(long)
	p.write(publish)
	if again := p.datagram(long); again != first || !strings.HasPrefix(first, "SIP/2.0 412 Conditional Request Failed\r\n") {
		t.Errorf("first %q, again %q", first, again)
	}
	if len(requests) != 0 {
		t.Error("the handler saw a retransmission")
	}
}

// RFC 3261 §9.2 and §17.1.1.3.
func TestCancelAndACK(t *testing.T) {
	s := start(t, Config{}, answer200)
	p := dialPeer(t, "udp", s.udp)
	via := "SIP/2.0/UDP h;rport"
	p.write(request("ACK", via, "z9hG4bKa", ""))
	p.write(request("CANCEL", via, "z9hG4bKa", ""))
	if got := p.datagram(long); !strings.HasPrefix(got, "SIP/2.0 481 ") {
		t.Errorf("CANCEL of nothing: %q", got)
	}
	p.write(request("SUBSCRIBE", via, "z9hG4bKb", ""))
	p.datagram(long)
	p.write(request("CANCEL", via, "z9hG4bKb", ""))
	if got := p.datagram(long); !strings.HasPrefix(got, "SIP/2.0 200 ") || !strings.Contains(got, "CSeq: 1 CANCEL") {
		t.Errorf("CANCEL of a SUBSCRIBE: %q", got)
	}
}

func TestPanicIsAnswered(t *testing.T) {
	s := start(t, Config{}, func(*Request) { panic("handler") })
	p := dialPeer(t, "udp", s.udp)
	p.write(request("OPTIONS", "SIP/2.0/UDP h;rport", "z9hG4bKa", ""))
	if got := p.datagram(long); !strings.HasPrefix(got, "SIP/2.0 500 ") {
		t.Errorf("got %q", got)
	}
	if n := counted(t, s.metrics, "rollcall_panics_total"); n != 1 {
		t.Errorf("counted %v", n)
	}
}

// RFC 5626 §8: STUN on the SIP port; fillers and garbage get nothing.
func TestSTUNAndGarbage(t *testing.T) {
	s := start(t, Config{}, answer200)
	p := dialPeer(t, "udp", s.udp)
	p.write("\r\n\r\n")
	p.write("\x00")
	p.write("hello")
	p.write(string(make([]byte, 400)))
	binding := append([]byte{0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42}, "twelve bytes"...)
	p.write(string(binding))
	got := []byte(p.datagram(long))
	if len(got) != 32 || binary.BigEndian.Uint16(got) != stunBindingSuccess || !bytes.Equal(got[4:20], binding[4:]) {
		t.Fatalf("got %x", got)
	}
	port := binary.BigEndian.Uint16(got[26:]) ^ 0x2112
	addr := binary.BigEndian.Uint32(got[28:]) ^ stunCookie
	if int(port) != p.LocalAddr().(*net.UDPAddr).Port || addr != 0x7f000001 {
		t.Errorf("mapped to %x:%d", addr, port)
	}
	if n := counted(t, s.metrics, "rollcall_malformed_total"); n != 2 {
		t.Errorf("%v malformed, want 2", n)
	}
}

func TestTCP(t *testing.T) {
	var methods []string
	s := start(t, Config{}, func(r *Request) {
		methods = append(methods, r.Method+string(r.Body))
		answer200(r)
	})
	p := dialPeer(t, "tcp", s.tcp)
	via := "SIP/2.0/TCP h;rport"
	// Pipelined in one segment: handled in order; RFC 3261 §18.3.
	p.write(request("PUBLISH", via, "z9hG4bKa", "one") + request("SUBSCRIBE", via, "z9hG4bKb", "") + "\r\n\r\n")
	for _, want := range []string{"1 PUBLISH", "1 SUBSCRIBE"} {
		if got := p.message(); !strings.HasPrefix(got, "SIP/2.0 200 ") || !strings.Contains(got, want) {
			t.Errorf("got %q", got)
		}
	}
	// RFC 5626 §4.4.1: a ping has its pong.
	pong := make([]byte, 2)
	if _, err := io.ReadFull(p.r, pong); err != nil || string(pong) != "\r\n" {
		t.Fatalf("pong %q, %v", pong, err)
	}
	for _, b := range []byte(request("MESSAGE", via, "z9hG4bKc", "two")) {
		p.write(string(b))
	}
	p.message()
	if got := strings.Join(methods, " "); got != "PUBLISHone SUBSCRIBE MESSAGEtwo" {
		t.Errorf("handled %q", got)
	}
	// RFC 3261 §18.3: without a length 400, and the connection ends.
	p.write(strings.Replace(request("OPTIONS", via, "z9hG4bKd", ""), "Content-Length: 0\r\n", "", 1))
	if got := p.message(); !strings.HasPrefix(got, "SIP/2.0 400 ") {
		t.Errorf("got %q", got)
	}
	if _, err := p.r.ReadByte(); err != io.EOF {
		t.Errorf("after a framing error: %v", err)
	}
}

func TestTCPTooLarge(t *testing.T) {
	s := start(t, Config{MaxMessage: 1000}, answer200)
	p := dialPeer(t, "tcp", s.tcp)
	p.write(request("MESSAGE", "SIP/2.0/TCP h", "z9hG4bKa", strings.Repeat("x", 1000)))
	if got := p.message(); !strings.HasPrefix(got, "SIP/2.0 413 ") {
		t.Errorf("got %q", got)
	}
}

func TestTCPLimits(t *testing.T) {
	s := start(t, Config{MaxConns: 1}, answer200)
	p := dialPeer(t, "tcp", s.tcp)
	p.write(request("OPTIONS", "SIP/2.0/TCP h", "z9hG4bKa", ""))
	p.message()
	second := dialPeer(t, "tcp", s.tcp)
	_ = second.SetReadDeadline(time.Now().Add(long))
	if _, err := second.r.ReadByte(); err != io.EOF {
		t.Errorf("above the limit: %v", err)
	}
}

// A reference means this connection in this run, never a later one from the same
// address; pending requests fail with it.
func TestFlowLife(t *testing.T) {
	requests := make(chan *Request, 1)
	s := start(t, Config{}, func(r *Request) { requests <- r })
	p := dialPeer(t, "tcp", s.tcp)
	p.write(request("REGISTER", "SIP/2.0/TCP h", "z9hG4bKa", ""))
	flow := (<-requests).Flow
	if s.Flow(flow.Ref()) != flow || !flow.Alive() || flow.ID() == 0 || !flow.Reliable() {
		t.Errorf("flow %q not found again", flow.Ref())
	}
	if got, want := s.ContactURI(flow), "sip:"+s.tcp.String()+";transport=tcp"; got != want {
		t.Errorf("Contact %q, want %q", got, want)
	}
	other := start(t, Config{}, answer200)
	if other.Flow(flow.Ref()) != nil {
		t.Error("a connection of another run was found")
	}
	closed := make(chan struct{})
	flow.OnClose(func() { close(closed) })
	withdrawn := flow.OnClose(func() { t.Error("withdrawn hook called") })
	withdrawn()
	result := make(chan Result, 1)
	s.Do(Outgoing{Method: "NOTIFY", RequestURI: "sip:a@b", CSeq: 1, Flow: flow}, func(r Result) { result <- r })
	if got := p.message(); !strings.HasPrefix(got, "NOTIFY sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP "+s.tcp.String()+";rport;branch=z9hG4bK") {
		t.Errorf("sent %q", got)
	}
	p.Close()
	<-closed
	if r := <-result; r.Err != ErrFlowClosed {
		t.Errorf("pending request: %+v", r)
	}
	if flow.Alive() || s.Flow(flow.Ref()) != nil || flow.Send([]byte("x")) != ErrFlowClosed {
		t.Error("a closed flow lives on")
	}
	late := false
	flow.OnClose(func() { late = true })
	if !late {
		t.Error("OnClose of a closed flow did not run")
	}
}

func TestUDPFlowRef(t *testing.T) {
	s := start(t, Config{}, answer200)
	remote := netip.MustParseAddrPort("127.0.0.1:4000")
	f := s.Flow("udp " + s.udp.String() + " 127.0.0.1:4000")
	if f == nil || f.Remote() != remote || f.Local() != s.udp || f.ID() != 0 || s.ContactURI(f) != "sip:"+s.udp.String() {
		t.Fatalf("flow %+v", f)
	}
	if g := s.Flow("udp 127.0.0.9:9 127.0.0.1:4000"); g == nil || g.Local() != s.udp {
		t.Error("a peer of a listener that is gone is reached from another")
	}
	for _, ref := range []string{"", "udp", "udp x y", "tcp " + s.tcp.String() + " 127.0.0.1:1", "udp [::1]:1 [::1]:2"} {
		if s.Flow(ref) != nil {
			t.Errorf("Flow(%q) is not nil", ref)
		}
	}
}

func TestFlowTo(t *testing.T) {
	s := start(t, Config{}, func(r *Request) {
		_ = r.Respond(Response{Status: 202, Headers: []Header{{"Retry-After", "5 (busy);x"}}})
	})
	uri := func(text string) sipuri.URI {
		u, err := sipuri.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	for _, target := range []string{"sip:x@" + s.udp.String(), "sip:x@" + s.tcp.String() + ";transport=TCP"} {
		f, err := s.FlowTo(uri(target), nil)
		if err != nil {
			t.Fatal(target, err)
		}
		result := make(chan Result, 1)
		s.Do(Outgoing{Method: "MESSAGE", RequestURI: target, CSeq: 7, Flow: f, Detail: true, Body: []byte("hi"),
			Head: []byte("From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: y\r\nContent-Type: text/plain\r\n")}, func(r Result) { result <- r })
		if r := <-result; r.Status != 202 || r.Reason != "Accepted" || r.RetryAfter != 5*time.Second || joinHeader(r.Headers, "CSeq") != "7 MESSAGE" {
			t.Errorf("%s: %+v", target, r)
		}
		if again, err := s.FlowTo(uri(target), nil); err != nil || f.Reliable() && again != f {
			t.Errorf("%s: connection not used again: %v", target, err)
		}
	}
	public := NewFlow("UDP", serverAddr, clientAddr, func([]byte) error { return nil })
	for _, target := range []string{"sip:127.0.0.1", "sip:10.0.0.1", "sip:169.254.1.1", "sip:0.0.0.0", "sip:224.0.1.75", "sip:255.255.255.255", "sips:192.0.2.1", "sip:192.0.2.1;transport=ws", "tel:+1"} {
		if f, err := s.FlowTo(uri(target), public); err == nil {
			t.Errorf("FlowTo(%s) from a public peer: %v", target, f)
		}
	}
	for _, target := range []string{"sip:x@host.example", "sip:x@127.0.0.1;maddr=host.example"} {
		if _, err := s.FlowTo(uri(target), nil); !errors.Is(err, ErrName) {
			t.Errorf("%s: %v; a look-up would have the caller wait", target, err)
		}
	}
	// Nobody listens there: the flow closes and the request fails.
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone := ln.Addr().String()
	ln.Close()
	f, err := s.FlowTo(uri("sip:"+gone+";transport=tcp"), nil)
	if err != nil {
		t.Fatal(err)
	}
	result := make(chan Result, 1)
	s.Do(Outgoing{Method: "NOTIFY", RequestURI: "sip:x", CSeq: 1, Flow: f}, func(r Result) { result <- r })
	if r := <-result; r.Err != ErrFlowClosed {
		t.Errorf("unreachable: %+v", r)
	}
}

func TestAdvertise(t *testing.T) {
	s := start(t, Config{Advertise: "2001:db8::1"}, answer200)
	f := s.Flow("udp " + s.udp.String() + " 127.0.0.1:4000")
	if got, want := s.ContactURI(f), fmt.Sprintf("sip:[2001:db8::1]:%d", s.udp.Port()); got != want {
		t.Errorf("Contact %q, want %q", got, want)
	}
}
