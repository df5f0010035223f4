package certs

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"rollcall/internal/certs/certstest"
	"rollcall/internal/store/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func pairIn(dir, name string) Pair {
	return Pair{Cert: filepath.Join(dir, name+".pem"), Key: filepath.Join(dir, name+".key")}
}

// listen serves TLS connections that end after the handshake.
func listen(t *testing.T, s *Store, protocols ...string) string {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", s.TLSConfig(protocols...))
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				_ = c.(*tls.Conn).HandshakeContext(context.Background())
			})
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	return l.Addr().String()
}

// shown is the first name of the certificate that a client is shown.
func shown(t *testing.T, addr string, cfg *tls.Config) (string, error) {
	t.Helper()
	d := &net.Dialer{Timeout: 20 * time.Second}
	c, err := tls.DialWithDialer(d, "tcp", addr, cfg)
	if err != nil {
		return "", err
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0].DNSNames[0], nil
}

// RFC 6066 §3: the server chooses by the name that the client sends.
func TestServerName(t *testing.T) {
	a, dir := certstest.NewAuthority(t), t.TempDir()
	one, two := pairIn(dir, "one"), pairIn(dir, "two")
	a.Write(one.Cert, one.Key, "one.test")
	a.Write(two.Cert, two.Key, "two.test", "*.three.test")
	s, err := New(Config{Pairs: []Pair{one, two}})
	if err != nil {
		t.Fatal(err)
	}
	addr := listen(t, s, "h2", "http/1.1")
	for _, c := range []struct{ ask, want string }{
		{"one.test", "one.test"}, {"two.test", "two.test"}, {"TWO.test", "two.test"}, {"x.three.test", "two.test"},
		{"other.test", "one.test"}, {"", "one.test"},
	} {
		got, err := shown(t, addr, &tls.Config{ServerName: c.ask, InsecureSkipVerify: true})
		if err != nil || got != c.want {
			t.Errorf("%q: %s, %v, want %s", c.ask, got, err, c.want)
		}
	}
	if _, err := shown(t, addr, &tls.Config{ServerName: "two.test", RootCAs: a.Pool()}); err != nil {
		t.Errorf("verified: %v", err)
	}
	// RFC 8996: nothing before TLS 1.2.
	if _, err := shown(t, addr, &tls.Config{ServerName: "one.test", RootCAs: a.Pool(), MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}); err == nil {
		t.Error("TLS 1.1 is spoken")
	}
}

func TestReload(t *testing.T) {
	a, dir := certstest.NewAuthority(t), t.TempDir()
	p := pairIn(dir, "server")
	a.Write(p.Cert, p.Key, "first.test")
	s, err := New(Config{Pairs: []Pair{p}})
	if err != nil {
		t.Fatal(err)
	}
	addr := listen(t, s)
	ctx, cancel := context.WithCancel(context.Background())
	asked, done := make(chan os.Signal), make(chan struct{})
	go func() {
		defer close(done)
		s.Watch(ctx, time.Millisecond, asked)
	}()
	defer func() { cancel(); <-done }()
	expect := func(want string) {
		t.Helper()
		for deadline := time.Now().Add(10 * time.Second); ; {
			got, err := shown(t, addr, &tls.Config{InsecureSkipVerify: true})
			if err == nil && got == want {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s, %v, want %s", got, err, want)
			}
		}
	}
	expect("first.test")
	// In place.
	a.Write(p.Cert, p.Key, "second.test")
	expect("second.test")
	// Another file of that name.
	other := pairIn(dir, "other")
	a.Write(other.Cert, other.Key, "third.test")
	if err := errors.Join(os.Rename(other.Cert, p.Cert), os.Rename(other.Key, p.Key)); err != nil {
		t.Fatal(err)
	}
	expect("third.test")
	// Broken, and missing: the old one stays.
	if err := os.WriteFile(p.Cert, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	asked <- syscall.SIGHUP
	asked <- syscall.SIGHUP // the first has been dealt with
	expect("third.test")
	if err := os.Remove(p.Key); err != nil {
		t.Fatal(err)
	}
	asked <- syscall.SIGHUP
	asked <- syscall.SIGHUP
	expect("third.test")
	a.Write(p.Cert, p.Key, "fourth.test")
	expect("fourth.test")
}

func TestRefused(t *testing.T) {
	a, dir := certstest.NewAuthority(t), t.TempDir()
	one, two := pairIn(dir, "one"), pairIn(dir, "two")
	a.Write(one.Cert, one.Key, "one.test")
	a.Write(two.Cert, two.Key, "two.test")
	for _, c := range []struct {
		cfg  Config
		want string
	}{
		{Config{}, "no certificates"},
		{Config{Pairs: []Pair{{one.Cert, dir + "/absent"}}}, "absent"},
		{Config{Pairs: []Pair{{one.Cert, two.Key}}}, "one.pem"},
		{Config{Pairs: []Pair{{one.Key, one.Cert}}}, "one.key"},
	} {
		if _, err := New(c.cfg); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v", c.cfg, err)
		}
	}
}

// A name that is not to be had over ACME is not asked for.
func TestForeignName(t *testing.T) {
	s, err := New(Config{ACME: &ACME{Domains: []string{"xcap.test"}, Directory: "http://127.0.0.1:1/", Store: memory.New()}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.certificate(&tls.ClientHelloInfo{ServerName: "other.test"}); err == nil || !strings.Contains(err.Error(), "other.test") {
		t.Errorf("%v", err)
	}
}
