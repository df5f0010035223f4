package route

import "testing"

func TestTable(t *testing.T) {
	table, err := Parse([]string{"a.example=sip:gw.example;transport=tcp", "B.example = deny", "c.example=sips:gw.example:5063",
		"*=dns", "d.example=dns-tls", "192.0.2.1=dns", "e.example=in", "f.example=dns-tls out", "g.example=sips:gw.example  out"})
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		domain, uri               string
		tls, ok, denied, admitted bool
	}{
		{"a.example", "sip:gw.example;transport=tcp", false, true, false, false},
		{"b.example", "", false, false, true, false},
		{"c.example", "sips:gw.example:5063", true, true, false, true},
		{"d.example", "", true, true, false, true},
		{"e.example", "", false, false, true, true},
		{"f.example", "", true, true, false, false},
		{"g.example", "sips:gw.example", true, true, false, false},
		{"x.example", "", false, true, false, false},
		{"192.0.2.1", "", false, true, false, false},
		{"192.0.2.2", "", false, false, false, false},
		{"[2001:db8::1]", "", false, false, false, false},
	} {
		hop, ok := table.Next(tc.domain)
		got := ""
		if hop.URI.Host != "" {
			got = hop.URI.String()
		}
		if ok != tc.ok || got != tc.uri || hop.TLS != tc.tls {
			t.Errorf("%s: %q TLS %v, %v", tc.domain, got, hop.TLS, ok)
		}
		if denied, admitted := table.Denies(tc.domain), table.Admits(tc.domain); denied != tc.denied || admitted != tc.admitted {
			t.Errorf("%s: denied %v, admitted %v", tc.domain, denied, admitted)
		}
	}
	if _, ok := (Table{}).Next("a.example"); ok {
		t.Error("a way without a table")
	}
	if (Table{}).Denies("a.example") || (Table{}).Admits("a.example") {
		t.Error("the empty table says something")
	}
}

func TestParseRefuses(t *testing.T) {
	for _, rows := range [][]string{{"a"}, {"=dns"}, {"a=x"}, {"a=tel:+1"}, {"a=sip:user@h"}, {"a=dns", "A=deny"}, {"u@a=dns"}, {"a="},
		{"a=dns in"}, {"a=deny out"}, {"a=in out"}, {"a=dns-tls out out"}} {
		if _, err := Parse(rows); err == nil {
			t.Errorf("%q was accepted", rows)
		}
	}
}
