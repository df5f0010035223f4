package main

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"strings"
	"testing"
	"time"
)

// Transports and MESSAGE: RFC 3261 §18, RFC 3581, RFC 5626 §3.5, RFC 3428, RFC 3325.
func TestTransportRows(t *testing.T) {
	t.Parallel()
	playAll(t, venues(t), []row{
		{name: "response goes back where the request came from", play: symmetric},
		{name: "ping", only: streams, play: pings},
		{name: "STUN", only: datagrams, play: stun},
		{name: "byte by byte", only: streams, play: trickles},
		{name: "pipelined", only: streams, play: pipelined},
		{name: "no Content-Length", only: streams, play: unframed},
		{name: "Content-Length too large", only: datagrams, play: cutShort},
		{name: "surplus octets", only: datagrams, play: surplus},
		{name: "compact and folded", play: compact},
		{name: "message", play: messages},
		{name: "asserted by a client", play: asserts},
		{name: "capabilities", play: capabilities},
	})
}

func symmetric(t *testing.T, v *venue) {
	c := v.phone(t)
	c.raw("OPTIONS sip:" + domain + " SIP/2.0\r\nVia: SIP/2.0/" + strings.ToUpper(v.network) + " 10.0.0.1:5060;branch=z9hG4bKx;rport\r\n" +
		"Max-Forwards: 70\r\nFrom: <" + c.aor() + ">;tag=1\r\nTo: <sip:" + domain + ">\r\nCall-ID: " + rand.Text() + "\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n")
	via := c.answer().get("Via")
	if !strings.Contains(via, ";received=127.0.0.1") || !strings.Contains(via, ";rport=") || strings.Contains(via, ";rport=5060") {
		t.Errorf("Via %s", via)
	}
	if _, port, _ := strings.Cut(c.conn.LocalAddr().String(), ":"); v.network != "wss" && !strings.Contains(via, ";rport="+port) {
		t.Errorf("Via %s, sent from %s", via, port)
	}
}

func pings(t *testing.T, v *venue) {
	c := v.phone(t)
	conn := v.dial(t)
	defer conn.Close()
	for range 3 {
		if _, err := conn.Write([]byte("\r\n\r\n")); err != nil {
			t.Fatal(err)
		}
		pong := make([]byte, 2)
		_ = conn.SetReadDeadline(time.Now().Add(patience))
		if n, err := conn.Read(pong); err != nil || string(pong[:n]) != "\r\n" {
			t.Fatalf("%q, %v", pong[:n], err)
		}
	}
	c.raw("\r\n\r\n")
	c.register(600)
}

func stun(t *testing.T, v *venue) {
	conn := v.dial(t)
	defer conn.Close()
	request := append([]byte{0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42}, rand.Text()[:12]...)
	if _, err := conn.Write(request); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 100)
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	n, err := conn.Read(answer)
	if err != nil || n < 20 || answer[0] != 1 || answer[1] != 1 || !bytes.Equal(answer[4:20], request[4:]) {
		t.Errorf("%x, %v", answer[:n], err)
	}
}

// asText returns the text of a request of c with credentials.
func asText(t *testing.T, c *sipClient, r request) string {
	t.Helper()
	r.from, r.callID = c.aor(), rand.Text()
	c.send(r)
	line := "Authorization: " + authorize(t, c, r, c.answer().header.Values("Www-Authenticate")[0])
	var b strings.Builder
	real := c.conn
	c.conn = writing{real, &b}
	c.send(r, line)
	c.conn = real
	return b.String()
}

func trickles(t *testing.T, v *venue) {
	watched, c := v.phone(t), v.phone(t)
	v.allow(t, watched)
	for _, b := range []byte(asText(t, c, subscribing(c, watched.aor(), "Subject: folded\r\n over two lines"))) {
		c.raw(string(b))
	}
	if m := c.answer(); m.status() != 200 {
		t.Errorf("got\n%s", m)
	}
	c.incoming("NOTIFY")
}

func pipelined(t *testing.T, v *venue) {
	one, two, c := v.phone(t), v.phone(t), v.phone(t)
	v.allow(t, one)
	v.allow(t, two)
	c.raw(asText(t, c, subscribing(c, one.aor())) + "\r\n\r\n" + asText(t, c, subscribing(c, two.aor())))
	for range 2 {
		if m := c.answer(); m.status() != 200 {
			t.Errorf("got\n%s", m)
		}
	}
	c.incoming("NOTIFY")
	c.incoming("NOTIFY")
}

// bare is a request without credentials and Content-Length.
func bare(c *sipClient, method string) string {
	return fmt.Sprintf("%s sip:%s SIP/2.0\r\nVia: SIP/2.0/%s %s;rport;branch=z9hG4bK%s\r\nMax-Forwards: 70\r\nFrom: <%s>;tag=1\r\nTo: <sip:%s>\r\nCall-ID: %s\r\nCSeq: 1 %s\r\n",
		method, domain, strings.ToUpper(c.network), c.conn.LocalAddr(), rand.Text(), c.aor(), domain, rand.Text(), method)
}

func unframed(t *testing.T, v *venue) {
	for _, length := range []string{"", "Content-Length: -1\r\n", "Content-Length: x\r\n", "Content-Length: 1\r\nContent-Length: 2\r\n"} {
		c := v.phone(t)
		c.raw(bare(c, "OPTIONS") + length + "\r\n")
		if m := c.answer(); m.status() != 400 {
			t.Errorf("%q: got\n%s", length, m)
		}
		for m := range c.in { // RFC 3261 §18.3: the connection is closed
			t.Errorf("%q: then\n%s", length, m)
		}
	}
}

func cutShort(t *testing.T, v *venue) {
	c := v.phone(t)
	c.raw(bare(c, "OPTIONS") + "Content-Length: 10\r\n\r\nabc")
	if m := c.answer(); m.status() != 400 {
		t.Errorf("got\n%s", m)
	}
}

func surplus(t *testing.T, v *venue) {
	c := v.phone(t)
	c.raw(bare(c, "OPTIONS") + "Content-Length: 0\r\n\r\n" + bare(c, "DANCE") + "\r\n")
	if m := c.answer(); m.status() != 200 {
		t.Errorf("got\n%s", m)
	}
	c.silent(50 * time.Millisecond)
}

func compact(t *testing.T, v *venue) {
	c := v.phone(t)
	c.raw("OPTIONS sip:" + domain + " SIP/2.0\r\nv:SIP/2.0/" + strings.ToUpper(v.network) + "\r\n  10.0.0.1;\r\n\trport ;branch=z9hG4bK" + rand.Text() + "\r\n" +
		"f : <" + c.aor() + ">;tag=1\r\nt: <sip:" + domain + ">\r\ni: " + rand.Text() + "\r\nCSEQ:\r\n 1 \r\n OPTIONS\r\nl: 0\r\n\r\n")
	if m := c.answer(); m.status() != 200 {
		t.Errorf("got\n%s", m)
	}
}

func messages(t *testing.T, v *venue) {
	from, to := v.phone(t), v.phone(t)
	say := request{method: "MESSAGE", uri: to.aor(), lines: []string{"Content-Type: text/plain"}, body: "one"}
	if m := from.want(200, say); m.get("Contact") != "" || len(m.body) != 0 {
		t.Errorf("RFC 3428 §7 allows neither Contact nor body:\n%s", m)
	}
	say.body = "two"
	from.want(200, say)
	to.register(600)
	for _, want := range []string{"one", "two"} {
		if m := to.incoming("MESSAGE"); string(m.body) != want || !strings.Contains(m.get("From"), from.aor()) {
			t.Errorf("want %q, got\n%s", want, m)
		}
	}
	if m := text(t, from, to.aor(), to); string(m.body) != "hello" {
		t.Errorf("got\n%s", m)
	}
	say.uri = "sip:nobody@" + domain
	from.want(404, say)
}

// RFC 3325 §5: what a client says of itself is not passed on.
func asserts(t *testing.T, v *venue) {
	from, to := v.phone(t), v.phone(t)
	to.register(600)
	done := make(chan *message, 1)
	go func() {
		done <- from.do(request{method: "MESSAGE", uri: to.aor(), body: "x",
			lines: []string{"Content-Type: text/plain", "P-Asserted-Identity: <sip:boss@" + domain + ">", "P-Preferred-Identity: <sip:boss@" + domain + ">"}})
	}()
	if m := to.incoming("MESSAGE"); strings.Contains(m.String(), "boss") {
		t.Errorf("got\n%s", m)
	}
	if m := <-done; m.status() != 200 {
		t.Errorf("the sender got\n%s", m)
	}
	to.want(403, request{method: "SUBSCRIBE", uri: from.aor(), from: from.aor(), lines: []string{"Event: presence.winfo", "Contact: " + to.contact(),
		"P-Asserted-Identity: <" + from.aor() + ">"}})
}

func capabilities(t *testing.T, v *venue) {
	c := v.phone(t)
	c.raw(bare(c, "OPTIONS") + "Content-Length: 0\r\n\r\n")
	m := c.answer()
	for name, part := range map[string]string{"Allow": "PUBLISH", "Allow-Events": "presence", "Accept": "application/pidf+xml", "Supported": "eventlist"} {
		if !strings.Contains(strings.Join(m.header.Values(name), ","), part) {
			t.Errorf("no %s: %s in\n%s", name, part, m)
		}
	}
	// RFC 4475 §3.3.5; Proxy-Require is not for who answers itself.
	c.raw(bare(c, "OPTIONS") + "Require: path, magic, more\r\nProxy-Require: spell\r\nContent-Length: 0\r\n\r\n")
	if m := c.answer(); m.status() != 420 || m.get("Unsupported") != "magic, more" {
		t.Errorf("got\n%s", m)
	}
	c.raw(strings.Replace(bare(c, "DANCE"), "sip:"+domain+" SIP", c.aor()+" SIP", 1) + "Content-Length: 0\r\n\r\n")
	if m := c.answer(); m.status() != 501 {
		t.Errorf("got\n%s", m)
	}
	c.raw(bare(c, "INVITE") + "Content-Length: 0\r\n\r\n")
	if m := c.answer(); m.status() != 405 || m.get("Allow") == "" {
		t.Errorf("got\n%s", m)
	}
}
