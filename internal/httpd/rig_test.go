package httpd

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"rollcall/internal/certs/certstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const root = "/xcap-root"

// rig is a server on sockets of its own, plain and TLS.
type rig struct {
	t      *testing.T
	server *Server
	plain  string // host:port
	secure string
	client *http.Client // trusts the certificate; does not follow redirects
}

func start(t *testing.T, cfg Config) *rig {
	t.Helper()
	authority := certstest.NewAuthority(t)
	cert, key := authority.Issue("localhost")
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	cfg.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: Protocols()}
	if cfg.Handler == nil {
		cfg.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			SetUser(r.Context(), "sip:alice@example.test")
			fmt.Fprintf(w, "%s %s", r.Method, r.Proto)
		})
	}
	r := &rig{t: t, server: New(cfg)}
	var wg sync.WaitGroup
	for addr, serve := range map[*string]func(net.Listener) error{&r.plain: r.server.Serve, &r.secure: r.server.ServeTLS} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		*addr = l.Addr().String()
		wg.Go(func() {
			if err := serve(l); err != http.ErrServerClosed {
				t.Error(err)
			}
		})
	}
	transport := &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: authority.Pool(), ServerName: "localhost"},
		ForceAttemptHTTP2: true, DisableCompression: true,
	}
	r.client = &http.Client{
		Transport: transport, Timeout: 20 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := r.server.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		wg.Wait()
	})
	return r
}

// do sends a request to a URL; headers are pairs of name and value.
func (r *rig) do(method, url string, headers ...string) (*http.Response, string) {
	r.t.Helper()
	req, err := http.NewRequest(method, url, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := r.client.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return resp, string(text)
}

// conn is a connection on which a test sends what it likes.
type conn struct {
	net.Conn
	t *testing.T
	r *bufio.Reader
}

func (r *rig) dial() *conn {
	r.t.Helper()
	c, err := net.DialTimeout("tcp", r.plain, 5*time.Second)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	return &conn{Conn: c, t: r.t, r: bufio.NewReader(c)}
}

func (c *conn) send(text string) {
	c.t.Helper()
	// The server may refuse before it has read all.
	_, _ = io.WriteString(c, text)
}

func (c *conn) answer() *http.Response {
	c.t.Helper()
	resp, err := http.ReadResponse(c.r, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	resp.Body = io.NopCloser(bytes.NewReader(text))
	return resp
}

// closed waits until the server has closed the connection.
func (c *conn) closed() {
	c.t.Helper()
	if b, err := c.r.ReadByte(); err == nil {
		c.t.Errorf("%q instead of the end", b)
	} else if ne, ok := err.(net.Error); ok && ne.Timeout() {
		c.t.Error("the connection stays open")
	}
}

// logged collects the log while a test runs.
func logged(t *testing.T) func() string {
	var mu sync.Mutex
	var b strings.Builder
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(writeFunc(func(p []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return b.Write(p)
	}), nil)))
	t.Cleanup(func() { slog.SetDefault(before) })
	return func() string {
		mu.Lock()
		defer mu.Unlock()
		return b.String()
	}
}

type writeFunc func([]byte) (int, error)

func (f writeFunc) Write(p []byte) (int, error) { return f(p) }
