package route

import "testing"

func TestTable(t *testing.T) {
	table, err := Parse([]string{"a.example=sip:gw.example;transport=tcp", "B.example = deny", "c.example=sips:gw.example:5063", "*=dns", "d.example=dns-tls", "192.0.2.1=dns"})
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		domain, uri string
		tls, ok     bool
	}{
		{"a.example", "sip:gw.example;transport=tcp", false, true},
		{"b.example", "", false, false},
		{"c.example", "sips:gw.example:5063", true, true},
		{"d.example", "", true, true},
		{"x.example", "", false, true},
		{"192.0.2.1", "", false, true},
		{"192.0.2.2", "", false, false},
		{"[2001:db8::1]", "", false, false},
	} {
		hop, ok := table.Next(tc.domain)
		got := ""
		if hop.URI.Host != "" {
			got = hop.URI.String()
		}
		if ok != tc.ok || got != tc.uri || hop.TLS != tc.tls {
			t.Errorf("%s: %q TLS %v, %v", tc.domain, got, hop.TLS, ok)
		}
	}
	if _, ok := (Table{}).Next("a.example"); ok {
		t.Error("a way without a table")
	}
}

func TestParseRefuses(t *testing.T) {
	for _, rows := range [][]string{{"a"}, {"=dns"}, {"a=x"}, {"a=tel:+1"}, {"a=sip:user@h"}, {"a=dns", "A=deny"}, {"u@a=dns"}, {"a="}} {
		if _, err := Parse(rows); err == nil {
			t.Errorf("%q was accepted", rows)
		}
	}
}
