package event

import (
	"fmt"
	"strings"
	"testing"

	"rollcall/internal/auth"
	"rollcall/internal/store/memory"
	"rollcall/sip/wire"
)

// Whatever a SUBSCRIBE says, what we put into NOTIFY are header lines of ours.
func FuzzHead(f *testing.F) {
	f.Add("presence;id=1", "application/pidf+xml;q=0.5, */*", "<sip:b@192.0.2.9>", "<sip:p@192.0.2.3;lr>, <sip:q>", "eventlist")
	f.Add("presence", "", "\"B\" <sips:b@[2001:db8::1]:5061;transport=tcp>;x=y", "\"a,b\" <sip:p;lr>;z=\"<\"", "")
	f.Add("presence ; id=%41", "a/b;q=0", "sip:b@h", "sip:strict", "a,,b")
	r := newRig(f, Config{}, memory.New())
	defer r.close()
	flow := wire.NewFlow("UDP", local, remote, func([]byte) error { return nil })
	f.Fuzz(func(t *testing.T, event, accept, contact, route, supported string) {
		text := "SUBSCRIBE " + amy + " SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n" +
			"From: <" + bob + ">;tag=1\r\nTo: <" + amy + ">\r\nCall-ID: 1\r\nCSeq: 1 SUBSCRIBE\r\n" +
			"Event: " + event + "\r\nAccept: " + accept + "\r\nContact: " + contact + "\r\nRecord-Route: " + route +
			"\r\nSupported: " + supported + "\r\nContent-Length: 0\r\n\r\n"
		req, _, err := wire.ParseRequest([]byte(text), flow)
		if err != nil {
			return
		}
		e, refusal := r.n.packageOf(req)
		if refusal != nil {
			return
		}
		ranges, refusal := acceptOf(req, e)
		if refusal != nil {
			return
		}
		target, refusal := remoteTarget(req)
		if refusal != nil {
			return
		}
		routes, refusal := routeSet(req)
		if refusal != nil {
			return
		}
		s := r.n.newSubscription(req, e, 0, amy, routes, auth.Identity{AOR: bob})
		s.Accept, s.dialog.target = ranges, target
		s.source = nothing{}
		r.n.outbound(s)
		uri, line := s.dialog.address()
		if strings.ContainsAny(uri, " \r\n\x00") {
			t.Errorf("Request-URI %q", uri)
		}
		head := string(r.n.head(s, line, "active;expires=1", View{}))
		for l := range strings.SplitSeq(strings.TrimSuffix(head, "\r\n"), "\r\n") {
			name, _, ok := strings.Cut(l, ": ")
			if !ok || !strings.Contains(" From To Call-ID Event Route Contact Subscription-State SIP-ETag ", " "+name+" ") || strings.ContainsAny(l, "\r\n\x00") {
				t.Errorf("line %q in %q", l, head)
			}
		}
		if again := parsedHead(head); again != fmt.Sprint(s.dialog.callID(), s.dialog.remoteTag()) {
			t.Errorf("head says %s", again)
		}
	})
}

func parsedHead(head string) string {
	m := message{out: wire.Outgoing{Head: []byte(head)}}
	return fmt.Sprint(m.header("Call-ID"), m.toTag())
}
