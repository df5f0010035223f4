package relay

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"
)

var (
	secret = []byte("0123456789abcdef")
	sample = token{flow: "tcp 192.0.2.1:5060 198.51.100.7:40001 1f-2", aor: "sip:alice@a.example", domain: "b.example",
		device: "12345678", peer: netip.MustParseAddr("203.0.113.5")}
)

func TestToken(t *testing.T) {
	for _, want := range []token{{}, sample, {flow: "udp [2001:db8::1]:5060 [2001:db8::2]:5060", peer: netip.MustParseAddr("2001:db8::3")}} {
		user, ok := want.seal(secret, "call")
		if !ok {
			t.Fatal("not sealed")
		}
		if got, err := open(secret, user, "call"); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v came back as %+v, %v", want, got, err)
		}
	}
	if _, ok := (token{aor: strings.Repeat("x", maxPart+1)}).seal(secret, "call"); ok {
		t.Error("a token without bounds")
	}
}

// RFC 5626 §5.2: nobody else can make one, or use one elsewhere.
func TestForgedTokens(t *testing.T) {
	user, _ := sample.seal(secret, "call")
	for i := len(tokenPrefix); i < len(user); i++ {
		other := byte('A')
		if user[i] == other {
			other = 'B'
		}
		if got, err := open(secret, user[:i]+string(other)+user[i+1:], "call"); err != errForged {
			t.Fatalf("byte %d changed: %+v, %v", i, got, err)
		}
	}
	for name, try := range map[string]struct{ user, callID, secret string }{
		"another dialog": {user, "call2", string(secret)},
		"another server": {user, "call", "another secret"},
		"cut":            {user[:len(user)-4], "call", string(secret)},
		"empty":          {tokenPrefix, "call", string(secret)},
		"too long":       {tokenPrefix + strings.Repeat("A", 5000), "call", string(secret)},
	} {
		if _, err := open([]byte(try.secret), try.user, try.callID); err != errForged {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := open(secret, "alice", "call"); err != errNoToken {
		t.Errorf("a user: %v", err)
	}
}

// Whatever is read was sealed by us, and reads the same when sealed again.
func FuzzToken(f *testing.F) {
	user, _ := sample.seal(secret, "call")
	f.Add(user, []byte("\x03abc\x00\x00\x00\x04\x01\x02\x03\x04"))
	f.Add(tokenPrefix+"AAAA", []byte{0, 0, 0, 0, 5})
	f.Fuzz(func(t *testing.T, text string, content []byte) {
		if got, err := open(secret, text, "call"); err == nil {
			if again, ok := got.seal(secret, "call"); !ok || again != text {
				t.Errorf("%q reads as %+v and is written %q", text, got, again)
			}
		}
		got, err := parseToken(content)
		if err != nil {
			return
		}
		if sealed, ok := got.seal(secret, "call"); ok {
			if again, err := open(secret, sealed, "call"); err != nil || !reflect.DeepEqual(again, got) {
				t.Errorf("%q: %+v, then %+v, %v", content, got, again, err)
			}
		}
	})
}
