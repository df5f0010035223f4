package auth

import (
	"strconv"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"github.com/icholy/digest"
)

func TestParseCredentials(t *testing.T) {
	const rest = `realm="r", nonce="n", response="d"`
	for _, test := range []struct {
		name, line string
		want       credentials
	}{
		{"order and case do not matter", `digest RESPONSE="d",Nonce="n",realm="r",uri="u",UserName="a"`, credentials{username: "a", uri: "u"}},
		{"blanks, empty elements", "Digest  ,, username = \"a\" ,\t,uri=\"u\" , " + rest + " ,", credentials{username: "a", uri: "u"}},
		{"quoted pairs", `Digest username="a\"b\\c", uri="u", ` + rest, credentials{username: `a"b\c`, uri: "u"}},
		{"quotes inside the uri", `Digest username="a", uri="/x[@a="b"]", ` + rest, credentials{username: "a", uri: `/x[@a="b"]`}},
		{"quote and comma inside the uri", `Digest username="a", uri="/x[@a="b", "c"]", ` + rest, credentials{username: "a", uri: `/x[@a="b", "c"]`}},
		{"quoted tokens", `Digest username="a", uri="u", nc="00000001", qop="auth", algorithm="MD5", ` + rest,
			credentials{username: "a", uri: "u", nc: "00000001", qop: "auth", algorithm: "MD5"}},
		{"unknown parameters", `Digest username="a", uri="u", opaque="o", auth-param=x, charset=UTF-8, ` + rest, credentials{username: "a", uri: "u"}},
	} {
		got, err := parseCredentials(test.line)
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		test.want.realm, test.want.nonce, test.want.response, test.want.given = "r", "n", "d", got.given
		if d := cmp.Diff(test.want, got, cmp.AllowUnexported(credentials{})); d != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, d)
		}
	}
}

func TestParseCount(t *testing.T) {
	for s, want := range map[string]uint32{"00000001": 1, "0000000A": 10, "ffffffff": 1<<32 - 1} {
		if got, ok := parseCount(s); !ok || got != want {
			t.Errorf("%s: %d %v", s, got, ok)
		}
	}
	for _, s := range []string{"", "1", "0000000g", "000000001", "-0000001", "0x000001"} {
		if _, ok := parseCount(s); ok {
			t.Errorf("%q was accepted", s)
		}
	}
}

// Whatever another implementation reads as complete credentials we read the
// same way, and nothing makes the parser fail other than with an error.
func FuzzParseCredentials(f *testing.F) {
	for _, seed := range []string{
		`Digest username="a", realm="r", nonce="n", uri="u", response="d", qop=auth, nc=00000001, cnonce="c"`,
		`Digest username="a\"b", realm="r", nonce="n", uri="/x[@a="b"]", response="d"`,
		`Digest username="a", uri="/x", =`, `Digest "`, `Digest a="\`, "Digest ,,,=,", `digest x=y z`, "Basic QQ==", "",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		c, err := parseCredentials(line)
		if err != nil {
			return
		}
		for _, v := range []string{c.username, c.realm, c.nonce, c.uri, c.response} {
			if len(v) > len(line) {
				t.Errorf("%q grew from %q", v, line)
			}
			if strings.ContainsFunc(v, unicode.IsControl) {
				return // comes through escaped only, and quote does not do that
			}
		}
		// What was read, written properly, is read the same again.
		var b strings.Builder
		b.WriteString("Digest ")
		quote := func(name, value string) {
			b.WriteString(name + `="` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(value) + `", `)
		}
		quote("username", c.username)
		quote("realm", c.realm)
		quote("nonce", c.nonce)
		quote("uri", c.uri)
		quote("response", c.response)
		again, err := parseCredentials(b.String())
		if len(b.String()) > maxCredentials {
			return
		}
		if err != nil || again.username != c.username || again.realm != c.realm || again.nonce != c.nonce ||
			again.uri != c.uri || again.response != c.response {
			t.Errorf("%q was read as %+v, and written as %q read as %+v, %v", line, c, b.String(), again, err)
		}
	})
}

func FuzzAgainstOracle(f *testing.F) {
	f.Add("alice", "example.com", "n", "sip:bob@example.com", "0a")
	f.Add(`a"b\`, "r", "n", `/x[@a="b"]`, "c,d=")
	f.Fuzz(func(t *testing.T, username, realm, nonce, uri, cnonce string) {
		for _, s := range []string{username, realm, nonce, uri, cnonce} {
			if strconv.Quote(s) != `"`+s+`"` {
				return // the other implementation quotes as Go does
			}
		}
		if len(username)+len(realm)+len(nonce)+len(uri)+len(cnonce) > maxCredentials/2 {
			return
		}
		line := (&digest.Credentials{Username: username, Realm: realm, Nonce: nonce, URI: uri, Response: "d", Algorithm: "MD5",
			Cnonce: cnonce, QOP: "auth", Nc: 1}).String()
		c, err := parseCredentials(line)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if c.username != username || c.realm != realm || c.nonce != nonce || c.uri != uri || c.cnonce != cnonce || c.nc != "00000001" {
			t.Errorf("%q was read as %+v", line, c)
		}
	})
}

func BenchmarkParseCredentials(b *testing.B) {
	line := `Digest username="alice", realm="example.com", nonce="AAYx0000000000000000000000000000000000000000", uri="sip:alice@example.com", algorithm=SHA-256, cnonce="0a4f113b", qop=auth, nc=00000001, response="753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"`
	b.ReportAllocs()
	for b.Loop() {
		if _, err := parseCredentials(line); err != nil {
			b.Fatal(err)
		}
	}
}
