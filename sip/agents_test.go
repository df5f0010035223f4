package sip

import (
	"net/netip"
	"testing"

	"rollcall/internal/auth"
	"rollcall/sip/wire"
)

// RFC 8760 §2.3: the most preferred algorithm first; baresip 1 gives up on any
// challenge but MD5, later ones on SHA-512-256, SIPp on what does not begin with MD5.
func TestChallengeOrder(t *testing.T) {
	for agent, want := range map[string]auth.Order{
		"":                              auth.SHA256First,
		"Linphonec/5.1.65":              auth.SHA256First,
		"baresip v1.0.0 (x86_64/linux)": auth.MD5Only,
		"baresip v3.9.0 (x86_64/Linux)": auth.SHA256AndMD5,
		"Purple/2.14.12":                auth.SHA256First,
		"SIPp":                          auth.MD5Only,
	} {
		text := "OPTIONS sip:localhost SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bK1\r\nFrom: <sip:a@localhost>;tag=1\r\n" +
			"To: <sip:localhost>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nUser-Agent: " + agent + "\r\nContent-Length: 0\r\n\r\n"
		here := netip.MustParseAddrPort("127.0.0.1:5060")
		req, _, err := wire.ParseRequest([]byte(text), wire.NewFlow("UDP", here, here, func([]byte) error { return nil }))
		if err != nil {
			t.Fatal(err)
		}
		if got := agentOf(req).challengeOrder(); got != want {
			t.Errorf("User-Agent %q: order %v, want %v", agent, got, want)
		}
	}
}
