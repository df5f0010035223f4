package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDelegates(t *testing.T) {
	c, err := parseArgs(t, "--domain=example.org",
		"--delegates=assistant@Example.Org=boss@example.org:resource-lists", "--delegates=a=sip:b:*:write", "--delegates=sip:a@example.net=b")
	if err != nil {
		t.Fatal(err)
	}
	want := []Delegate{
		{User: "sip:assistant@example.org", Owner: "sip:boss@example.org", AUID: "resource-lists"},
		{User: "sip:a@example.org", Owner: "sip:b@example.org", Write: true},
		{User: "sip:a@example.net", Owner: "sip:b@example.org"},
	}
	got, err := c.Grants(c.Domain[0])
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	for _, bad := range []string{"a", "a=", "=b", "a=b:", "a=b:x:read", "a=b:x:write:y", "a=b:x/y", "a b@=c"} {
		if _, err := parseArgs(t, "--delegates="+bad); err == nil || !strings.Contains(err.Error(), "delegates") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestDelegatesInFile(t *testing.T) {
	c, err := parseArgs(t, "--config="+write(t, `
domain: example.org
delegates:
  - {user: assistant, for: [boss, sip:chef@example.net], auid: [resource-lists, rls-services], write: true}
  - user: viewer
    for: boss
  - intern=boss:pres-rules
`))
	if err != nil {
		t.Fatal(err)
	}
	grant := func(user, owner, auid string, write bool) Delegate {
		return Delegate{User: "sip:" + user + "@example.org", Owner: "sip:" + owner, AUID: auid, Write: write}
	}
	want := []Delegate{
		grant("assistant", "boss@example.org", "resource-lists", true),
		grant("assistant", "boss@example.org", "rls-services", true),
		grant("assistant", "chef@example.net", "resource-lists", true),
		grant("assistant", "chef@example.net", "rls-services", true),
		grant("viewer", "boss@example.org", "", false),
		grant("intern", "boss@example.org", "pres-rules", false),
	}
	got, err := c.Grants(c.Domain[0])
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	for _, bad := range []string{
		"delegates: [{user: a}]", "delegates: [{for: a}]", "delegates: [{user: [a, b], for: c}]", "delegates: [{user: a, for: b, write: often}]",
		"delegates: [{user: a, for: b, usage: c}]", "delegates: [[a]]", "delegates: [{user: a, for: {b: c}}]", "delegates: {user: a, for: b}",
	} {
		if _, err := parseArgs(t, "--config="+write(t, bad)); err == nil || !strings.Contains(err.Error(), "delegates") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestXCAPUsers(t *testing.T) {
	c, err := parseArgs(t, "--domain=example.org", "--super-users=sip:Admin@EXAMPLE.org,import", "--global-readers=rls")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"sip:Admin@example.org", "sip:import@example.org"}, c.SuperUsers); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"sip:rls@example.org"}, c.GlobalReaders); diff != "" {
		t.Error(diff)
	}
	for _, bad := range []string{"--super-users=@", "--global-readers=a@", "--max-documents=0", "--max-total-bytes=-1", "--write-rate=-1", "--write-rate=NaN", "--write-burst=0", "--max-icon-bytes=0", "--max-entries=0"} {
		name, _, _ := strings.Cut(strings.TrimPrefix(bad, "--"), "=")
		if _, err := parseArgs(t, bad); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func FuzzDelegate(f *testing.F) {
	for _, seed := range []string{"a=b", "a@x=sip:b@y:resource-lists:write", "a=b:*", "=", "a=b:c:d:e", "sip:a=b", "a%40x=b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		g, err := parseDelegate(text, "example.org")
		if err != nil {
			return
		}
		if !strings.HasPrefix(g.User, "sip:") || !strings.HasPrefix(g.Owner, "sip:") {
			t.Fatalf("%q: %+v", text, g)
		}
		auid := g.AUID
		if auid == "" {
			auid = everyAUID
		}
		again := g.User + "=" + g.Owner + ":" + auid
		if g.Write {
			again += ":write"
		}
		if strings.ContainsAny(g.User, "=") || strings.Contains(g.Owner[4:], ":") {
			t.Skip("not writable in the compact form")
		}
		if h, err := parseDelegate(again, "example.org"); err != nil || h != g {
			t.Errorf("%q: %+v, %q: %+v, %v", text, g, again, h, err)
		}
	})
}
