package sipuri

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	for in, want := range map[string]URI{
		"sip:alice@atlanta.com":      {Scheme: "sip", User: "alice", HasUser: true, Host: "atlanta.com"},
		"SIPS:1212@Gateway.com":      {Scheme: "sips", User: "1212", HasUser: true, Host: "gateway.com"},
		"sip:example.com":            {Scheme: "sip", Host: "example.com"},
		"sip:example.com.":           {Scheme: "sip", Host: "example.com."},
		"sip:alice:pw@[2001:DB8::1]": {Scheme: "sip", User: "alice", Password: "pw", HasUser: true, Host: "[2001:db8::1]"},
		"sip:a@192.0.2.4:5070;Transport=TCP;lr": {Scheme: "sip", User: "a", HasUser: true, Host: "192.0.2.4", Port: 5070,
			Params: []Param{{"transport", "TCP", true}, {"lr", "", false}}},
		// RFC 4475 §3.1.1.9: ";" and an escaped "@" belong to the user part.
		"sip:user;par=u%40example.net@example.com": {Scheme: "sip", User: "user;par=u%40example.net", HasUser: true, Host: "example.com"},
		"sip:a@h?Subject=x%20y&Priority=urgent":    {Scheme: "sip", User: "a", HasUser: true, Host: "h", Headers: "Subject=x%20y&Priority=urgent"},
		"tel:+1-201-555-0123;ext=9":                {Scheme: "tel", User: "+1-201-555-0123", HasUser: true, Params: []Param{{"ext", "9", true}}},
		"pres:bob@example.com":                     {Scheme: "pres", User: "bob", HasUser: true, Host: "example.com"},
		// RFC 4475 §3.3.2, §3.3.3
		"nobodyKnowsThisScheme:totallyopaquecontent": {Scheme: "nobodyknowsthisscheme", User: "totallyopaquecontent", HasUser: true},
		"soap.beep://192.0.2.103:3002":               {Scheme: "soap.beep", User: "//192.0.2.103:3002", HasUser: true},
	} {
		got, err := Parse(in)
		if err != nil {
			t.Errorf("Parse(%q): %v", in, err)
			continue
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("Parse(%q) (-want +got):\n%s", in, d)
		}
		if again, err := Parse(got.String()); err != nil || !cmp.Equal(again, got) {
			t.Errorf("%q written as %q does not read the same: %v", in, got.String(), err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, in := range []string{
		"", "sip", "sip:", ":x", "1sip:a@b", "sip:@b", "sip:a@", "sip:a@b@c", "sip:a b@c", "sip:a@b c",
		"sip:a@b:", "sip:a@b:0", "sip:a@b:65536", "sip:a@b:x", "sip:a@b;", "sip:a@b;;x", "sip:a@b;=1", "sip:a@b;x=",
		"sip:a@b;x=1;X=2", "sip:a@b;x=1;%78=2", "sip:a@b?", "sip:a@b?x", "sip:a@b?x=1&", "sip:a%@b", "sip:a%4@b", "sip:a%zz@b",
		"sip:a@-b", "sip:a@b-.c", "sip:a@b..c", "sip:a@.b", "sip:a@1.2.3", "sip:a@300.1.1.1", "sip:a@[::1", "sip:a@[1.2.3.4]",
		"sip:a@[fe80::1%25eth0]", "sip:a\x00@b", "sip:a@b\r\n", "<sip:a@b>", "sip:\"a\"@b", "sip:\xc3\xa9@b", "tel:", "tel:x", "tel:1+2", "http:a b",
		"sip:" + strings.Repeat("a", MaxLength) + "@b", "sip:a@b" + strings.Repeat(";x", MaxParams+1),
	} {
		if u, err := Parse(in); !errors.Is(err, ErrSyntax) {
			t.Errorf("Parse(%q) = %+v, %v; want ErrSyntax", in, u, err)
		}
	}
}

// RFC 3261 §19.1.4, its examples and its table.
func TestEqual(t *testing.T) {
	for _, tc := range []struct {
		a, b string
		want bool
	}{
		{"sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp", true},
		{"sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5", true},
		{"sip:carol@chicago.com", "sip:carol@chicago.com;security=on", true},
		{"sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;security=on", true},
		{"sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com", "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com", true},
		{"sip:alice@atlanta.com?subject=project%20x&priority=urgent", "sip:alice@atlanta.com?priority=urgent&subject=project%20x", true},
		{"SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP", false},
		{"sip:bob@biloxi.com", "sip:bob@biloxi.com:5060", false},
		{"sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp", false},
		{"sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp", false},
		{"sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting", false},
		{"sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4", false},
		{"sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off", false},
		{"sip:a@h", "sips:a@h", false},
		{"sip:a@h", "sip:h", false},
		{"sip:a:p@h", "sip:a@h", false},
		{"sip:a%3bb@h", "sip:a;b@h", false}, // ";" is reserved: its escape is another character
		{"sip:a%3bb@h", "sip:a%3Bb@h", true},
		{"sip:a@h;user=phone", "sip:a@h", false},
		{"sip:a@h;ttl=1", "sip:a@h", false},
		{"sip:a@h;maddr=x", "sip:a@h", false},
		{"sip:a@h;method=x", "sip:a@h", false},
		{"sip:a@h;user=Phone", "sip:a@h;user=phone", true},
		{"sip:a@h?x=1&x=1", "sip:a@h?x=1&x=2", false},
		{"sip:a@[2001:db8::1]", "sip:a@[2001:DB8:0::1]", true},
		{"tel:+1-201-555-0123", "tel:+12015550123", true},
		{"tel:1;phone-context=a", "tel:1;phone-context=b", false},
	} {
		a, err1 := Parse(tc.a)
		b, err2 := Parse(tc.b)
		if err1 != nil || err2 != nil {
			t.Fatal(tc, err1, err2)
		}
		if got := Equal(a, b); got != tc.want {
			t.Errorf("Equal(%q, %q) = %v, want %v", tc.a, tc.b, got, tc.want)
		}
		if Equal(a, b) != Equal(b, a) {
			t.Errorf("Equal(%q, %q) is not symmetric", tc.a, tc.b)
		}
	}
}

// RFC 4826 §5.
func TestCanonical(t *testing.T) {
	for in, want := range map[string]string{
		"sip:%6aoe%20b@EXAMPLE.com":              "sip:joe%20b@example.com",
		"sip:Joe@example.com;Transport=UDP;lr":   "sip:Joe@example.com;lr;transport=udp",
		"sip:joe@example.com?Subject=x":          "sip:joe@example.com",
		"sip:a%3bb%2fc%40d@h":                    "sip:a;b/c%40d@h",
		"sip:value%2541@h":                       "sip:value%2541@h", // decoded once, RFC 4475 §3.1.1.3
		"sip:null-%00-null@h":                    "sip:null-%00-null@h",
		"sip:a@h;b=%41;a=%3b":                    "sip:a@h;a=%3B;b=A",
		"tel:+1-(201)-555.0123;ext=1-2;Isub=%41": "tel:+12015550123;ext=12;isub=a",
		"http://Example.com/x":                   "http://Example.com/x",
	} {
		got, err := Canonical(in)
		if err != nil || got != want {
			t.Errorf("Canonical(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
	if _, err := Canonical("bob"); !errors.Is(err, ErrSyntax) {
		t.Errorf("Canonical of no URI: %v", err)
	}
}

func TestAOR(t *testing.T) {
	for in, want := range map[string]string{
		"sip:bob@example.com":                        "sip:bob@example.com",
		"sip:Bob@EXAMPLE.com":                        "sip:Bob@example.com",
		"sip%3Abob%40example.test":                   "sip:bob@example.test",
		"sip%3abob@example.test":                     "sip:bob@example.test",
		"sip:bob%40example.test":                     "sip:bob@example.test",
		"bob%40example.test":                         "sip:bob@example.test",
		"bob@example.test":                           "sip:bob@example.test",
		"bob@example.test:5070":                      "sip:bob@example.test:5070",
		"pres:bob@example.test":                      "sip:bob@example.test",
		"sips:bob@example.test;transport=tls":        "sip:bob@example.test",
		"SIP:bob:secret@example.test:5060?Subject=x": "sip:bob@example.test:5060",
		" <sip:bob@example.test;x=y>;tag=1 ":         "sip:bob@example.test",
		`"Bob \"<b>\"" <sip:bob@example.test>;tag=1`: "sip:bob@example.test",
		"Bob <sip:bob@example.test>":                 "sip:bob@example.test",
		"sip:bob+presence@example.test":              "sip:bob+presence@example.test",
		"sip:bob%2bpresence@example.test":            "sip:bob+presence@example.test",
		"sip:a%20b@h":                                "sip:a%20b@h",
		"sip:a b@h":                                  "sip:a%20b@h",
		"sip:100%@h":                                 "sip:100%25@h",
		"sip%3Aa%2540b%40h":                          "sip:a%40b@h",
		"sip:null-%00@h":                             "sip:null-%00@h",
		"sip:\u00e9@h":                               "sip:%C3%A9@h",
		"sip:bob@example.test.":                      "sip:bob@example.test",
		"sip:bob@[2001:DB8::1]:5070":                 "sip:bob@[2001:db8::1]:5070",
		"sip:example.test":                           "sip:example.test",
		"tel:+1-201-555-0123":                        "tel:+12015550123",
		"sip:user;par=u%40example.net@example.com":   "sip:user;par=u%40example.net@example.com",
	} {
		got, err := AOR(in)
		if err != nil || got != want {
			t.Errorf("AOR(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
	for _, in := range []string{"", "bob", "sip:", "sip:@x", "@x", "sip:a@b@c", "sip:a\r@b", "http://x/", "mailto:a@b", "sip:a@b:x", "sip:a@b c", "tel:x", "*"} {
		if got, err := AOR(in); !errors.Is(err, ErrSyntax) {
			t.Errorf("AOR(%q) = %q, %v; want ErrSyntax", in, got, err)
		}
	}
}

func TestSplit(t *testing.T) {
	for in, want := range map[string][2]string{
		"sip:bob@example.com":    {"bob", "example.com"},
		"sip:bob@example.com:70": {"bob", "example.com:70"},
		"sip:example.com":        {"", "example.com"},
		"tel:+1":                 {"+1", ""},
	} {
		if u, d := Split(in); u != want[0] || d != want[1] {
			t.Errorf("Split(%q) = %q, %q", in, u, d)
		}
	}
}

// What is canonical is short enough to be read again.
func TestAORGrows(t *testing.T) {
	long := "<sip:" + strings.Repeat("|", MaxLength/2) + "@h>"
	if aor, err := AOR(long); !errors.Is(err, ErrSyntax) {
		t.Errorf("AOR of %d characters to escape has %d, %v", MaxLength/2, len(aor), err)
	}
}

// The short ways to an address-of-record lead where the long one does.
func sameAOR(t *testing.T, s string) {
	t.Helper()
	short, err1 := AOR(s)
	long, err2 := anyAOR(s)
	if short != long || (err1 == nil) != (err2 == nil) {
		t.Errorf("AOR(%q) is %q, %v; at length %q, %v", s, short, err1, long, err2)
	}
}

func TestShortWays(t *testing.T) {
	for _, s := range []string{
		"bob@h", "bob%40h", "sip%3Abob%40h", "sip%3abob@h", "sip:bob%40h", "sip%3A", "sip%3A@h", "%40h", "bob%40", "bob%40h.", "bob%40H",
		"bob%40h%3A5060", "bob@h:5060", "bob%40[::1]", "bob@[::1]", "a.b-c_d%40x-y.z", "b%2540h", "b%40h;x=1", "b%40c%40h", "b%40-h", "tel:1", "bob", "b b@h",
		strings.Repeat("a", MaxLength-3) + "@h", strings.Repeat("a", MaxLength-6) + "@h", strings.Repeat("a", MaxLength-8) + "%40h",
	} {
		sameAOR(t, s)
	}
}

func FuzzAOR(f *testing.F) {
	for _, s := range []string{"sip:bob@example.com", "sip%3Abob%40h", "<sip:a%zz@h;x>", "\"a\" <pres:b@[::1]:5060>", "tel:+1-2;ext=3", "sip:a%2525@h", "bob@h"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := Parse(s)
		if err == nil {
			if !Equal(u, u) {
				t.Errorf("%q is not equal to itself", s)
			}
			again, err := Parse(u.String())
			if err != nil || !Equal(again, u) {
				t.Errorf("%q: %q does not read back: %v", s, u.String(), err)
			}
			c, err := Canonical(s)
			if err != nil {
				t.Fatalf("Canonical(%q): %v", s, err)
			}
			if c2, err := Canonical(c); err != nil || c2 != c {
				t.Errorf("Canonical is not idempotent: %q -> %q -> %q, %v", s, c, c2, err)
			}
		}
		sameAOR(t, s)
		a, err := AOR(s)
		if err != nil {
			return
		}
		if b, err := AOR(a); err != nil || b != a {
			t.Errorf("AOR is not idempotent: %q -> %q -> %q, %v", s, a, b, err)
		}
		if _, err := Parse(a); err != nil {
			t.Errorf("AOR(%q) = %q is no URI: %v", s, a, err)
		}
	})
}

func BenchmarkAORPlain(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := AOR("sip:alice@example.com"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse("sip:14230856@127.0.0.1:45161;transport=tcp"); err != nil {
			b.Fatal(err)
		}
	}
}
