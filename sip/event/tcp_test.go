package event

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"rollcall/internal/auth"
	"rollcall/internal/shard"
	"rollcall/internal/store/memory"
	"rollcall/sip/wire"
)

// face hands SUBSCRIBE to the notifier as bob.
type face struct{ r *rig }

func (f face) ServeSIP(req *wire.Request) {
	i := shard.Index(amy)
	f.r.pool.Post(i, func() { f.r.n.Subscribe(context.Background(), req, amy, auth.Identity{AOR: bob}) })
}

// phone is a watcher on one connection.
type phone struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

func dial(t *testing.T, addr string) *phone {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &phone{t: t, conn: conn, in: bufio.NewReader(conn)}
}

func (p *phone) subscribe(cseq int, toTag string) {
	p.t.Helper()
	if toTag != "" {
		toTag = ";tag=" + toTag
	}
	_, err := fmt.Fprintf(p.conn, "SUBSCRIBE %s SIP/2.0\r\nVia: SIP/2.0/TCP 10.0.0.7:5060;rport;branch=z9hG4bKx%d\r\n"+
		"Max-Forwards: 70\r\nFrom: <%s>;tag=me\r\nTo: <%s>%s\r\nCall-ID: tcp\r\nCSeq: %d SUBSCRIBE\r\n"+
		"Contact: <sip:bob@10.0.0.7:5060;transport=tcp>\r\nEvent: presence\r\nExpires: 600\r\nContent-Length: 0\r\n\r\n",
		amy, cseq, bob, amy, toTag, cseq)
	if err != nil {
		p.t.Fatal(err)
	}
}

// read returns the next message; a NOTIFY is answered with 200.
func (p *phone) read() (head, body string) {
	p.t.Helper()
	var b strings.Builder
	length := 0
	var echo []string
	for {
		line, err := p.in.ReadString('\n')
		if err != nil {
			p.t.Fatalf("%v after %q", err, b.String())
		}
		if line == "\r\n" {
			break
		}
		b.WriteString(line)
		name, value, _ := strings.Cut(line, ":")
		switch name {
		case "Content-Length":
			length, _ = strconv.Atoi(strings.TrimSpace(value))
		case "Via", "From", "To", "Call-ID", "CSeq":
			echo = append(echo, line)
		}
	}
	content := make([]byte, length)
	if _, err := io.ReadFull(p.in, content); err != nil {
		p.t.Fatal(err)
	}
	if strings.HasPrefix(b.String(), "NOTIFY ") {
		fmt.Fprintf(p.conn, "SIP/2.0 200 OK\r\n%sContent-Length: 0\r\n\r\n", strings.Join(echo, ""))
	}
	return b.String(), string(content)
}

// A watcher behind a NAT: NOTIFY goes over its connection, after the 200. When
// the connection breaks nobody is dialled, and a refresh over another one brings
// what was missed (RFC 5626 §7).
func TestConnectionBreaks(t *testing.T) {
	r := newRig(t, Config{}, memory.New())
	defer r.close()
	ep := wire.New(wire.Config{Handler: face{r}, Wheel: r.wheel})
	defer ep.Close(context.Background())
	r.n.cfg.Sender = ep
	addr, err := ep.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	first := dial(t, addr.String())
	first.subscribe(1, "")
	ok, _ := first.read()
	notify, body := first.read()
	if !strings.HasPrefix(ok, "SIP/2.0 200 ") || !strings.HasPrefix(notify, "NOTIFY sip:bob@10.0.0.7:5060;transport=tcp ") || body != "none" {
		t.Fatalf("got %q, then %q %q", ok, notify, body)
	}
	tag := message{response: ok}.toTag()

	broken := make(chan struct{})
	onShard(r, func() { r.pkg.opened[0].Flow.OnClose(func() { close(broken) }) })
	first.conn.Close()
	<-broken
	r.set(text("missed"))

	second := dial(t, addr.String())
	second.subscribe(2, tag)
	if ok, _ := second.read(); !strings.HasPrefix(ok, "SIP/2.0 200 ") {
		t.Fatalf("refresh: %q", ok)
	}
	if notify, body := second.read(); body != "missed" {
		t.Fatalf("got %q %q", notify, body)
	}
}

// onShard runs fn on amy's shard and waits for it.
func onShard(r *rig, fn func()) {
	done := make(chan struct{})
	r.pool.Post(shard.Index(amy), func() { fn(); close(done) })
	<-done
}
