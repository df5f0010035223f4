package sip

import (
	"net/netip"
	"strings"
	"testing"

	"rollcall/sip/wire"
)

func TestRefreshes(t *testing.T) {
	for _, tc := range []struct {
		method, to, cseq, more string
		want                   bool
	}{
		{"SUBSCRIBE", "<sip:b@h>", "1", "", false},
		{"SUBSCRIBE", "<sip:b@h>;tag=x", "2", "", true},
		{"PUBLISH", "<sip:b@h>", "9", "", false},
		{"PUBLISH", "<sip:b@h>", "9", "SIP-If-Match: x\r\n", true},
		{"REGISTER", "<sip:b@h>", "2", "", false},
		{"REGISTER", "<sip:b@h>", "3", "", true},
		{"MESSAGE", "<sip:b@h>;tag=x", "3", "", false},
	} {
		text := tc.method + " sip:h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKx\r\nFrom: <sip:a@h>;tag=1\r\nTo: " + tc.to +
			"\r\nCall-ID: c\r\nCSeq: " + tc.cseq + " " + tc.method + "\r\n" + tc.more + "\r\n"
		addr := netip.MustParseAddrPort("127.0.0.1:5060")
		req, _, err := wire.ParseRequest([]byte(text), wire.NewFlow("UDP", addr, addr, func([]byte) error { return nil }))
		if err != nil {
			t.Fatal(err)
		}
		if got := refreshes(req); got != tc.want {
			t.Errorf("%s: %v", strings.ReplaceAll(text, "\r\n", " | "), got)
		}
	}
}
