package wire

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"testing"
	"testing/synctest"
	"time"
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
		if places, _ := e.openings.Taken(); len(e.conns) != 0 || places != 0 {
			t.Errorf("%d connections, %d places kept", len(e.conns), places)
		}
	})
}

// Nobody can take all the places of those who have yet to say who they are.
func TestOpeningPlaces(t *testing.T) {
	inBubble(t, Config{MaxOpening: 4}, func(t *testing.T, e *Endpoint) {
		one, two, loopback := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::2"), netip.MustParseAddr("127.0.0.1")
		neighbour := netip.MustParseAddr("2001:db8::ffff:2")
		for i, step := range []struct {
			from netip.Addr
			want bool
		}{{one, true}, {one, true}, {one, false}, {two, true}, {loopback, true}, {loopback, false}, {two, false}} {
			if got := e.enter(step.from); got != step.want {
				t.Errorf("step %d: %v", i, got)
			}
		}
		for _, from := range []netip.Addr{one, one, neighbour, loopback} {
			e.leave(from)
		}
		if places, networks := e.openings.Taken(); places != 0 || networks != 0 {
			t.Errorf("%d places kept, of %d networks", places, networks)
		}
	})
}
