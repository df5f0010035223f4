package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/coder/websocket"

	"rollcall/internal/certs/certstest"
)

// venue is a server and one transport to it: where a row of a table is played.
type venue struct {
	server  *server
	network string // "udp", "tcp", "tls" or "wss"
	addr    string // of the listener
	xcap    string // root of documents, over plain HTTP
	dial    func(t *testing.T) net.Conn
	users   *atomic.Int32 // of the server, used up so far
}

// row is one line of a table of what a server has to do.
type row struct {
	name string
	only string // the transports it concerns; "" is all
	play func(t *testing.T, v *venue)
}

const streams, datagrams = "tcp tls", "udp"

// enough is how many users a venue has.
const enough = 600

// venues starts a server and returns the four ways to it.
func venues(t *testing.T, flags ...string) []*venue {
	t.Helper()
	authority, dir := certstest.NewAuthority(t), t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	authority.Write(cert, key, "sip.test")
	args := []string{"--data", t.TempDir(), "--domain", domain}
	var accounts strings.Builder
	for i := range enough {
		user := fmt.Sprint("user", i)
		fmt.Fprintf(&accounts, "%s@%s,%s\n", user, domain, password(user))
	}
	mustCommand(t, accounts.String(), append([]string{"user", "import", "-"}, args...)...)
	s := start(t, args, append([]string{"--sips-listen", anyPort, "--https-listen", anyPort, "--tls-cert", cert, "--tls-key", key,
		"--log-level", "warn"}, flags...)...)
	xcap, https := "", ""
	for line := range strings.Lines(s.printed) {
		if f := strings.Fields(line); len(f) == 2 && f[0] == "XCAP" && strings.HasPrefix(f[1], "https:") {
			https = strings.Split(f[1], "/")[2]
		} else if len(f) == 2 && f[0] == "XCAP" {
			xcap = f[1]
		}
	}
	trusting := &tls.Config{RootCAs: authority.Pool(), ServerName: "sip.test"}
	secure := secureAddr(t, s)
	used := new(atomic.Int32)
	plain := func(network string) func(*testing.T) net.Conn {
		return func(t *testing.T) net.Conn { return dialed(t)(net.Dial(network, s.sip)) }
	}
	return []*venue{
		{s, "udp", s.sip, xcap, plain("udp"), used},
		{s, "tcp", s.sip, xcap, plain("tcp"), used},
		{s, "tls", secure, xcap, func(t *testing.T) net.Conn { return dialed(t)(tls.Dial("tcp", secure, trusting)) }, used},
		{s, "wss", https, xcap, func(t *testing.T) net.Conn { return dialWSS(t, https, trusting) }, used},
	}
}

func dialed(t *testing.T) func(net.Conn, error) net.Conn {
	return func(conn net.Conn, err error) net.Conn {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return conn
	}
}

// dialWSS opens a secure WebSocket as a page of the server itself does.
func dialWSS(t *testing.T, host string, cfg *tls.Config) net.Conn {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: cfg}
	t.Cleanup(transport.CloseIdleConnections)
	ws, _, err := websocket.Dial(t.Context(), "wss://"+host+"/ws", &websocket.DialOptions{
		Subprotocols: []string{"sip"}, HTTPClient: &http.Client{Transport: transport},
	})
	if err != nil {
		t.Fatal(err)
	}
	ws.SetReadLimit(1 << 20)
	return named{websocket.NetConn(t.Context(), ws, websocket.MessageText), &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9}}
}

// writing is a connection of which something is written elsewhere.
type writing struct {
	net.Conn
	to io.Writer
}

func (w writing) Write(b []byte) (int, error) { return w.to.Write(b) }

// phone is a user agent of somebody who has done nothing so far.
func (v *venue) phone(t *testing.T) *sipClient {
	t.Helper()
	n := v.users.Add(1)
	if n > enough {
		t.Fatal("there are no more users")
	}
	user := fmt.Sprint("user", n-1)
	return newSIPClient(t, v.network, v.dial(t), user, password(user))
}

// another is one more user agent of the same person, on a connection of its own.
func (v *venue) another(t *testing.T, c *sipClient) *sipClient {
	t.Helper()
	return newSIPClient(t, v.network, v.dial(t), c.user, c.password)
}

// allow lets all users of the domain see everything of c.
func (v *venue) allow(t *testing.T, c *sipClient) {
	t.Helper()
	newXCAPClient(t, v.xcap, c.user, c.password).put(201, "pres-rules/users/"+c.aor()+"/index", typeRules, openRules)
}

const openRules = `<ruleset xmlns="urn:ietf:params:xml:ns:common-policy" xmlns:pr="urn:ietf:params:xml:ns:pres-rules"><rule id="all">` +
	`<conditions><identity><many domain="` + domain + `"/></identity></conditions><actions><pr:sub-handling>allow</pr:sub-handling></actions>` +
	`<transformations><pr:provide-services><pr:all-services/></pr:provide-services><pr:provide-persons><pr:all-persons/></pr:provide-persons>` +
	`<pr:provide-devices><pr:all-devices/></pr:provide-devices><pr:provide-all-attributes/></transformations></rule></ruleset>`

// playAll plays every row over every transport that it concerns.
func playAll(t *testing.T, all []*venue, rows []row) {
	for _, v := range all {
		for _, r := range rows {
			if r.only != "" && !strings.Contains(" "+r.only+" ", " "+v.network+" ") {
				continue
			}
			t.Run(v.network+"/"+r.name, func(t *testing.T) {
				t.Parallel()
				r.play(t, v)
			})
		}
	}
}
