package main

import (
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A server on the open Internet: whatever comes, it answers properly or not at all,
// others are served meanwhile, and neither memory nor log grow with it.
func TestHostileInput(t *testing.T) {
	t.Parallel()
	all := venues(t)
	host := all[0].server
	before := resident(t, host)
	for _, attack := range []struct {
		name string
		run  func(t *testing.T, all []*venue)
	}{
		{"slow", slowLoris}, {"garbage", garbage}, {"floods", floods}, {"bodies", hostileBodies}, {"injection", injection},
	} {
		t.Run(attack.name, func(t *testing.T) {
			attack.run(t, all)
			for _, v := range all { // others are served
				v.phone(t).register(600)
			}
		})
	}
	if grown := resident(t, host) - before; grown > 200<<20 {
		t.Errorf("%d MB more in use than before", grown>>20)
	}
	if n := strings.Count(host.log.String(), "\n"); n > 500 {
		t.Errorf("%d lines in the log", n)
	}
	if strings.Contains(host.log.String(), "panic") {
		t.Error("a panic")
	}
}

// resident is the memory a server has now, in bytes.
func resident(t *testing.T, s *server) int64 {
	t.Helper()
	resp, err := http.Get(s.admin + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^process_resident_memory_bytes (\S+)$`).FindSubmatch(text)
	if m == nil {
		t.Skip("this system does not say how much memory a process has")
	}
	n, err := strconv.ParseFloat(string(m[1]), 64)
	if err != nil {
		t.Fatal(err)
	}
	return int64(n)
}

// slowLoris holds many connections open and says next to nothing on them: not even
// a handshake, half a handshake, half a request.
func slowLoris(t *testing.T, all []*venue) {
	var held []net.Conn
	for _, v := range all[1:] {
		for i := range 400 {
			conn, err := net.Dial("tcp", v.addr)
			if err != nil {
				t.Fatal(err)
			}
			held = append(held, conn)
			begin := "OPTIONS sip:localhost SIP/2.0\r\nVia: SIP/2.0/TCP h"
			switch v.network {
			case "tls":
				begin = "\x16\x03\x01\x02\x00\x01"
			case "wss":
				begin = "\x16\x03"
			}
			_, _ = io.WriteString(conn, begin[:i%len(begin)])
		}
	}
	for _, conn := range held {
		_, _ = io.WriteString(conn, "x")
	}
	for _, v := range all {
		v.phone(t).register(600)
	}
	for _, conn := range held {
		conn.Close()
	}
}

// garbage sends noise to every port.
func garbage(t *testing.T, all []*venue) {
	noise := make([]byte, 4000)
	for range 100 {
		rand.Read(noise)
		for _, v := range all {
			network := "tcp"
			if v.network == "udp" {
				network = "udp"
			}
			conn, err := net.Dial(network, v.addr)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = conn.Write(noise)
			conn.Close()
		}
	}
	// The same within the encryption.
	for _, v := range all[1:] {
		conn := v.dial(t)
		_, _ = conn.Write(noise)
		conn.Close()
	}
}

// floods sends what is well-formed but too much.
func floods(t *testing.T, all []*venue) {
	many := strings.Repeat
	for _, v := range all {
		for _, tt := range []struct{ name, line string }{
			{"one long header", "Subject: " + many("x", 50_000)},
			{"many headers", many("X-A: b\r\n", 5000) + "X: y"},
			{"parameters", "Contact: <sip:a@h" + many(";p=v", 10_000) + ">"},
			{"header parameters", "Contact: <sip:a@h>" + many(";p=v", 10_000)},
			{"list", "Accept: a/b" + many(",a/b", 10_000)},
			{"routes", "Route: <sip:h;lr>" + many(",<sip:h;lr>", 4000)},
			{"quotes", `Contact: "` + many(`\"`, 20_000) + `" <sip:a@h>`},
			{"folds", "Subject: x" + many("\r\n ", 15_000)},
		} {
			c := newSIPClient(t, v.network, v.dial(t), "mallory", "")
			c.conn = deaf{c.conn} // it may be closed at any time
			c.raw(bare(c, "OPTIONS") + tt.line + "\r\nContent-Length: 0\r\n\r\n")
			select {
			case m, ok := <-c.in: // or the connection is closed
				if ok && (m.status() < 400 || m.status() >= 500) {
					t.Errorf("%s, %s:\n%.500s", v.network, tt.name, m)
				}
			case <-time.After(100 * time.Millisecond):
			}
			c.conn.Close()
		}
	}
}

// hostileBodies publishes documents made to cost more than they weigh.
func hostileBodies(t *testing.T, all []*venue) {
	for _, v := range all {
		c := v.phone(t)
		for name, body := range map[string]string{
			"entities": `<!DOCTYPE p [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]>` +
				pidfOf(c, "<note>&c;</note>"),
			"external entity": `<!DOCTYPE p [<!ENTITY a SYSTEM "file:///etc/passwd">]>` + pidfOf(c, "<note>&a;</note>"),
			"depth":           pidfOf(c, strings.Repeat("<a>", 5000)+strings.Repeat("</a>", 5000)),
			"attributes":      pidfOf(c, "<tuple id='a'"+manyAttributes(3000)+"><status/></tuple>"),
			"namespaces":      pidfOf(c, "<a"+manyNamespaces(2000)+"/>"),
			"cut":             pidfOf(c, "<tuple id='a'>"),
			"NUL":             pidfOf(c, "<note>\x00</note>"),
			"not UTF-8":       pidfOf(c, "<note>\xff\xfe</note>"),
			"nothing":         " ",
		} {
			if m := c.do(publishing(c, body)); m.status() != 400 && m.status() != 413 {
				t.Errorf("%s, %s:\n%s", v.network, name, m)
			}
		}
		c.want(200, publishing(c, pidfOf(c, tupleOf("t1", "open"))))
	}
}

func manyAttributes(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, " a%d='x'", i)
	}
	return b.String()
}

func manyNamespaces(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, " xmlns:n%d='urn:%d'", i, i)
	}
	return b.String()
}

// injection tries to get a header line of one's own into messages of the server.
func injection(t *testing.T, all []*venue) {
	for _, v := range all {
		watched := v.phone(t)
		v.allow(t, watched)
		publish(watched, tupleOf("t1", "open"))
		for _, lines := range [][]string{
			{`Contact: "x%0d%0aEvil: 1" <sip:a%0d%0aEvil:%201@192.0.2.1>`},
			{"Contact: <sip:a@192.0.2.1;p=%0d%0aEvil:1>"},
			{"Event: presence;id=a%0d%0aEvil:1"},
			{"Event: presence;id=\"a\nEvil: 1\""},
			{"Event: presence;id=a\rEvil: 1"},
			{"Record-Route: <sip:a%0d%0aEvil@h;lr>"},
			{"Record-Route: <sip:h;lr>;x=\"\nEvil: 1\""},
			{"Subject: x\nEvil: 1"},
			{"Accept: application/pidf+xml;x=\"\\\r\n Evil: 1\""},
			{"Suppress-If-Match: a\rEvil: 1"},
		} {
			c := v.phone(t)
			c.send(withFrom(c, subscribing(c, watched.aor(), lines...)))
			for range 3 {
				select {
				case m, ok := <-c.in:
					if !ok {
						break
					}
					if m.get("Evil") != "" {
						t.Errorf("%s, %q:\n%s", v.network, lines, m)
					}
					if m.status() == 401 {
						r := withFrom(c, subscribing(c, watched.aor(), lines...))
						c.send(r, "Authorization: "+authorize(t, c, r, m.header.Values("Www-Authenticate")[0]))
					} else if m.method() == "NOTIFY" {
						c.reply(m, "200 OK")
					}
				case <-time.After(100 * time.Millisecond):
				}
			}
			c.conn.Close()
		}
	}
}

func withFrom(c *sipClient, r request) request {
	r.from = c.aor()
	return r
}
