package wire

import (
	"testing"
)

// The scan must never say more than the parser does.
func FuzzScanResponse(f *testing.F) {
	f.Add([]byte("SIP/2.0 503 Busy\r\nVia: SIP/2.0/UDP h;branch=" + branchPrefix + "0123456789abcdef\r\nRetry-After: 5 (x)\r\nCSeq: 1 NOTIFY\r\nContent-Length: 0\r\n\r\n"))
	f.Add([]byte("SIP/2.0 200 OK\r\nv: SIP/2.0/TCP h;x;branch=" + branchPrefix + "0123456789abcdef;y, SIP/2.0/UDP i\r\nCSeq: 1  NOTIFY\r\n\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, ok := scanResponse(b)
		if !ok {
			return
		}
		r, err := parseResponse(b, false)
		if err != nil {
			return // the parser checks more
		}
		key, ours := parseBranch(r.branch)
		if !ours || key != got.branch || r.status != got.status || r.method != string(got.method) ||
			parseRetryAfter(joinHeader(r.lines, "Retry-After")) != got.retryAfter {
			t.Errorf("%q: scan %+v, parser %+v", b, got, r)
		}
	})
}

// The first look at a request finds the transaction that the parser finds.
func FuzzPeekRequest(f *testing.F) {
	f.Add([]byte(benchSubscribe))
	f.Add([]byte("OPTIONS sip:a SIP/2.0\r\nv : SIP / 2.0 / UDP h:5 ; branch=z9hG4bKx\r\nf: <sip:a@b>\r\nt: <sip:c@d>\r\ni: x\r\nCSeq: 1 OPTIONS\r\n\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		g, ok := peekRequest(b)
		if !ok {
			return
		}
		r, _, err := ParseRequest(b, newTestFlow("UDP").Flow)
		if err == nil && g != (glance{r.Method, r.top, r.CSeq}) {
			t.Errorf("%q: peek %+v, parser %s %+v %d", b, g, r.Method, r.top, r.CSeq)
		}
	})
}
