package wire

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
)

// authority signs certificates for tests.
type authority struct {
	t    testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t testing.TB) *authority {
	a := &authority{t: t, cert: &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Unix(0, 0), NotAfter: time.Now().AddDate(50, 0, 0),
	}}
	pair := a.issue(a.cert)
	a.key = pair.PrivateKey.(*ecdsa.PrivateKey)
	a.cert = pair.Leaf
	return a
}

// issue signs; without a key of its own yet, by the key of the certificate itself.
func (a *authority) issue(template *x509.Certificate) tls.Certificate {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	signer := a.key
	if signer == nil {
		signer = key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), signer)
	if err != nil {
		a.t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

func (a *authority) leaf(names ...string) tls.Certificate {
	return a.issue(&x509.Certificate{SerialNumber: big.NewInt(2), DNSNames: names, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		NotBefore:   time.Unix(0, 0), NotAfter: time.Now().AddDate(10, 0, 0)})
}

func (a *authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

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

// RFC 5922 §7: whom a certificate names.
func TestIdentities(t *testing.T) {
	uri := func(s string) *url.URL {
		u, err := url.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	for _, tc := range []struct {
		name string
		cert x509.Certificate
		want []string
	}{
		{"URI before DNS", x509.Certificate{URIs: []*url.URL{uri("sip:Example.com")}, DNSNames: []string{"other.org"}}, []string{"sip:example.com"}},
		{"URI of a user", x509.Certificate{URIs: []*url.URL{uri("sip:bob@example.com")}, DNSNames: []string{"a.org"}}, []string{"a.org"}},
		{"other URI", x509.Certificate{URIs: []*url.URL{uri("https://example.com")}}, nil},
		{"no wildcards", x509.Certificate{DNSNames: []string{"*.example.com", "sip.example.com"}}, []string{"sip.example.com"}},
		{"CN without SAN", x509.Certificate{Subject: pkix.Name{CommonName: "old.org"}}, []string{"old.org"}},
		{"CN with SAN", x509.Certificate{Subject: pkix.Name{CommonName: "old.org"}, DNSNames: []string{"new.org"}}, []string{"new.org"}},
	} {
		if got := identities(&tc.cert); !slices.Equal(got, tc.want) {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}

// Two servers over mutual TLS: each learns whom the other's certificate names, and
// one that names somebody else gets nothing.
func TestMutualTLS(t *testing.T) {
	ca := newAuthority(t)
	verified := make(chan []string, 1)
	one := start(t, Config{TLS: &tls.Config{Certificates: []tls.Certificate{ca.leaf("one.test")},
		ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: ca.pool()}}, func(r *Request) {
		verified <- r.Flow.Verified()
		answer200(r)
	})
	addr, err := one.Listen(t.Context(), "tls", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	two := start(t, Config{DialTLS: &tls.Config{Certificates: []tls.Certificate{ca.leaf("two.test")}, RootCAs: ca.pool()}}, answer200)
	for name, ok := range map[string]bool{"one.test": true, "127.0.0.1": true, "three.test": false} {
		f, err := two.dial(dialKey{"TLS", addr, name})
		if err != nil {
			t.Fatal(err)
		}
		result := make(chan Result, 1)
		two.Do(Outgoing{Method: "MESSAGE", RequestURI: "sip:x@one.test", CSeq: 1, Flow: f,
			Head: []byte("From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: y\r\n")}, func(r Result) { result <- r })
		r := <-result
		if !ok {
			if !errors.Is(r.Err, ErrFlowClosed) {
				t.Errorf("%s: %+v", name, r)
			}
			continue
		}
		if r.Status != 200 {
			t.Errorf("%s: %+v", name, r)
			continue
		}
		if got := <-verified; !slices.Equal(got, []string{"two.test"}) || !slices.Equal(f.Verified(), []string{"one.test"}) {
			t.Errorf("%s: %+v, peer %q, we see %q", name, r, got, f.Verified())
		}
	}
}

// A client that opens a connection and is silent holds up nobody, and not for long.
func TestHalfOpenTLS(t *testing.T) {
	inBubble(t, Config{MaxOpening: 2, TLS: &tls.Config{}}, func(t *testing.T, e *Endpoint) {
		begin := time.Now()
		var clients []net.Conn
		for range 2 {
			client, conn := net.Pipe()
			if !e.adopt("TLS", conn, netip.AddrPort{}) {
				t.Fatal("refused below the limit")
			}
			clients = append(clients, client)
		}
		_, third := net.Pipe()
		if e.adopt("TLS", third, netip.AddrPort{}) {
			t.Error("taken above the limit")
		}
		for _, c := range clients {
			if _, err := io.ReadAll(c); err != nil {
				t.Error(err)
			}
		}
		if took := time.Since(begin); took != openTimeout {
			t.Errorf("closed after %v", took)
		}
		synctest.Wait()
		if len(e.conns) != 0 || len(e.opening) != 0 {
			t.Errorf("%d connections, %d places kept", len(e.conns), len(e.opening))
		}
	})
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

func TestProxyHeader(t *testing.T) {
	v2 := func(command, family byte, body ...byte) string {
		return proxyV2Mark + string([]byte{0x20 | command, family, byte(len(body) >> 8), byte(len(body))}) + string(body)
	}
	v4 := []byte{192, 0, 2, 1, 192, 0, 2, 2, 0x10, 0x00, 0x13, 0xc4}
	v6 := append(append(netip.MustParseAddr("2001:db8::1").AsSlice(), make([]byte, 16)...), 0x10, 0, 0, 1)
	for in, want := range map[string]string{
		"PROXY TCP4 192.0.2.1 192.0.2.2 4096 5060\r\n":     "192.0.2.1:4096",
		"PROXY TCP6 2001:db8::1 2001:db8::2 4096 5060\r\n": "[2001:db8::1]:4096",
		"PROXY UNKNOWN\r\n":                          "none",
		"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n":      "none",
		v2(1, 0x11, v4...):                           "192.0.2.1:4096",
		v2(1, 0x11, append(v4, 4, 0, 1, 0)...):       "192.0.2.1:4096",
		v2(1, 0x21, v6...):                           "[2001:db8::1]:4096",
		v2(0, 0):                                     "none",
		v2(2, 0x11, v4...):                           "",
		v2(1, 0x11, v4[:11]...):                      "",
		v2(1, 0x31, v4...):                           "",
		"PROXY TCP4 2001:db8::1 192.0.2.2 1 2\r\n":   "",
		"PROXY TCP4 192.0.2.1 192.0.2.2 70000 2\r\n": "",
		"PROXY " + strings.Repeat("x", 200):          "",
		"OPTIONS sip:a SIP/2.0\r\n":                  "",
		"\r\n\r\n":                                   "",
	} {
		rest := strings.NewReader(in + "next")
		got, err := parseProxyHeader(rest)
		text := ""
		if err == nil {
			text = "none"
			if got.IsValid() {
				text = got.String()
			}
			if left, _ := io.ReadAll(rest); string(left) != "next" {
				t.Errorf("%q: left %q", in, left)
			}
		}
		if text != want {
			t.Errorf("%q: %q (%v), want %q", in, text, err, want)
		}
	}
}

// Only who is named may say where a connection comes from, and must.
func TestProxied(t *testing.T) {
	requests := make(chan netip.AddrPort, 1)
	h := func(r *Request) { requests <- r.Flow.Remote(); answer200(r) }
	s := start(t, Config{Proxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}, h)
	p := dialPeer(t, "tcp", s.tcp)
	p.write("PROXY TCP4 192.0.2.1 192.0.2.2 4096 5060\r\n" + request("OPTIONS", "SIP/2.0/TCP h;rport", "z9hG4bKa", ""))
	if got := p.message(); !strings.Contains(got, ";rport=4096;received=192.0.2.1\r\n") {
		t.Errorf("got %q", got)
	}
	if got := <-requests; got.String() != "192.0.2.1:4096" {
		t.Errorf("remote %v", got)
	}
	bare := dialPeer(t, "tcp", s.tcp)
	bare.write(request("OPTIONS", "SIP/2.0/TCP h", "z9hG4bKa", ""))
	if b, _ := io.ReadAll(bare); len(b) != 0 {
		t.Errorf("without a header: %q", b)
	}
	other := start(t, Config{}, h)
	liar := dialPeer(t, "tcp", other.tcp)
	liar.write("PROXY TCP4 192.0.2.1 192.0.2.2 4096 5060\r\n")
	if b, _ := io.ReadAll(liar); len(b) != 0 {
		t.Errorf("from a stranger: %q", b)
	}
}

func FuzzProxyHeader(f *testing.F) {
	f.Add([]byte("PROXY TCP4 192.0.2.1 192.0.2.2 4096 5060\r\n"))
	f.Add([]byte(proxyV2Mark + "\x21\x11\x00\x0c\x01\x02\x03\x04\x01\x02\x03\x04\x00\x01\x00\x02"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bytes.NewReader(b)
		if _, err := parseProxyHeader(r); err != nil && !errors.Is(err, errProxyHeader) {
			t.Errorf("%q: %v", b, err)
		}
	})
}

// The scan must never say more than the parser does.
func FuzzScanResponse(f *testing.F) {
	f.Add([]byte("SIP/2.0 503 Busy\r\nVia: SIP/2.0/UDP h;branch=" + branchPrefix + "0123456789abcdef\r\nRetry-After: 5 (x)\r\nCSeq: 1 NOTIFY\r\nContent-Length: 0\r\n\r\n"))
	f.Add([]byte("SIP/2.0 200 OK\r\nv: SIP/2.0/TCP h;x;branch=" + branchPrefix + "0123456789abcdef;y, SIP/2.0/UDP i\r\nCSeq: 1  NOTIFY\r\n\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, ok := scanResponse(b)
		if !ok {
			return
		}
		r, err := parseResponse(b, false)
		if err != nil {
			return // the parser checks more
		}
		key, ours := parseBranch(r.branch)
		if !ours || key != got.branch || r.status != got.status || r.method != string(got.method) ||
			parseRetryAfter(joinHeader(r.lines, "Retry-After")) != got.retryAfter {
			t.Errorf("%q: scan %+v, parser %+v", b, got, r)
		}
	})
}

// The first look at a request finds the transaction that the parser finds.
func FuzzPeekRequest(f *testing.F) {
	f.Add([]byte(benchSubscribe))
	f.Add([]byte("OPTIONS sip:a SIP/2.0\r\nv : SIP / 2.0 / UDP h:5 ; branch=z9hG4bKx\r\nf: <sip:a@b>\r\nt: <sip:c@d>\r\ni: x\r\nCSeq: 1 OPTIONS\r\n\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		method, top, ok := peekRequest(b)
		if !ok {
			return
		}
		r, _, err := ParseRequest(b, newTestFlow("UDP").Flow)
		if err == nil && (r.Method != method || r.top != top) {
			t.Errorf("%q: peek %s %+v, parser %s %+v", b, method, top, r.Method, r.top)
		}
	})
}
