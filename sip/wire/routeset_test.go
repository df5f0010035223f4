package wire

import (
	"slices"
	"testing"
)

// RFC 3261 §12.2.1.1: a strict router swaps places with the target.
func TestOver(t *testing.T) {
	const target = "sip:amy@192.0.2.7"
	for _, tc := range []struct {
		routes []string
		uri    string
		route  []string
	}{
		{nil, target, nil},
		{[]string{"<sip:p1;lr>", "<sip:p2>"}, target, []string{"<sip:p1;lr>", "<sip:p2>"}},
		{[]string{"\"P\" <sip:p1>;x=1", "<sip:p2;lr>"}, "sip:p1", []string{"<sip:p2;lr>", "<" + target + ">"}},
		{[]string{"<sip:p1>"}, "sip:p1", []string{"<" + target + ">"}},
		{[]string{"<not a URI"}, target, []string{"<not a URI"}},
	} {
		before := slices.Clone(tc.routes)
		uri, route := Over(tc.routes, target)
		if uri != tc.uri || !slices.Equal(route, tc.route) {
			t.Errorf("over %q: %s by %q, want %s by %q", tc.routes, uri, route, tc.uri, tc.route)
		}
		if !slices.Equal(tc.routes, before) {
			t.Errorf("the route set became %q", tc.routes)
		}
	}
}
