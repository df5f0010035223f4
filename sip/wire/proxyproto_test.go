package wire

import (
	"bytes"
	"errors"
	"io"
	"net/netip"
	"strings"
	"testing"
)

func TestProxyHeader(t *testing.T) {
	v2 := func(command, family byte, body ...byte) string {
		return proxyV2Mark + string([]byte{0x20 | command, family, byte(len(body) >> 8), byte(len(body))}) + string(body)
	}
	v4 := []byte{192, 0, 2, 1, 192, 0, 2, 2, 0x10, 0x00, 0x13, 0xc4}
	v6 := append(append(netip.MustParseAddr("2001:db8::1").AsSlice(), make([]byte, 16)...), 0x10, 0, 0, 1)
	for in, want := range map[string]string{
		"PROXY TCP4 192.0.2.1 192.0.2.2 4096 5060\r\n":     "192.0.2.1:4096",
		"PROXY TCP6 2001:db8::1 2001:db8::2 4096 5060\r\n": "[2001:db8::1]:4096",
		"PROXY UNKNOWN\r\n":                          "none",
		"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n":      "none",
		v2(1, 0x11, v4...):                           "192.0.2.1:4096",
		v2(1, 0x11, append(v4, 4, 0, 1, 0)...):       "192.0.2.1:4096",
		v2(1, 0x21, v6...):                           "[2001:db8::1]:4096",
		v2(0, 0):                                     "none",
		v2(2, 0x11, v4...):                           "",
		v2(1, 0x11, v4[:11]...):                      "",
		v2(1, 0x31, v4...):                           "",
		"PROXY TCP4 2001:db8::1 192.0.2.2 1 2\r\n":   "",
		"PROXY TCP4 192.0.2.1 192.0.2.2 70000 2\r\n": "",
		"PROXY " + strings.Repeat("x", 200):          "",
		"OPTIONS sip:a SIP/2.0\r\n":                  "",
		"\r\n\r\n":                                   "",
	} {
		rest := strings.NewReader(in + "next")
		got, err := parseProxyHeader(rest)
		text := ""
		if err == nil {
			text = "none"
			if got.IsValid() {
				text = got.String()
			}
			if left, _ := io.ReadAll(rest); string(left) != "next" {
				t.Errorf("%q: left %q", in, left)
			}
		}
		if text != want {
			t.Errorf("%q: %q (%v), want %q", in, text, err, want)
		}
	}
}

// Only who is named may say where a connection comes from, and must.
func TestProxied(t *testing.T) {
	requests := make(chan netip.AddrPort, 1)
	h := func(r *Request) { requests <- r.Flow.Remote(); answer200(r) }
	s := start(t, Config{Proxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}, h)
	p := dialPeer(t, "tcp", s.tcp)
	p.write("PROXY TCP4 192.0.2.1 192.0.2.2 4096 5060\r\n" + request("OPTIONS", "SIP/2.0/TCP h;rport", "z9hG4bKa", ""))
	if got := p.message(); !strings.Contains(got, ";rport=4096;received=192.0.2.1\r\n") {
		t.Errorf("got %q", got)
	}
	if got := <-requests; got.String() != "192.0.2.1:4096" {
		t.Errorf("remote %v", got)
	}
	bare := dialPeer(t, "tcp", s.tcp)
	bare.write(request("OPTIONS", "SIP/2.0/TCP h", "z9hG4bKa", ""))
	if b, _ := io.ReadAll(bare); len(b) != 0 {
		t.Errorf("without a header: %q", b)
	}
	other := start(t, Config{}, h)
	liar := dialPeer(t, "tcp", other.tcp)
	liar.write("PROXY TCP4 192.0.2.1 192.0.2.2 4096 5060\r\n")
	if b, _ := io.ReadAll(liar); len(b) != 0 {
		t.Errorf("from a stranger: %q", b)
	}
}

func FuzzProxyHeader(f *testing.F) {
	f.Add([]byte("PROXY TCP4 192.0.2.1 192.0.2.2 4096 5060\r\n"))
	f.Add([]byte(proxyV2Mark + "\x21\x11\x00\x0c\x01\x02\x03\x04\x01\x02\x03\x04\x00\x01\x00\x02"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bytes.NewReader(b)
		if _, err := parseProxyHeader(r); err != nil && !errors.Is(err, errProxyHeader) {
			t.Errorf("%q: %v", b, err)
		}
	})
}
