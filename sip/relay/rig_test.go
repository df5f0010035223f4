package relay

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/textproto"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"rollcall/internal/auth"
	"rollcall/internal/sipuri"
	"rollcall/internal/store"
	"rollcall/internal/wheel"
	"rollcall/sip/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// proxy is a relay with its transport, between a client and servers on loopback.
type proxy struct {
	t     *testing.T
	e     *wire.Endpoint
	r     *Relay
	tcp   netip.AddrPort
	alice auth.Identity

	mu       sync.Mutex
	bindings []store.Binding
	newest   string // flow of the newest request
}

func (p *proxy) Bindings(string) []store.Binding {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.bindings
}

// ServeSIP does what the face does, without its questions.
func (p *proxy) ServeSIP(req *wire.Request) {
	p.mu.Lock()
	p.newest = req.Flow.Ref()
	p.mu.Unlock()
	passage := p.r.Examine(req, func(uri sipuri.URI) bool { return uri.Host == "127.0.0.1" && uri.Port == int(p.tcp.Port()) })
	if no := p.r.Refuse(req, &passage); no != nil {
		respond(req, *no)
		return
	}
	if req.Method == "NOTIFY" {
		if !passage.InDialog() {
			respond(req, wire.Response{Status: 481})
			return
		}
		p.r.Back(req, &passage)
		return
	}
	next, err := passage.Next()
	if err != nil {
		respond(req, wire.Response{Status: 400})
		return
	}
	p.r.Away(req, &passage, wire.Hop{URI: next, Like: req.Flow}, p.alice)
}

func newProxy(t *testing.T, cfg Config) *proxy {
	t.Helper()
	p := &proxy{t: t, alice: auth.Identity{AOR: "sip:alice@a.example"}}
	w := wheel.New(10 * time.Millisecond)
	p.e = wire.New(wire.Config{Handler: p, Wheel: w})
	cfg.Sender, cfg.Bindings, cfg.Secret, cfg.Realms = p.e, p, secret, []string{"a.example"}
	p.r = New(cfg)
	var err error
	if p.tcp, err = p.e.Listen(t.Context(), "tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	if _, err := p.e.Listen(t.Context(), "udp", p.tcp.String()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := p.e.Close(ctx); err != nil {
			t.Error(err)
		}
		w.Stop()
	})
	return p
}

// message is what arrives at a peer.
type message struct {
	start string
	textproto.MIMEHeader
	body string
}

func (m *message) status() string { return strings.Fields(m.start)[1] }

// peer is a client or a server of another domain, on one connection.
type peer struct {
	t    *testing.T
	conn net.Conn
	r    *bufio.Reader
}

func newPeer(t *testing.T, conn net.Conn) *peer {
	t.Cleanup(func() { conn.Close() })
	return &peer{t: t, conn: conn, r: bufio.NewReader(conn)}
}

func (p *proxy) dial() *peer {
	p.t.Helper()
	conn, err := net.Dial("tcp", p.tcp.String())
	if err != nil {
		p.t.Fatal(err)
	}
	return newPeer(p.t, conn)
}

// server listens for what the proxy sends.
func server(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return ln
}

func accept(t *testing.T, ln net.Listener) *peer {
	t.Helper()
	conn, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return newPeer(t, conn)
}

func (p *peer) send(lines ...string) {
	p.t.Helper()
	if _, err := io.WriteString(p.conn, strings.Join(lines, "\r\n")+"\r\nContent-Length: 0\r\n\r\n"); err != nil {
		p.t.Fatal(err)
	}
}

func (p *peer) next() *message {
	p.t.Helper()
	if err := p.conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		p.t.Fatal(err)
	}
	tp := textproto.NewReader(p.r)
	start, err := tp.ReadLine()
	if err != nil {
		p.t.Fatal(err)
	}
	header, err := tp.ReadMIMEHeader()
	if err != nil {
		p.t.Fatal(err)
	}
	n, err := strconv.Atoi(header.Get("Content-Length"))
	if err != nil {
		p.t.Fatal(err)
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(p.r, body); err != nil {
		p.t.Fatal(err)
	}
	return &message{start, header, string(body)}
}

// subscribe sends a SUBSCRIBE of alice's.
func (p *peer) subscribe(uri string, cseq int, lines ...string) {
	p.t.Helper()
	p.send(append([]string{
		"SUBSCRIBE " + uri + " SIP/2.0", fmt.Sprintf("Via: SIP/2.0/TCP client.invalid;branch=z9hG4bK%d", cseq),
		"From: <sip:alice@a.example>;tag=alice", "To: <sip:bob@b.example>", "Call-ID: call", fmt.Sprintf("CSeq: %d SUBSCRIBE", cseq),
		"Contact: <sip:alice@" + p.conn.LocalAddr().String() + ";transport=tcp>", "Event: presence",
	}, lines...)...)
}

// answer responds to m.
func (p *peer) answer(m *message, status string, lines ...string) {
	p.t.Helper()
	out := []string{"SIP/2.0 " + status}
	for _, name := range []string{"Via", "Record-Route", "From", "To", "Call-Id", "Cseq"} {
		for _, v := range m.MIMEHeader[name] {
			if name == "To" && !strings.Contains(v, "tag=") {
				v += ";tag=bob"
			}
			out = append(out, name+": "+v)
		}
	}
	p.send(append(out, lines...)...)
}

// notify sends a NOTIFY of bob's to alice by a route.
func (p *peer) notify(cseq int, target string, routes ...string) {
	p.t.Helper()
	lines := []string{
		"NOTIFY " + target + " SIP/2.0", fmt.Sprintf("Via: SIP/2.0/TCP server.invalid;branch=z9hG4bKn%d", cseq),
		"From: <sip:bob@b.example>;tag=bob", "To: <sip:alice@a.example>;tag=alice", "Call-ID: call", fmt.Sprintf("CSeq: %d NOTIFY", cseq),
		"Contact: <sip:bob@server.invalid>", "Event: presence", "Subscription-State: active",
	}
	for _, r := range routes {
		lines = append(lines, "Route: "+r)
	}
	p.send(lines...)
}

// eventually waits for what happens on other goroutines.
func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it does not happen")
		}
	}
}

// gone reports whether the flow in a Record-Route is closed.
func gone(p *proxy, route string) bool {
	uri, err := sipuri.Parse(wire.AddrSpec(route))
	if err != nil {
		p.t.Fatal(err)
	}
	t, err := open(secret, uri.User, "call")
	if err != nil {
		p.t.Fatal(err)
	}
	f := p.e.Flow(t.flow)
	return f == nil || !f.Alive()
}
