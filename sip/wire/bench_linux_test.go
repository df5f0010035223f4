package wire

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// The benchmarks here report processor time of the server alone, whatever else
// the machine does: that of the process less that of the client's thread.

func cpuTime(b *testing.B, who int) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(who, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

const rusageThread = 1 // RUSAGE_THREAD

// serverCPU runs step until the benchmark is over, on a thread of its own, and
// reports what the rest of the process used.
func serverCPU(b *testing.B, step func()) {
	b.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for range 2000 {
		step() // warm up
	}
	all, mine := cpuTime(b, syscall.RUSAGE_SELF), cpuTime(b, rusageThread)
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		step()
	}
	b.StopTimer()
	used := cpuTime(b, syscall.RUSAGE_SELF) - all - (cpuTime(b, rusageThread) - mine)
	b.ReportMetric(float64(used.Nanoseconds())/float64(b.N), "cpu-ns/op")
}

// blockingUDP is a socket outside the runtime's poller.
func blockingUDP(b *testing.B) (fd int) {
	b.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM, 0)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		b.Fatal(err)
	}
	// A lost datagram must not hold the benchmark up.
	_ = syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &syscall.Timeval{Sec: 1})
	return fd
}

const window = 16

// A request over UDP, from reading it to having sent the answer.
func BenchmarkServeUDP(b *testing.B) {
	data := uniqueBranches(b)
	serveUDP(b, data)
}

// A retransmission over UDP.
func BenchmarkRepeatUDP(b *testing.B) {
	serveUDP(b, func() []byte { return []byte(benchSubscribe) })
}

// What the sockets alone cost: the floor for the two above.
func BenchmarkEchoUDP(b *testing.B) {
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	go func() {
		buf := make([]byte, 64<<10)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			_, _ = conn.WriteToUDPAddrPort(buf[:n], from)
		}
	}()
	exchange(b, conn.LocalAddr().(*net.UDPAddr).AddrPort(), func() []byte { return []byte(benchSubscribe) })
}

func serveUDP(b *testing.B, data func() []byte) {
	exchange(b, start(b, Config{}, answer200).udp, data)
}

func exchange(b *testing.B, server netip.AddrPort, data func() []byte) {
	fd := blockingUDP(b)
	to := &syscall.SockaddrInet4{Addr: server.Addr().As4(), Port: int(server.Port())}
	buf := make([]byte, 4000)
	sent := 0
	serverCPU(b, func() {
		if err := syscall.Sendto(fd, data(), 0, to); err != nil {
			b.Fatal(err)
		}
		if sent++; sent%window == 0 {
			for range window {
				_, _, _ = syscall.Recvfrom(fd, buf, 0)
			}
		}
	})
}

// A NOTIFY over UDP and its 200.
func BenchmarkNotifyUDP(b *testing.B) {
	s := start(b, Config{}, answer200)
	fd := blockingUDP(b)
	name, err := syscall.Getsockname(fd)
	if err != nil {
		b.Fatal(err)
	}
	peer := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(name.(*syscall.SockaddrInet4).Port))
	to := &syscall.SockaddrInet4{Addr: s.udp.Addr().As4(), Port: int(s.udp.Port())}
	flow := s.udpFor(s.udp, peer.Addr()).flow(peer)
	out := notify(flow)
	out.Head = []byte("From: <sip:bob@example.test>;tag=4f2a9c01d2\r\nTo: <sip:alice@example.test>;tag=30711952-6b2b\r\nCall-ID: d4dc9257-60f3-4999-bb39-490f3d5833cc\r\n" +
		"Contact: <sip:192.0.2.1:5060>\r\nEvent: presence\r\nSubscription-State: active;expires=600\r\nContent-Type: application/pidf+xml\r\n")
	out.Body = bytes.Repeat([]byte("x"), 700)
	answer := []byte("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 127.0.0.1:5060;rport=5060;received=127.0.0.1;branch=" + branchPrefix + "0123456789abcdef\r\n" +
		"Call-ID: d4dc9257-60f3-4999-bb39-490f3d5833cc\r\nFrom: <sip:bob@example.test>;tag=4f2a9c01d2\r\nTo: <sip:alice@example.test>;tag=30711952-6b2b\r\n" +
		"CSeq: 3 NOTIFY\r\nUser-Agent: sipsimple 5.5.0\r\nContent-Length:  0\r\n\r\n")
	at := bytes.Index(answer, []byte(branchPrefix))
	buf := make([]byte, 4000)
	begun := make(chan struct{}, window)
	done := func(Result) {}
	go func() {
		for range begun {
			s.Do(out, done)
		}
	}()
	defer close(begun)
	sent := 0
	serverCPU(b, func() {
		begun <- struct{}{}
		if sent++; sent%window != 0 {
			return
		}
		for range window {
			n, _, err := syscall.Recvfrom(fd, buf, 0)
			if err != nil {
				continue
			}
			i := bytes.Index(buf[:n], []byte(branchPrefix))
			copy(answer[at:], buf[i:i+branchLen])
			_ = syscall.Sendto(fd, answer, 0, to)
		}
	})
}

// What an idle connection costs.
func BenchmarkIdleTCP(b *testing.B) {
	s := start(b, Config{}, answer200)
	idle(b, s.tcp, "TCP", func(c rawConn) net.Conn { return c })
}

// The same over TLS.
func BenchmarkIdleTLS(b *testing.B) {
	ca := newAuthority(b)
	s := start(b, Config{TLS: &tls.Config{Certificates: []tls.Certificate{ca.leaf("example.com")}}}, answer200)
	addr, err := s.Listen(b.Context(), "tls", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	cfg := &tls.Config{RootCAs: ca.pool(), ServerName: "example.com"}
	idle(b, addr, "TLS", func(c rawConn) net.Conn { return tls.Client(c, cfg) })
}

// idle opens connections, has one request answered on each and reports what they
// leave behind. Of the clients nothing is left but the sockets.
func idle(b *testing.B, server netip.AddrPort, transport string, client func(rawConn) net.Conn) {
	const flows = 2000
	message := []byte(request("OPTIONS", "SIP/2.0/"+transport+" h", "z9hG4bKa", string(make([]byte, 600))))
	before := inUse()
	for range flows {
		c := client(dialRaw(b, server))
		if _, err := c.Write(message); err != nil {
			b.Fatal(err)
		}
		var buf [2000]byte
		if _, err := c.Read(buf[:]); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(inUse()-before)/flows, "B/flow")
	b.ReportMetric(0, "ns/op")
}

// rawConn is a connected socket outside the runtime's poller.
type rawConn struct {
	net.Conn // nil: deadlines and addresses are not asked for
	fd       int
}

func dialRaw(b *testing.B, to netip.AddrPort) rawConn {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { syscall.Close(fd) })
	if err := syscall.Connect(fd, &syscall.SockaddrInet4{Addr: to.Addr().As4(), Port: int(to.Port())}); err != nil {
		b.Fatal(err)
	}
	return rawConn{fd: fd}
}

func (c rawConn) Read(p []byte) (int, error) {
	n, err := syscall.Read(c.fd, p)
	if n == 0 && err == nil {
		err = io.EOF
	}
	return max(n, 0), err
}

func (c rawConn) Write(p []byte) (int, error) { return syscall.Write(c.fd, p) }

// What an unanswered NOTIFY costs; its body is shared.
func BenchmarkPendingNotify(b *testing.B) {
	const pending = 100_000
	s := start(b, Config{}, answer200)
	out := notify(NewFlow("UDP", serverAddr, clientAddr, discard))
	out.Head = make([]byte, 450)
	out.Body = make([]byte, 700)
	before := inUse()
	for range pending {
		s.Do(out, func(Result) {})
	}
	b.ReportMetric(float64(inUse()-before)/pending, "B/request")
	b.ReportMetric(0, "ns/op")
}

// inUse returns heap and stacks after garbage was collected.
func inUse() int64 {
	for range 3 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}
