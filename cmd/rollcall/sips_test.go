package main

import (
	"crypto/tls"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"rollcall/internal/certs/certstest"
)

// named gives a connection an address that can stand in a Via.
type named struct {
	net.Conn
	local net.Addr
}

func (n named) LocalAddr() net.Addr { return n.local }

// A phone on TLS and a browser on secure WebSocket reach each other, each over its
// own connection.
func TestSecureSIP(t *testing.T) {
	authority, dir := certstest.NewAuthority(t), t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	authority.Write(cert, key, "sip.test")
	s := start(t, []string{"--data", t.TempDir(), "--domain", domain}, "--sips-listen", anyPort, "--https-listen", anyPort,
		"--tls-cert", cert, "--tls-key", key, "--ws-origin", "phone.example.test")
	trusting := &tls.Config{RootCAs: authority.Pool(), ServerName: "sip.test"}
	conn, err := tls.Dial("tcp", secureAddr(t, s), trusting)
	if err != nil {
		t.Fatal(err)
	}
	alice := newSIPClient(t, "tls", conn, "alice", password("alice"))

	transport := &http.Transport{TLSClientConfig: trusting}
	t.Cleanup(transport.CloseIdleConnections)
	host, _, _ := strings.Cut(strings.TrimPrefix(s.xcapRoot, "https://"), "/")
	ws, _, err := websocket.Dial(t.Context(), "wss://"+host+"/ws", &websocket.DialOptions{
		Subprotocols: []string{"sip"}, HTTPClient: &http.Client{Transport: transport},
		HTTPHeader: http.Header{"Origin": {"https://phone.example.test"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	bob := newSIPClient(t, "wss", named{websocket.NetConn(t.Context(), ws, websocket.MessageText), conn.LocalAddr()}, "bob", password("bob"))

	alice.register(600)
	bob.register(600)
	for _, c := range [...]struct{ from, to *sipClient }{{alice, bob}, {bob, alice}} {
		done := make(chan *message, 1)
		go func() {
			m := c.to.incoming("MESSAGE")
			done <- m
		}()
		c.from.want(200, request{method: "MESSAGE", uri: c.to.aor(), from: c.from.aor(), to: c.to.aor(), callID: c.from.tag + c.to.tag,
			lines: []string{"Content-Type: text/plain"}, body: "hello"})
		if m := <-done; string(m.body) != "hello" || !strings.HasPrefix(m.get("Via"), "SIP/2.0/"+strings.ToUpper(c.to.network)+" ") {
			t.Errorf("%s to %s arrived as\n%s", c.from.network, c.to.network, m)
		}
	}
}

// secureAddr finds the TLS listener among what was printed.
func secureAddr(t *testing.T, s *server) string {
	t.Helper()
	for line := range strings.Lines(s.printed) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "SIP" && f[2] == "(TLS)" {
			return f[1]
		}
	}
	t.Fatalf("no TLS listener in\n%s", s.printed)
	return ""
}
