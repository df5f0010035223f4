package wire

import (
	"fmt"
	"slices"

	"rollcall/internal/sipuri"
)

// RouteSet returns what Record-Route or Path lists, in order: SIP addresses, which we
// are to send later requests over.
func (r *Request) RouteSet(name string) ([]string, error) {
	routes := r.Values(name)
	for _, route := range routes {
		u, err := sipuri.Parse(AddrSpec(route))
		if err != nil || u.Scheme != "sip" && u.Scheme != "sips" {
			return nil, fmt.Errorf("%w: in %s", errGrammar, name)
		}
	}
	return routes, nil
}

// Over returns the Request-URI of a request to target over a route set, and what
// its Route header names: a strict router as the first hop wants its own address
// in the Request-URI (RFC 3261 §12.2.1.1, §16.6 step 6).
func Over(routes []string, target string) (requestURI string, route []string) {
	if len(routes) == 0 || LooseRouter(routes[0]) {
		return target, routes
	}
	return AddrSpec(routes[0]), append(slices.Clone(routes[1:]), "<"+target+">")
}

// LooseRouter reports whether a route is that of a loose router. What cannot be
// read is taken for one.
func LooseRouter(route string) bool {
	u, err := sipuri.Parse(AddrSpec(route))
	if err != nil {
		return true
	}
	_, lr := u.Param("lr")
	return lr
}

// AddrSpec returns the URI of a name-addr, "" when it cannot be read.
func AddrSpec(nameAddr string) string {
	n, err := ParseNameAddr(nameAddr)
	if err != nil {
		return ""
	}
	return n.URI
}
