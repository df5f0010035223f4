package main

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/icholy/digest"
)

// patience bounds every wait for the server.
const patience = 15 * time.Second

// message is a SIP message as a client sees it.
type message struct {
	start  string
	header textproto.MIMEHeader
	body   []byte
}

func (m *message) status() int {
	n, _ := strconv.Atoi(strings.Fields(m.start + " 0 0")[1])
	return n
}

func (m *message) method() string { return strings.Fields(m.start)[0] }

func (m *message) get(name string) string { return m.header.Get(name) }

func (m *message) cseq() int {
	n, _ := strconv.Atoi(strings.Fields(m.get("CSeq") + " 0")[0])
	return n
}

func (m *message) String() string {
	var b strings.Builder
	b.WriteString(m.start + "\n")
	for k, vs := range m.header {
		for _, v := range vs {
			b.WriteString(k + ": " + v + "\n")
		}
	}
	return b.String() + "\n" + string(m.body)
}

func readMessage(r *bufio.Reader) (*message, error) {
	tp := textproto.NewReader(r)
	m := &message{}
	for m.start == "" { // CRLF may precede a message
		line, err := tp.ReadLine()
		if err != nil {
			return nil, err
		}
		m.start = line
	}
	var err error
	if m.header, err = tp.ReadMIMEHeader(); err != nil {
		return nil, err
	}
	n, err := strconv.Atoi(m.get("Content-Length"))
	if err != nil {
		return nil, fmt.Errorf("Content-Length: %w", err)
	}
	m.body = make([]byte, n)
	_, err = io.ReadFull(r, m.body)
	return m, err
}

// sipClient is a small user agent: one connection, one user.
type sipClient struct {
	t        *testing.T
	user     string
	password string
	network  string
	conn     net.Conn
	in       chan *message // everything that arrives, in order
	requests []*message    // requests that arrived while an answer was awaited
	cseq     int
	branch   int
	tag      string
}

const domain = "localhost"

func dialSIP(t *testing.T, network, addr, user, password string) *sipClient {
	t.Helper()
	conn, err := net.Dial(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	return newSIPClient(t, network, conn, user, password)
}

func newSIPClient(t *testing.T, network string, conn net.Conn, user, password string) *sipClient {
	t.Helper()
	c := &sipClient{t: t, user: user, password: password, network: network, conn: conn, in: make(chan *message, 256), tag: rand.Text()}
	t.Cleanup(func() { conn.Close() })
	go c.read(conn)
	return c
}

// read takes what arrives. The test may write over something else meanwhile.
func (c *sipClient) read(conn net.Conn) {
	defer close(c.in)
	stream := bufio.NewReader(conn)
	datagram := make([]byte, 65536)
	for {
		r := stream
		if c.network == "udp" {
			n, err := conn.Read(datagram)
			if err != nil {
				return
			}
			r = bufio.NewReader(bytes.NewReader(datagram[:n]))
		}
		m, err := readMessage(r)
		if err != nil {
			return
		}
		c.in <- m
	}
}

func (c *sipClient) aor() string { return "sip:" + c.user + "@" + domain }

func (c *sipClient) contact() string {
	return fmt.Sprintf("<sip:%s@%s;transport=%s>", c.user, c.conn.LocalAddr(), c.transport())
}

// transport is the network as URIs name it (RFC 7118 §5.2: ws for both kinds).
func (c *sipClient) transport() string {
	if c.network == "wss" {
		return "ws"
	}
	return c.network
}

// next returns the next message that arrives.
func (c *sipClient) next() *message {
	c.t.Helper()
	select {
	case m, ok := <-c.in:
		if !ok {
			c.t.Fatal("connection closed")
		}
		return m
	case <-time.After(patience):
		c.t.Fatalf("%s: nothing arrives", c.user)
	}
	return nil
}

// request is what a test wants to send.
type request struct {
	method, uri string
	to, toTag   string
	from        string // default: the user
	callID      string
	lines       []string
	body        string
	bare        bool // no credentials after a challenge
}

// raw sends text as it is.
func (c *sipClient) raw(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c.conn, text); err != nil {
		c.t.Fatal(err)
	}
}

func (c *sipClient) send(r request, extra ...string) {
	c.t.Helper()
	c.branch++
	c.cseq++
	to := "<" + r.to + ">"
	if r.toTag != "" {
		to += ";tag=" + r.toTag
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s SIP/2.0\r\nVia: SIP/2.0/%s %s;rport;branch=z9hG4bK%s%d\r\nMax-Forwards: 70\r\n",
		r.method, r.uri, strings.ToUpper(c.network), c.conn.LocalAddr(), c.tag[:8], c.branch)
	fmt.Fprintf(&b, "From: <%s>;tag=%s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %d %s\r\n", r.from, c.tag, to, r.callID, c.cseq, r.method)
	for _, l := range append(r.lines, extra...) {
		b.WriteString(l + "\r\n")
	}
	fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(r.body), r.body)
	c.raw(b.String())
}

// answer returns the next final response; requests that come first are kept.
func (c *sipClient) answer() *message {
	c.t.Helper()
	for {
		m := c.next()
		if !strings.HasPrefix(m.start, "SIP/2.0 ") {
			c.requests = append(c.requests, m)
			continue
		}
		if m.status() >= 200 {
			return m
		}
	}
}

// do sends a request, authenticates when asked to, and returns the final answer.
func (c *sipClient) do(r request) *message {
	c.t.Helper()
	if r.from == "" {
		r.from = c.aor()
	}
	if r.to == "" {
		r.to = r.uri
	}
	if r.callID == "" {
		r.callID = rand.Text()
	}
	c.send(r)
	m := c.answer()
	switch {
	case r.bare:
		return m
	case m.status() == 401:
		c.send(r, "Authorization: "+authorize(c.t, c, r, m.header.Values("WWW-Authenticate")[0]))
	case m.status() == 407:
		c.send(r, "Proxy-Authorization: "+authorize(c.t, c, r, m.header.Values("Proxy-Authenticate")[0]))
	default:
		return m
	}
	return c.answer()
}

// authorize returns the credentials of c for a challenge.
func authorize(t *testing.T, c *sipClient, r request, challenge string) string {
	t.Helper()
	chal, err := digest.ParseChallenge(challenge)
	if err != nil {
		t.Fatal(err)
	}
	cred, err := digest.Digest(chal, digest.Options{Method: r.method, URI: r.uri, Username: c.user, Password: c.password, Count: 1})
	if err != nil {
		t.Fatal(err)
	}
	return cred.String()
}

// want does r and fails unless the answer has the status.
func (c *sipClient) want(status int, r request) *message {
	c.t.Helper()
	m := c.do(r)
	if m.status() != status {
		c.t.Fatalf("%s %s: want %d, got\n%s", r.method, r.uri, status, m)
	}
	return m
}

// incoming returns the next request and answers it with 200.
func (c *sipClient) incoming(method string) *message {
	c.t.Helper()
	m := c.arriving(method)
	c.reply(m, "200 OK")
	return m
}

// arriving returns the next request, which is still to be answered.
func (c *sipClient) arriving(method string) *message {
	c.t.Helper()
	var m *message
	if len(c.requests) > 0 {
		m, c.requests = c.requests[0], c.requests[1:]
	} else {
		m = c.next()
	}
	if m.method() != method {
		c.t.Fatalf("want a %s, got\n%s", method, m)
	}
	return m
}

// reply answers a request with a status line and header lines.
func (c *sipClient) reply(m *message, status string, lines ...string) {
	c.t.Helper()
	var b strings.Builder
	b.WriteString("SIP/2.0 " + status + "\r\n")
	for _, name := range []string{"Via", "From", "To", "Call-Id", "Cseq"} {
		for _, v := range m.header[name] {
			if name == "To" && !strings.Contains(v, "tag=") {
				v += ";tag=" + c.tag
			}
			b.WriteString(name + ": " + v + "\r\n")
		}
	}
	for _, l := range lines {
		b.WriteString(l + "\r\n")
	}
	b.WriteString("Content-Length: 0\r\n\r\n")
	c.raw(b.String())
}

// silent fails if anything arrives within a while.
func (c *sipClient) silent(d time.Duration) {
	c.t.Helper()
	if len(c.requests) > 0 {
		c.t.Fatalf("%s: nothing was to come, got\n%s", c.user, c.requests[0])
	}
	select {
	case m, ok := <-c.in:
		if ok {
			c.t.Fatalf("%s: nothing was to come, got\n%s", c.user, m)
		}
	case <-time.After(d):
	}
}

// register makes or ends a binding.
func (c *sipClient) register(expires int) *message {
	c.t.Helper()
	return c.want(200, request{
		method: "REGISTER", uri: "sip:" + domain, to: c.aor(), callID: "reg-" + c.tag,
		lines: []string{"Contact: " + c.contact() + `;+sip.instance="<urn:uuid:` + c.user + `>"`, "Expires: " + strconv.Itoa(expires), "Supported: gruu"},
	})
}

// dialog is a subscription from the watcher's side.
type dialog struct {
	c      *sipClient
	target string // Contact of the server
	r      request
	last   int // CSeq of the last NOTIFY
}

// subscribe opens a subscription the way Blink does.
func (c *sipClient) subscribe(uri, event, accept string) *dialog {
	c.t.Helper()
	d := &dialog{c: c, r: request{
		method: "SUBSCRIBE", uri: uri, to: uri, callID: rand.Text(),
		lines: []string{"Event: " + event, "Contact: " + c.contact(), "Expires: 600", "Accept: " + accept,
			"Supported: 100rel, replaces, norefersub, gruu", "Supported: eventlist"},
	}}
	m := c.want(200, d.r)
	d.accepted(m)
	return d
}

// watch opens a subscription to presence as plain clients do. lines stand in for
// or follow the usual header lines.
func (c *sipClient) watch(presentity *sipClient, lines ...string) *dialog {
	c.t.Helper()
	d := &dialog{c: c, r: subscribing(c, presentity.aor(), lines...)}
	d.accepted(c.want(200, d.r))
	return d
}

// subscribing is a SUBSCRIBE to presence; a line without value removes the usual one.
func subscribing(c *sipClient, uri string, lines ...string) request {
	r := request{method: "SUBSCRIBE", uri: uri, to: uri, callID: rand.Text()}
	usual := []string{"Event: presence", "Contact: " + c.contact(), "Expires: 600"}
	for _, u := range usual {
		name, _, _ := strings.Cut(u, ":")
		if !slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, name+":") }) {
			r.lines = append(r.lines, u)
		}
	}
	for _, l := range lines {
		if !strings.HasSuffix(l, ":") {
			r.lines = append(r.lines, l)
		}
	}
	return r
}

func (d *dialog) accepted(m *message) {
	d.c.t.Helper()
	if len(d.c.requests) > 0 {
		d.c.t.Fatalf("a NOTIFY came before the 200:\n%s", d.c.requests[0])
	}
	if _, tag, ok := strings.Cut(m.get("To"), "tag="); ok {
		d.r.toTag = tag
	}
	contact := m.get("Contact")
	if d.c.network != "udp" && !strings.Contains(contact, ";transport="+d.c.transport()) {
		d.c.t.Fatalf("Contact of the 200 is %q", contact)
	}
	d.r.to = d.r.uri
	d.target = strings.Trim(contact, "<>")
}

// refresh sends an in-dialog SUBSCRIBE over connection c.
func (d *dialog) refresh(c *sipClient, expires int, more ...string) *message {
	c.t.Helper()
	return c.want(200, d.again(c, expires, more...))
}

// again is the SUBSCRIBE that refreshes d over connection c.
func (d *dialog) again(c *sipClient, expires int, more ...string) request {
	c.cseq, c.tag, d.c = max(c.cseq, d.c.cseq), d.c.tag, c
	r := d.r
	r.uri = d.target
	r.lines = append([]string(nil), r.lines...)
	for i, l := range r.lines {
		switch {
		case strings.HasPrefix(l, "Expires:"):
			r.lines[i] = "Expires: " + strconv.Itoa(expires)
		case strings.HasPrefix(l, "Contact:"):
			r.lines[i] = "Contact: " + c.contact()
		}
	}
	r.lines = append(r.lines, more...)
	return r
}

// notify returns the next NOTIFY of the dialog.
func (d *dialog) notify() *message {
	d.c.t.Helper()
	m := d.c.incoming("NOTIFY")
	for d.c.network == "udp" && m.cseq() == d.last && m.get("Call-Id") == d.r.callID { // retransmitted
		m = d.c.incoming("NOTIFY")
	}
	if m.get("Call-Id") != d.r.callID {
		d.c.t.Fatalf("NOTIFY of another dialog:\n%s", m)
	}
	if m.cseq() <= d.last {
		d.c.t.Fatalf("CSeq %d after %d", m.cseq(), d.last)
	}
	d.last = m.cseq()
	return m
}
