package wire

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/coder/websocket"
)

// caller is a client on some transport.
type caller interface {
	put(message string)
	get() string // the next message, "" when the connection has ended
}

func (p *peer) put(message string) { p.write(message) }

type datagrams struct{ *peer }

func (d datagrams) get() string { return d.datagram(long) }

type streams struct{ *peer }

func (s streams) get() string {
	if b, err := s.r.Peek(2); err != nil {
		return ""
	} else if string(b) == "\r\n" {
		_, _ = s.r.Discard(2)
		return "\r\n"
	}
	return s.message()
}

type sockets struct {
	t    testing.TB
	conn *websocket.Conn
	kind websocket.MessageType
}

func (s sockets) put(message string) {
	if err := s.conn.Write(s.t.Context(), s.kind, []byte(message)); err != nil {
		s.t.Fatal(err)
	}
}

func (s sockets) get() string {
	_, b, err := s.conn.Read(s.t.Context())
	if err != nil {
		return ""
	}
	return string(b)
}

// callers opens one client for each transport.
func callers(t *testing.T, cfg Config, h handlerFunc) map[string]caller {
	t.Helper()
	ca := newAuthority(t)
	cfg.TLS = &tls.Config{Certificates: []tls.Certificate{ca.leaf("example.com")}}
	s := start(t, cfg, h)
	secure, err := s.Listen(t.Context(), "tls", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := tls.Dial("tcp", secure.String(), &tls.Config{RootCAs: ca.pool(), ServerName: "example.com"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	web := httptest.NewUnstartedServer(s.WebSocket())
	web.TLS = &tls.Config{Certificates: []tls.Certificate{ca.leaf("example.com")}}
	web.StartTLS()
	t.Cleanup(web.Close)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: ca.pool()}}}
	ws, _, err := websocket.Dial(t.Context(), strings.Replace(web.URL, "https", "wss", 1),
		&websocket.DialOptions{Subprotocols: []string{"sip"}, HTTPClient: client})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ws.CloseNow() })
	return map[string]caller{
		"UDP": datagrams{dialPeer(t, "udp", s.udp)},
		"TCP": streams{dialPeer(t, "tcp", s.tcp)},
		"TLS": streams{newPeer(t, conn)},
		"WSS": sockets{t, ws, websocket.MessageText},
	}
}

// What must be the same on every transport: RFC 3581 §4 (rport on all transports),
// our requests over the client's own connection, Contact with its transport.
func TestEveryTransport(t *testing.T) {
	results := make(chan Result, 1)
	clients := callers(t, Config{}, func(r *Request) {
		e := r.endpoint
		_ = r.Respond(Response{Status: 200, Headers: []Header{{"Contact", "<" + e.ContactURI(r.Flow) + ">"}}})
		if r.Method == "SUBSCRIBE" {
			e.Do(Outgoing{Method: "NOTIFY", RequestURI: "sip:a@b", CSeq: 1, Flow: r.Flow, Body: []byte("news"),
				Head: []byte("From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=2\r\nCall-ID: y\r\n")}, func(r Result) { results <- r })
		}
	})
	for transport, c := range clients {
		via := "SIP/2.0/" + transport + " 10.0.0.1:5060;rport"
		c.put(request("SUBSCRIBE", via, "z9hG4bKa"+transport, ""))
		got := c.get()
		if !strings.HasPrefix(got, "SIP/2.0 200 OK\r\nVia: "+via[:len(via)-6]+";branch=z9hG4bKa"+transport+";rport=") || !strings.Contains(got, ";received=127.0.0.1\r\n") {
			t.Errorf("%s: got %q", transport, got)
		}
		want := map[string]string{"UDP": ">", "TCP": ";transport=tcp>", "TLS": ";transport=tls>", "WSS": ";transport=ws>"}[transport]
		contact, _, _ := strings.Cut(got[strings.Index(got, "Contact: "):], "\r\n")
		if i := strings.IndexAny(contact, ";>"); contact[i:] != want {
			t.Errorf("%s: %s, want it to end in %s", transport, contact, want)
		}
		sent := c.get()
		if !strings.HasPrefix(sent, "NOTIFY sip:a@b SIP/2.0\r\nVia: SIP/2.0/"+transport+" 127.0.0.1:") || !strings.HasSuffix(sent, "news") {
			t.Errorf("%s: NOTIFY %q", transport, sent)
		}
		c.put(string(reply(sent, 200)))
		if r := <-results; r.Status != 200 {
			t.Errorf("%s: result %+v", transport, r)
		}
		// A broken request is answered as well.
		c.put(strings.Replace(request("OPTIONS", via, "z9hG4bKb"+transport, ""), "CSeq: 1 OPTIONS", "CSeq: 1 PUBLISH", 1))
		if got := c.get(); !strings.HasPrefix(got, "SIP/2.0 400 ") {
			t.Errorf("%s: mismatched CSeq: %q", transport, got)
		}
	}
}

// RFC 5626 §4.4.1 and §3.5.1: a ping on a connection has its pong.
func TestPingPong(t *testing.T) {
	for transport, c := range callers(t, Config{}, answer200) {
		if transport == "UDP" {
			continue
		}
		c.put("\r\n\r\n")
		if got := c.get(); got != "\r\n" {
			t.Errorf("%s: pong %q", transport, got)
		}
		c.put(request("OPTIONS", "SIP/2.0/"+transport+" h", "z9hG4bKa", ""))
		if got := c.get(); !strings.HasPrefix(got, "SIP/2.0 200 ") {
			t.Errorf("%s: after a ping: %q", transport, got)
		}
	}
}

// RFC 3261 §18.3: where a stream is cut only by Content-Length it is required;
// datagrams and WebSocket messages (RFC 7118 §5.2) have their own bounds.
func TestContentLength(t *testing.T) {
	bodies := make(chan string, 4)
	for transport, c := range callers(t, Config{}, func(r *Request) { bodies <- string(r.Body); answer200(r) }) {
		c.put(strings.Replace(request("MESSAGE", "SIP/2.0/"+transport+" h;rport", "z9hG4bKa", "hello"), "Content-Length: 5\r\n", "", 1))
		got := c.get()
		if transport == "TCP" || transport == "TLS" {
			if !strings.HasPrefix(got, "SIP/2.0 400 ") || c.get() != "" {
				t.Errorf("%s: %q, want 400 and the end", transport, got)
			}
			continue
		}
		if !strings.HasPrefix(got, "SIP/2.0 200 ") || <-bodies != "hello" {
			t.Errorf("%s: %q", transport, got)
		}
	}
}

// Requests in one segment, and one split to bytes, are handled in order.
func TestStreamOrder(t *testing.T) {
	for transport, c := range callers(t, Config{}, answer200) {
		if transport != "TCP" && transport != "TLS" {
			continue
		}
		var all strings.Builder
		for i := range 50 {
			all.WriteString(request("PUBLISH", "SIP/2.0/"+transport+" h", fmt.Sprint("z9hG4bK", i, "."), "body"))
		}
		c.put(all.String())
		for i := range 50 {
			if got := c.get(); !strings.Contains(got, fmt.Sprint(";branch=z9hG4bK", i, ".;")) {
				t.Fatalf("%s: answer %d: %q", transport, i, got)
			}
		}
		for _, b := range []byte(request("PUBLISH", "SIP/2.0/"+transport+" h", "z9hG4bKx", "body")) {
			c.put(string(b))
		}
		if got := c.get(); !strings.Contains(got, "z9hG4bKx") {
			t.Errorf("%s: byte by byte: %q", transport, got)
		}
	}
}

// Noise ends a connection and nobody else's; on UDP and WebSocket it is dropped.
func TestNoise(t *testing.T) {
	noise := []string{"\x16\x03\x01\x02\x00\x01\x00", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", strings.Repeat("A", 5000), "SIP/2.0 200 OK\r\n\r\n"}
	for _, n := range noise {
		for transport, c := range callers(t, Config{}, answer200) {
			c.put(n)
			if transport == "TCP" || transport == "TLS" {
				continue // what it gets, if anything, is the end; others are served below
			}
			c.put(request("OPTIONS", "SIP/2.0/"+transport+" h;rport", "z9hG4bKa", ""))
			if got := c.get(); !strings.HasPrefix(got, "SIP/2.0 200 ") {
				t.Errorf("%s: after %.10q: %q", transport, n, got)
			}
		}
	}
}

// RFC 7118 §4.1 and §5.2.
func TestWebSocketHandshake(t *testing.T) {
	s := start(t, Config{MaxMessage: 2000, Origins: []string{"app.example.com"}}, answer200)
	web := httptest.NewServer(s.WebSocket())
	defer web.Close()
	dial := func(protocol, origin string) (*websocket.Conn, error) {
		opts := &websocket.DialOptions{Subprotocols: []string{protocol}, HTTPHeader: http.Header{}}
		if origin != "" {
			opts.HTTPHeader.Set("Origin", origin)
		}
		conn, _, err := websocket.Dial(t.Context(), strings.Replace(web.URL, "http", "ws", 1), opts)
		return conn, err
	}
	if conn, err := dial("xmpp", ""); err == nil {
		_ = conn.CloseNow()
		t.Error("a client that does not speak SIP was taken")
	}
	if conn, err := dial("sip", "https://evil.example.net"); err == nil {
		_ = conn.CloseNow()
		t.Error("a page from elsewhere was taken")
	}
	conn, err := dial("sip", "https://app.example.com")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.CloseNow() }()
	for _, kind := range []websocket.MessageType{websocket.MessageText, websocket.MessageBinary} {
		c := sockets{t, conn, kind}
		c.put(request("OPTIONS", "SIP/2.0/WS h", "z9hG4bKa", ""))
		if got := c.get(); !strings.HasPrefix(got, "SIP/2.0 200 ") {
			t.Errorf("kind %v: %q", kind, got)
		}
	}
	c := sockets{t, conn, websocket.MessageText}
	c.put(request("MESSAGE", "SIP/2.0/WS h", "z9hG4bKb", strings.Repeat("x", 2000)))
	if got := c.get(); got != "" {
		t.Errorf("above the limit: %.40q", got)
	}
}

func TestIPv6(t *testing.T) {
	if l, err := net.Listen("tcp", "[::1]:0"); err != nil {
		t.Skip("no IPv6 here")
	} else {
		l.Close()
	}
	s := start(t, Config{}, func(r *Request) {
		_ = r.Respond(Response{Status: 200, Headers: []Header{{"Contact", "<" + r.endpoint.ContactURI(r.Flow) + ">"}}})
	})
	for _, network := range []string{"udp", "tcp"} {
		addr, err := s.Listen(context.Background(), network, "[::1]:0")
		if err != nil {
			t.Fatal(err)
		}
		p := dialPeer(t, network, addr)
		p.write(request("OPTIONS", "SIP/2.0/"+strings.ToUpper(network)+" [2001:db8::9]:9;rport", "z9hG4bKa", ""))
		got := ""
		if network == "udp" {
			got = p.datagram(long)
		} else {
			got = p.message()
		}
		if !strings.Contains(got, ";received=::1\r\n") || !strings.Contains(got, "Contact: <sip:"+addr.String()) {
			t.Errorf("%s: %q", network, got)
		}
	}
}
