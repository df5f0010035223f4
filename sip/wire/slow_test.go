package wire

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// RFC 4320 §4.1 and §4.2: a slow request gets 100, not before 3.5 s and once; a
// quick one never; a final response is not followed by it.
func TestSlowRequest(t *testing.T) {
	for _, transport := range []string{"UDP", "TCP"} {
		var requests []*Request
		h := handlerFunc(func(r *Request) { requests = append(requests, r) })
		inBubble(t, Config{Handler: h}, func(t *testing.T, e *Endpoint) {
			f := newTestFlow(transport)
			e.receive([]byte(request("PUBLISH", "SIP/2.0/"+transport+" h", "z9hG4bKslow", "")), f.Flow)
			e.receive([]byte(request("PUBLISH", "SIP/2.0/"+transport+" h", "z9hG4bKquick", "")), f.Flow)
			if err := requests[1].Respond(Response{Status: 200}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(slowAfter - time.Millisecond)
			synctest.Wait()
			if sent := f.all(); len(sent) != 1 {
				t.Fatalf("%s: sent early: %q", transport, sent)
			}
			time.Sleep(time.Minute)
			synctest.Wait()
			if sent := f.all(); len(sent) != 2 || !strings.HasPrefix(sent[1], "SIP/2.0 100 Trying\r\n") || !strings.Contains(sent[1], "z9hG4bKslow") {
				t.Fatalf("%s: sent %q", transport, sent)
			}
			if err := requests[1].Respond(Response{Status: 100}); err != ErrAnswered {
				t.Errorf("%s: 100 after 200: %v", transport, err)
			}
			if err := requests[0].Respond(Response{Status: 202}); err != nil || len(f.all()) != 3 {
				t.Errorf("%s: final response: %v", transport, err)
			}
		})
	}
}
