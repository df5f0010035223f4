package route

import (
	"fmt"
	"net"
	"strings"

	"rollcall/internal/sipuri"
)

// Hop is where requests for a domain go.
type Hop struct {
	URI sipuri.URI // of a server; without a Host: find the servers of the domain (RFC 3263)
	TLS bool       // nothing else will do
}

// Table maps domains to hops. The zero Table has no way to anywhere.
type Table struct {
	hops map[string]*Hop // nil: denied
}

// others is the domain of the row for domains without one of their own.
const others = "*"

// Parse reads rows of the form DOMAIN=WAY. DOMAIN is a name or "*" for all that
// have no row; WAY is deny, dns, dns-tls or the SIP URI of a server, sips for TLS.
func Parse(rows []string) (Table, error) {
	t := Table{hops: make(map[string]*Hop, len(rows))}
	for _, row := range rows {
		domain, way, ok := strings.Cut(row, "=")
		domain, way = strings.ToLower(strings.TrimSpace(domain)), strings.TrimSpace(way)
		if !ok || domain == "" || strings.ContainsAny(domain, "@: \t") {
			return Table{}, fmt.Errorf("%q is not DOMAIN=deny, DOMAIN=dns, DOMAIN=dns-tls or DOMAIN=URI", row)
		}
		if _, twice := t.hops[domain]; twice {
			return Table{}, fmt.Errorf("%q is there twice", domain)
		}
		hop, err := parseWay(way)
		if err != nil {
			return Table{}, fmt.Errorf("%q: %w", row, err)
		}
		t.hops[domain] = hop
	}
	return t, nil
}

func parseWay(way string) (*Hop, error) {
	switch way {
	case "deny":
		return nil, nil
	case "dns":
		return &Hop{}, nil
	case "dns-tls":
		return &Hop{TLS: true}, nil
	}
	uri, err := sipuri.Parse(way)
	if err != nil {
		return nil, err
	}
	if uri.Scheme != "sip" && uri.Scheme != "sips" || uri.Host == "" || uri.HasUser {
		return nil, fmt.Errorf("%s is not the SIP URI of a server", way)
	}
	return &Hop{URI: uri, TLS: uri.Scheme == "sips"}, nil
}

// Denies reports whether there is a row that says no to a domain.
func (t Table) Denies(domain string) bool {
	h, found := t.hops[domain]
	if !found && net.ParseIP(strings.Trim(domain, "[]")) == nil {
		h, found = t.hops[others]
	}
	return found && h == nil
}

// Next returns the way to a domain, which is in lower case; ok=false: there is
// none. Addresses are not names: they need a row of their own, so that "*" does
// not open a network that happens to be reachable.
func (t Table) Next(domain string) (hop Hop, ok bool) {
	h, found := t.hops[domain]
	if !found && net.ParseIP(strings.Trim(domain, "[]")) == nil {
		h = t.hops[others]
	}
	if h == nil {
		return Hop{}, false
	}
	return *h, true
}
