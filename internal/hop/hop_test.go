package hop

import (
	"crypto/tls"
	"net/http"
	"net/netip"
	"testing"
)

func TestClient(t *testing.T) {
	trust := Trust{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	for _, c := range []struct{ remote, forwarded, want string }{
		{"192.0.2.1:5", "", "192.0.2.1"},
		{"192.0.2.1:5", "198.51.100.1", "192.0.2.1"},
		{"10.1.2.3:5", "", "10.1.2.3"},
		{"10.1.2.3:5", "198.51.100.1", "198.51.100.1"},
		{"10.1.2.3:5", "203.0.113.9, 198.51.100.1", "198.51.100.1"},
		{"10.1.2.3:5", "2001:db8::1", "2001:db8::1"},
		{"10.1.2.3:5", "nonsense", "10.1.2.3"},
		{"[::ffff:10.1.2.3]:5", "198.51.100.1", "198.51.100.1"},
		{"[::1]:5", "198.51.100.1", "198.51.100.1"},
		{"pipe", "", "invalid IP"},
	} {
		r := &http.Request{RemoteAddr: c.remote, Header: http.Header{}}
		if c.forwarded != "" {
			r.Header.Set("X-Forwarded-For", c.forwarded)
		}
		if got := trust.Client(r).String(); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

func TestSecure(t *testing.T) {
	trust := Trust{netip.MustParsePrefix("10.0.0.0/8")}
	for _, c := range []struct {
		remote, proto string
		tls, want     bool
	}{
		{"192.0.2.1:5", "", false, false},
		{"192.0.2.1:5", "https", false, false},
		{"192.0.2.1:5", "", true, true},
		{"10.0.0.1:5", "https", false, true},
		{"10.0.0.1:5", "http, HTTPS", false, true},
		{"10.0.0.1:5", "https, http", false, false},
		{"10.0.0.1:5", "", false, false},
	} {
		r := &http.Request{RemoteAddr: c.remote, Header: http.Header{}}
		if c.proto != "" {
			r.Header.Set("X-Forwarded-Proto", c.proto)
		}
		if c.tls {
			r.TLS = &tls.ConnectionState{}
		}
		if got := trust.Secure(r); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

func TestNetwork(t *testing.T) {
	for a, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "::ffff:192.0.2.1": "192.0.2.1", "2001:db8:1:2:3::4": "2001:db8:1:2::", "fe80::1%eth0": "fe80::",
	} {
		if got := Network(netip.MustParseAddr(a)); got.String() != want {
			t.Errorf("%s: %s", a, got)
		}
	}
	if Network(netip.Addr{}).IsValid() {
		t.Error("an address out of nothing")
	}
}
