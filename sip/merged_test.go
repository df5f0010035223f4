package sip

import (
	"fmt"
	"strings"
	"testing"

	"rollcall/sip/wire"
)

// RFC 3261 §8.2.2.2: the same request over two paths is served once.
func TestMergedRequests(t *testing.T) {
	f := newFace(t, 16)
	f.from("10.1.2.3:5060")
	for _, tc := range []struct {
		method, uri, to string
		again           string // Request-URI of the second
		branch          string
		cseq            int
		want            string
	}{
		{"REGISTER", "sip:example.org", alice, "sip:example.org", "2", 1, "482"},
		{"PUBLISH", alice, alice, alice, "2", 1, "482"},
		{"SUBSCRIBE", bob, bob, bob, "2", 1, "482"},
		{"MESSAGE", bob, bob, bob, "2", 1, "482"},
		{"MESSAGE", bob, bob, "sip:bob@example.org;x=y", "2", 1, "482"},
		{"MESSAGE", bob, bob, "sip:carol@example.net", "2", 1, "200"}, // a fork to somebody else
		{"MESSAGE", bob + ";gr=urn:x:1", bob, bob + ";gr=urn:x:2", "2", 1, "200"},
		{"PUBLISH", alice, alice, alice, "2", 2, "200"},
		{"PUBLISH", alice, alice, alice, "1", 1, "200"}, // no other path
		{"PUBLISH", bob, bob, bob, "2", 1, "403"},       // refused before: nothing is merged with it
	} {
		f.flow = wire.NewFlow("TCP", f.flow.Local(), f.flow.Remote(), func(b []byte) error { f.out <- string(b); return nil })
		send := func(uri, branch string, cseq int) string {
			text := fmt.Sprintf("%s %s SIP/2.0\r\nVia: SIP/2.0/TCP 10.1.2.3;branch=z9hG4bK%s\r\nFrom: <%s>;tag=1\r\nTo: <%s>\r\nCall-ID: %s\r\nCSeq: %d %s\r\nContent-Length: 0\r\n\r\n",
				tc.method, uri, branch, alice, tc.to, strings.ReplaceAll(t.Name()+fmt.Sprint(tc), " ", ""), cseq, tc.method)
			req, owed, err := wire.ParseRequest([]byte(text), f.flow)
			if err != nil {
				t.Fatalf("%+v %v", owed, err)
			}
			f.srv.ServeSIP(req)
			return status(f.answer())
		}
		first := send(tc.uri, "1", 1)
		if got := send(tc.again, tc.branch, tc.cseq); got != tc.want {
			t.Errorf("%s %s, then %s %s %d: %s and %s, want %s", tc.method, tc.uri, tc.again, tc.branch, tc.cseq, first, got, tc.want)
		}
	}
}

// What is remembered is bounded.
func TestMergesBounded(t *testing.T) {
	f := newFace(t, 16)
	var m merges
	for i := range 3 * maxMerges {
		text := fmt.Sprintf("PUBLISH %s SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK%d\r\nFrom: <%s>;tag=1\r\nTo: <%s>\r\nCall-ID: %d\r\nCSeq: 1 PUBLISH\r\nContent-Length: 0\r\n\r\n", alice, i, alice, alice, i)
		req, _, err := wire.ParseRequest([]byte(text), f.flow)
		if err != nil {
			t.Fatal(err)
		}
		m.enter(req, alice)
	}
	if n := len(m.newer) + len(m.older); n > 2*maxMerges {
		t.Errorf("%d requests remembered", n)
	}
}
