package wire

import (
	"net"
	"net/netip"
	"strconv"
	"strings"
	"testing"
)

const benchSubscribe = "SUBSCRIBE sip:bob@example.test SIP/2.0\r\n" +
	"Via: SIP/2.0/UDP 127.0.0.1:56855;rport;branch=z9hG4bKPj64263f00-e2f0-4a79-ad73-a2b06fd63344\r\n" +
	"Max-Forwards: 70\r\n" +
	"From: <sip:alice@example.test>;tag=30711952-6b2b-4199-aca0-ec434dc3fbbf\r\n" +
	"To: <sip:bob@example.test>\r\n" +
	"Contact: <sip:14230856@127.0.0.1:45161>\r\n" +
	"Call-ID: d4dc9257-60f3-4999-bb39-490f3d5833cc\r\n" +
	"CSeq: 8833 SUBSCRIBE\r\n" +
	"Event: presence\r\n" +
	"Expires: 600\r\n" +
	"Supported: 100rel, replaces, norefersub, gruu\r\n" +
	"Accept: multipart/related, application/rlmi+xml, application/pidf+xml\r\n" +
	"Allow-Events: conference, message-summary, presence, presence.winfo, refer, xcap-diff\r\n" +
	"User-Agent: sipsimple 5.5.0\r\n" +
	"Content-Length:  0\r\n\r\n"

func discard([]byte) error { return nil }

func BenchmarkParseSubscribe(b *testing.B) {
	flow := NewFlow("UDP", serverAddr, clientAddr, discard)
	data := []byte(benchSubscribe)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := ParseRequest(data, flow); err != nil {
			b.Fatal(err)
		}
	}
}

// Parsing, validation, both transaction look-ups and the answer, without a socket.
func BenchmarkRequestAnswered(b *testing.B) {
	s := start(b, Config{}, answer200)
	flow := NewFlow("UDP", serverAddr, clientAddr, discard)
	data := uniqueBranches(b)
	b.ReportAllocs()
	for b.Loop() {
		s.receive(data(), flow)
	}
}

// uniqueBranches returns a function that writes a new branch into the same message.
func uniqueBranches(b *testing.B) func() []byte {
	b.Helper()
	data := []byte(benchSubscribe)
	at := strings.Index(benchSubscribe, "64263f00")
	n := uint64(1 << 32)
	return func() []byte {
		n++
		copy(data[at:at+8], strconv.AppendUint(nil, n, 16)[1:])
		return data
	}
}

// The same over loopback, one at a time: includes the client and four context switches.
func BenchmarkRequestOverUDP(b *testing.B) {
	s := start(b, Config{}, answer200)
	p := dialPeer(b, "udp", s.udp)
	data, buf := uniqueBranches(b), make([]byte, 2000)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Write(data()); err != nil {
			b.Fatal(err)
		}
		if _, err := p.Read(buf); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRetransmission(b *testing.B) {
	s := start(b, Config{}, answer200)
	flow := NewFlow("UDP", serverAddr, clientAddr, discard)
	data := []byte(benchSubscribe)
	b.ReportAllocs()
	for b.Loop() {
		s.receive(data, flow)
	}
}

// A NOTIFY and its 200 without sockets.
func BenchmarkNotify(b *testing.B) {
	s := start(b, Config{}, answer200)
	var sent []byte
	flow := NewFlow("UDP", serverAddr, clientAddr, func(m []byte) error { sent = m; return nil })
	out := notify(flow)
	out.Body = make([]byte, 700)
	answered := 0
	b.ReportAllocs()
	for b.Loop() {
		s.Do(out, func(Result) { answered++ })
		s.receive(replyBench(sent), flow)
	}
	if answered == 0 {
		b.Fatal("no answers matched")
	}
}

// replyBench makes the 200 without much work of its own.
func replyBench(sent []byte) []byte {
	lines := strings.SplitN(string(sent), "\r\n", 8)
	return []byte("SIP/2.0 200 OK\r\n" + lines[1] + "\r\n" + lines[3] + "\r\n" + lines[4] + "\r\n" + lines[5] + "\r\n" + lines[6] + "\r\nContent-Length: 0\r\n\r\n")
}

// A NOTIFY and its 200 over loopback; the watcher is a goroutine.
func BenchmarkNotifyOverUDP(b *testing.B) {
	s := start(b, Config{}, answer200)
	watcher, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		b.Fatal(err)
	}
	defer watcher.Close()
	go func() {
		buf := make([]byte, 4000)
		for {
			n, from, err := watcher.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			_, _ = watcher.WriteToUDPAddrPort(replyBench(buf[:n]), from)
		}
	}()
	remote, err := netip.ParseAddrPort(watcher.LocalAddr().String())
	if err != nil {
		b.Fatal(err)
	}
	out := notify(s.Flow("udp " + s.udp.String() + " " + remote.String()))
	out.Body = make([]byte, 700)
	done := make(chan Result, 1)
	b.ReportAllocs()
	for b.Loop() {
		s.Do(out, func(r Result) { done <- r })
		if r := <-done; r.Status != 200 {
			b.Fatal(r.Err)
		}
	}
}
