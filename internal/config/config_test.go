package config

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"
)

// parseArgs runs kong over Config the way the program does.
func parseArgs(t *testing.T, args ...string) (*Config, error) {
	t.Helper()
	var c Config
	k, err := kong.New(&c, kong.Resolvers(Resolver()), kong.Exit(func(int) { t.Fatal("kong exits") }))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.Parse(args); err != nil {
		return nil, err
	}
	return &c, c.Normalize()
}

func write(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "rollcall.yaml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestDefaults(t *testing.T) {
	c, err := parseArgs(t)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"localhost"}, c.Domain); diff != "" {
		t.Error(diff)
	}
	if c.Data != "rollcall-data" || c.Postgres() {
		t.Errorf("data %q, database %q", c.Data, c.Database)
	}
	if c.SIPListen[0] != "127.0.0.1:5060" || c.HTTPListen != "127.0.0.1:8080" || c.AdminListen != "127.0.0.1:8081" || c.XCAPRoot[0] != "/xcap-root" {
		t.Errorf("listeners: %+v", c)
	}
}

func TestFlagsOverEnvironmentOverFile(t *testing.T) {
	file := write(t, "domain: [a.example, b.example]\nmin-expires: 5s\nmax-expires: 3h\nhttp-listen: 127.0.0.1:1\ndemo: true\nmax-contacts: 3\ntrust:\n  - 10.0.0.0/8\n  - 192.0.2.1\n")
	t.Setenv("ROLLCALL_MIN_EXPIRES", "7s")
	t.Setenv("ROLLCALL_HTTP_LISTEN", "127.0.0.1:2")
	c, err := parseArgs(t, "--config", file, "--http-listen", "127.0.0.1:3")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a.example", "b.example"}, c.Domain); diff != "" {
		t.Error(diff)
	}
	if c.MinExpires != 7*time.Second || c.MaxExpires != 3*time.Hour || c.HTTPListen != "127.0.0.1:3" || !c.Demo || c.MaxContacts != 3 {
		t.Errorf("%+v", c)
	}
	p, err := c.TrustedPrefixes()
	if err != nil || len(p) != 2 || p[1].String() != "192.0.2.1/32" {
		t.Errorf("trust %v, %v", p, err)
	}
}

func TestFileFromEnvironment(t *testing.T) {
	t.Setenv("ROLLCALL_CONFIG", write(t, "max-contacts: 5\n"))
	c, err := parseArgs(t)
	if err != nil || c.MaxContacts != 5 {
		t.Fatalf("%+v, %v", c, err)
	}
}

func TestBadFiles(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"unknown key", "domain: a.example\nsip-listn: 127.0.0.1:0\n", `:2: unknown setting "sip-listn"`},
		{"twice", "data: a\ndata: b\n", `:2: setting "data" occurs twice`},
		{"bad number", "\nmax-contacts: many\n", ":2:"},
		{"bad choice", "pacing: fast\n", "pacing"},
		{"nested", "domain:\n  a: b\n", ":2: domain: expected a plain value"},
		{"not a mapping", "- a\n", ":1: expected settings"},
		{"not YAML", "a: [\n", "yaml"},
		{"file in the file", "config: x\n", `unknown setting "config"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if _, err := parseArgs(t, "--config", write(t, tc.text)); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want %q in it", err, tc.want)
			}
		})
	}
	if _, err := parseArgs(t, "--config", filepath.Join(t.TempDir(), "absent")); err == nil {
		t.Error("an absent file is accepted")
	}
	if _, err := parseArgs(t, "--config", write(t, "# nothing\n")); err != nil {
		t.Errorf("an empty file: %v", err)
	}
}

func TestNormalize(t *testing.T) {
	for _, tc := range []struct{ arg, want string }{
		{"--domain=not a domain", "domain"},
		{"--domain=-x.example", "domain"},
		{"--database=mysql://u:secret@h/db", "database"},
		{"--sip-listen=5060", "sip-listen"},
		{"--http-listen=127.0.0.1:99999", "http-listen"},
		{"--trust=10.0.0.0/99", "trust"},
		{"--min-expires=2h", "min-expires"},
		{"--max-expires=1m", "max-expires"},
		{"--default-expires=5h", "default-expires"},
		{"--max-contacts=0", "max-contacts"},
		{"--xcap-root=/", "xcap-root"},
		{"--shutdown-timeout=0s", "shutdown-timeout"},
	} {
		_, err := parseArgs(t, tc.arg)
		if err == nil || !strings.HasPrefix(err.Error(), tc.want+":") {
			t.Errorf("%s: error %v", tc.arg, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: error shows the password: %v", tc.arg, err)
		}
	}
	c, err := parseArgs(t, "--domain=EXAMPLE.Org", "--domain=example.org", "--xcap-root=xcap/")
	if err != nil || len(c.Domain) != 1 || c.Domain[0] != "example.org" || c.XCAPRoot[0] != "/xcap" {
		t.Errorf("%+v, %v", c, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("domain: [a, b]\n"))
	f.Add([]byte("a: &x [*x]\n"))
	f.Add([]byte("---\n...\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		values, err := parse("f", data)
		for k := range values {
			if err != nil || k == "" {
				t.Fatalf("key %q, error %v", k, err)
			}
		}
	})
}

// The manual has every setting with its environment variable and default, and no other.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	k, err := kong.New(new(Config))
	if err != nil {
		t.Fatal(err)
	}
	settings := make(map[string]bool)
	for _, f := range k.Model.Flags {
		settings[f.Name] = true
		if f.Name == "help" || f.Name == "config" {
			continue
		}
		row := "| `" + f.Name + "` | `" + f.Envs[0] + "` | "
		if f.Default != "" {
			row += "`" + f.Default + "` |"
		}
		if !strings.Contains(string(text), row) {
			t.Errorf("README.md has no row %s", row)
		}
	}
	rows := regexp.MustCompile("(?m)^\\| `([^`]+)`[^|]* \\| `ROLLCALL_").FindAllSubmatch(text, -1)
	for _, row := range rows {
		if !settings[string(row[1])] {
			t.Errorf("README.md has a row for %s, which is no setting", row[1])
		}
	}
	if len(rows) < len(settings)-1 {
		t.Errorf("%d rows for %d settings", len(rows), len(settings)-1)
	}
}

func TestHTTP(t *testing.T) {
	for _, tc := range []struct{ want, args string }{
		{"https-listen", "--https-listen=127.0.0.1:1"},
		{"https-listen", "--https-listen=1 --tls-cert=a --tls-key=b"},
		{"tls-key", "--tls-cert=a --tls-cert=b --tls-key=c"},
		{"tls-key", "--tls-key=c"},
		{"acme-domain", "--acme-domain=localhost"},
		{"acme-domain", "--acme-domain=*.example.org"},
		{"acme-directory", "--acme-directory=letsencrypt"},
		{"cors-origin", "--cors-origin=mail.example.org"},
		{"cors-origin", "--cors-origin=https://mail.example.org/"},
		{"cors-origin", "--cors-origin=null"},
		{"max-address-connections", "--max-address-connections=0"},
	} {
		if _, err := parseArgs(t, strings.Fields(tc.args)...); err == nil || !strings.HasPrefix(err.Error(), tc.want+":") {
			t.Errorf("%s: error %v", tc.args, err)
		}
	}
	c, err := parseArgs(t, "--https-listen=:443", "--tls-cert=a,b", "--tls-key=c,d", "--acme-domain=XCAP.example.org", "--cors-origin=https://Mail.example.org:8443,*")
	if err != nil || len(c.TLSCert) != 2 || c.TLSKey[1] != "d" || c.ACMEDomain[0] != "xcap.example.org" ||
		c.CORSOrigin[0] != "https://mail.example.org:8443" || c.CORSOrigin[1] != "*" || !c.TLS() {
		t.Errorf("%+v, %v", c, err)
	}
	if c, err := parseArgs(t, "--acme-domain=xcap.example.org"); err != nil || !c.TLS() {
		t.Errorf("%+v, %v", c, err)
	}
}
