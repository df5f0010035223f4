package event

import (
	"net/netip"
	"testing"

	"rollcall/sip/wire"
)

func TestBodyCodings(t *testing.T) {
	for _, tt := range []struct {
		lines   string
		status  int
		deflate bool
	}{
		{"", 0, false},
		{"Content-Encoding: Identity\r\nAccept-Encoding: gzip, Deflate\r\n", 0, true},
		{"Accept-Encoding: deflate;q=0\r\n", 0, false},
		{"Accept-Encoding: deflate;q=0.3\r\n", 0, true},
		{"Accept-Encoding: *\r\n", 0, false},
		{"Content-Encoding: deflate\r\n", 415, false}, // RFC 3261 §8.2.3
		{"e: gzip\r\n", 415, false},
	} {
		flow := wire.NewFlow("TCP", local, netip.AddrPortFrom(remote.Addr(), 1), func([]byte) error { return nil })
		req, _, err := wire.ParseRequest([]byte("SUBSCRIBE sip:amy@example.test SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.9:5060;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n"+
			"From: <sip:amy@example.test>;tag=a\r\nTo: <sip:amy@example.test>\r\nCall-ID: c\r\nCSeq: 1 SUBSCRIBE\r\nContact: <sip:a@192.0.2.9>\r\nEvent: test\r\n"+
			"Content-Type: text/plain\r\n"+tt.lines+"Content-Length: 1\r\n\r\nx"), flow)
		if err != nil {
			t.Fatal(err)
		}
		e := &entry{pkg: &fakePackage{}}
		body, refusal := e.bodyOf(req)
		if status := statusOf(refusal); status != tt.status || (status == 0) != (string(body) == "x") {
			t.Errorf("%q: %d %q, want %d", tt.lines, status, body, tt.status)
		}
		if got := takesDeflate(req); got != tt.deflate {
			t.Errorf("%q: deflated NOTIFYs: %v", tt.lines, got)
		}
	}
}

func statusOf(r *Refusal) int {
	if r == nil {
		return 0
	}
	return r.Status
}
