package wire

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// piped connects a client to an endpoint within a bubble.
func piped(e *Endpoint) (client net.Conn, c *tcpConn) {
	client, conn := net.Pipe()
	e.adopt("TCP", conn, netip.AddrPort{})
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, c = range e.conns {
	}
	return client, c
}

// lifetime returns how long the connection lasts from now.
func lifetime(client net.Conn) time.Duration {
	begin := time.Now()
	_, _ = io.Copy(io.Discard, client)
	return time.Since(begin).Round(time.Second)
}

// RFC 3261 §18: connections stay open; but an idle one ends some time, and a
// message has to arrive in time however slowly it trickles.
func TestConnectionDeadlines(t *testing.T) {
	message := request("OPTIONS", "SIP/2.0/TCP h", "z9hG4bKa", "")
	for _, tc := range []struct {
		name   string
		before func(net.Conn)
		want   time.Duration
	}{
		{"never said anything", func(net.Conn) {}, greetTimeout},
		{"idle after a ping", func(c net.Conn) {
			for range 2 {
				_, _ = io.WriteString(c, "\r\n\r\n")
				time.Sleep(50 * time.Minute)
			}
		}, 10 * time.Minute},
		{"trickling", func(c net.Conn) {
			for _, b := range []byte(message[:5]) {
				_, _ = c.Write([]byte{b})
				time.Sleep(5 * time.Second)
			}
		}, 5 * time.Second},
		{"always in the middle of a message", func(c net.Conn) {
			_, _ = io.WriteString(c, message[:10])
			for range 100 {
				time.Sleep(time.Second)
				_, _ = io.WriteString(c, message[10:]+message[:10])
			}
		}, messageTime},
	} {
		inBubble(t, Config{IdleTimeout: time.Hour}, func(t *testing.T, e *Endpoint) {
			client, _ := piped(e)
			read := make(chan time.Duration)
			go func() { read <- lifetime(client) }()
			begin := time.Now()
			tc.before(client)
			spent := time.Since(begin)
			if got := <-read - spent; got != tc.want {
				t.Errorf("%s: lasted %v, want %v", tc.name, got, tc.want)
			}
			client.Close()
		})
	}
}

// A peer that does not read fills its own queue only, and is dropped.
func TestConnectionThatDoesNotRead(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, e *Endpoint) {
		client, c := piped(e)
		defer client.Close()
		begin := time.Now()
		big := []byte(strings.Repeat("x", maxQueue/4))
		var err error
		for range 10 {
			if err = c.flow.Send(big); err != nil {
				break
			}
			synctest.Wait()
		}
		if !errors.Is(err, ErrFlowFull) {
			t.Errorf("queue without a bound: %v", err)
		}
		closed := make(chan time.Duration, 1)
		c.flow.OnClose(func() { closed <- time.Since(begin) })
		if after := <-closed; after != writeTimeout {
			t.Errorf("dropped after %v", after)
		}
		if err := c.flow.Send(big); !errors.Is(err, ErrFlowClosed) {
			t.Errorf("send: %v", err)
		}
	})
}

// What is queued when the endpoint closes still goes out.
func TestCloseDrains(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, e *Endpoint) {
		client, c := piped(e)
		got := make(chan string)
		go func() {
			time.Sleep(time.Second)
			b, _ := io.ReadAll(client)
			got <- string(b)
		}()
		for range 3 {
			if err := c.flow.Send([]byte("bytes ")); err != nil {
				t.Fatal(err)
			}
		}
		if err := e.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if b := <-got; b != "bytes bytes bytes " {
			t.Errorf("got %q", b)
		}
	})
}

// A peer that handles one message each time it reads gets them one at a time,
// the one that was on its way when it asked included.
func TestSpace(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, e *Endpoint) {
		client, c := piped(e)
		defer client.Close()
		begin := time.Now()
		send := func(texts ...string) {
			for _, text := range texts {
				if err := c.flow.Send([]byte(text)); err != nil {
					t.Error(err)
				}
			}
		}
		send("one")
		c.flow.Space(50 * time.Millisecond)
		send("two", "three", "four")
		buf := make([]byte, 100)
		for i, want := range []string{"one", "two", "three", "four"} {
			n, err := client.Read(buf)
			if err != nil || string(buf[:n]) != want {
				t.Errorf("read %q, %v; want %q", buf[:n], err, want)
			}
			if after := time.Since(begin); i > 0 && after < time.Duration(i)*50*time.Millisecond {
				t.Errorf("%q after %v", want, after)
			}
		}
		c.flow.Space(0)
		send("five", "six")
		synctest.Wait()
		all := ""
		for len(all) < len("fivesix") {
			n, err := client.Read(buf)
			if err != nil {
				t.Fatal(err)
			}
			all += string(buf[:n])
		}
		if all != "fivesix" {
			t.Errorf("read %q", all)
		}
	})
}
